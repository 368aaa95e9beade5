//! What somebody lets in past the gates is what it was when it was asked for.

use std::sync::Arc;

use api::argocd::{Application, OperationPhase, OperationState};
use cluster::{Patch, PatchOptions};
use control::requests::{SyncRequest, sync};
use jiff::SignedDuration;
use object::ResourceKey;
use promotion::Seal;
use serde_json::{Value, json};

use crate::promotions::{OVERLAY, World};

impl World {
    /// The overlay of staging on the branch `feature`.
    async fn write_feature(&self, tag: &str) -> String {
        let overlay = OVERLAY.replace("v1", tag);
        let files = [("staging/kustomization.yaml", Some(overlay.as_str()))];
        self.repository.commit_to("feature", "mallory", &files, "Write a branch").await.to_string()
    }

    /// Somebody who may write Applications.
    async fn write_application(&self, name: &str, patch: Value) {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", name);
        self.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await.unwrap();
    }

    /// The operation of staging that `who` began, once it has ended.
    async fn begun_by(&self, who: &str) -> OperationState {
        let of = |app: Application| {
            let state = app.status.operation_state?;
            let is = state.phase.completed() && state.operation.initiated_by.username == who;
            is.then_some(state)
        };
        self.until("ended", async || of(self.application("staging").await).is_some()).await;
        of(self.application("staging").await).unwrap()
    }

    /// As who may read the Secrets of the control plane could.
    async fn seal(&self) -> Seal {
        let key = ResourceKey::new("", "Secret", "argocd", "gantline-records");
        let secret = self.cluster.get(&key).await.unwrap().unwrap();
        let key = secret.value()["data"]["key"].as_str().unwrap().to_owned();
        Seal::new(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key).unwrap())
    }
}

/// How an operation is done that asks for nothing in particular.
fn manner(app: &Application) -> Value {
    json!([[app.spec.all_sources(), null, [], []], app.spec.destination, []])
}

impl World {
    /// Somebody writes a tag and an object past the gates of staging, which is refused.
    async fn write_with(&self, tag: &str, object: &str, refused: &str) {
        let overlay = OVERLAY.replace("v1", tag).replace("[../base]", "[../base, o.yaml]");
        let files = [("staging/kustomization.yaml", Some(overlay.as_str())), ("staging/o.yaml", Some(object))];
        self.repository.commit("mallory", &files, "Write it by hand").await;
        self.until("refused", async || self.is_refused(refused).await).await;
    }

    /// The same as an override said, with something else.
    async fn uses_again(&self, who: &str, info: &Value, patch: Value) -> OperationState {
        let mut patch = patch;
        patch["operation"] = json!({"initiatedBy": {"username": who}, "info": info, "sync": {}});
        self.write_application("shop-staging", patch).await;
        self.begun_by(who).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_is_for_what_it_was_asked_for() {
    let (world, controller, running) = World::with_v2().await;
    world.write_with("v9", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\n", "v9").await;
    world.write_application("shop-staging", json!({"spec": {"syncPolicy": null}})).await;
    let staging = world.application("staging").await;
    let overriding = |request| world.let_past_as(&controller, &staging, request);
    // a dry run brings nothing, and leaves nothing to others
    overriding(SyncRequest { dry_run: true, ..SyncRequest::default() }).await;
    let dry = world.begun_by("otto").await;
    assert_eq!(json!(dry.operation.info), json!([]));
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // one object, which brings no image; then all of them, and another source at the same commit
    let resources = vec![(String::new(), "ConfigMap".to_owned(), "note".to_owned())];
    overriding(SyncRequest { resources, ..SyncRequest::default() }).await;
    let begun = async || {
        let state = world.application("staging").await.status.operation_state.unwrap();
        state.phase.completed() && !state.operation.info.is_empty()
    };
    world.until("one object is synced", begun).await;
    let info = json!(world.begun_by("otto").await.operation.info);
    let state = world.uses_again("mallory", &info, json!({})).await;
    assert!(state.phase == OperationPhase::Failed && state.message.contains("v9 was not"), "{state:?}");
    let kustomize = json!({"images": ["ghcr.io/acme/shop:evil"]});
    let state = world.uses_again("trudy", &info, json!({"spec": {"source": {"kustomize": kustomize}}})).await;
    assert!(state.phase == OperationPhase::Failed && state.message.contains("evil was not"), "{state:?}");
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");
    running.end().await;
}

/// What is let in is the objects that were chosen; self-heal brings no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_of_one_object_lets_in_no_other() {
    let (world, controller, running) = World::with_v2().await;
    let worker = "apiVersion: v1\nkind: Pod\nmetadata: {name: worker}\n\
        spec: {containers: [{name: a, image: 'GHCR.io/acme/shop:w9'}]}\n";
    world.write_with("v9", worker, "w9").await;
    let staging = world.application("staging").await;
    let resources = vec![(String::new(), "Pod".to_owned(), "worker".to_owned())];
    world.let_past_as(&controller, &staging, SyncRequest { resources, ..SyncRequest::default() }).await;
    let key = ResourceKey::new("", "Pod", "staging", "worker");
    let is_there = async || world.cluster.get(&key).await.unwrap().is_some();
    world.until("let in", is_there).await;
    world.until("the rest is refused", async || world.is_refused("v9").await).await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_of_a_branch_brings_what_the_branch_was() {
    let (world, controller, running) = World::with_v2().await;
    let head = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", head);
    let commit = world.write_feature("v9").await;
    // what is let in stays until somebody else syncs
    world.write_application("shop-staging", json!({"spec": {"syncPolicy": null}})).await;
    let staging = world.application("staging").await;
    let request = SyncRequest { revision: "feature".into(), ..SyncRequest::default() };
    world.let_past_as(&controller, &staging, request).await;
    let first = world.begun_by("otto").await;
    assert_eq!(first.phase, OperationPhase::Succeeded, "{}", first.message);
    assert_eq!(first.operation.sync.as_ref().unwrap().revision, commit);
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v9");

    world.write_feature("v10").await;
    let again =
        json!({"initiatedBy": {"username": "mallory"}, "info": first.operation.info, "sync": {"revision": "feature"}});
    world.write_application("shop-staging", json!({ "operation": again })).await;
    let second = world.begun_by("mallory").await;
    assert!(second.phase == OperationPhase::Failed && second.message.contains("v10 was not"), "{second:?}");
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v9");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_reaches_where_nothing_is_yet() {
    let (world, controller, running) = World::with_v2().await;
    let head = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", head);
    let pod = |namespace: &str, image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: new, namespace: {namespace}}}\n\
             spec: {{containers: [{{name: a, image: '{image}'}}]}}\n"
        )
    };
    let there = pod("staging", "ghcr.io/acme/shop:v9");
    let files = [("new/d.yaml", Some(there.as_str()))];
    world.repository.commit_to("feature", "mallory", &files, "Go to staging").await;
    let state = world.beside("new", "production", &pod("production", "busybox")).await;
    assert_eq!(state.phase, OperationPhase::Succeeded, "{}", state.message);
    world.write_application("new", json!({"spec": {"syncPolicy": null}})).await;
    let new = world.named("new").await;
    assert!(controller.owners_near(&new, "").await.is_empty());
    let overrides = controller.owners_near(&new, "feature").await;
    assert_eq!(overrides.iter().map(|owner| &*owner.metadata.name).collect::<Vec<_>>(), ["shop-staging"]);
    let request = SyncRequest { revision: "feature".into(), overrides, ..SyncRequest::default() };
    sync(&controller, &new, "otto", request).await.unwrap();
    let key = ResourceKey::new("", "Pod", "staging", "new");
    world.until("let in", async || world.cluster.get(&key).await.unwrap().is_some()).await;
    running.end().await;
}

/// Whoever writes the status says when an operation began; the time of the override is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_is_not_begun_again_by_an_old_status() {
    let (world, _, running) = World::with_v2().await;
    world.refuses_staging("v9").await;
    let (staging, seal) = (world.application("staging").await, world.seal().await);
    for (who, age, phase) in [("mallory", 11, OperationPhase::Failed), ("otto", 0, OperationPhase::Succeeded)] {
        let at = world.clock.now() - SignedDuration::from_mins(age);
        let said = format!("{} {at}", staging.status.sync.revision);
        let info = json!([{"name": "gantline.dev/override",
            "value": format!("{said} {}", seal.of_override(&staging.metadata.uid, &format!("{said}\n{}", manner(&staging))))}]);
        let operation = json!({"initiatedBy": {"username": who}, "info": info, "sync": {"source": null}});
        let state = json!({"phase": "Running", "startedAt": at.round(jiff::Unit::Second).unwrap().to_string(),
            "finishedAt": null, "syncResult": null, "message": "", "operation": operation});
        let refresh = json!({"annotations": {"argocd.argoproj.io/refresh": "normal"}});
        world
            .write_application("shop-staging", json!({"metadata": refresh, "status": {"operationState": state}}))
            .await;
        let state = world.begun_by(who).await;
        assert_eq!(state.phase, phase, "{who}: {}", state.message);
    }
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v9");
    running.end().await;
}

/// Whoever pushes to a branch that nobody knew would say what was let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_of_what_nobody_can_tell_is_none() {
    let (world, controller, running) = World::with_v2().await;
    world.write_application("shop-staging", json!({"spec": {"syncPolicy": null}})).await;
    let staging = Arc::new(world.application("staging").await);
    let request =
        SyncRequest { revision: "nowhere".into(), overrides: vec![Arc::clone(&staging)], ..SyncRequest::default() };
    let refused = sync(&controller, &staging, "otto", request).await.unwrap_err().to_string();
    assert!(refused.contains("nobody can tell of shop-staging now") && refused.contains("nowhere"), "{refused}");

    // nor as a version of before sealed it: by its name
    let head = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", head);
    world.write_feature("v9").await;
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    world.write_application("shop-staging", refresh).await;
    let is_known = async || world.application("staging").await.metadata.annotations.is_empty();
    world.until("looked at", is_known).await;
    let at = world.clock.now() + SignedDuration::from_mins(9);
    let said = format!("feature {at}");
    let sealed = world.seal().await.of_override(&staging.metadata.uid, &format!("{said}\n{}", manner(&staging)));
    let info = json!([{"name": "gantline.dev/override", "value": format!("{said} {sealed}")}]);
    let operation = json!({"initiatedBy": {"username": "mallory"}, "info": info, "sync": {"revision": "feature"}});
    world.write_application("shop-staging", json!({ "operation": operation })).await;
    let state = world.begun_by("mallory").await;
    assert!(state.phase == OperationPhase::Failed && state.message.contains("v9 was not"), "{state:?}");
    running.end().await;
}
