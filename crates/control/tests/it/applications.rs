//! What happens to Applications.

use std::collections::BTreeSet;

use api::argocd::{ConditionType, HealthStatusCode, OperationPhase, SyncStatusCode};
use cluster::Scope;
use control::requests::{SyncRequest, sync};
use control::{AppKey, Controller};
use object::{GroupKind, ResourceKey};
use serde_json::{Value, json};

use crate::fixtures::{URL, World, apply, config_map, pause};

fn synced_to(revision: &str) -> impl Fn(&api::argocd::Application) -> bool + use<'_> {
    move |app| app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revision == revision
}

async fn proven_at(controller: &Controller, app: &AppKey, commit: &str) {
    for _ in 0..400 {
        if controller.proven_at(app).as_deref() == Some(commit) {
            return;
        }
        pause(50).await;
    }
    panic!("{app} is proven at {:?}, never at {commit}", controller.proven_at(app));
}

/// By no Event that Argo CD does not know, as tools filter by reasons.
async fn what_was_pruned_is_told_at_the_end(world: &World) {
    let scope = Scope::namespaced(GroupKind::new("", "Event"), world.name.clone());
    for _ in 0..400 {
        let all = world.cluster.list(&scope).await.unwrap();
        let told: Vec<String> = all.iter().map(|event| event.value().to_string()).collect();
        if told.iter().any(|event| event.contains("pruned: ConfigMap/b")) {
            let reasons: BTreeSet<&str> = all.iter().filter_map(|event| event.value()["reason"].as_str()).collect();
            assert_eq!(reasons, ["OperationCompleted", "OperationStarted", "ResourceUpdated"].into());
            return;
        }
        pause(25).await;
    }
    panic!("no end of an operation tells what was pruned")
}

#[tokio::test]
async fn an_application_is_synced_and_follows_its_branch() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", config_map("b", "1"))]);
    world.application(json!({})).await;
    let app = world.until("synced", synced_to(&first)).await;
    assert_eq!(app.status.health.status, HealthStatusCode::Healthy);
    assert_eq!(app.status.history.len(), 1);
    assert_eq!(app.operation, None);
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.operation.initiated_by.automated), (OperationPhase::Succeeded, true));

    // changed, and one file gone
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    world.until("synced to the second commit", synced_to(&second)).await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "2");
    assert!(world.live("", "ConfigMap", "b").await.is_none(), "pruned");
    what_was_pruned_is_told_at_the_end(&world).await;
    let renders = world.controller.metrics().renders.get();

    // nothing that it reads
    let third = world.repository.commit(&[("app/a.yaml", config_map("a", "2")), ("other/x", "y".to_owned())]);
    proven_at(&world.controller, &AppKey::new(&world.name, &world.name), &third).await;
    world.until("where it was", synced_to(&second)).await;
    assert_eq!(world.controller.metrics().renders.get(), renders);
    world.end().await;
}

#[tokio::test]
async fn drift_is_taken_back_and_its_author_named() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    world.until("synced", synced_to(&first)).await;
    let key = ResourceKey::new("", "ConfigMap", world.name.as_str(), "a");
    world.patch(&key, json!({"data": {"key": "changed"}}), "kubectl-edit").await;
    world
        .until("healed", |app| {
            let state = app.status.operation_state.as_ref().unwrap();
            let sync = state.operation.sync.clone().unwrap();
            sync.auto_heal_attempts_count == 1
                && app.status.sync.status == SyncStatusCode::Synced
                && state.phase.completed()
        })
        .await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "1");
    let entries = world.controller.timeline().newest(50);
    let heal = entries.iter().find(|e| e.kind == control::TimelineKind::SelfHealed).unwrap();
    assert_eq!(heal.actor, "kubectl-edit");
    assert!(heal.reason.contains("data.key"), "{heal:?}");
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", config_map("b", "1"))]);
    world.application(json!({})).await;
    world.until("synced", synced_to(&first)).await;
    let trouble = |text: &'static str| {
        move |app: &api::argocd::Application| {
            let found =
                |c: &api::argocd::Condition| c.kind == ConditionType::ComparisonError && c.message.contains(text);
            app.status.conditions.iter().any(found) && app.status.sync.status == SyncStatusCode::Unknown
        }
    };
    world.repository.commit(&[("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [".to_owned())]);
    world.until("in trouble for the file", trouble("app/a.yaml:")).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some(), "not pruned");

    world.repository.fail(Some("the host does not answer"));
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    world.patch(&world.key(), refresh, "test").await;
    let app = world.until("in trouble for the repository", trouble("the host does not answer")).await;
    assert_eq!(app.status.resources.len(), 2, "what was known stays");
    assert!(app.metadata.annotation("argocd.argoproj.io/refresh").is_none());
    assert!(world.live("", "ConfigMap", "b").await.is_some(), "not pruned");

    world.repository.fail(None);
    let last = world.repository.commit(&[("app/a.yaml", config_map("a", "3"))]);
    world.until("well again", synced_to(&last)).await;
    assert!(world.live("", "ConfigMap", "b").await.is_none(), "pruned with proof");
    world.end().await;
}

#[tokio::test]
async fn a_revision_with_two_meanings_is_used_and_said() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({"spec": {"source": {"targetRevision": "twice"}}})).await;
    let app = world.until("synced", synced_to(&first)).await;
    let doubt = app.status.conditions.iter().find(|c| c.kind == ConditionType::SourceWarning);
    assert_eq!(doubt.map(|c| c.message.as_str()), Some("twice is a branch and a tag"));
    world.end().await;
}

#[tokio::test]
async fn a_field_of_another_controller_is_a_conflict_and_not_a_fight() {
    let world = World::start().await;
    let mut foreign = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": world.name}, "data": {"key": "theirs"}});
    let options = cluster::ApplyOptions { manager: "flux", force: true, dry_run: false, validate: true };
    let manifest = |value: &Value| object::Manifest::new(value.clone()).unwrap();
    world.cluster.apply(&manifest(&foreign), options).await.unwrap();
    world.repository.commit(&[("app/a.yaml", config_map("a", "ours"))]);
    let retry = json!({"spec": {"syncPolicy": {"retry": {"limit": 0}}}});
    world.application(retry).await;
    let app = world
        .until("in conflict", |app| app.status.conditions.iter().any(|c| c.kind == ConditionType::SyncError))
        .await;
    let message = &app.status.conditions.iter().find(|c| c.kind == ConditionType::SyncError).unwrap().message;
    assert!(message.contains("flux") && message.contains(".data.key"), "{message}");
    let live = world.live("", "ConfigMap", "a").await.unwrap();
    assert_eq!(live.value()["data"], foreign["data"].take());
    world.end().await;
}

fn is_out(app: &api::argocd::Application) -> bool {
    app.status.sync.status == SyncStatusCode::OutOfSync
}

/// An Application that nobody has synced yet, and its first commit.
async fn by_hand() -> (World, String, api::argocd::Application) {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({"spec": {"syncPolicy": null}})).await;
    let app = world.until("out of sync", is_out).await;
    (world, first, app)
}

#[tokio::test]
async fn an_operation_is_done_as_it_is_written() {
    let (world, first, _) = by_hand().await;
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "not automated");
    let operation = json!({"operation": {"initiatedBy": {"username": "jane"}, "sync": {"prune": true}}});
    world.patch(&world.key(), operation, "argocd-server").await;
    let app = world.until("synced", synced_to(&first)).await;
    assert_eq!(app.status.history[0].initiated_by.username, "jane");
    assert_eq!(app.operation, None);

    // back to what was, by its commit
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    world.until("at the second commit", |app| is_out(app) && app.status.sync.revision == second).await;
    let operation = json!({"operation": {"sync": {"revision": first}}});
    world.patch(&world.key(), operation, "argocd-server").await;
    world.until("operated", |app| app.status.history.len() == 2 && app.operation.is_none()).await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "1");
    world.end().await;
}

/// What a person asks for does not fail because the controller writes its status at the same time.
#[tokio::test]
async fn an_operation_is_asked_for_beside_other_writes() {
    let (world, first, app) = by_hand().await;
    // before the watch of the one who is asked tells of it
    world.patch(&world.key(), json!({"metadata": {"labels": {"written": "meanwhile"}}}), "another").await;
    sync(&world.controller, &app, "jane", SyncRequest::default()).await.unwrap();
    let app = world.until("synced", synced_to(&first)).await;
    assert_eq!(app.metadata.labels["written"], "meanwhile");
    world.end().await;
}

#[tokio::test]
async fn waves_go_in_order_and_deletion_cascades() {
    let world = World::start_at_speed(20.0).await;
    let deployment = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {argocd.argoproj.io/sync-wave: '1'}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.test/web:1'}]}
";
    let hook = "apiVersion: v1
kind: ConfigMap
metadata: {name: before, annotations: {argocd.argoproj.io/hook: PreSync}}
";
    let files =
        [("app/a.yaml", config_map("a", "1")), ("app/d.yaml", deployment.to_owned()), ("app/j.yaml", hook.to_owned())];
    let first = world.repository.commit(&files);
    world.application(json!({"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}})).await;
    let app = world.until("synced", synced_to(&first)).await;
    let result = app.status.operation_state.unwrap().sync_result.unwrap();
    let order: Vec<&str> = result.resources.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(order, ["before", "a", "web"]);
    let healthy = |app: &api::argocd::Application| app.status.health.status == HealthStatusCode::Healthy;
    world.until("healthy", healthy).await;

    assert!(world.cluster.delete(&world.key(), &cluster::DeleteOptions::default()).await.unwrap());
    for _ in 0..200 {
        if world.cluster.get(&world.key()).await.unwrap().is_none() {
            break;
        }
        pause(50).await;
    }
    assert!(world.cluster.get(&world.key()).await.unwrap().is_none(), "gone");
    assert!(world.live("apps", "Deployment", "web").await.is_none());
    assert!(world.live("", "ConfigMap", "a").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_deletion_that_asks_first_waits_for_a_person() {
    let world = World::start().await;
    let asking = config_map("b", "1")
        .replace("{name: b}", "{name: b, annotations: {argocd.argoproj.io/sync-options: Delete=confirm}}");
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", asking)]);
    world.application(json!({"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}})).await;
    world.until("synced", synced_to(&first)).await;
    assert!(world.cluster.delete(&world.key(), &cluster::DeleteOptions::default()).await.unwrap());
    pause(300).await;
    for name in ["a", "b"] {
        let live = world.live("", "ConfigMap", name).await.unwrap();
        assert_eq!(live.deletion_timestamp(), None, "{name} waits as well");
    }
    let app = world.until("being deleted", |app| app.metadata.deletion_timestamp.is_some()).await;
    let explained = world.controller.explain(&app).await;
    let said = explained
        .reasons
        .iter()
        .any(|reason| reason.message.contains("its deletion waits for approval, as ConfigMap/b"));
    assert!(said, "{explained:#?}");
    // an approval of before counts for nothing
    let approve = |at: String| json!({"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": at}}});
    world.patch(&world.key(), approve("2000-01-01T00:00:00Z".into()), "test").await;
    pause(300).await;
    assert!(world.live("", "ConfigMap", "a").await.is_some());
    world.patch(&world.key(), approve("2199-01-01T00:00:00Z".into()), "test").await;
    for _ in 0..200 {
        if world.cluster.get(&world.key()).await.unwrap().is_none() {
            break;
        }
        pause(50).await;
    }
    assert!(world.cluster.get(&world.key()).await.unwrap().is_none(), "gone");
    assert!(world.live("", "ConfigMap", "b").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn two_controllers_sync_a_commit_once() {
    let world = World::start().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let second = world.another_controller(&stop);
    world.application(json!({})).await;
    for number in 1..=4 {
        let commit = world.repository.commit(&[("app/a.yaml", config_map("a", &number.to_string()))]);
        second.repositories().pushed(URL, "default").await;
        let app = world
            .until("operated", |app| {
                let done = app.status.operation_state.as_ref().is_some_and(|state| state.phase.completed());
                done && synced_to(&commit)(app)
            })
            .await;
        assert_eq!(app.status.history.len(), number, "one entry for each commit: {:#?}", app.status.history);
        assert_eq!(app.operation, None);
    }
    stop.cancel();
    world.end().await;
}

#[tokio::test]
async fn an_operation_that_a_killed_controller_began_is_finished_by_the_next() {
    let world = World::start().await;
    world.stop.cancel();
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({"spec": {"syncPolicy": null}})).await;
    let sync = json!({"revision": first});
    let started = json!({"operation": {"sync": sync}, "phase": "Running", "message": "one task left",
        "startedAt": "2026-01-01T00:00:00Z"});
    let patch = json!({"operation": {"sync": sync}, "status": {"operationState": started,
        "sync": {"status": "OutOfSync"}, "health": {"status": "Missing"}}});
    world.patch(&world.key(), patch, "killed").await;
    let stop = tokio_util::sync::CancellationToken::new();
    world.another_controller(&stop);
    let app = world.until("synced", synced_to(&first)).await;
    assert_eq!(app.status.history.len(), 1);
    assert_eq!(app.status.operation_state.unwrap().started_at.to_string(), "2026-01-01T00:00:00Z");
    stop.cancel();
    world.end().await;
}

#[tokio::test]
async fn a_push_renders_only_what_reads_a_changed_file() {
    let world = World::start().await;
    let files = |one: &str, two: &str| [("app/a.yaml", config_map("a", one)), ("second/b.yaml", config_map("b", two))];
    let first = world.repository.commit(&files("1", "1"));
    world.application(json!({})).await;
    world.application(json!({"metadata": {"name": "second"}, "spec": {"source": {"path": "second"}}})).await;
    let own = AppKey::new(&world.name, &world.name);
    proven_at(&world.controller, &own, &first).await;
    proven_at(&world.controller, &AppKey::new(&world.name, "second"), &first).await;
    let before = world.until("synced", synced_to(&first)).await;
    let metrics = world.controller.metrics();
    let renders = metrics.renders.get();
    let second = world.repository.commit(&files("1", "2"));
    world.until_named("second", "at the second commit", synced_to(&second)).await;
    proven_at(&world.controller, &own, &second).await;
    assert_eq!(metrics.renders.get() - renders, 1, "only the second Application reads second/b.yaml");
    let version = |app: &api::argocd::Application| app.metadata.resource_version.clone();
    let after = world.until("as it was", synced_to(&first)).await;
    assert_eq!(version(&after), version(&before), "what is proven is not written");

    // another process comes to the same, without a write
    let stop = tokio_util::sync::CancellationToken::new();
    let another = world.another_controller(&stop);
    proven_at(&another, &own, &second).await;
    stop.cancel();
    let after = world.until("as it was", synced_to(&first)).await;
    assert_eq!(version(&after), version(&before), "what is proven is not written");

    // drift is taken back to the commit that the status names, once more and not as something new
    let key = ResourceKey::new("", "ConfigMap", world.name.as_str(), "a");
    world.patch(&key, json!({"data": {"key": "drift"}}), "somebody").await;
    let healed = world.until("healed", |app| app.status.operation_state != before.status.operation_state).await;
    let operation = healed.status.operation_state.unwrap().operation.sync.unwrap();
    assert_eq!((operation.revision, operation.auto_heal_attempts_count), (first, 1));

    // asked for, the newest commit is shown
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    world.patch(&world.key(), refresh, "test").await;
    world.until("at the second commit", synced_to(&second)).await;
    assert_eq!(metrics.renders.get() - renders, 1);

    // asked for, everything is rendered anew
    let hard = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}});
    world.patch(&world.key(), hard, "test").await;
    let done = |app: &api::argocd::Application| app.metadata.annotation("argocd.argoproj.io/refresh").is_none();
    world.until("refreshed", done).await;
    assert_eq!(metrics.renders.get() - renders, 2);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_two_applications_want_is_told_to_both_and_not_fought_over() {
    let world = World::start().await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("second/a.yaml", config_map("a", "2"))]);
    world.application(json!({})).await;
    let synced = |app: &api::argocd::Application| app.status.sync.status == SyncStatusCode::Synced;
    world.until("synced", synced).await;
    world.application(json!({"metadata": {"name": "second"}, "spec": {"source": {"path": "second"}}})).await;
    let warned = |app: &api::argocd::Application| {
        app.status.conditions.iter().any(|c| c.kind == ConditionType::SharedResourceWarning)
    };
    let second = world.until_named("second", "warned", warned).await;
    let warning = second.status.conditions.iter().find(|c| c.kind == ConditionType::SharedResourceWarning).unwrap();
    assert!(warning.message.contains("ConfigMap/a") && warning.message.contains(&world.name), "{warning:?}");
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "1", "not fought over");

    // nor taken along with an object of its own
    let files = [("app/a.yaml", "a", "1"), ("second/a.yaml", "a", "2"), ("second/b.yaml", "b", "2")];
    let last = world.repository.commit(&files.map(|(path, name, value)| (path, config_map(name, value))));
    let done = |app: &api::argocd::Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|s| s.phase.completed() && s.sync_result.as_ref().is_some_and(|r| r.revision == last))
    };
    world.until_named("second", "synced as far as it may", done).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some());
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "1", "not fought over");
    world.end().await;
}

#[tokio::test]
async fn labels_of_the_namespace_are_kept_and_it_is_never_pruned() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let kept = json!({"labels": {"team": "shop"}, "annotations": {"note": "kept"}});
    let namespace = format!("{}-kept", world.name);
    let policy = |automated: Value, kept: &Value| {
        let options = json!(["CreateNamespace=true"]);
        let policy = json!({"automated": automated, "syncOptions": options, "managedNamespaceMetadata": kept});
        json!({"spec": {"destination": {"namespace": namespace}, "syncPolicy": policy}})
    };
    let automated = json!({"prune": true, "selfHeal": true});
    world.application(policy(automated.clone(), &kept)).await;
    world.until("synced", synced_to(&first)).await;
    let key = ResourceKey::new("", "Namespace", "", namespace.as_str());
    let there = async || world.cluster.get(&key).await.unwrap().unwrap().value()["metadata"].clone();
    assert_eq!(
        (&there().await["labels"]["team"], &there().await["annotations"]["note"]),
        (&json!("shop"), &json!("kept"))
    );

    let change = |manual: Option<&str>| json!({"metadata": {"labels": {"team": manual, "theirs": "x"}}});
    world.application(policy(Value::Null, &kept)).await;
    world.patch(&key, change(Some("other")), "kubectl-edit").await;
    let is_out = |r: &api::argocd::ResourceStatus| r.kind == "Namespace" && r.status == Some(SyncStatusCode::OutOfSync);
    let out = |app: &api::argocd::Application| app.status.resources.iter().any(is_out);
    world.until("out of sync", |app| app.status.sync.status == SyncStatusCode::OutOfSync && out(app)).await;
    world.application(policy(automated.clone(), &kept)).await;
    world.until("healed", synced_to(&first)).await;
    assert_eq!((&there().await["labels"]["team"], &there().await["labels"]["theirs"]), (&json!("shop"), &json!("x")));
    let entries = world.controller.timeline().newest(50);
    let heal = entries.iter().find(|e| e.kind == control::TimelineKind::SelfHealed).unwrap();
    assert_eq!((heal.actor.as_str(), heal.message.contains(&namespace)), ("kubectl-edit", true), "{heal:?}");

    // a look without being asked, and without an edit of the Application
    world.patch(&key, change(None), "kubectl-edit").await;
    let healed = async || there().await["labels"]["team"] == "shop";
    for _ in 0..400 {
        if healed().await {
            break;
        }
        pause(50).await;
    }
    assert!(healed().await, "healed again");
    world.application(policy(automated, &Value::Null)).await;
    let gone = |app: &api::argocd::Application| app.status.resources.iter().all(|r| r.kind != "Namespace");
    world.until("not kept any more", |app| gone(app) && app.status.sync.status == SyncStatusCode::Synced).await;
    assert!(there().await["deletionTimestamp"].is_null(), "not pruned");
    world.end().await;
}

#[tokio::test]
async fn an_emptied_folder_prunes_nothing_also_where_a_namespace_is_kept() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let namespace = format!("{}-kept", world.name);
    let policy = json!({"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"],
        "managedNamespaceMetadata": {"labels": {"team": "shop"}}});
    let spec = json!({"destination": {"namespace": namespace}, "syncPolicy": policy});
    world.application(json!({ "spec": spec })).await;
    world.until("synced", synced_to(&first)).await;
    world.repository.commit(&[("app/readme.txt", "empty".to_owned())]);
    let refused = |app: &api::argocd::Application| {
        let wipes = |c: &api::argocd::Condition| c.message.contains("auto-sync will wipe out all resources");
        app.status.conditions.iter().any(|c| c.kind == ConditionType::SyncError && wipes(c))
    };
    let app = world.until("refused", refused).await;
    assert_eq!(app.operation, None);
    let key = ResourceKey::new("", "ConfigMap", namespace.as_str(), "a");
    assert!(world.cluster.get(&key).await.unwrap().is_some(), "nothing is pruned");
    world.end().await;
}

#[tokio::test]
async fn two_that_keep_labels_of_one_namespace_do_not_undo_each_other() {
    let world = World::start().await;
    let first =
        world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("second/b.yaml", config_map("b", "1"))]);
    let namespace = format!("{}-kept", world.name);
    let spec = |path: &str, labels: Value| {
        json!({"source": {"path": path}, "destination": {"namespace": namespace}, "syncPolicy": {
            "automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"],
            "managedNamespaceMetadata": {"labels": labels}}})
    };
    // by its name it comes first
    let own = json!({"metadata": {"name": "aaa"}, "spec": spec("app", json!({"team": "a", "only-a": "1"}))});
    world.application(own.clone()).await;
    world.until_named("aaa", "synced", synced_to(&first)).await;
    let other = |labels: Value| json!({"metadata": {"name": "bbb"}, "spec": spec("second", labels)});
    world.application(other(json!({"team": "b", "only-b": "2"}))).await;
    let lost = |c: &&api::argocd::Condition| c.kind == ConditionType::SharedResourceWarning;
    let warned = |app: &api::argocd::Application| app.status.conditions.iter().any(|c| lost(&c));
    let at_rest = |app: &api::argocd::Application| synced_to(&first)(app) && app.operation.is_none();
    let b = world.until_named("bbb", "warned", |app| at_rest(app) && warned(app)).await;
    let message = &b.status.conditions.iter().find(lost).unwrap().message;
    assert!(message.contains("label team is kept as \"a\" by application aaa"), "{message}");
    let a = world.until_named("aaa", "synced", at_rest).await;
    assert!(!warned(&a), "{:?}", a.status.conditions);
    let key = ResourceKey::new("", "Namespace", "", namespace.as_str());
    let label = async |name: &str| world.cluster.get(&key).await.unwrap().unwrap().label(name).map(str::to_owned);
    let there = [label("team").await, label("only-a").await, label("only-b").await];
    assert_eq!(there.map(Option::unwrap_or_default), ["a", "1", "2"], "each keeps what is its own");

    // what one takes back does not take what the other keeps
    let version = |app: &api::argocd::Application| app.status.operation_state.as_ref().map(|state| state.started_at);
    let before = (version(&a), version(&b));
    let drift = json!({"metadata": {"labels": {"only-a": "drifted"}}});
    world.patch(&key, drift, "kubectl-edit").await;
    let healed = async || label("only-a").await.as_deref() == Some("1");
    for _ in 0..400 {
        if healed().await {
            break;
        }
        pause(50).await;
    }
    assert_eq!((label("only-a").await.as_deref(), label("only-b").await.as_deref()), (Some("1"), Some("2")));
    let (a, b) = (
        world.until_named("aaa", "healed", |app| at_rest(app) && version(app) != before.0).await,
        world.until_named("bbb", "at rest", at_rest).await,
    );
    assert_ne!(version(&a), before.0);
    assert_eq!(version(&b), before.1, "it is not its own that drifted");

    // the first gives it up: the other one is told
    world
        .application(json!({"metadata": {"name": "aaa"}, "spec": spec("app", json!({"team": null, "only-a": "1"}))}))
        .await;
    world.until_named("bbb", "decides now", |app| at_rest(app) && !warned(app)).await;
    for _ in 0..400 {
        if label("team").await.as_deref() == Some("b") {
            break;
        }
        pause(50).await;
    }
    assert_eq!(label("team").await.as_deref(), Some("b"));
    world.end().await;
}

#[tokio::test]
async fn a_namespace_that_the_settings_exclude_is_not_kept() {
    let world = World::start().await;
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": world.name},
        "data": {"resource.exclusions": "- {apiGroups: [''], kinds: [Namespace], clusters: ['*']}"}});
    apply(&world.cluster, settings).await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let policy = json!({"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"],
        "managedNamespaceMetadata": {"labels": {"team": "shop"}}});
    world.application(json!({"spec": {"syncPolicy": policy}})).await;
    let app = world.until("synced", synced_to(&first)).await;
    let kinds: Vec<&str> = app.status.resources.iter().map(|r| &*r.kind).collect();
    assert_eq!(kinds, ["ConfigMap"]);
    let there = world.cluster.get(&ResourceKey::new("", "Namespace", "", world.name.as_str())).await.unwrap().unwrap();
    assert_eq!(there.label("team"), None, "it is left alone");
    world.end().await;
}

#[tokio::test]
async fn kinds_that_the_settings_exclude_are_left_alone() {
    let world = World::start().await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: a}\n".to_owned();
    let files = |value: &str| [("app/a.yaml", config_map("a", value)), ("app/s.yaml", secret.clone())];
    let first = world.repository.commit(&files("1"));
    world.application(json!({})).await;
    world.until("synced", synced_to(&first)).await;
    let settings = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": world.name},
            "data": {"resource.exclusions": text}})
    };
    apply(&world.cluster, settings("- {apiGroups: [''], kinds: [ConfigMap], clusters: ['*']}")).await;
    let warned = |app: &api::argocd::Application| {
        let text = "Resource /ConfigMap a is excluded in the settings";
        app.status.conditions.iter().any(|c| c.kind == ConditionType::ExcludedResourceWarning && c.message == text)
    };
    let app = world.until("warned", |app| warned(app) && app.status.resources.len() == 1).await;
    assert_eq!(app.status.resources[0].kind, "Secret", "what is excluded is not shown");
    let second = world.repository.commit(&files("2"));
    world.until("synced without it", synced_to(&second)).await;
    assert_eq!(
        world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"],
        "1",
        "neither synced nor pruned"
    );
    apply(&world.cluster, settings("")).await;
    world.until("as before", |app| app.status.conditions.is_empty() && app.status.resources.len() == 2).await;
    world.end().await;
}

#[tokio::test]
async fn a_sync_that_waits_for_an_approval_goes_on_with_it() {
    let world = World::start().await;
    let confirmed = config_map("b", "1")
        .replace("{name: b}", "{name: b, annotations: {argocd.argoproj.io/sync-options: Prune=confirm}}");
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", confirmed)]);
    world.application(json!({})).await;
    world.until("synced", synced_to(&first)).await;
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let waits = |app: &api::argocd::Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|s| !s.phase.completed() && s.sync_result.as_ref().is_some_and(|r| r.revision == second))
    };
    world.until("waiting", waits).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some());
    let approved = world.clock().now().to_string();
    let approval = json!({"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": approved}}});
    world.patch(&world.key(), approval, "test").await;
    world.until("synced", synced_to(&second)).await;
    assert!(world.live("", "ConfigMap", "b").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_project_says_what_is_permitted() {
    let world = World::start().await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let project = |repository: &str| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "team", "namespace": world.name},
            "spec": {"sourceRepos": [repository], "destinations": [{"server": "*", "namespace": "*"}]}})
    };
    crate::fixtures::apply(&world.cluster, project("https://git.test/other")).await;
    world.application(json!({"spec": {"project": "team"}})).await;
    let invalid = |app: &api::argocd::Application| {
        app.status.conditions.iter().any(|c| c.kind == ConditionType::InvalidSpecError && c.message.contains(URL))
    };
    world.until("refused", invalid).await;
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing is deployed");
    crate::fixtures::apply(&world.cluster, project("https://git.test/*")).await;
    world
        .until("synced", |app| app.status.sync.status == SyncStatusCode::Synced && app.status.conditions.is_empty())
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_chart_with_values_of_another_source() {
    let world = World::start().await;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-c\ndata:\n  key: {{ .Values.color | quote }}\n  size: {{ .Values.size | quote }}\n  major: {{ .Capabilities.KubeVersion.Major | quote }}\n# {{ lookup \"v1\" \"Secret\" \"\" \"x\" | len }}\n";
    let files = |color: &str| {
        [
            ("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n".to_owned()),
            ("chart/values.yaml", "color: red\nsize: s\n".to_owned()),
            ("chart/templates/c.yaml", template.to_owned()),
            ("env/dev.yaml", format!("color: {color}\n")),
        ]
    };
    let first = world.repository.commit(&files("blue"));
    let helm = json!({"releaseName": "shop", "valueFiles": ["$values/env/dev.yaml"], "parameters": [{"name": "size", "value": "$ARGOCD_APP_NAME"}]});
    let sources = json!([
        {"repoURL": URL, "targetRevision": "main", "path": "chart", "helm": helm},
        {"repoURL": URL, "targetRevision": "main", "ref": "values"},
    ]);
    world.application(json!({"spec": {"source": null, "sources": sources}})).await;
    let synced = |revision: String| {
        move |app: &api::argocd::Application| {
            let revisions = [revision.clone(), revision.clone()];
            app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revisions == revisions
        }
    };
    let app = world.until("synced", synced(first)).await;
    assert_eq!(app.status.health.status, HealthStatusCode::Healthy);
    let data = world.live("", "ConfigMap", "shop-c").await.unwrap().value()["data"].clone();
    assert_eq!(data, json!({"key": "blue", "size": world.name, "major": "1"}));
    let doubt = app.status.conditions.iter().find(|c| c.kind == ConditionType::SourceWarning).unwrap();
    assert!(doubt.message.contains("lookup"), "{doubt:?}");

    // only a file of the other source changes
    let second = world.repository.commit(&files("green"));
    world.until("synced to other values", synced(second)).await;
    assert_eq!(world.live("", "ConfigMap", "shop-c").await.unwrap().value()["data"]["key"], "green");
    world.end().await;
}

#[tokio::test]
async fn remote_bases_need_the_projects_permission() {
    let world = World::start().await;
    let entry = format!("resources: [\"{URL}//base?ref=main\"]\n");
    let foreign = "resources: [\"https://git.test/foreign//base?ref=main\"]\n".to_owned();
    let files = |top: &str, key: &str| {
        [
            ("app/kustomization.yaml", top.to_owned()),
            ("base/kustomization.yaml", "resources: [a.yaml]\n".to_owned()),
            ("base/a.yaml", config_map("a", key)),
        ]
    };
    let first = world.repository.commit(&files(&entry, "1"));
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "shop", "namespace": world.name},
        "spec": {"sourceRepos": [URL], "destinations": [{"server": "*", "namespace": "*"}]},
    });
    crate::fixtures::apply(&world.cluster, project).await;
    world.application(json!({"spec": {"project": "shop"}})).await;
    world.until("synced", synced_to(&first)).await;
    let second = world.repository.commit(&files(&entry, "2"));
    world.until("synced to the base's next commit", synced_to(&second)).await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "2");

    world.repository.commit(&files(&foreign, "2"));
    world
        .until("refused", |app| {
            let refused = |c: &api::argocd::Condition| c.message.contains("sourceRepos decides");
            app.status.conditions.iter().any(refused)
        })
        .await;
    assert!(world.live("", "ConfigMap", "a").await.is_some(), "not pruned");
    world.end().await;
}

/// `application.namespaces` lets Applications live elsewhere; their project has to agree.
#[tokio::test]
async fn applications_live_in_other_namespaces_that_their_project_permits() {
    let world = World::with_application_namespaces("team-*").await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let [team, other] = [format!("team-{}", world.name), format!("other-{}", world.name)];
    for namespace in [&team, &other] {
        apply(&world.cluster, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
        world.application(json!({"metadata": {"namespace": namespace}})).await;
    }
    let denied = |app: &api::argocd::Application| {
        let found = |c: &api::argocd::Condition| c.message.contains("is not permitted to use project default");
        app.status.conditions.iter().any(found)
    };
    world.until_in(&team, "denied by the project", denied).await;

    let spec = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
        "sourceNamespaces": ["team-*"]});
    let metadata = json!({"name": "default", "namespace": world.name});
    let kind = "AppProject";
    apply(
        &world.cluster,
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}),
    )
    .await;
    world.until_in(&team, "synced", synced_to(&first)).await;
    let live = world.live("", "ConfigMap", "a").await.unwrap();
    let mark = live.annotation("argocd.argoproj.io/tracking-id").unwrap_or_default().to_owned();
    assert!(mark.starts_with(&format!("{team}_{}:", world.name)), "{mark}");
    let said = |namespace: &str| world.controller.application(&format!("{namespace}/{}", world.name));
    assert!(said(&team).is_some());
    assert!(said(&other).is_none() && world.controller.application(&world.name).is_none());

    // what happens to its objects is its own business
    let key = ResourceKey::new("", "ConfigMap", world.name.as_str(), "a");
    world.patch(&key, json!({"data": {"key": "changed"}}), "kubectl-edit").await;
    let healed = |app: &api::argocd::Application| {
        let sync = app.status.operation_state.as_ref().and_then(|state| state.operation.sync.clone());
        sync.is_some_and(|sync| sync.auto_heal_attempts_count == 1)
    };
    world.until_in(&team, "healed", healed).await;
    for namespace in [team, other] {
        let key = ResourceKey::new("", "Namespace", "", namespace);
        world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    }
    world.end().await;
}

/// What is written now decides: it is not gone on with what could be read before.
#[tokio::test]
async fn an_application_that_cannot_be_read_is_left_alone_until_it_can() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    world.until("synced", synced_to(&first)).await;
    let unreadable = || world.controller.stores().applications.unreadable();
    let phase = |phase: &str| json!({"status": {"operationState": {"phase": phase}}});
    world.patch(&world.key(), phase("Splendid"), "test").await;
    for _ in 0..200 {
        if !unreadable().is_empty() {
            break;
        }
        pause(20).await;
    }
    assert_eq!(world.controller.application(&world.name), None);
    let found = unreadable().pop().unwrap();
    assert!(found.why.contains("does not have the shape of its kind"), "{found:?}");
    assert_eq!(found.last.unwrap().metadata.name, world.name);
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    world.patch(&world.key(), phase("Succeeded"), "test").await;
    world.until("synced to the second commit", synced_to(&second)).await;
    world.end().await;
}
