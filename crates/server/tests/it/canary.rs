//! What lets somebody in stands in no answer.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use serde_json::{Value, json};

use crate::house::{House, NAMESPACE, application, apply};

const CANARY: &str = "c4n4ry";

/// An Application whose addresses carry credentials, in all the places that hold an address.
fn leaky() -> Value {
    let mut app = application("leaky", "default");
    let url = format!("https://me:{CANARY}@git.test/repo?token={CANARY}");
    app["spec"]["source"]["repoURL"] = json!(url);
    let written = json!({ "spec": app["spec"] }).to_string();
    app["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/last-applied-configuration": written });
    app["status"] = json!({
        "conditions": [{ "type": "ComparisonError", "message": format!("cannot read {url}: refused") }],
        "sync": { "status": "Unknown", "comparedTo": { "source": app["spec"]["source"], "destination": {} } },
        "operationState": { "phase": "Failed", "message": format!("{url} is gone"), "startedAt": "2026-01-01T00:00:00Z",
            "operation": { "sync": { "source": app["spec"]["source"] } } },
    });
    app
}

/// Every path that `GET` answers, with a name for each parameter.
fn paths(document: &Value) -> Vec<String> {
    let all = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("get").is_some());
    let named = all.flat_map(|(path, _)| ["leaky", "shop", "db"].map(|name| named(path, name)));
    named.filter(|path| !path.contains("/stream/")).collect()
}

fn named(path: &str, name: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { name.to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn no_answer_holds_what_lets_somebody_in() {
    let house = House::start().await;
    apply(&house.cluster, leaky()).await;
    let secret = |name: &str, labels: Value, data: BTreeMap<&str, String>| {
        json!({ "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels } })
    };
    let of = |kind: &str| json!({ "argocd.argoproj.io/secret-type": kind });
    let login = || ("password", CANARY.to_owned());
    let url = |url: &str| ("url", url.to_owned());
    apply(&house.cluster, secret("db", json!({}), BTreeMap::from([login()]))).await;
    apply(&house.cluster, secret("repo", of("repository"), BTreeMap::from([login(), url("https://git.test/repo")])))
        .await;
    let config = format!("{{\"bearerToken\": \"{CANARY}\", \"tlsClientConfig\": \"{CANARY}\"}}");
    let cluster = [("name", "far".to_owned()), ("server", "https://far.test".to_owned()), ("config", config)];
    apply(&house.cluster, secret("far", of("cluster"), BTreeMap::from(cluster))).await;
    let otto = house.log_in("otto").await;
    while house.get(&otto, "/api/v1/applications/leaky").await.0 != 200 {
        tokio::task::yield_now().await;
    }
    let (_, document) = house.get(&otto, "/api/openapi.json").await;
    let paths = paths(&document);
    assert!(paths.len() > 60, "{paths:?}");
    for path in paths.iter().map(String::as_str).chain(["/api/v1/applications?fields=items.spec,items.status"]) {
        let answer = house.send(&otto, "GET", path, None, None).await;
        let status = answer.status();
        let text = String::from_utf8_lossy(&to_bytes(answer.into_body(), 1 << 24).await.unwrap()).into_owned();
        assert!(!text.contains(CANARY), "{path} answers {status} with it: {text}");
        assert_ne!(status, 500, "{path}: {text}");
    }
}
