//! Kinds whose definition changes the versions in which they are served.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clock::ScaledClock;
use cluster::{Cluster, LiveCache};
use futures::stream::{StreamExt, once, pending};
use object::{GroupKind, ResourceKey};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A server with one object, `w`, of the kind `Widget`, and its definition.
#[derive(Clone)]
struct Server {
    /// Served, the preferred one first.
    served: watch::Sender<Vec<&'static str>>,
    /// Whether open watches of widgets end when that changes.
    ends_watches: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(ends_watches: bool) -> (Self, LiveCache) {
        let server = Self { served: watch::Sender::new(vec!["v1beta1"]), ends_watches, asked: Arc::default() };
        let router = axum::Router::new().fallback(answer).with_state(server.clone());
        let cluster = Cluster::from_service(router, Arc::new(ScaledClock::starting_now(100.0)));
        (server, LiveCache::new(cluster, Arc::new(|_| Some(Arc::from("web")))))
    }

    fn definition(served: &[&str]) -> Value {
        let versions: Vec<Value> =
            ["v1beta1", "v1"].iter().map(|name| json!({"name": name, "served": served.contains(name)})).collect();
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.x.io", "uid": "crd", "resourceVersion": (served.len() + 2).to_string()},
            "spec": {"group": "x.io", "names": {"kind": "Widget"}, "versions": versions}})
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    server.asked.lock().unwrap().push(path.to_owned());
    let served = server.served.borrow().clone();
    let kinds = |name: &str, kind: &str| {
        Json(json!({"resources": [{"name": name, "kind": kind, "namespaced": false, "verbs": ["list"]}]}))
            .into_response()
    };
    let list = |items: Value| Json(json!({"metadata": {"resourceVersion": "2"}, "items": items})).into_response();
    let versions = |versions: &[&str]| versions.iter().map(|name| json!({"version": name})).collect::<Vec<_>>();
    match path {
        "/api" => Json(json!({"versions": []})).into_response(),
        "/apis" => {
            let group = |name: &str, all: &[&str]| json!({"name": name, "versions": versions(all), "preferredVersion": {"version": all[0]}});
            let groups = [group("x.io", &served), group("apiextensions.k8s.io", &["v1"])];
            Json(json!({ "groups": groups })).into_response()
        }
        "/apis/apiextensions.k8s.io/v1" => kinds("customresourcedefinitions", "CustomResourceDefinition"),
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" if !query.contains("watch=true") => {
            list(json!([Server::definition(&served)]))
        }
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" => {
            let mut changes = server.served.subscribe();
            let changed = once(async move {
                changes.changed().await.unwrap();
                let event = json!({"type": "MODIFIED", "object": Server::definition(&changes.borrow())});
                Ok::<_, std::io::Error>(format!("{event}\n"))
            });
            Body::from_stream(changed.chain(pending())).into_response()
        }
        _ => {
            let path = path.trim_start_matches("/apis/x.io/").to_owned();
            let (version, rest) = path.split_once('/').unwrap_or((&path, ""));
            match (served.contains(&version), rest) {
                (true, "") => kinds("widgets", "Widget"),
                (true, "widgets") if query.contains("watch=true") => {
                    let (mut changes, ends) = (server.served.subscribe(), server.ends_watches);
                    let end = async move {
                        changes.changed().await.unwrap();
                        if !ends {
                            std::future::pending::<()>().await;
                        }
                    };
                    let silent = pending::<Result<String, std::io::Error>>().take_until(Box::pin(end));
                    Body::from_stream(silent).into_response()
                }
                (true, "widgets") => {
                    list(json!([{"metadata": {"name": "w", "uid": "w", "resourceVersion": "1"}, "spec": version}]))
                }
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        }
    }
}

async fn check(ends_watches: bool, kinds: &[(&str, &str)], served: &[&'static str]) {
    let (server, cache) = Server::start(ends_watches);
    for (group, kind) in kinds {
        cache.ensure(&GroupKind::new(*group, *kind)).await.unwrap();
    }
    let mut touches = cache.touches();
    let key = ResourceKey::new("x.io", "Widget", "", "w");
    let form = || cache.peek(&key).map(|widget| widget.gvk().version);
    assert_eq!(form().as_deref(), Some("v1beta1"));
    server.served.send_replace(served.to_vec());
    let moved = async {
        while form().as_deref() != Some("v1") {
            touches.recv().await.unwrap();
        }
    };
    let moved = tokio::time::timeout(Duration::from_secs(20), moved).await;
    assert!(moved.is_ok(), "{:?}", server.asked.lock().unwrap());
    assert_eq!(cache.peek(&key).unwrap().value()["spec"], "v1", "as that version has it");
    assert!(cache.outage().is_none());
}

const WIDGET: (&str, &str) = ("x.io", "Widget");
const DEFINITION: (&str, &str) = ("apiextensions.k8s.io", "CustomResourceDefinition");

#[tokio::test]
async fn a_version_that_is_not_served_any_more_is_left() {
    check(true, &[WIDGET], &["v1"]).await;
}

#[tokio::test]
async fn a_watch_that_the_server_ends_goes_on_in_the_preferred_version() {
    check(true, &[WIDGET], &["v1", "v1beta1"]).await;
}

#[tokio::test]
async fn a_definition_that_changes_moves_watches_that_are_open() {
    check(false, &[WIDGET, DEFINITION], &["v1", "v1beta1"]).await;
}
