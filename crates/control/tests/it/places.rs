//! Where environments are and were: what comes there, whoever brings it.

use std::sync::Arc;

use api::argocd::OperationPhase;
use cluster::{DeleteOptions, Patch, PatchOptions};
use control::requests::{SyncRequest, sync};
use object::{Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::promotions::{OVERLAY, World};

/// In a spelling that a kustomization's `images` do not set.
const UNPROMOTED: &str = "GHCR.io:443/acme/shop:v9";

fn pod(name: &str, namespace: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{containers: [{{name: a, image: '{image}'}}]}}\n"
    )
}

impl World {
    async fn patch(&self, application: &str, patch: Value) {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", application);
        self.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await.unwrap();
    }

    async fn has_pod(&self, namespace: &str, name: &str) -> bool {
        let key = ResourceKey::new("", "Pod", namespace, name);
        self.cluster.get(&key).await.unwrap().is_some()
    }

    /// The overlay of dev with one more file; the commit.
    async fn add_to_dev(&self, manifest: &str) -> String {
        let overlay = OVERLAY.replace("v1", "v2").replace("[../base]", "[../base, more.yaml]");
        let files = [("dev/kustomization.yaml", Some(overlay.as_str())), ("dev/more.yaml", Some(manifest))];
        self.repository.commit("mallory", &files, "Add something").await.to_string()
    }

    /// Until the ledger says where staging is.
    async fn places_are_kept(&self) {
        let key = ResourceKey::new("", "Secret", "argocd", "gantline-ledger-6");
        let kept = async || {
            let secret = self.cluster.get(&key).await.unwrap();
            let data = secret.map(|secret| api::argocd::secret_data(secret.value())).unwrap_or_default();
            let ledger: Value = data.get("shop").map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            let there = &ledger["places"]["staging"]["namespaces"]["https://kubernetes.default.svc"];
            there == &json!(["staging"])
        };
        self.until("kept", kept).await;
    }

    /// Another Application brings an image to staging that was not promoted there.
    async fn is_held_beside(&self, name: &str) {
        let state = self.beside(name, "staging", &pod(name, "staging", "ghcr.io/acme/shop:v9")).await;
        assert_eq!(state.phase, OperationPhase::Failed, "{name}: {}", state.message);
        assert!(state.message.contains("v9 was not") && state.message.contains("shop-staging"), "{}", state.message);
        assert!(!self.has_pod("staging", name).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_environment_puts_where_a_later_one_is_is_judged_there() {
    let (world, _, running) = World::with_v2().await;
    let hook = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: debug, namespace: staging, annotations: \
         {{argocd.argoproj.io/hook: PreSync}}}}\nspec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, \
         image: '{UNPROMOTED}'}}]}}}}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: not-synced-yet}}\n"
    );
    for manifest in [pod("debug", "staging", UNPROMOTED), hook] {
        let commit = world.add_to_dev(&manifest).await;
        let ended = async || {
            let state = world.application("dev").await.status.operation_state.unwrap();
            state.phase.completed() && state.sync_result.is_some_and(|result| result.revision == commit)
        };
        world.until("ended", ended).await;
        let state = world.application("dev").await.status.operation_state.unwrap();
        assert_eq!(state.phase, OperationPhase::Failed, "{}", state.message);
        assert!(
            state.message.contains(&format!("{UNPROMOTED} was not")) && state.message.contains("override shop-staging"),
            "{}",
            state.message
        );
        assert!(!world.has_pod("staging", "debug").await);
    }
    // nor is it at home there because somebody sends it there
    world.places_are_kept().await;
    world.patch("shop-dev", json!({"spec": {"destination": {"namespace": "staging"}}})).await;
    world.add_to_dev(&pod("sent", "staging", UNPROMOTED)).await;
    let held = async || {
        let app = world.application("dev").await;
        let state = app.status.operation_state.unwrap();
        app.status.sync.compared_to.destination.namespace == "staging"
            && state.phase == OperationPhase::Failed
            && state.message.contains(&format!("{UNPROMOTED} was not"))
    };
    world.until("held", held).await;
    assert!(!world.has_pod("staging", "sent").await);
    world.patch("shop-dev", json!({"spec": {"destination": {"namespace": "dev"}}})).await;

    // what was promoted there may come, and its own namespace is its own
    for (name, namespace, image) in [("old", "staging", "ghcr.io/acme/shop:v2"), ("new", "dev", UNPROMOTED)] {
        world.add_to_dev(&pod(name, namespace, image)).await;
        world.until("brought", async || world.has_pod(namespace, name).await).await;
    }
    running.end().await;
}

/// By what their Applications say; each has its own objects there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_that_share_a_namespace_go_on() {
    let world = World::start().await;
    world.patch("shop-staging", json!({"spec": {"destination": {"namespace": "dev"}}})).await;
    let overlay = format!("{OVERLAY}nameSuffix: -staging\n");
    world.repository.commit("dana", &[("staging/kustomization.yaml", Some(&overlay))], "Share a namespace").await;
    world.controller_settles().await;
    let running = world.controller(None);
    for tag in ["v2", "v3"] {
        world.push(tag).await;
        world.succeeded(tag).await;
    }
    assert_eq!(world.deployed("dev").await, "ghcr.io/acme/shop:v3");
    world.until("silent", async || !world.conditions().await.contains("was not promoted")).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_stands_where_an_environment_was_whatever_becomes_of_its_application() {
    let (world, controller, running) = World::with_v2().await;
    world.places_are_kept().await;

    world.patch("shop-staging", json!({"spec": {"destination": {"namespace": "production"}}})).await;
    let moved = ResourceKey::new("apps", "Deployment", "production", "shop");
    world.until("moved", async || world.cluster.get(&moved).await.unwrap().is_some()).await;
    world.is_held_beside("moved").await;

    world.patch("shop-staging", json!({"spec": {"destination": {"server": "https://elsewhere.example"}}})).await;
    world.is_held_beside("elsewhere").await;

    let here = json!({"server": "https://kubernetes.default.svc", "namespace": "staging"});
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}, "spec": {"destination": here}});
    world.patch("shop-staging", held).await;
    let key = ResourceKey::new("argoproj.io", "Application", "argocd", "shop-staging");
    world.cluster.delete(&key, &DeleteOptions::default()).await.unwrap();
    world.is_held_beside("going").await;

    world.patch("shop-staging", json!({"metadata": {"finalizers": null}})).await;
    world.until("gone", async || world.cluster.get(&key).await.unwrap().is_none()).await;
    world.is_held_beside("gone").await;
    let state = world.beside("fine", "staging", &pod("fine", "staging", "ghcr.io/acme/shop:v2")).await;
    assert_eq!(state.phase, OperationPhase::Succeeded, "{}", state.message);

    // who might override the Application while it was there still may, and what comes in is said
    let gone = world.named("gone").await;
    let owners = controller.owners_near(&gone, "").await;
    let names: Vec<_> = owners.iter().map(|owner| (&*owner.metadata.name, owner.spec.project_name())).collect();
    assert_eq!(names, [("shop-staging", "default")]);
    let request = SyncRequest { overrides: owners.iter().map(Arc::clone).collect(), ..SyncRequest::default() };
    sync(&controller, &gone, "otto", request).await.unwrap();
    world.until("let in", async || world.has_pod("staging", "gone").await).await;
    let said = "v9, which another Application has in namespace staging, was not promoted to staging";
    world.until("said", async || world.conditions().await.contains(said)).await;
    running.end().await;
}

/// One slip that the schema lets through, and before: what stood there guarded production.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gates_of_a_pipeline_that_cannot_be_read_hold() {
    let (world, _, running) = World::with_v2().await;
    world.places_are_kept().await;
    let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
    let gates = json!([{"approval": {"groups": [{"name": "leads", "min": -1}]}}]);
    let slip = Patch::Merge(json!({"spec": {"environments": [{"name": "dev", "application": "shop-dev"},
        {"name": "staging", "application": "shop-staging", "auto": true, "gates": gates}]}}));
    world.cluster.patch(&key, &slip, PatchOptions::default()).await.unwrap();
    world.is_held_beside("unread").await;
    running.end().await;
    // nobody remembers how it was
    let again = world.controller(None);
    world.is_held_beside("again").await;
    again.end().await;
}

/// Whoever may make Pipelines makes none that stands for the gates of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_of_ones_own_opens_no_other() {
    let (world, _, running) = World::with_v2().await;
    world.places_are_kept().await;
    let environments = json!([{"name": "za", "application": "nothing"}, {"name": "zb", "application": "evil"}]);
    let own = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": "zz", "namespace": "argocd"},
        "spec": {"images": [{"name": "ghcr.io/acme/shop"}], "environments": environments}});
    world.cluster.create(&Manifest::new(own).unwrap()).await.unwrap();
    world.is_held_beside("evil").await;
    running.end().await;
}
