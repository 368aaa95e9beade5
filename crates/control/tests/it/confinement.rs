//! Nobody gets more than their project permits, whichever way they ask.

use api::argocd::{Application, ConditionType, OperationPhase, SyncStatusCode};
use cluster::DeleteOptions;
use object::ResourceKey;
use serde_json::json;

use crate::fixtures::{URL, World, apply, config_map};

const ELSEWHERE: &str = "https://git.test/elsewhere";

#[tokio::test]
async fn an_operation_brings_no_source_that_the_project_does_not_permit() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    apply(
        &world.cluster,
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "team", "namespace": world.name},
            "spec": {"sourceRepos": [URL], "destinations": [{"server": "*", "namespace": "*"}]}}),
    )
    .await;
    world.application(json!({"spec": {"project": "team", "syncPolicy": null}})).await;
    world.until("compared", |app| app.status.sync.revision == first).await;
    let source = json!({"repoURL": ELSEWHERE, "path": "app", "targetRevision": "main"});
    for operation in [json!({"source": source}), json!({"sources": [{"repoURL": URL, "path": "app"}, source]})] {
        world.patch(&world.key(), json!({"operation": {"sync": operation}}), "test").await;
        let refused = |app: &Application| {
            let state = app.status.operation_state.as_ref();
            let message = format!("application repo {ELSEWHERE} is not permitted in project 'team'");
            app.operation.is_none()
                && state.is_some_and(|state| state.phase == OperationPhase::Error && state.message.contains(&message))
        };
        world.until("refused", refused).await;
        world.patch(&world.key(), json!({"status": {"operationState": null}}), "test").await;
    }
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing was synced");
    world.end().await;
}

#[tokio::test]
async fn the_default_project_is_made_once_and_permits_nothing_when_it_is_gone() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    world.until("synced", |app| app.status.sync.revision == first && !app.status.history.is_empty()).await;
    let project = ResourceKey::new("argoproj.io", "AppProject", world.name.as_str(), "default");
    assert!(world.cluster.get(&project).await.unwrap().is_some(), "made at the start");
    world.cluster.delete(&project, &DeleteOptions::default()).await.unwrap();
    let says = |app: &Application| {
        let is_said = |c: &api::argocd::Condition| {
            c.kind == ConditionType::InvalidSpecError && c.message.contains("project default which does not exist")
        };
        app.status.sync.status == SyncStatusCode::Unknown && app.status.conditions.iter().any(is_said)
    };
    world.until("without a project", says).await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}});
    world.patch(&world.key(), refresh, "test").await;
    world.until("looked at", |app| app.metadata.annotation("argocd.argoproj.io/refresh").is_none()).await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "1");
    assert!(world.cluster.get(&project).await.unwrap().is_none(), "not made again");
    world.end().await;
}

#[tokio::test]
async fn an_application_from_git_starts_no_operation() {
    let world = World::start().await;
    let child = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "child", "namespace": world.name},
        "spec": {"project": "none", "source": {"repoURL": URL, "path": "app", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": world.name}},
        "operation": {"sync": {"source": {"repoURL": ELSEWHERE, "path": "x", "targetRevision": "main"}}},
        "status": {"sync": {"status": "Synced", "revision": "f".repeat(40)}, "health": {"status": "Healthy"}}});
    let first = world.repository.commit(&[("app/child.yaml", child.to_string())]);
    world.application(json!({})).await;
    world
        .until("synced", |app| app.status.sync.revision == first && app.status.sync.status == SyncStatusCode::Synced)
        .await;
    let child = world.until_named("child", "looked at", |app| !app.status.conditions.is_empty()).await;
    assert_eq!((child.operation, child.status.operation_state), (None, None));
    assert_eq!(child.status.sync.revision, "", "nothing of it is believed");
    world.end().await;
}
