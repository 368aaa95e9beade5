//! Logs and Events: who reads them, and how they come.

use axum::body::to_bytes;
use axum::http::header;
use cluster::{Patch, PatchOptions};
use object::ResourceKey;
use serde_json::{Value, json};

use crate::house::{House, POLICY, apply, pause, policy};

impl House {
    /// `web` has a pod `p` that prints two lines.
    async fn with_pod(&self) {
        apply(&self.cluster, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } })).await;
        let metadata =
            json!({ "name": "p", "namespace": "shop", "annotations": { "sandbox.gantline.dev/log": "one\ntwo" } });
        let spec = json!({ "containers": [{ "name": "shop", "image": "shop:1" }] });
        apply(&self.cluster, json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })).await;
        let resource = json!({ "group": "", "version": "v1", "kind": "Pod", "namespace": "shop", "name": "p" });
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", "web");
        let patch = Patch::Merge(json!({ "status": { "resources": [resource] } }));
        self.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
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
    house.with_pod().await;
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
