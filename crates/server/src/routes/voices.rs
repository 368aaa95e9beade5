//! What the objects of an Application say, on Argo CD's paths: the logs of its pods, and Events.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use cluster::LogOptions;
use control::Pick;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::applications::Named;
use super::guard;
use super::lines::Lines;
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Query;
use crate::overview::pause;
use crate::views::{EventList, LogEntry};

/// How often it is asked whether the session and the right still hold.
const ASKED: std::time::Duration = std::time::Duration::from_secs(2);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct LogQuery {
    /// Of an object of the Application: its pods, or itself.
    group: String,
    kind: String,
    namespace: String,
    resource_name: String,
    /// One pod.
    pod_name: String,
    /// The one that the pod names, or its first, when absent.
    container: String,
    /// So many of the last lines of each pod.
    tail_lines: Option<u32>,
    since_seconds: Option<u32>,
    /// Go on with what is printed from now on.
    follow: bool,
    /// Of the container before the last restart.
    previous: bool,
}

impl LogQuery {
    fn pick(&self) -> Pick {
        let Self { group, kind, namespace, resource_name: name, pod_name, .. } = self;
        let of = |kind: &str, name: &str| Pick {
            group: group.clone(),
            kind: kind.to_owned(),
            namespace: namespace.clone(),
            name: name.to_owned(),
            ..Pick::default()
        };
        if pod_name.is_empty() { of(kind, name) } else { Pick { group: String::new(), ..of("Pod", pod_name) } }
    }

    fn options(&self) -> LogOptions {
        LogOptions {
            container: self.container.clone(),
            follow: self.follow,
            previous: self.previous,
            timestamps: false,
            tail_lines: self.tail_lines,
            since_seconds: self.since_seconds,
        }
    }
}

/// One JSON object a line. It ends with the log, or with the session or the right of who reads.
pub(super) async fn logs(
    State(server): State<Server>,
    headers: HeaderMap,
    named: Named,
    Query(query): Query<LogQuery>,
    asker: Asker,
) -> Result<Lines<LogEntry>, ApiError> {
    let app = named.app(&asker)?;
    let followed = query.follow.then(|| server.streams.follow(&asker.identity().user)).transpose()?;
    let lines = asker.controller().logs(&app, &query.pick(), &query.options()).await?;
    let ended = async move {
        let _followed = followed;
        loop {
            pause(ASKED).await;
            let who = guard::identify(&server, &headers).map(|identity| asker.again(identity));
            if !who.is_ok_and(|asker| named.app(&asker).is_ok()) {
                return;
            }
        }
    };
    Ok(Lines::new(lines.map(LogEntry::from).take_until(ended)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct EventQuery {
    /// Of an object of the Application; of the Application itself when nothing is said.
    resource_group: String,
    resource_kind: String,
    resource_namespace: String,
    resource_name: String,
    #[serde(rename = "resourceUID")]
    #[param(rename = "resourceUID")]
    resource_uid: String,
}

pub(super) async fn events(
    named: Named,
    Query(query): Query<EventQuery>,
    asker: Asker,
) -> Result<Json<EventList>, ApiError> {
    let app = named.app(&asker)?;
    let EventQuery { resource_group, resource_kind, resource_namespace, resource_name, resource_uid } = query;
    let pick = Pick {
        group: resource_group,
        kind: resource_kind,
        namespace: resource_namespace,
        name: resource_name,
        uid: resource_uid,
    };
    Ok(Json(asker.controller().events(&app, &pick).await?.into()))
}
