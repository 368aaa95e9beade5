//! A control plane of its own for each test: a namespace, repositories in memory, a running controller.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::argocd::{Application, ClusterConfig, ClusterSecret, application_crd, project_crd};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clock::{Clock, Ids, ScaledClock};
use cluster::{ApplyOptions, Cluster, ClusterError, DeleteOptions, Patch, PatchOptions, Target};
use control::workers::Renderer;
use control::{Access, Connector, Controller, ControllerConfig, GitRemotes, Remote, RemoteError, Remotes};
use futures::StreamExt;
use futures::future::BoxFuture;
use object::{FileTree, LiveObject, Manifest, MemoryTree, ResourceKey};
use sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A repository in memory with one branch.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    commits: Mutex<Vec<MemoryTree>>,
    failure: Mutex<Option<String>>,
    seen: Mutex<usize>,
    moved: Notify,
}

fn id(number: usize) -> String {
    format!("{number:040x}")
}

impl Repository {
    /// Adds a commit with these files and nothing else, and gives its id.
    pub(crate) fn commit(&self, files: &[(&str, String)]) -> String {
        let tree = files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text));
        let mut commits = self.commits.lock().unwrap();
        commits.push(tree);
        self.moved.notify_one();
        id(commits.len())
    }

    pub(crate) fn fail(&self, reason: Option<&str>) {
        *self.failure.lock().unwrap() = reason.map(str::to_owned);
        self.moved.notify_one();
    }
}

impl Remote for Repository {
    fn fetch(&self) -> BoxFuture<'_, Result<bool, RemoteError>> {
        Box::pin(async {
            if let Some(reason) = self.failure.lock().unwrap().clone() {
                return Err(RemoteError::Unreachable(reason));
            }
            let now = self.commits.lock().unwrap().len();
            Ok(std::mem::replace(&mut *self.seen.lock().unwrap(), now) != now)
        })
    }

    fn resolve<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Result<String, RemoteError>> {
        Box::pin(async move {
            let newest = *self.seen.lock().unwrap();
            match revision {
                "main" | "HEAD" | "twice" if newest > 0 => Ok(id(newest)),
                commit if commit.len() == 40 => Ok(commit.to_owned()),
                other => Err(RemoteError::NoRevision(format!("there is no branch {other}"))),
            }
        })
    }

    fn tree<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<FileTree, RemoteError>> {
        let number = usize::from_str_radix(commit, 16).unwrap();
        let tree = self.commits.lock().unwrap()[number - 1].clone().tree();
        Box::pin(async move { Ok(tree) })
    }

    fn ambiguity(&self, revision: &str) -> Option<String> {
        (revision == "twice").then(|| "twice is a branch and a tag".to_owned())
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.moved.notified())
    }
}

/// Git repositories in memory, charts from the web.
#[derive(Debug)]
pub(crate) struct Repositories {
    git: Mutex<BTreeMap<String, Arc<Repository>>>,
    charts: GitRemotes,
    _cache: TempDir,
}

impl Default for Repositories {
    fn default() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cache = TempDir::new().unwrap();
        Self { git: Mutex::default(), charts: GitRemotes::new(cache.path()), _cache: cache }
    }
}

impl Repositories {
    fn get(&self, url: &str) -> Arc<Repository> {
        Arc::clone(self.git.lock().unwrap().entry(url.to_owned()).or_default())
    }
}

impl Remotes for Repositories {
    fn open(&self, url: &str, _access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        Ok(self.get(url))
    }

    fn open_chart(&self, url: &str, chart: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        self.charts.open_chart(url, chart, access)
    }
}

/// Other clusters by their server, in this process instead of over the network.
#[derive(Debug, Default)]
pub(crate) struct Clusters(Mutex<BTreeMap<String, Cluster>>);

impl Clusters {
    pub(crate) fn add(&self, server: &str, cluster: Cluster) {
        self.0.lock().unwrap().insert(server.to_owned(), cluster);
    }
}

impl Connector for Clusters {
    fn connect(&self, secret: &ClusterSecret, _: &ClusterConfig) -> Result<Cluster, ClusterError> {
        let known = self.0.lock().unwrap().get(&secret.server).cloned();
        known.ok_or_else(|| ClusterError::Config { message: format!("nothing is at {}", secret.server) })
    }
}

/// How requests to a cluster end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Up,
    /// Only what is in a namespace may be asked for.
    Narrow,
    Silent,
    Down,
}

/// A cluster behind a line; when the line changes, what is under way is cut.
pub(crate) fn behind(line: &watch::Sender<Line>, router: axum::Router, clock: &Arc<dyn Clock>) -> Cluster {
    let state = line.subscribe();
    let service = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (inner, mut state) = (router.clone(), state.clone());
        async move {
            let line = *state.borrow_and_update();
            let path = request.uri().path();
            let inside = path.split("/namespaces/").nth(1).is_some_and(|rest| rest.contains('/'));
            let wide = !inside && (request.uri().query().is_some() || path.contains("/namespaces"));
            match line {
                Line::Silent => std::future::pending().await,
                Line::Down => StatusCode::BAD_GATEWAY.into_response(),
                Line::Narrow if wide => StatusCode::FORBIDDEN.into_response(),
                Line::Up | Line::Narrow => {
                    let (parts, body) = inner.oneshot(request).await.into_response().into_parts();
                    let cut = async move { drop(state.changed().await) };
                    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(Box::pin(cut))))
                }
            }
        }
    });
    Cluster::from_service(service, Arc::clone(clock))
}

/// One test's control plane.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) controller: Controller,
    pub(crate) repository: Arc<Repository>,
    pub(crate) clusters: Arc<Clusters>,
    /// Unique: names of Applications and namespaces are made from it.
    pub(crate) name: String,
    config: ControllerConfig,
    pub(crate) stop: CancellationToken,
}

fn run(config: ControllerConfig, stop: &CancellationToken) -> Controller {
    let controller = Controller::new(config);
    let (running, token) = (controller.clone(), stop.clone());
    tokio::spawn(async move { running.run(token).await });
    controller
}

async fn cluster(clock: &Arc<dyn Clock>) -> Cluster {
    #[expect(clippy::disallowed_methods, reason = "the test's own switch")]
    if let Ok(path) = std::env::var("E2E_KUBECONFIG") {
        let target = Target::Kubeconfig { path: Some(PathBuf::from(path)), context: None };
        return Cluster::connect(&target, Arc::clone(clock)).await.unwrap();
    }
    Cluster::from_service(sandbox(clock), Arc::clone(clock))
}

/// A Kubernetes API of its own.
pub(crate) fn sandbox(clock: &Arc<dyn Clock>) -> axum::Router {
    let options = SandboxOptions {
        clock: Arc::clone(clock),
        ids: Ids::random(),
        folder: None,
        images: Arc::new(sandbox::AnyImage),
    };
    Sandbox::start(options).unwrap().router()
}

/// A new definition is served after a moment.
pub(crate) async fn served(cluster: &Cluster, kinds: &[(&str, &str)]) {
    for (group, kind) in kinds {
        let kind = object::GroupKind::new(*group, *kind);
        for _ in 0..100 {
            cluster.forget_unknown_kinds().await;
            if cluster.list(&cluster::Scope::namespaced(kind.clone(), "default")).await.is_ok() {
                break;
            }
            pause(50).await;
        }
    }
}

pub(crate) const URL: &str = "https://git.test/repo";

impl World {
    /// In a sandbox, or on the server that `E2E_KUBECONFIG` names.
    pub(crate) async fn start() -> Self {
        Self::start_at_speed(1.0).await
    }

    pub(crate) async fn start_at_speed(speed: f64) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(speed));
        Self::start_on(cluster(&clock).await, clock, "").await
    }

    /// As [`World::start`]; `also` says where Applications may live beside the control plane's namespace.
    pub(crate) async fn with_application_namespaces(also: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(1.0));
        Self::start_on(cluster(&clock).await, clock, also).await
    }

    async fn start_on(cluster: Cluster, clock: Arc<dyn Clock>, also: &str) -> Self {
        for crd in [application_crd(), project_crd()] {
            apply(&cluster, crd).await;
        }
        served(&cluster, &[("argoproj.io", "Application"), ("argoproj.io", "AppProject")]).await;
        let name = format!("it-{}", Ids::random().suffix(8));
        apply(&cluster, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
        let parameters = json!({"name": "argocd-cmd-params-cm", "namespace": name});
        let data = json!({ "application.namespaces": also });
        apply(&cluster, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": parameters, "data": data})).await;
        let remotes = Arc::new(Repositories::default());
        let repository = remotes.get(URL);
        let clusters = Arc::new(Clusters::default());
        let config = ControllerConfig {
            namespace: name.clone(),
            connector: Arc::clone(&clusters) as Arc<dyn Connector>,
            ..ControllerConfig::new(clock, Ids::random(), cluster.clone(), remotes, Renderer::InProcess)
        };
        let stop = CancellationToken::new();
        let controller = run(config.clone(), &stop);
        Self { cluster, controller, repository, clusters, name, config, stop }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.config.clock
    }

    /// One more controller for the same Applications; it ends with the token, as a killed one does: wherever it is.
    pub(crate) fn another_controller(&self, stop: &CancellationToken) -> Controller {
        run(self.config.clone(), stop)
    }

    pub(crate) async fn application(&self, change: Value) {
        let mut value = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": self.name, "namespace": self.name},
            "spec": {
                "project": "default",
                "source": {"repoURL": URL, "targetRevision": "main", "path": "app"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": self.name},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
            },
        });
        merge(&mut value, change);
        apply(&self.cluster, value).await;
    }

    pub(crate) fn key(&self) -> ResourceKey {
        ResourceKey::new("argoproj.io", "Application", self.name.as_str(), self.name.as_str())
    }

    /// The Application as soon as it is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Application) -> bool) -> Application {
        self.until_at(&self.key(), what, wanted).await
    }

    pub(crate) async fn until_named(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Application) -> bool,
    ) -> Application {
        self.until_at(&ResourceKey::new("argoproj.io", "Application", self.name.as_str(), name), what, wanted).await
    }

    /// The namesake in another namespace.
    pub(crate) async fn until_in(
        &self,
        namespace: &str,
        what: &str,
        wanted: impl Fn(&Application) -> bool,
    ) -> Application {
        self.until_at(&ResourceKey::new("argoproj.io", "Application", namespace, self.name.as_str()), what, wanted)
            .await
    }

    async fn until_at(&self, key: &ResourceKey, what: &str, wanted: impl Fn(&Application) -> bool) -> Application {
        let mut last = None;
        for _ in 0..400 {
            let live = self.cluster.get(key).await.unwrap();
            let app = live.map(|live| Application::from_value(live.into_value()).unwrap());
            if let Some(app) = app {
                if wanted(&app) {
                    return app;
                }
                last = Some(app);
            }
            pause(50).await;
        }
        panic!("never {what}: {}", serde_json::to_string_pretty(&last.map(|app| app.status)).unwrap());
    }

    pub(crate) async fn live(&self, group: &str, kind: &str, name: &str) -> Option<LiveObject> {
        self.cluster.get(&ResourceKey::new(group, kind, self.name.as_str(), name)).await.unwrap()
    }

    pub(crate) async fn patch(&self, key: &ResourceKey, patch: Value, manager: &str) {
        let options = PatchOptions { manager, ..PatchOptions::default() };
        self.cluster.patch(key, &Patch::Merge(patch), options).await.unwrap();
    }

    /// Takes everything down.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let _ = self
            .cluster
            .patch(&self.key(), &Patch::Merge(json!({"metadata": {"finalizers": null}})), PatchOptions::default())
            .await;
        let namespace = ResourceKey::new("", "Namespace", "", self.name.as_str());
        self.cluster.delete(&namespace, &DeleteOptions::default()).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for a real server")]
pub(crate) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

pub(crate) async fn apply(cluster: &Cluster, value: Value) {
    let options = ApplyOptions { manager: "test", force: true, dry_run: false, validate: false };
    cluster.apply(&Manifest::new(value).unwrap(), options).await.unwrap();
}

fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(value), Value::Object(change)) => {
            for (name, change) in change {
                if change.is_null() {
                    value.remove(&name);
                } else {
                    merge(value.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (value, change) => *value = change,
    }
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {value:?}}}\n")
}
