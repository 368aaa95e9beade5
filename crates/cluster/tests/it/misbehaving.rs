//! Watches and discovery against a server that closes, forgets and falls silent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clock::ScaledClock;
use cluster::{Bounds, Cause, Cluster, ClusterError, Limits, LiveCache, Login, Scope, WatchEvent, WatchStream};
use object::{GroupKind, LiveObject, ResourceKey};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// The next answers to list and watch requests, in order. When none is left, a watch stays open and silent.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    discoveries: Arc<AtomicUsize>,
}

enum Answer {
    List(&'static str, Value),
    /// Lines, then the end of the connection.
    Watch(&'static str, Vec<Value>),
    Fail(StatusCode),
}

fn map(name: &str, version: u32) -> Value {
    json!({"metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": version.to_string()}})
}

fn event(kind: &str, name: &str, version: u32) -> Value {
    let mut object = map(name, version);
    object["apiVersion"] = "v1".into();
    object["kind"] = "ConfigMap".into();
    json!({"type": kind, "object": object})
}

fn server(answers: Vec<Answer>) -> (Cluster, Script) {
    let script = Script { answers: Arc::new(Mutex::new(answers.into())), discoveries: Arc::default() };
    let shared = script.clone();
    let router = axum::Router::new().fallback(move |request: Request| {
        let script = shared.clone();
        async move { answer(&script, &request) }
    });
    (Cluster::from_service(router, Arc::new(ScaledClock::starting_now(100.0))), script)
}

fn answer(script: &Script, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    match request.uri().path() {
        "/api" => {
            script.discoveries.fetch_add(1, Ordering::SeqCst);
            Json(json!({"kind": "APIVersions", "versions": ["v1"]})).into_response()
        }
        "/api/v1" => {
            let resource = json!({"name": "configmaps", "kind": "ConfigMap", "namespaced": true, "verbs": ["get"]});
            Json(json!({"kind": "APIResourceList", "resources": [resource]})).into_response()
        }
        "/apis" => Json(json!({"kind": "APIGroupList", "groups": []})).into_response(),
        "/api/v1/configmaps" => match script.answers.lock().unwrap().pop_front() {
            Some(Answer::List(version, items)) => {
                assert!(!query.contains("watch=true"), "expected a list, got {query}");
                Json(json!({"metadata": {"resourceVersion": version}, "items": items})).into_response()
            }
            Some(Answer::Watch(from, lines)) => {
                assert!(query.contains(&format!("resourceVersion={from}&")), "expected a watch from {from}: {query}");
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Body::from(text).into_response()
            }
            Some(Answer::Fail(code)) => code.into_response(),
            None => Body::from_stream(tokio_stream::pending::<Result<String, std::io::Error>>()).into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The events as short texts, as many as expected.
async fn check(answers: Vec<Answer>, expected: &[&str]) {
    let (cluster, _) = server(answers);
    let mut watch: WatchStream = cluster.watch(Scope::from(GroupKind::new("", "ConfigMap")));
    let mut events = Vec::new();
    while events.len() < expected.len() {
        events.push(match watch.recv().await.unwrap() {
            WatchEvent::Listed { objects, .. } => format!("listed {}", objects.len()),
            WatchEvent::Applied(object) => format!("applied {}", object.name()),
            WatchEvent::Deleted(object) => format!("deleted {}", object.name()),
            WatchEvent::Lost(_) => "lost".to_owned(),
            WatchEvent::Resumed => "resumed".to_owned(),
        });
    }
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_closed_watch_goes_on_where_it_was() {
    let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}});
    check(
        vec![
            Answer::List("5", json!([map("a", 3)])),
            Answer::Watch("5", vec![event("ADDED", "b", 6), bookmark]),
            Answer::Watch("9", vec![event("DELETED", "a", 10)]),
        ],
        &["listed 1", "applied b", "deleted a"],
    )
    .await;
}

#[tokio::test]
async fn a_forgotten_history_is_listed_again() {
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
    check(
        vec![
            Answer::List("5", json!([map("a", 3)])),
            Answer::Watch("5", vec![expired]),
            Answer::List("50", json!([map("a", 3), map("b", 40)])),
            Answer::Watch("50", vec![event("MODIFIED", "b", 51)]),
            Answer::Fail(StatusCode::GONE),
            Answer::List("70", json!([])),
        ],
        &["listed 1", "listed 2", "applied b", "listed 0"],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_waited_for_and_said_once() {
    let gone = || Answer::Fail(StatusCode::SERVICE_UNAVAILABLE);
    check(
        vec![
            gone(),
            gone(),
            Answer::List("5", json!([])),
            gone(),
            gone(),
            gone(),
            Answer::Watch("5", vec![event("ADDED", "b", 6)]),
        ],
        &["lost", "listed 0", "lost", "resumed", "applied b"],
    )
    .await;
}

#[tokio::test]
async fn a_kind_that_is_missing_is_not_asked_for_again_and_again() {
    let (cluster, script) = server(vec![]);
    let kind = GroupKind::new("x.io", "Thing");
    for _ in 0..20 {
        assert!(matches!(cluster.resource(&kind).await, Err(ClusterError::UnknownKind { .. })));
    }
    assert!(script.discoveries.load(Ordering::SeqCst) < 20);
    let before = script.discoveries.load(Ordering::SeqCst);
    cluster.forget_unknown_kinds().await;
    assert!(cluster.resource(&kind).await.is_err());
    assert_eq!(script.discoveries.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn a_relist_removes_from_the_cache_what_is_gone() {
    let (cluster, _) = server(vec![
        Answer::List("5", json!([map("a", 3), map("b", 4)])),
        Answer::Watch("5", vec![event("ADDED", "c", 6)]),
        Answer::Fail(StatusCode::GONE),
        Answer::List("9", json!([map("b", 8)])),
    ]);
    let cache = LiveCache::new(cluster, Arc::new(|object| Some(Arc::from(object.name()))));
    let mut touches = cache.touches();
    cache.ensure(&GroupKind::new("", "ConfigMap")).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 6 {
        let touch = touches.recv().await.unwrap();
        told.push((touch.key.name.clone(), touch.deleted));
    }
    assert_eq!(cache.len(), 1);
    assert!(told.contains(&("a".to_owned(), true)) && told.contains(&("c".to_owned(), true)), "{told:?}");
    assert_eq!(cache.belonging_to("b").len(), 1);
}

#[tokio::test]
async fn an_outage_is_known_until_it_is_over() {
    let gone = || Answer::Fail(StatusCode::BAD_GATEWAY);
    let (cluster, _) = server(vec![
        gone(),
        Answer::List("5", json!([map("a", 3)])),
        gone(),
        gone(),
        Answer::Watch("5", vec![event("ADDED", "b", 6)]),
    ]);
    let cache = LiveCache::new(cluster, Arc::new(|object| Some(Arc::from(object.name()))));
    let (kind, mut touches) = (GroupKind::new("", "ConfigMap"), cache.touches());
    assert_eq!(cache.outage().map(|(since, _)| since), None, "nothing was asked for");
    assert!(cache.ensure(&kind).await.is_err());
    let mut told = Vec::new();
    while told.len() < 4 {
        let touch = touches.recv().await.unwrap();
        told.push((touch.key.name.clone(), touch.owners.len()));
    }
    let expected = [("a", 1), ("", 1), ("", 1), ("b", 1)].map(|(name, owners)| (name.to_owned(), owners));
    assert_eq!(told, expected, "who belongs there is told when the server is back");
    assert!(cache.outage().is_none() && cache.watched_since([&kind], |_| true).is_some());
    assert_eq!(cache.watched_since([&kind, &GroupKind::new("", "Pod")], |_| true), None, "pods are not watched");
}

/// Config maps that may be listed in namespace `a` and not in `b`.
fn half_closed() -> Cluster {
    let script = Script { answers: Arc::default(), discoveries: Arc::default() };
    let router = axum::Router::new().fallback(move |request: Request| {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let response = match path {
            "/api/v1/namespaces/a/configmaps" if query.contains("watch=true") => {
                Body::from_stream(tokio_stream::pending::<Result<String, std::io::Error>>()).into_response()
            }
            "/api/v1/namespaces/a/configmaps" => {
                Json(json!({"metadata": {"resourceVersion": "5"}, "items": [map("x", 3)]})).into_response()
            }
            path if path.starts_with("/api/v1/namespaces/b/configmaps") => {
                let message = "configmaps is forbidden: User \"u\" cannot list resource \"configmaps\" in API group \"\" in \
                               the namespace \"b\"";
                (StatusCode::FORBIDDEN, Json(json!({"kind": "Status", "code": 403, "message": message}))).into_response()
            }
            _ => answer(&script, &request),
        };
        async move { response }
    });
    Cluster::from_service(router, Arc::new(ScaledClock::starting_now(100.0)))
}

#[tokio::test]
async fn what_may_not_be_read_in_one_namespace_may_be_read_in_others() {
    let bounds = Bounds { namespaces: vec!["a".into(), "b".into()], cluster_scoped: false };
    let tracker = Arc::new(|object: &LiveObject| Some(Arc::from(object.name())));
    let cache = LiveCache::within(half_closed(), tracker, bounds, broadcast::Sender::new(16));
    let kind = GroupKind::new("", "ConfigMap");
    let named = |name: &str| [name.to_owned()].into();
    cache.ensure_in(&kind, &named("a")).await.unwrap();
    let refused = cache.ensure_in(&kind, &named("b")).await.unwrap_err();
    assert!(refused.to_string().contains("gantline install --manage b"), "{refused}");
    assert!(cache.ensure(&kind).await.is_err(), "not everywhere");
    assert!(cache.watched_since([&kind], |namespace| namespace == "a").is_some());
    assert!(cache.watched_since([&kind], |_| true).is_none() && cache.outage().is_none());
    let key = |namespace: &str| ResourceKey::new("", "ConfigMap", namespace, "unknown");
    assert!(cache.get(&key("a")).await.unwrap().is_none());
    let unknown = cache.get(&key("b")).await;
    assert!(matches!(unknown, Err(ClusterError::Forbidden { .. })), "nobody knows, so it is not absent: {unknown:?}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_by_one_after_the_other() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = axum::Router::new().fallback(move || {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<StatusCode>()
    });
    let limits = Limits { at_once: 1, answer_within: Duration::from_millis(50) };
    let cluster = Cluster::from_service(router, Arc::new(ScaledClock::wall())).limited(limits);
    let kind = GroupKind::new("", "ConfigMap");
    let errors = futures::future::join_all((0..20).map(|_| cluster.resource(&kind))).await;
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, ClusterError::Unreachable { cause: Cause::Silent, .. }), "{error:?}");
        assert!(error.is_outage() && error.to_string().ends_with("no answer within 0.05 s"), "{error}");
    }
    assert!(asked.load(Ordering::SeqCst) <= 2, "one look for all");
}

#[tokio::test]
async fn why_a_server_cannot_be_reached_is_told_apart() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let spoken = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for (server, expected) in [
        (format!("http://{nobody}"), Cause::Refused),
        ("http://nowhere.invalid".to_owned(), Cause::UnknownName),
        (format!("https://{spoken}"), Cause::Untrusted),
    ] {
        let login = Login { server: server.clone(), ..Login::default() };
        let cluster = Cluster::log_in(&login, Arc::new(ScaledClock::wall())).unwrap();
        let error = cluster.resource(&GroupKind::new("", "Pod")).await.unwrap_err();
        assert!(matches!(&error, ClusterError::Unreachable { cause, .. } if *cause == expected), "{server}: {error:?}");
    }
}

/// A server on a socket that answers lists, and watches by `watch`; counts both.
async fn on_a_socket(watch: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (Cluster, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (script, counted) = (Script { answers: Arc::default(), discoveries: Arc::default() }, Arc::clone(&asked));
    let router = axum::Router::new().fallback(move |request: Request| {
        let is_of_objects = request.uri().path() == "/api/v1/configmaps";
        let is_watch = request.uri().query().unwrap_or_default().contains("watch=true");
        counted.fetch_add(usize::from(is_of_objects), Ordering::SeqCst);
        let response = match (is_of_objects, is_watch) {
            (true, true) => watch(),
            (true, false) => Json(json!({"metadata": {"resourceVersion": "5"}, "items": []})).into_response(),
            (false, _) => answer(&script, &request),
        };
        async move { response }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let login = Login { server: format!("http://{address}"), ..Login::default() };
    (Cluster::log_in(&login, Arc::new(ScaledClock::starting_now(20.0))).unwrap(), asked)
}

/// How often objects are asked for in twenty seconds of the cluster's clock, with the events that are told.
async fn asked_in_a_while(watch: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (usize, Vec<WatchEvent>) {
    let (cluster, asked) = on_a_socket(watch).await;
    let mut stream = cluster.watch(Scope::from(GroupKind::new("", "ConfigMap")));
    let mut events = Vec::new();
    let mut over = cluster.clock().sleep(Duration::from_secs(20));
    loop {
        tokio::select! {
            event = stream.recv() => events.extend(event),
            () = &mut over => return (asked.load(Ordering::SeqCst), events),
        }
    }
}

#[tokio::test]
async fn a_server_that_always_forgets_is_asked_less_and_less_often() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let expired =
        || Body::from(r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#).into_response();
    for gone in [|| StatusCode::GONE.into_response(), expired] {
        let (asked, events) = asked_in_a_while(gone).await;
        assert!((6..=24).contains(&asked), "asked {asked} times in 20 s");
        assert!(
            events.iter().any(|event| matches!(event, WatchEvent::Lost(_))),
            "what is known is old, and that is said"
        );
    }
}

#[tokio::test]
async fn a_server_that_breaks_or_closes_at_once_is_asked_less_and_less_often() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let broken = || Body::from(r#"{"type":"ERROR","object":{"kind":"Status","code":500}}"#).into_response();
    for answer in [broken, || Body::empty().into_response()] {
        let (asked, _) = asked_in_a_while(answer).await;
        assert!((5..=20).contains(&asked), "asked {asked} times in 20 s");
    }
}

#[tokio::test]
async fn a_server_is_left_alone_as_long_as_it_asks_for() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for code in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let (asked, _) = asked_in_a_while(move || (code, [("retry-after", "15")]).into_response()).await;
        assert!((2..=4).contains(&asked), "{code}: asked {asked} times in 20 s");
    }
}

#[tokio::test]
async fn a_watch_that_falls_silent_is_taken_up_anew() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let silent = || Body::from_stream(tokio_stream::pending::<Result<String, std::io::Error>>()).into_response();
    let (cluster, asked) = on_a_socket(silent).await;
    let cluster = cluster.silent_after(Duration::from_millis(50));
    let _stream = cluster.watch(Scope::from(GroupKind::new("", "ConfigMap")));
    cluster.clock().sleep(Duration::from_secs(40)).await;
    let asked = asked.load(Ordering::SeqCst);
    assert!((3..=40).contains(&asked), "asked {asked} times");
}
