//! Objects that are applied as kubectl applies them, and the way from there to applies by the server.

use api::argocd::{Application, SyncStatusCode};
use object::LiveObject;
use serde_json::{Value, json};

use crate::fixtures::World;

fn deployment(replicas: Option<u32>, image: &str) -> String {
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "image": image }] } } },
    });
    if let Some(replicas) = replicas {
        value["spec"]["replicas"] = json!(replicas);
    }
    value.to_string()
}

fn managers(live: &LiveObject) -> Vec<String> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let own = live.managed_fields().iter().filter(|entry| entry["subresource"].is_null());
    own.map(|entry| format!("{} {}", text(entry, "manager"), text(entry, "operation"))).collect()
}

fn synced(app: &Application, to: &str) -> bool {
    app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revision == to
}

fn by(option: &str) -> Value {
    let automated = json!({ "prune": true, "selfHeal": true });
    json!({ "spec": { "syncPolicy": { "automated": automated, "syncOptions": [option, "CreateNamespace=true"] } } })
}

#[tokio::test]
async fn what_the_client_applied_is_merged_with_what_others_added_and_handed_over_to_the_server() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/web.yaml", deployment(Some(2), "x:1"))]);
    world.application(by("ServerSideApply=false")).await;
    world.until("synced", |app| synced(app, &first)).await;
    let web = async || world.live("apps", "Deployment", "web").await.unwrap();
    let live = web().await;
    assert_eq!(managers(&live), ["argocd-controller Update"]);
    assert!(live.annotation(engine::LAST_APPLIED).is_some_and(|text| text.ends_with("\n") && text.contains("x:1")));

    // somebody adds a container, and it stays; what they changed of ours does not
    let sidecar = json!([{ "name": "web", "image": "x:1" }, { "name": "proxy", "image": "p:1" }]);
    let patch = json!({ "spec": { "replicas": 5, "template": { "spec": { "containers": sidecar } } } });
    world.patch(&live.key(), patch, "kubectl-edit").await;
    let second = world.repository.commit(&[("app/web.yaml", deployment(Some(2), "x:2"))]);
    world.until("synced again", |app| synced(app, &second)).await;
    let live = web().await;
    assert_eq!(live.value()["spec"]["replicas"], 2, "{}", live.value());
    let containers = live.value()["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
    let images: Vec<_> = containers.iter().map(|container| container["image"].clone()).collect();
    assert_eq!(images, [json!("x:2"), json!("p:1")]);

    // from now on by the server: what is not wanted any more goes, though a client applied it
    world.patch(&world.key(), by("ServerSideApply=true"), "test").await;
    let third = world.repository.commit(&[("app/web.yaml", deployment(None, "x:2"))]);
    world.until("by the server", |app| synced(app, &third)).await;
    let live = web().await;
    assert!(managers(&live).contains(&"argocd-controller Apply".to_owned()), "{:?}", managers(&live));
    assert!(!managers(&live).contains(&"argocd-controller Update".to_owned()), "{:?}", managers(&live));
    assert_eq!(live.value()["spec"]["replicas"], 1, "the default");
    assert_eq!(live.annotation(engine::LAST_APPLIED), None);
    world.end().await;
}
