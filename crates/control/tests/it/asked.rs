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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_of_a_branch_brings_what_the_branch_was() {
    let (world, controller, running) = World::with_v2().await;
    let head = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", head);
    let commit = world.write_feature("v9").await;
    // what is let in stays until somebody else syncs
    world.write_application("shop-staging", json!({"spec": {"syncPolicy": null}})).await;
    let staging = world.application("staging").await;
    let overrides = vec![Arc::new(staging.clone())];
    let request = SyncRequest { revision: "feature".into(), overrides, ..SyncRequest::default() };
    sync(&controller, &staging, "otto", request).await.unwrap();
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
            "value": format!("{said} {}", seal.of_override(&staging.metadata.uid, &said))}]);
        let operation = json!({"initiatedBy": {"username": who}, "info": info, "sync": {}});
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
