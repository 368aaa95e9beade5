//! What comes past the gates of an environment, and who lets it.

use std::sync::Arc;

use api::argocd::{Application, OperationPhase, OperationState};
use cluster::{Patch, PatchOptions};
use control::Controller;
use control::requests::{SyncRequest, sync};
use object::ResourceKey;
use serde_json::json;

use crate::fixtures::{apply, pause};
use crate::promotions::{DEPLOYMENT, OVERLAY, World, application_named};

impl World {
    pub(crate) async fn application(&self, environment: &str) -> Application {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", format!("shop-{environment}").as_str());
        Application::from_value(self.cluster.get(&key).await.unwrap().unwrap().into_value()).unwrap()
    }

    /// What the Pipeline's conditions say.
    pub(crate) async fn conditions(&self) -> String {
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        let live = self.cluster.get(&key).await.unwrap().unwrap();
        live.value().pointer("/status/conditions").map(ToString::to_string).unwrap_or_default()
    }

    pub(crate) async fn deployed(&self, environment: &str) -> String {
        let key = ResourceKey::new("apps", "Deployment", environment, "shop");
        let live = self.cluster.get(&key).await.unwrap().unwrap();
        let image = live.value().pointer("/spec/template/spec/containers/0/image");
        image.and_then(|image| image.as_str()).unwrap_or_default().to_owned()
    }

    /// Whether what was synced to staging last was refused, because nobody promoted the tag.
    pub(crate) async fn is_refused(&self, tag: &str) -> bool {
        let state = self.application("staging").await.status.operation_state;
        let says = format!("{tag} was not");
        state.is_some_and(|state| state.phase == OperationPhase::Failed && state.message.contains(&says))
    }

    /// Somebody writes the overlay of staging past the gates, which is refused.
    pub(crate) async fn refuses_staging(&self, tag: &str) {
        self.write_staging("mallory", tag).await;
        self.until("refused", async || self.is_refused(tag).await).await;
    }

    /// Otto, who may, lets past the gates of staging what an Application brings.
    pub(crate) async fn let_past(&self, controller: &Controller, syncing: &Application) {
        self.let_past_as(controller, syncing, SyncRequest::default()).await;
    }

    /// As he asks for it.
    pub(crate) async fn let_past_as(&self, controller: &Controller, syncing: &Application, request: SyncRequest) {
        let overrides = vec![Arc::new(self.application("staging").await)];
        sync(controller, syncing, "otto", SyncRequest { overrides, ..request }).await.unwrap();
    }

    pub(crate) async fn until(&self, what: &str, mut is: impl AsyncFnMut() -> bool) {
        for _ in 0..400 {
            if is().await {
                return;
            }
            pause(50).await;
        }
        panic!(
            "never {what}: {:#?} {}",
            self.application("staging").await.status.operation_state,
            self.conditions().await
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_promoted_is_synced_unless_somebody_overrides() {
    let (world, controller, running) = World::with_v2().await;

    world.refuses_staging("v9").await;
    world.until("said", async || world.conditions().await.contains("v9 was not promoted to staging")).await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // nor does it help to say that somebody may
    let forged = json!([{"name": "gantline.dev/override", "value": "HEAD 0123456789abcdef"}]);
    let operation = json!({"operation": {"initiatedBy": {"username": "mallory"}, "info": forged, "sync": {}}});
    let key = ResourceKey::new("argoproj.io", "Application", "argocd", "shop-staging");
    let before = world.application("staging").await.status.operation_state.unwrap().started_at;
    world.cluster.patch(&key, &Patch::Merge(operation), PatchOptions::default()).await.unwrap();
    let again = async || {
        let state = world.application("staging").await.status.operation_state.unwrap();
        state.started_at > before && state.phase.completed()
    };
    world.until("refused again", again).await;
    assert!(world.is_refused("v9").await);
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // nor that the image that was promoted is still there, in another place
    let patch = "apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: shop}\n    spec: {template: {spec: {containers: \
                 [{name: shop, image: 'nginx:1'}], initContainers: [{name: old, image: 'ghcr.io/acme/shop:v2'}]}}}\n";
    let aside = format!("{}patches:\n- patch: |-\n    {patch}", OVERLAY.replace("v1", "v2"));
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&aside))], "Put it aside").await;
    let is_held = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.message.contains("puts something else in the place of ghcr.io/acme/shop"))
    };
    world.until("held", is_held).await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // taken back and promoted, all goes on by itself
    world.write_staging("dana", "v2").await;
    world.push("v3").await;
    world.succeeded("v3").await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v3");
    // what was promoted before does not come back by hand, nor by a revert
    world.write_staging("dana", "v2").await;
    let is_held = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.message.contains("v2 was promoted before, and something else since"))
    };
    world.until("held", is_held).await;
    world.until("said", async || world.conditions().await.contains("it came back past the gates")).await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v3");
    world.refuses_staging("v9").await;

    world.let_past(&controller, &world.application("staging").await).await;
    world.until("synced", async || world.deployed("staging").await == "ghcr.io/acme/shop:v9").await;
    assert!(world.conditions().await.contains("v9 was not promoted to staging"), "it stays said");

    // Git goes back to what was promoted, by hand: nobody has to be asked
    world.write_staging("dana", "v3").await;
    world.until("back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v3").await;
    world.until("silent", async || !world.conditions().await.contains("was not promoted")).await;
    running.end().await;
}

impl World {
    pub(crate) async fn named(&self, name: &str) -> Application {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", name);
        Application::from_value(self.cluster.get(&key).await.unwrap().unwrap().into_value()).unwrap()
    }

    /// Puts a manifest into Git and an Application on it, and waits for its first operation.
    pub(crate) async fn beside(&self, name: &str, namespace: &str, manifest: &str) -> OperationState {
        let path = format!("{name}/d.yaml");
        self.repository.commit("mallory", &[(path.as_str(), Some(manifest))], "Add something beside").await;
        let source = json!({"repoURL": self.repository.url(), "targetRevision": "main", "path": name});
        apply(&self.cluster, application_named(name, namespace, json!({ "source": source }))).await;
        self.operation(name).await
    }

    /// Once it has ended.
    pub(crate) async fn operation(&self, name: &str) -> OperationState {
        for _ in 0..400 {
            let state = self.named(name).await.status.operation_state;
            if let Some(state) = state.filter(|state| state.phase.completed()) {
                return state;
            }
            pause(50).await;
        }
        panic!("{name} never ended: {:#?}", self.named(name).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_application_brings_an_image_past_the_gates() {
    let (world, controller, running) = World::with_v2().await;
    let pod = |image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: debug}}\nspec: {{containers: [{{name: a, image: '{image}'}}]}}\n"
        )
    };
    let volume = "apiVersion: v1\nkind: Pod\nmetadata: {name: debug}\nspec:\n  containers: [{name: a, image: busybox}]\n  volumes: [{name: v, image: {reference: 'ghcr.io/acme/shop:v9'}}]\n";
    let stolen = DEPLOYMENT.replace("acme/shop\n", "acme/shop:v9\n");
    world.repository.commit("mallory", &[("thief/d.yaml", Some(&stolen))], "Take it over").await;
    let elsewhere = pod("ghcr.io/acme/shop:v9").replace("{name: debug}", "{name: debug, namespace: staging}");
    for (name, namespace, manifest, brings) in [
        ("beside", "staging", pod("GHCR.io:443/acme/shop:v9"), "GHCR.io:443/acme/shop:v9"),
        ("volume", "staging", volume.to_owned(), "ghcr.io/acme/shop:v9"),
        ("leaving", "production", elsewhere, "ghcr.io/acme/shop:v9"),
    ] {
        let state = world.beside(name, namespace, &manifest).await;
        assert_eq!(state.phase, OperationPhase::Failed, "{name}: {}", state.message);
        for part in [format!("{brings} was not"), format!("app sync {name} --override"), "override shop-staging".into()]
        {
            assert!(state.message.contains(&part), "{name}: {}", state.message);
        }
        let key = ResourceKey::new("", "Pod", "staging", "debug");
        assert!(world.cluster.get(&key).await.unwrap().is_none(), "{name}");
    }
    for (name, namespace, manifest) in [
        ("promoted", "staging", pod("ghcr.io/acme/shop:v2").replace("debug", "promoted")),
        ("unrelated", "staging", pod("ghcr.io/acme/tool:v9").replace("debug", "unrelated")),
        ("unowned", "production", pod("ghcr.io/acme/shop:v9").replace("debug", "unowned")),
    ] {
        let state = world.beside(name, namespace, &manifest).await;
        assert_eq!(state.phase, OperationPhase::Succeeded, "{name}: {}", state.message);
    }

    // an object of the owner, by hand: what another wants an automated sync leaves alone
    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "thief"});
    let mut thief = application_named("thief", "staging", json!({ "source": source }));
    thief["spec"]["syncPolicy"] = json!({});
    thief["operation"] = json!({"initiatedBy": {"username": "mallory"}, "sync": {}});
    apply(&world.cluster, thief).await;
    let state = world.operation("thief").await;
    assert!(state.phase == OperationPhase::Failed && state.message.contains("v9 was not"), "{state:?}");
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // whoever may override the owner lets it in
    world.let_past(&controller, &world.named("volume").await).await;
    let key = ResourceKey::new("", "Pod", "staging", "debug");
    world.until("let in", async || world.cluster.get(&key).await.unwrap().is_some()).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_in_is_healed_at_its_commit_and_no_other() {
    let (world, controller, running) = World::with_v2().await;
    world.refuses_staging("v9").await;
    world.let_past(&controller, &world.application("staging").await).await;
    let has_v9 = async || {
        let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
        let live = world.cluster.get(&key).await.unwrap().filter(|live| live.deletion_timestamp().is_none());
        live.is_some_and(|live| live.value().to_string().contains("acme/shop:v9"))
    };
    world.until("let in", has_v9).await;

    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    let uid = world.cluster.get(&key).await.unwrap().unwrap().uid().to_owned();
    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    let is_new = async || has_v9().await && world.cluster.get(&key).await.unwrap().is_some_and(|it| it.uid() != uid);
    world.until("healed", is_new).await;
    let image =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "ghcr.io/acme/shop:v2"}]);
    world.cluster.patch(&key, &Patch::Json(image), PatchOptions::default()).await.unwrap();
    world.until("healed again", has_v9).await;

    // what was let in is no leave for what comes next
    world.refuses_staging("v10").await;
    assert!(has_v9().await);
    running.end().await;
}

/// Whoever writes the Application puts back all that stood there, and in Git what was let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_in_once_does_not_come_again() {
    let (world, controller, running) = World::with_v2().await;
    world.refuses_staging("v9").await;
    world.let_past(&controller, &world.application("staging").await).await;
    world.until("let in", async || world.deployed("staging").await.ends_with(":v9")).await;
    let was = world.application("staging").await;
    world.write_staging("dana", "v2").await;
    world.until("back", async || world.deployed("staging").await.ends_with(":v2")).await;
    let synced = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.phase == OperationPhase::Succeeded)
    };
    world.until("synced", synced).await;
    let key = ResourceKey::new("argoproj.io", "Application", "argocd", "shop-staging");
    let patch = json!({"metadata": {"annotations": was.metadata.annotations}});
    world.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await.unwrap();
    world.refuses_staging("v9").await;
    assert!(world.deployed("staging").await.ends_with(":v2"));
    // nor by the operation of before
    let info = was.status.operation_state.unwrap().operation.info;
    let operation = json!({"operation": {"initiatedBy": {"username": "mallory"}, "info": info, "sync": {}}});
    world.cluster.patch(&key, &Patch::Merge(operation), PatchOptions::default()).await.unwrap();
    let is_again = async || {
        let state = world.application("staging").await.status.operation_state.unwrap();
        state.operation.initiated_by.username == "mallory" && state.phase.completed()
    };
    world.until("tried", is_again).await;
    assert!(world.is_refused("v9").await);
    running.end().await;
}

/// Whoever may see an Application of another project reads neither whose gates hold it nor why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_project_is_told_whom_to_ask() {
    let (world, _, running) = World::with_v2().await;
    let mut project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject"});
    project["metadata"] = json!({"name": "guests", "namespace": "argocd"});
    project["spec"] = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]});
    apply(&world.cluster, project).await;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: guest}\nspec: {containers: [{name: a, image: 'ghcr.io/acme/shop:v9'}]}\n";
    world.repository.commit("mallory", &[("guest/d.yaml", Some(pod))], "Add something beside").await;
    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "guest"});
    let mut guest = application_named("guest", "staging", json!({ "source": source }));
    guest["spec"]["project"] = json!("guests");
    apply(&world.cluster, guest).await;
    let state = world.operation("guest").await;
    assert_eq!(state.phase, OperationPhase::Failed, "{}", state.message);
    for part in ["ghcr.io/acme/shop:v9 may not come in", "the people of project default", "app sync guest --override"] {
        assert!(state.message.contains(part), "{}", state.message);
    }
    let status = json!(world.named("guest").await.status).to_string();
    for part in ["shop-staging", "Pipeline shop", "promote shop"] {
        assert!(!status.contains(part), "{part}: {status}");
    }
    running.end().await;
}

/// Nobody replaces what was promoted by a workload that its Service takes for the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_is_served_beside_what_was_promoted() {
    let (world, controller, running) = World::with_v2().await;
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec:\n  selector: {app: shop}\n  ports: [{port: 80}]\n";
    let extra = |app: &str| {
        let text = DEPLOYMENT
            .replace("ghcr.io/acme/shop", "docker.io/evil/shop:1")
            .replace("app: shop", &format!("app: {app}"));
        text.replacen("name: shop", "name: extra", 1)
    };
    let overlay = OVERLAY.replace("v1", "v2").replace("../base", "../base, service.yaml, extra.yaml");
    let commit = async |app: &str| {
        let extra = extra(app);
        let files = [
            ("staging/service.yaml", Some(service)),
            ("staging/extra.yaml", Some(extra.as_str())),
            ("staging/kustomization.yaml", Some(overlay.as_str())),
        ];
        world.repository.commit("mallory", &files, "fix: typo in docs").await;
    };
    let key = ResourceKey::new("apps", "Deployment", "staging", "extra");
    let app = async || {
        let live = world.cluster.get(&key).await.unwrap()?;
        live.value().pointer("/spec/template/metadata/labels/app")?.as_str().map(str::to_owned)
    };
    let is_held = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.message.contains("Service front would send to Deployment/extra, too"))
    };
    commit("shop").await;
    world.until("held", is_held).await;
    assert_eq!(app().await, None);

    // with labels of its own it is as free as ever, until it takes those
    commit("extra").await;
    world.until("there", async || app().await.as_deref() == Some("extra")).await;
    let relabelled = extra("extra").replace("      labels: {app: extra}", "      labels: {app: shop, own: extra}");
    let relabelled = relabelled.replace("matchLabels: {app: extra}", "matchLabels: {own: extra}");
    world.repository.commit("mallory", &[("staging/extra.yaml", Some(&relabelled))], "docs").await;
    world.until("held again", is_held).await;
    assert_eq!(app().await.as_deref(), Some("extra"));

    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    world.let_past(&controller, &world.application("staging").await).await;
    world.until("let in", async || app().await.as_deref() == Some("shop")).await;
    running.end().await;
}
