//! Logs and Events: who reads them, and how they come.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use cluster::{Patch, PatchOptions};
use object::ResourceKey;
use serde_json::{Value, json};

use crate::house::{House, POLICY, apply, pause, policy};

impl House {
    /// `web` has a pod `p` that prints two lines, in each of the namespaces.
    async fn with_pods(&self, namespaces: &[&str]) {
        for namespace in namespaces {
            let it = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            apply(&self.cluster, it).await;
            let log = json!({ "sandbox.gantline.dev/log": "one\ntwo" });
            let metadata = json!({ "name": "p", "namespace": namespace, "annotations": log });
            let spec = json!({ "containers": [{ "name": "shop", "image": "shop:1" }] });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
            apply(&self.cluster, pod).await;
        }
        let resource = |namespace: &&str| json!({ "group": "", "version": "v1", "kind": "Pod", "namespace": namespace, "name": "p" });
        let resources: Vec<Value> = namespaces.iter().map(resource).collect();
        self.permits(namespaces).await;
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", "web");
        let patch = Patch::Merge(json!({ "status": { "resources": resources } }));
        self.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
    }

    /// The project of `web` permits these namespaces.
    async fn permits(&self, namespaces: &[&str]) {
        let permitted = |namespace: &&str| json!({ "server": "*", "namespace": namespace });
        let destinations: Vec<Value> = namespaces.iter().map(permitted).collect();
        let spec = json!({ "sourceRepos": ["*"], "destinations": destinations });
        let metadata = json!({ "name": "shop", "namespace": "argocd" });
        let project = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata });
        let mut project = project;
        project["spec"] = spec;
        apply(&self.cluster, project).await;
    }

    async fn logs(&self, token: &str, query: &str) -> (u16, String) {
        let response = self.send(token, "GET", &format!("/api/v1/applications/web/logs{query}"), None, None).await;
        let status = response.status().as_u16();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        assert_eq!(kind == "application/x-ndjson", status == 200, "{kind}");
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn logs_come_line_by_line_to_who_has_the_right() {
    let house = House::start().await;
    house.with_pods(&["shop"]).await;
    let lines = "p, eve, applications, get, shop/*, allow\np, tina, logs, get, shop/*, allow\n";
    apply(&house.cluster, policy(&format!("{POLICY}{lines}"))).await;
    let (eve, rita, tina) = (house.log_in("eve").await, house.log_in("rita").await, house.log_in("tina").await);
    let mut told = (0, String::new());
    for _ in 0..200 {
        told = house.logs(&rita, "?tailLines=1&kind=Pod").await;
        if told.0 == 200 {
            break;
        }
        pause().await;
    }
    assert_eq!(told.0, 200, "{}", told.1);
    let entry: Value = serde_json::from_str(told.1.trim_end()).unwrap();
    assert_eq!(entry, json!({ "result": { "content": "two", "podName": "p" } }));
    assert_eq!(house.logs(&rita, "").await.1.lines().count(), 2);
    assert_eq!(house.logs(&rita, "?podName=q").await.0, 404);
    assert_eq!(house.logs(&rita, "?tailLines=x").await.0, 400);
    for _ in 0..100 {
        told = house.logs(&eve, "").await;
        if told.1.contains("logs, get") {
            break;
        }
        pause().await;
    }
    assert_eq!(told.0, 403, "who may see the Application may not read its logs yet");
    assert!(told.1.contains("(p, WHO, logs, get, shop/web, allow)"), "{}", told.1);
    assert_eq!(house.logs(&tina, "").await.0, 403, "nor who may not see it");
    let events = "/api/v1/applications/web/events?resourceKind=Pod&resourceName=p";
    let (status, events) = house.get(&eve, events).await;
    assert_eq!((status, &events["items"][0]["involvedObject"]["name"]), (200, &json!("p")), "{events}");
}

#[tokio::test]
async fn one_object_without_events_does_not_take_those_of_the_others() {
    let deaf = from_fn(async |request: Request, next: Next| match request.uri().path() {
        "/api/v1/namespaces/deaf/events" => StatusCode::BAD_GATEWAY.into_response(),
        _ => next.run(request).await,
    });
    let house = House::behind(|api| api.layer(deaf)).await;
    house.with_pods(&["shop", "deaf"]).await;
    let rita = house.log_in("rita").await;
    let path = "/api/v1/applications/web/events?resourceKind=Pod";
    let mut told = (0, Value::Null);
    for _ in 0..200 {
        told = house.get(&rita, path).await;
        if told.1["silent"].is_array() {
            break;
        }
        pause().await;
    }
    let (status, told) = told;
    assert_eq!((status, &told["items"][0]["involvedObject"]["namespace"]), (200, &json!("shop")), "{told}");
    assert_eq!((&told["silent"][0]["namespace"], &told["silent"][0]["name"]), (&json!("deaf"), &json!("p")), "{told}");
    assert!(told["silent"][0]["message"].as_str().unwrap().contains("502"), "{told}");
    let (status, refused) = house.get(&rita, &format!("{path}&resourceNamespace=deaf")).await;
    assert_eq!(status, 503, "of whom nothing can be had says why: {refused}");
}

/// Whoever writes a name into Git has it in the status of their Application.
#[tokio::test]
async fn nothing_that_the_project_does_not_permit_is_read_by_an_application() {
    let house = House::start().await;
    house.with_pods(&["shop", "production"]).await;
    let rita = house.log_in("rita").await;
    let mut told = (0, String::new());
    let mut seen = async |count: usize| {
        for _ in 0..200 {
            told = house.logs(&rita, "").await;
            if told.0 == 200 && told.1.lines().count() == count {
                return;
            }
            pause().await;
        }
        panic!("never {count} lines: {told:?}");
    };
    seen(4).await;
    house.permits(&["shop"]).await;
    seen(2).await;
    assert_eq!(house.logs(&rita, "?namespace=production").await.0, 404);
    assert_eq!(house.logs(&rita, "?namespace=production&podName=p").await.0, 404);
    let path = |rest: &str| format!("/api/v1/applications/web/{rest}");
    let (status, tree) = house.get(&rita, &path("resource-tree")).await;
    assert_eq!((status, tree["nodes"].as_array().unwrap().len()), (200, 1), "{tree}");
    assert!(!tree.to_string().contains("production"), "{tree}");
    let (status, events) = house.get(&rita, &path("events?resourceKind=Pod")).await;
    assert_eq!(status, 200, "{events}");
    assert!(!events.to_string().contains("production"), "{events}");
    let of_theirs = "events?resourceKind=Pod&resourceName=p&resourceNamespace=production";
    assert_eq!(house.get(&rita, &path(of_theirs)).await.0, 404);
    let (_, explained) = house.get(&rita, "/api/v1/explain/web").await;
    // an environment is called so, too
    assert!(!explained.to_string().contains("\"namespace\":\"production\""), "{explained}");
}
