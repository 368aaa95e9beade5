//! The stage: sandbox, repositories, images, Applications, accounts, controller and page.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, Settings};
use axum::Router;
use axum::extract::Request;
use clock::Clock;
use git::Signature;
use object::{FileTree, Manifest, MemoryTree, yaml};
use sandbox::Registry;
use serde_json::{Value, json};
use server::people::accounts;
use server::{Access, Listener, Transport};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::commits::Commits;
use crate::commands::render_worker::Rendering;
use crate::examples;
use crate::failure::Failure;
use crate::plane::{self, Plan, Plane};
use crate::sandbox_folder::{SandboxFolder, Starting};

/// The example repositories, and what their Applications call them.
pub(super) const REPOSITORIES: [(&str, &str); 4] = [
    ("ecommerce-infra", "https://github.com/acme/ecommerce-infra.git"),
    ("my-gitops-repo", "https://github.com/your-org/my-gitops-repo.git"),
    ("manual-app-helm", "https://github.com/acme/manual-app-helm.git"),
    ("task-manager", "https://github.com/yourorg/app-helm"),
];

/// What is there beside `main` from the start: the branches and tags that environments of an example follow.
const REFERENCES: [(&str, &str); 2] =
    [("manual-app-helm", "refs/heads/release"), ("manual-app-helm", "refs/tags/v1.0")];

/// Accounts of the demo; each has its name as password.
pub(super) const ACCOUNTS: [&str; 2] = ["developer", "team-lead"];

/// What the invitation and the story deliver: a service, its image in the registry, and the repository that deploys it.
pub(super) const SERVICE: &str = "checkout-service";
pub(super) const IMAGE: &str = "acme/checkout-service";
pub(super) const REPOSITORY: &str = "ecommerce-infra";

/// A version of checkout-service that is built and not deployed anywhere.
pub(super) const NEXT_TAG: &str = "9b1c64d2f0a8e35d7741c06fb2e98a5d31f7c480";

pub(super) const NAMESPACE: &str = "argocd";

pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) commits: Commits,
    pub(super) url: String,
    pub(super) speed: f64,
    pub(super) sandbox: SandboxFolder,
    pub(super) registry: Registry,
    plane: Option<(Plane, CancellationToken)>,
    /// The routes of the control plane that runs now: the page stays where it is when another takes over.
    routes: watch::Sender<Router>,
    stop: CancellationToken,
}

impl Stage {
    pub(super) async fn set_up(folder: &Path, starting: &Starting, listen: SocketAddr) -> Result<Self, Failure> {
        let sandbox = SandboxFolder::start(folder, starting).await?;
        let registry = sandbox.registry.clone().ok_or_else(|| {
            Failure::new(format!("a demo runs from {} already", folder.display()))
                .hint("stop it first, or name another folder")
        })?;
        let repositories = folder.join("git");
        make_repositories(&repositories, &*sandbox.clock)?;
        push_images(&registry)?;
        registry.push_image(IMAGE, NEXT_TAG, &BTreeMap::new());
        plane::install_definitions(&sandbox.cluster, &*sandbox.clock).await?;
        plane::apply(&sandbox.cluster, settings(&*sandbox.clock)?).await?;
        accounts::prepare(&sandbox.cluster, NAMESPACE, &*sandbox.clock, &sandbox.ids).await?;
        plane::apply(&sandbox.cluster, manifests(&repositories)?).await?;
        let listener = match Listener::bind(listen, &Transport::Plain).await {
            Ok(listener) => listener,
            // somebody has the usual port: any other will do
            Err(_) => Listener::bind(SocketAddr::new(listen.ip(), 0), &Transport::Plain).await?,
        };
        let mut stage = Self {
            folder: folder.to_owned(),
            commits: Commits { repositories, cache: folder.join("cache"), clock: Arc::clone(&sandbox.clock) },
            kubeconfig: sandbox.kubeconfig.clone(),
            url: listener.url(),
            speed: sandbox.speed,
            sandbox,
            registry,
            plane: None,
            routes: watch::Sender::new(Router::new()),
            stop: CancellationToken::new(),
        };
        stage.start_plane().await?;
        let routes = stage.routes.subscribe();
        let current = Router::new().fallback(move |request: Request| {
            let router = routes.borrow().clone();
            router.oneshot(request)
        });
        tokio::spawn(listener.serve(current, stage.stop.clone()));
        Ok(stage)
    }

    /// Starts a controller (another one than before) on the sandbox.
    pub(super) async fn start_plane(&mut self) -> Result<(), Failure> {
        let plane = Plane::new(Plan {
            cluster: self.sandbox.cluster.clone(),
            clock: Arc::clone(&self.sandbox.clock),
            ids: self.sandbox.ids.clone(),
            namespace: NAMESPACE.to_owned(),
            cache: self.folder.join("cache"),
            registry: self.sandbox.registry_client()?,
            poll: Duration::from_secs(180),
            speed: self.speed,
            simulated: true,
            tls: false,
            access: Access::Accounts,
            replica: None,
            client_side_apply: false,
            at_step: None,
            rendering: Rendering::default(),
            connector: None,
        });
        let stop = CancellationToken::new();
        plane.run(stop.clone());
        plane.server.ready().await;
        drop(self.routes.send_replace(plane.server.router()));
        self.plane = Some((plane, stop));
        Ok(())
    }

    /// Ends the controller of this process, for the one in another to take over.
    pub(super) async fn stop_plane(&mut self) {
        if let Some((_, stop)) = self.plane.take() {
            stop.cancel();
            // what it is doing at this moment is cut off
            self.sandbox.clock.sleep(Duration::from_secs(5)).await;
        }
    }

    pub(super) fn controller(&self) -> Option<&control::Controller> {
        self.plane.as_ref().map(|(plane, _)| &plane.controller)
    }

    pub(super) async fn tear_down(&mut self) {
        self.stop.cancel();
        self.stop_plane().await;
        self.sandbox.stop();
    }
}

/// Bare repositories with the examples; those that are there already stay as they are.
fn make_repositories(folder: &Path, clock: &dyn Clock) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let author = Signature { name: "platform-team".into(), email: "platform@acme.example".into(), time: clock.now() };
    for (name, _) in REPOSITORIES {
        let path = folder.join(format!("{name}.git"));
        let files = examples::files(name);
        let Some(first) = git::create_bare(&path, "main", &files, "Environments of our services", &author)? else {
            continue;
        };
        for (_, reference) in REFERENCES.iter().filter(|(of, _)| *of == name) {
            git::create_reference(&path, reference, first)?;
        }
    }
    Ok(())
}

/// The tree of an example, as it was in the first commit.
fn tree(example: &str) -> FileTree {
    examples::files(example)
        .into_iter()
        .fold(MemoryTree::default(), |tree, (path, bytes)| tree.file(&path, bytes))
        .tree()
}

/// Every image that the examples' Applications run.
fn push_images(registry: &Registry) -> Result<(), Failure> {
    for (name, _) in REPOSITORIES {
        let tree = tree(name);
        for object in documents(name)?.into_iter().filter(|object| object["kind"] == "Application") {
            let application = Application::from_value(object)?;
            for source in application.spec.all_sources() {
                push_images_of(registry, &tree, &control::to_render(source, &Settings::default()));
            }
        }
    }
    Ok(())
}

fn push_images_of(registry: &Registry, tree: &FileTree, source: &render::Source) {
    for rendered in render::render(tree, source).manifests {
        for image in engine::images(&rendered.manifest) {
            let Ok(reference) = image.image.parse::<object::ImageRef>() else { continue };
            let (_, repository) = reference.registry_and_repository();
            registry.push_image(&repository, reference.tag.as_deref().unwrap_or("latest"), &BTreeMap::new());
        }
    }
}

/// The projects, Applications and Pipelines of an example, as written.
fn documents(example: &str) -> Result<Vec<Value>, Failure> {
    let folders = ["argocd/", "argo-apps/", "applications/"];
    let ours = |object: &Value| {
        let group = object["apiVersion"].as_str().and_then(|version| version.split('/').next()).unwrap_or_default();
        matches!(group, "argoproj.io" | "gantline.dev")
    };
    let mut all = Vec::new();
    for (path, bytes) in examples::files(example) {
        if !folders.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let documents = yaml::documents(&text, yaml::Dialect::Kubernetes)
            .map_err(|e| Failure::new(format!("examples/{example}/{path}: {e}")))?;
        all.extend(documents.into_iter().map(|document| document.value).filter(ours));
    }
    Ok(all)
}

/// The same with the repositories' addresses on this machine.
fn manifests(repositories: &Path) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    for (name, address) in REPOSITORIES {
        let local = format!("file://{}", repositories.join(format!("{name}.git")).display());
        for object in documents(name)? {
            let text = object.to_string().replace(address, &local);
            all.push(serde_json::from_str(&text)?);
        }
    }
    // projects before what belongs to them
    all.sort_by_key(|object: &Value| object["kind"] != "AppProject");
    Ok(all)
}

/// Argo CD's settings: the accounts, their passwords, their groups.
fn settings(clock: &dyn Clock) -> Result<Vec<Value>, Failure> {
    let metadata = |name: &str| json!({ "name": name, "namespace": NAMESPACE, "labels": { "app.kubernetes.io/part-of": "argocd" } });
    let logins: BTreeMap<String, &str> = ACCOUNTS.iter().map(|name| (format!("accounts.{name}"), "login")).collect();
    let policy = "g, team-lead, team-leads\n\
                  p, role:developer, pipelines, promote, */*, allow\n\
                  p, role:developer, applications, sync, */*, allow\n\
                  g, developer, role:developer\n\
                  g, team-lead, role:developer\n";
    let mut secrets = BTreeMap::new();
    for name in ACCOUNTS {
        secrets.extend(accounts::password_entries(name, name, clock)?);
    }
    let objects = [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("argocd-cm"), "data": logins }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("argocd-rbac-cm"), "data": { "policy.csv": policy, "policy.default": "role:readonly" } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata("argocd-secret"), "type": "Opaque", "stringData": secrets }),
    ];
    objects.iter().try_for_each(|object| Manifest::new(object.clone()).map(drop))?;
    Ok(objects.to_vec())
}
