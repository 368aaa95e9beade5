//! A release through two environments, with the controller killed at every durable step.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::argocd::{Application, OperationPhase, OperationState};
use api::gantline::{Promotion, PromotionPhase, Release, ReleaseSource, crds};
use clock::{Clock, Ids, ScaledClock};
use cluster::{Cluster, Patch, PatchOptions};
use control::requests::{Seen, SyncRequest, roll_back, sync};
use control::workers::Renderer;
use control::{AtStep, Controller, ControllerConfig, GitRemotes, Remotes, Replica};
use object::ResourceKey;
use promotion::WriteStep;
use sandbox::{Sandbox, SandboxOptions};
use serde_json::json;
use test_support::{GitRepo, SilentHost};
use tokio_util::sync::CancellationToken;

use crate::fixtures::{apply, pause, served};

const OVERLAY: &str = "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newTag: v1 # ours\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  replicas: 1\n  selector:\n    matchLabels: {app: shop}\n  template:\n    metadata:\n      labels: {app: shop}\n    spec:\n      containers:\n      - name: shop\n        image: ghcr.io/acme/shop\n";

/// A cluster and a repository that outlive controllers.
pub(crate) struct World {
    clock: Arc<dyn Clock>,
    pub(crate) cluster: Cluster,
    pub(crate) repository: GitRepo,
}

/// An environment: its name, what its Application follows, and whether promotions merge.
type Environment = (&'static str, &'static str, bool);

const ON_ONE_BRANCH: [Environment; 2] = [("dev", "main", false), ("staging", "main", false)];

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&ON_ONE_BRANCH).await
    }

    async fn with(environments: &[Environment]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(60.0));
        let images = Arc::new(sandbox::AnyImage);
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
        let world = Self { clock, cluster, repository };
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
        ControllerConfig::new(clock, Ids::random(), cluster, remotes, Renderer::InProcess)
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

    async fn succeeded_in(&self, environment: &str, tag: &str) -> Promotion {
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
    async fn commits(&self, tag: &str) -> usize {
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

fn application_named(name: &str, environment: &str, mut spec: serde_json::Value) -> serde_json::Value {
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

/// Writes an object, or a part of its status, as somebody with kubectl does.
async fn by_hand(world: &World, kind: &str, name: &str, patch: serde_json::Value) {
    let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    world.cluster.patch(&key, &Patch::Merge(patch), options).await.unwrap();
}

impl World {
    async fn until_promotion(&self, what: &str, is: impl Fn(&Promotion) -> bool) {
        for _ in 0..400 {
            if self.promotions().await.iter().any(&is) {
                return;
            }
            pause(50).await;
        }
        panic!("never {what}: {:#?}", self.promotions().await);
    }
}

fn is_distrusted(promotion: &Promotion) -> bool {
    promotion.status.phase == PromotionPhase::Failed && promotion.status.message.contains("written past Gantline")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_past_gantline_counts_for_nothing() {
    let world = World::start().await;
    world.controller_settles().await;
    let pin = json!({"digest": format!("sha256:{}", "a".repeat(64)), "by": "mallory", "reason": "mine"});
    let environments = json!([{"name": "staging", "application": "shop-staging", "pinned": pin}]);
    by_hand(&world, "Pipeline", "shop", json!({"status": {"environments": environments}})).await;
    let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
    let patch = Patch::Merge(json!({"spec": {"pins": {"staging": pin}}}));
    world.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
    let controller = world.controller(None);
    world.push("v2").await;
    let first = world.succeeded("v2").await;
    assert!(world.conditions().await.contains("its pin was written past Gantline"));
    let head = async || world.repository.open().head_of("main").await.unwrap();
    let before = head().await;

    // a rollback to a release that never ran there, made with kubectl
    let mut spec = json!(first.spec);
    (spec["rollback"], spec["environment"], spec["replaces"]) = (true.into(), "dev".into(), "shop-v1".into());
    let metadata = json!({"name": "forged", "namespace": "argocd", "labels": {"gantline.dev/pipeline": "shop"}});
    let forged =
        json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Promotion", "metadata": metadata, "spec": spec});
    apply(&world.cluster, forged).await;
    world.until_promotion("refused", |p| p.metadata.name == "forged" && is_distrusted(p)).await;

    // an approval of a ghost
    let ghost = json!({"status": {"approvals": [{"user": "ghost", "groups": ["leads"]}]}});
    by_hand(&world, "Promotion", &first.metadata.name, ghost).await;
    world.until_promotion("distrusted", |p| p.metadata.name == first.metadata.name && is_distrusted(p)).await;
    assert!(world.promotions().await.iter().all(|promotion| promotion.status.approvals.is_empty()));

    // what it said before, with the seal of then
    let before_that = json!({"status": first.status});
    by_hand(&world, "Promotion", &first.metadata.name, before_that).await;
    world.until_promotion("distrusted", |p| p.metadata.name == first.metadata.name && is_distrusted(p)).await;

    // a release that would have been healthy for years
    let entry = json!({"name": "staging", "phase": "Verified", "healthySince": "2020-01-01T00:00:00Z"});
    by_hand(&world, "Release", &first.spec.release, json!({"status": {"environments": [entry]}})).await;
    let key = ResourceKey::new("gantline.dev", "Release", "argocd", first.spec.release.as_str());
    let reason = async || {
        let live = world.cluster.get(&key).await.unwrap().unwrap();
        live.value().pointer("/status/quarantine/reason").and_then(|why| why.as_str()).unwrap_or_default().to_owned()
    };
    for _ in 0..400 {
        if !reason().await.is_empty() {
            break;
        }
        pause(50).await;
    }
    assert!(reason().await.starts_with("it was written past Gantline"), "{}", reason().await);
    assert_eq!(head().await, before, "nothing was committed by any of it");
    controller.end().await;
}

impl World {
    /// A commit to `main` whose author did not make it, or a merge of another commit.
    async fn commit_as(&self, people: [&str; 2], tag: &str, message: &str, merge: Option<git::CommitId>) {
        let repository = self.repository.open();
        let base = repository.head_of("main").await.unwrap();
        let [author, committer] = people.map(GitRepo::author);
        let edits = vec![("dev/kustomization.yaml".to_owned(), Some(OVERLAY.replace("v1", tag).into_bytes()))];
        let (branch, message) = ("main".to_owned(), message.to_owned());
        let write = git::Write { branch, base, merge, edits, tag: None, message, sign: None, author, committer };
        repository.commit_and_push(write).await.unwrap();
    }

    async fn people_behind(&self, tag: &str) -> Vec<String> {
        let source = self.source_of(tag).await;
        assert_eq!(source.unread, "");
        source.everybody().collect()
    }

    pub(crate) async fn source_of(&self, tag: &str) -> ReleaseSource {
        let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", "Release"), "argocd");
        let is = |release: &Release| release.spec.images[0].tag == tag;
        for _ in 0..400 {
            let all = self.cluster.list(&scope).await.unwrap().into_iter();
            let mut all = all.map(|live| Release::from_value(live.into_value()).unwrap());
            if let Some(release) = all.find(is) {
                return release.spec.source;
            }
            pause(50).await;
        }
        panic!("{tag} is no release")
    }
}

/// An author who is only said to be one, a co-author, and a change that was merged by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_behind_a_release_is_named() {
    let world = World::start().await;
    world.controller_settles().await;
    let controller = world.controller(None);
    let note = OVERLAY.replace("# ours", "# theirs");
    world.repository.commit("bob", &[("dev/kustomization.yaml", Some(&note))], "Note something").await;
    let body =
        "Build\n\nco-authored-by: Finn <finn@example.com>\n\nSigned-off-by: Gail <gail@example.com>\nReviewed-by: x\n";
    world.commit_as(["dana", "erik"], "v2", body, None).await;
    let people = ["dana", "erik", "Finn", "Gail"].map(|name| format!("{name} <{}@example.com>", name.to_lowercase()));
    let mut found = world.people_behind("v2").await;
    found.sort_by_key(|person| person.to_lowercase());
    assert_eq!(found, people);

    let main = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", main);
    let text = OVERLAY.replace("v1", "v3");
    let files: [(&str, Option<&str>); 1] = [("dev/kustomization.yaml", Some(&text))];
    let feature = world.repository.commit_to("feature", "gina", &files, "Set v3").await;
    world.repository.commit("bob", &[("note.txt", Some("beside it"))], "Note something else").await;
    world.commit_as(["tina", "tina"], "v3", "Merge feature", Some(feature)).await;
    let mut found = world.people_behind("v3").await;
    found.sort();
    assert_eq!(found, ["gina <gina@example.com>", "tina <tina@example.com>"]);
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_what_is_merged_does_not_approve() {
    for (follows, merge) in [("release", true), ("v1.*", false)] {
        let environments = [("dev", "main", false), ("staging", follows, merge)];
        let world = World::with(&environments).await;
        world.controller_settles().await;
        let gated = json!({"spec": {"environments": [{"name": "dev", "application": "shop-dev"}, {"name": "staging",
            "application": "shop-staging", "merge": merge, "gates": [{"approval": {"group": "leads"}}]}]}});
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        world.cluster.patch(&key, &Patch::Merge(gated), PatchOptions::default()).await.unwrap();
        let controller = world.controller(None);
        let scaled = DEPLOYMENT.replace("replicas: 1", "replicas: 2");
        world.repository.commit("hana", &[("base/d.yaml", Some(&scaled))], "Scale").await;
        world.push("v2").await;
        let is = |p: &Promotion| {
            let who = p.status.gates.first().map_or("", |gate| gate.who_can_act.as_str());
            let kept =
                || p.status.merged.as_ref().is_some_and(|kept| kept.people.iter().any(|it| it.starts_with("hana")));
            p.spec.environment == "staging" && p.spec.tag == "v2" && who.contains("but not dana or hana") && kept()
        };
        world.until_promotion("but not dana or hana", is).await;
        controller.end().await;
    }
}

impl World {
    async fn application(&self, environment: &str) -> Application {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", format!("shop-{environment}").as_str());
        Application::from_value(self.cluster.get(&key).await.unwrap().unwrap().into_value()).unwrap()
    }

    /// What the Pipeline's conditions say.
    async fn conditions(&self) -> String {
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        let live = self.cluster.get(&key).await.unwrap().unwrap();
        live.value().pointer("/status/conditions").map(ToString::to_string).unwrap_or_default()
    }

    async fn deployed(&self, environment: &str) -> String {
        let key = ResourceKey::new("apps", "Deployment", environment, "shop");
        let live = self.cluster.get(&key).await.unwrap().unwrap();
        let image = live.value().pointer("/spec/template/spec/containers/0/image");
        image.and_then(|image| image.as_str()).unwrap_or_default().to_owned()
    }

    async fn until(&self, what: &str, mut is: impl AsyncFnMut() -> bool) {
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
    let world = World::start().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;

    // somebody writes the overlay past the gates
    let by_hand = OVERLAY.replace("v1", "v9");
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&by_hand))], "Hotfix").await;
    let failed = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.phase == OperationPhase::Failed && state.message.contains("v9 was not"))
    };
    world.until("refused", failed).await;
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
    assert!(failed().await);
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");

    // taken back and promoted, all goes on by itself
    let back = OVERLAY.replace("v1", "v2");
    world.repository.commit("dana", &[("staging/kustomization.yaml", Some(&back))], "Take it back").await;
    world.push("v3").await;
    world.succeeded("v3").await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v3");
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&by_hand))], "Again").await;
    world.until("refused", failed).await;

    let staging = world.application("staging").await;
    let request = SyncRequest { overrides: vec![Arc::new(staging.clone())], ..SyncRequest::default() };
    sync(&controller, &staging, "otto", request).await.unwrap();
    world.until("synced", async || world.deployed("staging").await == "ghcr.io/acme/shop:v9").await;
    assert!(world.conditions().await.contains("v9 was not promoted to staging"), "it stays said");

    // Git goes back to what was promoted, by hand: nobody has to be asked
    let back = OVERLAY.replace("v1", "v3");
    world.repository.commit("dana", &[("staging/kustomization.yaml", Some(&back))], "Take it back").await;
    world.until("back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v3").await;
    world.until("silent", async || !world.conditions().await.contains("was not promoted")).await;
    running.end().await;
}

impl World {
    async fn named(&self, name: &str) -> Application {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", name);
        Application::from_value(self.cluster.get(&key).await.unwrap().unwrap().into_value()).unwrap()
    }

    /// Puts a manifest into Git and an Application on it, and waits for its first operation.
    async fn beside(&self, name: &str, namespace: &str, manifest: &str) -> OperationState {
        let path = format!("{name}/d.yaml");
        self.repository.commit("mallory", &[(path.as_str(), Some(manifest))], "Add something beside").await;
        let source = json!({"repoURL": self.repository.url(), "targetRevision": "main", "path": name});
        apply(&self.cluster, application_named(name, namespace, json!({ "source": source }))).await;
        self.operation(name).await
    }

    /// Once it has ended.
    async fn operation(&self, name: &str) -> OperationState {
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
    let world = World::start().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;
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
    let request =
        SyncRequest { overrides: vec![Arc::new(world.named("shop-staging").await)], ..SyncRequest::default() };
    sync(&controller, &world.named("volume").await, "otto", request).await.unwrap();
    let key = ResourceKey::new("", "Pod", "staging", "debug");
    world.until("let in", async || world.cluster.get(&key).await.unwrap().is_some()).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_in_is_healed_at_its_commit_and_no_other() {
    let world = World::start().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;
    let by_hand = OVERLAY.replace("v1", "v9");
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&by_hand))], "Hotfix").await;
    let refused = async |tag: &str| {
        let state = world.application("staging").await.status.operation_state.unwrap();
        state.phase == OperationPhase::Failed && state.message.contains(&format!("{tag} was not"))
    };
    world.until("refused", async || refused("v9").await).await;
    let staging = world.application("staging").await;
    let request = SyncRequest { overrides: vec![Arc::new(staging.clone())], ..SyncRequest::default() };
    sync(&controller, &staging, "otto", request).await.unwrap();
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
    let next = OVERLAY.replace("v1", "v10");
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&next))], "And another").await;
    world.until("refused", async || refused("v10").await).await;
    assert!(has_v9().await);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_only_says_whose_it_is_is_not_believed() {
    let world = World::start().await;
    world.controller_settles().await;
    let killed = Arc::new(AtomicBool::new(false));
    let first = world.controller(Some(kill_at(WriteStep::Claimed, false, &killed)));
    world.push("v2").await;
    tokio::time::timeout(Duration::from_secs(20), first.task).await.expect("it was claimed").ok();
    let claimed = world.promotions().await;
    let claimed = claimed.iter().find(|p| p.status.phase == PromotionPhase::Writing).unwrap();
    let message = format!("promote\n\nPromotion-Id: {}", promotion::promotion_id(claimed));
    world.repository.commit("dana", &[("note.txt", Some("empty"))], &message).await;

    let second = world.controller(None);
    let done = world.succeeded("v2").await;
    assert_eq!(world.repository.text("staging/kustomization.yaml").await, OVERLAY.replace("v1", "v2"));
    let git = world.repository.open();
    let found =
        git.with_trailer("main", promotion::PROMOTION_ID, &promotion::promotion_id(claimed), None).await.unwrap();
    let authors: Vec<&str> = found.iter().map(|commit| commit.author.email.as_str()).collect();
    assert_eq!((authors.len(), authors[0]), (2, "gantline@gantline.dev"), "{authors:?}");
    assert_eq!(done.status.commit, found[0].id.to_string());
    second.end().await;
}

impl World {
    async fn record(&self, kind: &str, name: &str) -> Option<serde_json::Value> {
        let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
        self.cluster.get(&key).await.unwrap().map(object::LiveObject::into_value)
    }

    async fn quarantine_of(&self, release: &str) -> String {
        let reason = |value: serde_json::Value| {
            value.pointer("/status/quarantine/reason").and_then(|why| why.as_str()).map(str::to_owned)
        };
        self.record("Release", release).await.and_then(reason).unwrap_or_default()
    }

    /// With kubectl.
    async fn delete(&self, kind: &str, name: &str) {
        let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
        self.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    }

    async fn delete_records(&self) {
        for kind in ["Promotion", "Release"] {
            let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", kind), "argocd");
            for live in self.cluster.list(&scope).await.unwrap() {
                self.delete(kind, live.name()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_outlives_the_release_that_says_it() {
    let world = World::start().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    let bad = world.succeeded("v2").await.spec.release;
    let seen = || Seen::whole(controller.observed("shop").unwrap());
    roll_back(&controller, &seen(), "staging", "tina", "errors").await.unwrap();
    world.until("quarantined", async || world.quarantine_of(&bad).await == "errors").await;
    world.until("rolled back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v1").await;

    let uid = |value: &serde_json::Value| value["metadata"]["uid"].clone();
    let before = uid(&world.record("Release", &bad).await.unwrap());
    world.delete("Release", &bad).await;
    // dev runs it: it is made anew from Git
    let again = async || world.record("Release", &bad).await.is_some_and(|value| uid(&value) != before);
    world.until("made again", again).await;
    world.until("quarantined still", async || world.quarantine_of(&bad).await == "errors").await;
    let refused = control::requests::promote(&controller, &seen(), "staging", &bad, "eve", "").await.unwrap_err();
    assert!(refused.to_string().contains("quarantined by tina: errors"), "{refused}");

    control::requests::lift(&controller, &seen(), &bad, "tina", "it was the network").await.unwrap();
    let lifted = uid(&world.record("Release", &bad).await.unwrap());
    world.delete("Release", &bad).await;
    let again = async || {
        let made = world.record("Release", &bad).await.filter(|value| uid(value) != lifted);
        made.is_some_and(|value| value.pointer("/status/environments/0").is_some())
    };
    world.until("made once more", again).await;
    assert_eq!(world.quarantine_of(&bad).await, "", "what was lifted does not come back");
    running.end().await;
}

/// Records and workload are gone, and an image stands in Git that nobody promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_records_were_deleted_is_not_the_first() {
    let world = World::start().await;
    world.controller_settles().await;
    let first = world.controller(None);
    world.push("v2").await;
    world.succeeded("v2").await;
    first.end().await;
    world.delete_records().await;
    let by_hand = OVERLAY.replace("v1", "v9");
    world.repository.commit("mallory", &[("staging/kustomization.yaml", Some(&by_hand))], "Hotfix").await;
    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();

    let second = world.controller(None);
    let failed = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.phase == OperationPhase::Failed && state.message.contains("v9 was not"))
    };
    world.until("refused", failed).await;
    second.end().await;
}

/// A process that is killed between the two writes of a record that it makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_a_status_is_sealed_by_who_comes_next() {
    let world = World::start().await;
    world.controller_settles().await;
    let key = ResourceKey::new("", "Secret", "argocd", "gantline-records");
    let secret = world.cluster.get(&key).await.unwrap().unwrap();
    let key = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        secret.value()["data"]["key"].as_str().unwrap(),
    );
    let seal = promotion::Seal::new(key.unwrap());
    let image = json!({"name": "ghcr.io/acme/shop", "tag": "v7", "digest": format!("sha256:{}", "7".repeat(64))});
    let spec = json!({"pipeline": "shop", "images": [image], "source": {"environment": "dev"}});
    let mut other = spec.clone();
    other["images"][0]["digest"] = json!(format!("sha256:{}", "6".repeat(64)));
    let made = |name: &str, spec: &serde_json::Value, seal: String| {
        let metadata = json!({"name": name, "namespace": "argocd", "labels": {"gantline.dev/pipeline": "shop"},
            "annotations": {"gantline.dev/seal": seal}});
        json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Release", "metadata": metadata, "spec": spec})
    };
    let now = world.clock.now();
    let sealed = seal.of_new("Release", "shop-777777777777", &spec, now);
    apply(&world.cluster, made("shop-777777777777", &spec, sealed.clone())).await;
    apply(&world.cluster, made("shop-forged", &other, sealed)).await;
    let running = world.controller(None);
    let sealed = async |name: &str| {
        let value = world.record("Release", name).await.unwrap();
        value.pointer("/status/seal").is_some()
    };
    world.until("sealed", async || sealed("shop-777777777777").await && sealed("shop-forged").await).await;
    assert_eq!(world.quarantine_of("shop-777777777777").await, "");
    assert!(world.quarantine_of("shop-forged").await.starts_with("it was written past Gantline"));
    running.end().await;
}
