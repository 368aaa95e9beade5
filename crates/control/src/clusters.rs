//! The clusters as Argo CD's API tells of them.

use api::argocd::ClusterSecret;
use jiff::Timestamp;
use serde::Serialize;

use crate::controller::Controller;
use crate::sites::{NotConnected, Site};

/// One cluster that Applications may name. Credentials are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedCluster {
    pub server: String,
    pub name: String,
    /// Empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    pub connection_state: ConnectionState,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_version: String,
}

/// Whether a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionState {
    pub status: ConnectionStatus,
    pub message: String,
    /// Since when it is so, where that is known.
    #[serde(rename = "attemptedAt")]
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ConnectionStatus {
    Successful,
    Failed,
    /// Nobody deploys there.
    Unknown,
}

impl Controller {
    /// Every cluster, by server.
    pub fn clusters(&self) -> Vec<ConnectedCluster> {
        let all = self.context.sites.all().into_iter();
        all.map(|(secret, site)| match site {
            Ok(site) => cluster(&secret, state(&site), site.known_version()),
            Err(error) => cluster(&secret, failed(&error, None), None),
        })
        .collect()
    }
}

fn cluster(secret: &ClusterSecret, connection_state: ConnectionState, version: Option<&str>) -> ConnectedCluster {
    ConnectedCluster {
        server: secret.server.clone(),
        name: secret.name.clone(),
        namespaces: secret.namespaces.clone(),
        project: secret.project.clone(),
        connection_state,
        server_version: version.unwrap_or_default().to_owned(),
    }
}

fn state(site: &Site) -> ConnectionState {
    if let Err(out) = site.answers() {
        return failed(&out, site.live.outage().map(|(since, _)| since));
    }
    let kinds = site.live.kinds();
    match kinds.is_empty() {
        true => ConnectionState {
            status: ConnectionStatus::Unknown,
            message: "Cluster has no applications and is not being monitored.".to_owned(),
            since: None,
        },
        false => ConnectionState {
            status: ConnectionStatus::Successful,
            message: String::new(),
            since: site.watched_since(&kinds),
        },
    }
}

fn failed(error: &NotConnected, since: Option<Timestamp>) -> ConnectionState {
    ConnectionState { status: ConnectionStatus::Failed, message: error.to_string(), since }
}
