//! A release through two environments, with the controller killed at every durable step.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::gantline::{Promotion, PromotionPhase, crds};
use clock::{Clock, Ids, ScaledClock};
use cluster::{Cluster, Patch, PatchOptions};
use control::requests::{Seen, roll_back};
use control::workers::Renderer;
use control::{AtStep, Controller, ControllerConfig, GitRemotes, Remotes, Replica};
use object::ResourceKey;
use promotion::WriteStep;
use sandbox::{Sandbox, SandboxOptions};
use serde_json::json;
use test_support::{GitRepo, SilentHost};
use tokio_util::sync::CancellationToken;

use crate::fixtures::{apply, pause, served};

pub(crate) const OVERLAY: &str = "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newTag: v1 # ours\n";
pub(crate) const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  replicas: 1\n  selector:\n    matchLabels: {app: shop}\n  template:\n    metadata:\n      labels: {app: shop}\n    spec:\n      containers:\n      - name: shop\n        image: ghcr.io/acme/shop\n";

/// A cluster and a repository that outlive controllers.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster: Cluster,
    pub(crate) repository: GitRepo,
    pub(crate) registry: Option<git::RegistryClient>,
}

/// An environment: its name, what its Application follows, and whether promotions merge.
pub(crate) type Environment = (&'static str, &'static str, bool);

pub(crate) const ON_ONE_BRANCH: [Environment; 2] = [("dev", "main", false), ("staging", "main", false)];

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&ON_ONE_BRANCH).await
    }

    pub(crate) async fn with(environments: &[Environment]) -> Self {
        Self::with_images(environments, Arc::new(sandbox::AnyImage)).await
    }

    pub(crate) async fn with_images(environments: &[Environment], images: Arc<dyn sandbox::ImageSource>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(60.0));
        let options = SandboxOptions { clock: Arc::clone(&clock), ids: Ids::random(), folder: None, images };
        let cluster = Cluster::from_service(Sandbox::start(options).unwrap().router(), Arc::clone(&clock));
        for crd in [api::argocd::application_crd(), api::argocd::project_crd()].into_iter().chain(crds()) {
            apply(&cluster, crd).await;
        }
        served(
            &cluster,
            &[
                ("argoproj.io", "Application"),
                ("argoproj.io", "AppProject"),
                ("gantline.dev", "Pipeline"),
                ("gantline.dev", "Release"),
                ("gantline.dev", "Promotion"),
            ],
        )
        .await;
        let repository = GitRepo::with_files(&[
            ("base/kustomization.yaml", "resources: [d.yaml]\n"),
            ("base/d.yaml", DEPLOYMENT),
            ("dev/kustomization.yaml", OVERLAY),
            ("staging/kustomization.yaml", OVERLAY),
            ("production/kustomization.yaml", OVERLAY),
        ]);
        let world = Self { clock, cluster, repository, registry: None };
        let first = world.repository.open().head_of("main").await.unwrap();
        world.repository.point("refs/heads/release", first);
        world.repository.point("refs/tags/v1.0", first);
        world.objects(environments).await;
        world
    }

    async fn objects(&self, environments: &[Environment]) {
        let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        for name in ["argocd", "dev", "staging", "production"] {
            apply(&self.cluster, namespace(name)).await;
        }
        for (environment, follows, _) in environments {
            let source = json!({"repoURL": self.repository.url(), "targetRevision": follows, "path": environment});
            apply(&self.cluster, application(environment, json!({"source": source}))).await;
        }
        let environments: Vec<_> = environments
            .iter()
            .map(|(name, _, merge)| json!({"name": name, "application": format!("shop-{name}"), "auto": true, "merge": merge}))
            .collect();
        let pipeline = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline",
            "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {"images": [{"name": "ghcr.io/acme/shop"}], "environments": environments}});
        apply(&self.cluster, pipeline).await;
    }

    pub(crate) fn controller(&self, at_step: Option<AtStep>) -> Running {
        self.replica(None, at_step)
    }

    pub(crate) fn replica(&self, replica: Option<Replica>, at_step: Option<AtStep>) -> Running {
        run(&Controller::new(ControllerConfig { replica, at_step, ..self.config(Arc::new(self.remotes())) }))
    }

    /// One that can be asked for something while it runs.
    /// v2 was promoted into staging.
    pub(crate) async fn with_v2() -> (Self, Controller, Running) {
        let world = Self::start().await;
        world.controller_settles().await;
        let (controller, running) = world.asked();
        world.push("v2").await;
        world.succeeded("v2").await;
        (world, controller, running)
    }

    /// Somebody writes the overlay of staging past the gates.
    pub(crate) async fn write_staging(&self, author: &str, tag: &str) {
        let overlay = OVERLAY.replace("v1", tag);
        self.repository.commit(author, &[("staging/kustomization.yaml", Some(&overlay))], "Write it by hand").await;
    }

    pub(crate) fn asked(&self) -> (Controller, Running) {
        let controller = Controller::new(self.config(Arc::new(self.remotes())));
        let running = run(&controller);
        (controller, running)
    }

    fn remotes(&self) -> GitRemotes {
        GitRemotes::new(self.repository.beside("copies"))
    }

    fn config(&self, remotes: Arc<dyn Remotes>) -> ControllerConfig {
        let (clock, cluster) = (Arc::clone(&self.clock), self.cluster.clone());
        let registry = self.registry.clone();
        ControllerConfig {
            registry,
            ..ControllerConfig::new(clock, Ids::random(), cluster, remotes, Renderer::InProcess)
        }
    }

    pub(crate) async fn promotions(&self) -> Vec<Promotion> {
        let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", "Promotion"), "argocd");
        let all = self.cluster.list(&scope).await.unwrap();
        all.into_iter().map(|object| Promotion::from_value(object.into_value()).unwrap()).collect()
    }

    /// Waits until the promotion of `tag` to staging has succeeded.
    pub(crate) async fn succeeded(&self, tag: &str) -> Promotion {
        self.succeeded_in("staging", tag).await
    }

    pub(crate) async fn succeeded_in(&self, environment: &str, tag: &str) -> Promotion {
        let is = |p: &Promotion| p.spec.tag == tag && p.spec.environment == environment;
        for _ in 0..400 {
            let all = self.promotions().await;
            let found = all.iter().find(|p| is(p) && p.status.phase == PromotionPhase::Succeeded);
            if let Some(found) = found {
                return found.clone();
            }
            pause(50).await;
        }
        let pipeline = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        let pipeline = self.cluster.get(&pipeline).await.unwrap().map(|live| live.into_value()["status"].clone());
        panic!("{tag} never got to {environment}: {:#?}\n{pipeline:#?}", self.promotions().await);
    }

    /// How many commits carry the promotion of `tag` to staging.
    pub(crate) async fn commits(&self, tag: &str) -> usize {
        let repository = self.repository.open();
        let head = repository.head_of("main").await.unwrap();
        let log = repository.log(head, None, 1000).await.unwrap();
        log.iter().filter(|commit| commit.subject == format!("promote(staging): shop → {tag}")).count()
    }

    /// Somebody else's commit: CI writes the first environment.
    pub(crate) async fn push(&self, tag: &str) {
        let text = OVERLAY.replace("v1", tag);
        self.repository.commit("dana", &[("dev/kustomization.yaml", Some(&text))], "Build").await;
    }
}

/// The Application of an environment; `spec` has its sources.
pub(crate) fn application(environment: &str, spec: serde_json::Value) -> serde_json::Value {
    application_named(&format!("shop-{environment}"), environment, spec)
}

pub(crate) fn application_named(name: &str, environment: &str, mut spec: serde_json::Value) -> serde_json::Value {
    spec["project"] = json!("default");
    spec["destination"] = json!({"server": "https://kubernetes.default.svc", "namespace": environment});
    spec["syncPolicy"] = json!({"automated": {"prune": true, "selfHeal": true}});
    let metadata = json!({"name": name, "namespace": "argocd"});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec})
}

pub(crate) struct Running {
    pub(crate) task: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

fn run(controller: &Controller) -> Running {
    let (controller, stop) = (controller.clone(), CancellationToken::new());
    let token = stop.clone();
    Running { task: tokio::spawn(async move { controller.run(token).await }), stop }
}

impl Running {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Ends the process at one place, the first time it comes there.
pub(crate) fn kill_at(step: WriteStep, before: bool, done: &Arc<AtomicBool>) -> AtStep {
    let done = Arc::clone(done);
    AtStep(Arc::new(move |at, is_before| {
        if at == step && is_before == before && !done.swap(true, Ordering::SeqCst) {
            let why: Box<dyn Any + Send> = Box::new("killed");
            // unlike a panic it says nothing
            resume_unwind(why);
        }
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_there_is_one_commit() {
    let world = World::start().await;
    world.controller_settles().await;
    for (number, step) in WriteStep::ALL.into_iter().enumerate() {
        for before in [true, false] {
            let tag = format!("v{}", 10 + number * 2 + usize::from(before));
            let killed = Arc::new(AtomicBool::new(false));
            let first = world.controller(Some(kill_at(step, before, &killed)));
            world.push(&tag).await;
            let ended = tokio::time::timeout(Duration::from_secs(20), first.task).await;
            assert!(ended.is_ok(), "{step} (before: {before}) was never reached: {:#?}", world.promotions().await);
            // two follow it, and both want to go on
            let (second, third) = (world.controller(None), world.controller(None));
            world.promoted_once(&tag, &format!("{step} (before: {before})")).await;
            second.end().await;
            third.end().await;
        }
    }
}

impl World {
    /// The promotion of `tag` succeeds, by one commit.
    pub(crate) async fn promoted_once(&self, tag: &str, what: &str) {
        let promotion = self.succeeded(tag).await;
        assert_eq!(self.commits(tag).await, 1, "{what}");
        let steps: Vec<&str> = promotion.status.steps.iter().map(|record| record.step.as_str()).collect();
        assert!(steps.contains(&"Recorded") && steps.last() == Some(&"Converged"), "{steps:?}");
        assert_eq!(self.repository.text("staging/kustomization.yaml").await, OVERLAY.replace("v1", tag));
    }

    /// The first release: it is everywhere from the start.
    pub(crate) async fn controller_settles(&self) {
        let running = self.controller(None);
        for _ in 0..400 {
            let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", "Release"), "argocd");
            let releases = self.cluster.list(&scope).await.unwrap();
            let noted = |live: &object::LiveObject| live.value().pointer("/status/environments/0").is_some();
            if releases.iter().any(noted) {
                break;
            }
            pause(50).await;
        }
        running.end().await;
    }
}

/// Where a step was reached, for tests that only watch.
fn watch(seen: &Arc<Mutex<Vec<(WriteStep, bool)>>>) -> AtStep {
    let seen = Arc::clone(seen);
    AtStep(Arc::new(move |step, before| seen.lock().unwrap().push((step, before))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_is_passed_in_order() {
    let world = World::start().await;
    world.controller_settles().await;
    let seen = Arc::default();
    let running = world.controller(Some(watch(&seen)));
    world.push("v2").await;
    let promotion = world.succeeded("v2").await;
    assert_eq!(promotion.spec.from, "dev");
    let expected: Vec<(WriteStep, bool)> =
        WriteStep::ALL.into_iter().flat_map(|step| [(step, true), (step, false)]).collect();
    // `Succeeded` is seen a moment before the last note
    for _ in 0..100 {
        if seen.lock().unwrap().len() >= expected.len() {
            break;
        }
        pause(20).await;
    }
    assert_eq!(*seen.lock().unwrap(), expected);
    running.end().await;
}

/// `main` for dev, `release` for staging, tags for production: approved work is merged, and production gets the next tag.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_merged_and_tagged() {
    let world =
        World::with(&[("dev", "main", false), ("staging", "release", true), ("production", "v1.*", false)]).await;
    world.controller_settles().await;
    // work beside the image travels by the merge
    let scaled = DEPLOYMENT.replace("replicas: 1", "replicas: 2");
    world.repository.commit("dana", &[("base/d.yaml", Some(&scaled))], "Scale").await;
    world.push("v2").await;
    let running = world.controller(None);
    world.succeeded_in("production", "v2").await;
    running.end().await;
    let repository = world.repository.open();
    let (main, release) = (repository.head_of("main").await.unwrap(), repository.head_of("release").await.unwrap());
    let (tag, tagged) = repository.highest_tag("v1.*").await.unwrap().unwrap();
    assert_eq!((tag.as_str(), tagged), ("v1.1", release));
    let log = repository.log(release, None, 2).await.unwrap();
    let subjects: Vec<&str> = log.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["promote(production): shop → v2", "promote(staging): shop → v2"]);
    assert_eq!((log[0].trailers.get("Tag"), log[1].parents[1]), (Some("v1.1"), main));
    assert_eq!(log[1].trailers.get("Merges"), Some(main.to_string().as_str()));
    let tree = repository.tree(release).await.unwrap();
    let text = |path: &str| String::from_utf8(tree.read(path).unwrap().unwrap().to_vec()).unwrap();
    assert_eq!(text("base/d.yaml"), scaled);
    for overlay in ["dev/kustomization.yaml", "staging/kustomization.yaml", "production/kustomization.yaml"] {
        assert_eq!(text(overlay), OVERLAY.replace("v1", "v2"), "{overlay}");
    }
}

/// Staging and production take the image from their base: what is written for one would change the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_is_not_changed_by_the_promotion_into_another() {
    let world = World::with(&[("dev", "main", false), ("staging", "main", false), ("production", "main", false)]).await;
    let base = DEPLOYMENT.replace("acme/shop\n", "acme/shop:v1\n");
    let plain = "resources: [../base]\n";
    let shared = [
        ("base/d.yaml", Some(base.as_str())),
        ("staging/kustomization.yaml", Some(plain)),
        ("production/kustomization.yaml", Some(plain)),
    ];
    world.repository.commit("dana", &shared, "Share").await;
    world.controller_settles().await;
    let running = world.controller(None);
    world.push("v2").await;
    let refused = |p: &Promotion| p.status.message.contains("would change production too");
    for _ in 0..400 {
        if world.promotions().await.iter().any(refused) {
            break;
        }
        pause(50).await;
    }
    let promotions = world.promotions().await;
    assert!(promotions.iter().any(refused), "{promotions:#?}");
    running.end().await;
    assert_eq!(world.commits("v2").await, 0);
}

/// Chart and values have repositories of their own: the image is written where it is read from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_values_file_of_another_repository_is_edited() {
    let world = World::start().await;
    let deployment = DEPLOYMENT.replace("acme/shop\n", "acme/shop:{{ .Values.image.tag }}\n");
    let chart = [
        ("chart/Chart.yaml", Some("apiVersion: v2\nname: shop\nversion: 1.0.0\n")),
        ("chart/values.yaml", Some("image: {tag: none}\n")),
        ("chart/templates/d.yaml", Some(deployment.as_str())),
    ];
    let values = "# ours\nimage:\n    tag: v1   # by promotion\n";
    let ours = GitRepo::with_files(&[("dev/values.yaml", values), ("staging/values.yaml", values)]);
    world.repository.commit("dana", &chart, "Chart").await;
    for (environment, ..) in ON_ONE_BRANCH {
        let helm = json!({"releaseName": "shop", "valueFiles": [format!("$ours/{environment}/values.yaml")]});
        let sources = json!([
            {"repoURL": world.repository.url(), "targetRevision": "main", "path": "chart", "helm": helm},
            {"repoURL": ours.url(), "targetRevision": "main", "ref": "ours"},
        ]);
        apply(&world.cluster, application(environment, json!({"sources": sources}))).await;
    }
    world.controller_settles().await;
    let chart_head = world.repository.open().head_of("main").await.unwrap();
    ours.commit("dana", &[("dev/values.yaml", Some(&values.replace("v1", "v2")))], "Build").await;
    let running = world.controller(None);
    world.succeeded("v2").await;
    running.end().await;
    assert_eq!(ours.text("staging/values.yaml").await, values.replace("v1", "v2"));
    assert_eq!(world.repository.open().head_of("main").await.unwrap(), chart_head);
    let repository = ours.open();
    let log = repository.log(repository.head_of("main").await.unwrap(), None, 1).await.unwrap();
    assert_eq!(log[0].subject, "promote(staging): shop → v2");
}

/// The commit of somebody else that came after the release's is not what a rollback takes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_takes_back_the_image_and_nothing_else() {
    let world = World::start().await;
    world.controller_settles().await;
    // nobody looks: what the Application is synced to later is not the commit that set the image
    world.push("v2").await;
    let other = [("base/notes.yaml", Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"))];
    world.repository.commit("olga", &other, "Take notes").await;
    let (controller, running) = world.asked();
    world.succeeded("v2").await;
    for environment in ["dev", "staging"] {
        let seen = Seen::whole(controller.observed("shop").unwrap());
        let made = roll_back(&controller, &seen, environment, "tina", "it is slow").await.unwrap();
        let done = world.ended(&made.metadata.name).await;
        assert_eq!(done.status.phase, PromotionPhase::Succeeded, "{done:#?}");
        assert_eq!(world.repository.text(&format!("{environment}/kustomization.yaml")).await, OVERLAY);
        let subject = format!("rollback({environment}): shop → v1");
        let repository = world.repository.open();
        let log = repository.log(repository.head_of("main").await.unwrap(), None, 10).await.unwrap();
        let found = log.iter().find(|commit| commit.subject == subject).unwrap_or_else(|| panic!("{log:#?}"));
        let reverted = found.trailers.get("Reverts").unwrap_or_default();
        let undone =
            log.iter().find(|commit| commit.id.to_string() == reverted).unwrap_or_else(|| panic!("{found:#?}"));
        let expected = if environment == "dev" { "Build" } else { "promote(staging): shop → v2" };
        assert_eq!(undone.subject, expected);
        let pipeline = controller.stores().pipeline("shop").unwrap();
        assert_eq!(pipeline.pin_of(environment).map(|pin| pin.by.as_str()), Some("tina"));
    }
    assert!(world.repository.text("base/notes.yaml").await.contains("notes"));
    let source =
        controller.stores().releases(Some("shop")).iter().find(|r| r.tag() == "v2").unwrap().spec.source.clone();
    assert_eq!((source.author.as_str(), source.email.as_str()), ("dana", "dana@example.com"));
    let bad = controller.stores().releases(Some("shop")).iter().find(|release| release.tag() == "v2").cloned();
    assert_eq!(bad.unwrap().status.quarantine.clone().unwrap().by, "tina");
    running.end().await;
}

impl World {
    pub(crate) async fn ended(&self, name: &str) -> Promotion {
        for _ in 0..400 {
            let found = self.promotions().await.into_iter().find(|p| p.metadata.name == name);
            if let Some(found) = found.filter(|p| !p.status.phase.is_open()) {
                return found;
            }
            pause(50).await;
        }
        panic!("{name} never ended: {:#?}", self.promotions().await);
    }
}

/// More Pipelines than there are turns wait for a host: the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_stops_only_those_who_use_it() {
    let (world, host) = (World::start().await, SilentHost::start());
    world.controller_settles().await;
    for number in 0..3 {
        let name = format!("slow{number}-dev");
        let source = json!({"repoURL": host.url("/slow"), "targetRevision": "main", "path": "dev"});
        apply(&world.cluster, application_named(&name, "dev", json!({"source": source}))).await;
        let status = json!({"status": {"sync": {"status": "Synced", "revision": "1".repeat(40)}}});
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", name.as_str());
        world.cluster.patch(&key, &Patch::Merge(status), PatchOptions::default()).await.unwrap();
        let pipeline = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline",
            "metadata": {"name": format!("a-slow{number}"), "namespace": "argocd"},
            "spec": {"images": [{"name": "ghcr.io/acme/slow"}], "environments": [{"name": "dev", "application": name}]}});
        apply(&world.cluster, pipeline).await;
    }
    // fewer turns than Applications that hang
    let config = ControllerConfig { workers: 2, ..world.config(Arc::new(world.remotes())) };
    let running = run(&Controller::new(config));
    world.push("v2").await;
    world.succeeded("v2").await;
    running.end().await;
}

/// More Pipelines than there are turns wait for a registry: the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_hangs_stops_only_those_who_ask_it() {
    let world = World::start().await;
    let slow = DEPLOYMENT.replace("ghcr.io/acme/shop", "hangs.test/acme/slow:v1").replace("shop", "slow");
    world.repository.commit("dana", &[("slow/d.yaml", Some(&slow))], "Add a slow one").await;
    world.controller_settles().await;
    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "slow"});
    apply(&world.cluster, application_named("slow-dev", "dev", json!({"source": source}))).await;
    for number in 0..3 {
        let pipeline = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline",
            "metadata": {"name": format!("a-slow{number}"), "namespace": "argocd"},
            "spec": {"images": [{"name": "hangs.test/acme/slow"}],
                "environments": [{"name": "dev", "application": "slow-dev"}]}});
        apply(&world.cluster, pipeline).await;
    }
    // whoever connects is never answered; nobody listens for the others, whose pods tell
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirrors = [("hangs.test", hangs.local_addr().unwrap().port()), ("*", 1)];
    let mirrors = mirrors.map(|(host, port)| (host.to_owned(), format!("http://127.0.0.1:{port}")));
    let registry = Some(git::RegistryClient::new(mirrors.into()).unwrap());
    let running =
        run(&Controller::new(ControllerConfig { workers: 2, registry, ..world.config(Arc::new(world.remotes())) }));
    tokio::task::spawn_blocking(move || hangs.accept().unwrap()).await.unwrap();
    world.push("v2").await;
    world.succeeded("v2").await;
    running.end().await;
}

#[tokio::test]
async fn of_several_images_only_what_changed_is_written() {
    let world = World::start().await;
    let two = format!("{DEPLOYMENT}      - name: side\n        image: ghcr.io/acme/side\n");
    let overlay = format!("{OVERLAY}- name: ghcr.io/acme/side\n  newTag: w1\n");
    let overlays = ["dev/kustomization.yaml", "staging/kustomization.yaml"];
    let mut edits = vec![("base/d.yaml", Some(two.as_str()))];
    edits.extend(overlays.map(|file| (file, Some(overlay.as_str()))));
    world.repository.commit("dana", &edits, "Add a side car").await;
    let images = json!({"spec": {"images": [{"name": "ghcr.io/acme/shop"}, {"name": "ghcr.io/acme/side"}]}});
    let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
    world.cluster.patch(&key, &Patch::Merge(images), PatchOptions::default()).await.unwrap();
    world.controller_settles().await;
    let running = world.controller(None);
    let second = overlay.replace("v1", "v2");
    world.repository.commit("dana", &[("dev/kustomization.yaml", Some(&second))], "Build").await;
    world.succeeded("v2 + w1").await;
    running.end().await;
    assert_eq!(world.repository.text("staging/kustomization.yaml").await, second);
}

/// Others push right before each of the first pushes: the second time there is nothing new to say, and it goes on all the
/// same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_keeps_moving_does_not_stop_a_promotion() {
    let world = Arc::new(World::start().await);
    world.controller_settles().await;
    let (others, moves) = (Arc::clone(&world), AtomicUsize::new(0));
    let hook = AtStep(Arc::new(move |step, before| {
        if step == WriteStep::Pushed && before {
            let number = moves.fetch_add(1, Ordering::SeqCst);
            let notes = format!("{number}");
            let edits = [("notes.txt", Some(notes.as_str()))];
            if number < 3 {
                let pushed = others.repository.commit("olga", &edits, "Take notes");
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(pushed));
            }
        }
    }));
    let running = world.controller(Some(hook));
    world.push("v2").await;
    world.succeeded("v2").await;
    running.end().await;
    assert_eq!(world.commits("v2").await, 1);
}
