//! What is foretold of a sync, and what it does.

use api::argocd::{Application, SyncStatusCode};
use control::requests::{SyncRequest, sync};
use control::{Against, ManagedResource};
use object::{Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::fixtures::{World, config_map};

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.test/web:1', env: [{name: OWN, value: '1'}]}]}
";

fn web(replicas: usize) -> String {
    WEB.replace("REPLICAS", &replicas.to_string())
}

async fn foretold(world: &World, against: Against) -> Vec<ManagedResource> {
    let app = world.controller.application(&world.name).unwrap();
    let mut all = world.controller.managed_resources(&app, against).await.unwrap();
    all.retain(|object| object.change.is_some());
    all
}

fn actions(all: &[ManagedResource]) -> Vec<String> {
    all.iter().map(|object| format!("{} {}", object.change.as_ref().unwrap().action, object.name)).collect()
}

#[tokio::test]
async fn a_difference_is_what_a_sync_changes_and_nothing_else() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/w.yaml", web(2)), ("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    let at = |revision: String, status: SyncStatusCode| {
        move |app: &Application| app.status.sync.status == status && app.status.sync.revision == revision
    };
    world.until("synced", at(first.clone(), SyncStatusCode::Synced)).await;
    assert!(foretold(&world, Against::Itself).await.is_empty());
    world.application(json!({"spec": {"syncPolicy": null}})).await;

    // somebody else adds what nobody here wants to have away
    let key = ResourceKey::new("apps", "Deployment", world.name.as_str(), "web");
    let theirs = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": world.name},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "THEIRS", "value": "2"}]}]}}}});
    crate::fixtures::apply(&world.cluster, theirs).await;
    world.patch(&key, json!({"spec": {"replicas": 5}}), "kubectl-scale").await;
    let second = world.repository.commit(&[("app/w.yaml", web(3)), ("app/b.yaml", config_map("b", "1"))]);
    world.until("out of sync", at(second.clone(), SyncStatusCode::OutOfSync)).await;

    let all = foretold(&world, Against::Itself).await;
    assert_eq!(actions(&all), ["prune a", "create b", "update web"]);
    let change = all[2].change.clone().unwrap();
    let (mut before, after) = (change.before.unwrap(), change.after.unwrap());
    let env =
        |object: &Value| object.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap().len();
    assert_eq!((env(&before), env(&after)), (2, 2), "what others own stays");
    before["spec"]["replicas"] = json!(3);
    assert_eq!(before, after, "only the replicas change");
    for field in ["/status", "/metadata/uid", "/metadata/managedFields", "/metadata/resourceVersion"] {
        assert!(after.pointer(field).is_none(), "{field}");
    }
    assert_eq!(all[2].fields.len(), 1);
    assert_eq!(all[2].fields[0].changed_by.as_deref(), Some("kubectl-scale"));

    // another revision, and what somebody has at hand
    let old = foretold(&world, Against::Revision(first)).await;
    assert_eq!(actions(&old), ["update web"]);
    let hand = config_map("c", "1");
    let hand: Value = object::yaml::value(&hand).unwrap();
    let local = foretold(&world, Against::Manifests(vec![Manifest::new(hand).unwrap()])).await;
    assert_eq!(actions(&local), ["prune a", "create c", "prune web"]);

    // and so it comes
    let app = world.controller.application(&world.name).unwrap();
    sync(&world.controller, &app, "jane", SyncRequest { prune: true, ..SyncRequest::default() }).await.unwrap();
    world.until("synced", at(second, SyncStatusCode::Synced)).await;
    let live = world.live("apps", "Deployment", "web").await.unwrap();
    assert_eq!(live.value()["spec"], after["spec"]);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_there_is_not_is_refused_with_those_that_there_are() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", config_map("b", "1"))]);
    world.application(json!({"spec": {"syncPolicy": null}})).await;
    world.until("compared", |app| app.status.sync.revision == first).await;
    let app = world.controller.application(&world.name).unwrap();
    let resources = vec![(String::new(), "ConfigMap".to_owned(), "c".to_owned())];
    let refused = sync(&world.controller, &app, "jane", SyncRequest { resources, ..SyncRequest::default() }).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.ends_with("has no object :ConfigMap:c; it has :ConfigMap:a, :ConfigMap:b"), "{text}");
    let resources = vec![(String::new(), "ConfigMap".to_owned(), "b".to_owned())];
    sync(&world.controller, &app, "jane", SyncRequest { resources, ..SyncRequest::default() }).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn what_a_sync_would_keep_is_not_foretold_as_pruned() {
    let world = World::start().await;
    let kept = "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, annotations: {argocd.argoproj.io/sync-options: Prune=false}}}";
    let files =
        [("app/a.yaml", config_map("a", "1")), ("app/b.yaml", config_map("b", "1")), ("app/k.yaml", kept.to_owned())];
    world.repository.commit(&files);
    world.application(json!({})).await;
    world.until("synced", |app| app.status.sync.status == SyncStatusCode::Synced).await;
    world.application(json!({"spec": {"syncPolicy": null}})).await;
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.until("compared", |app| app.status.sync.revision == second).await;
    assert_eq!(actions(&foretold(&world, Against::Itself).await), ["prune b"]);
    world.end().await;
}
