//! `gantline try REPO`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, HealthStatusCode, SyncStatusCode};
use clap::Args;
use clock::{Clock, Ids, ScaledClock};
use cluster::Cluster;
use git::{Credentials, Repositories, Repository};
use object::{EntryKind, FileTree, path, yaml};
use sandbox::{AnyImage, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use server::Access;
use tokio_util::sync::CancellationToken;

use crate::commands::render_worker::Rendering;
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use crate::plane::{self, Plan, Plane};
use crate::settings;

/// Deploy somebody's repository into a sandbox and report what is healthy, what is not, and why
#[derive(Debug, Args)]
#[command(after_help = "Every image counts as there. Nothing leaves this machine but the fetch of the repository.")]
pub(crate) struct Try {
    /// A URL, or a repository on this machine
    repository: String,
    /// Only below this folder
    #[arg(long, default_value = "", value_name = "FOLDER")]
    path: String,
    /// Branch, tag or commit
    #[arg(long, default_value = "HEAD")]
    revision: String,
    /// How many minutes of the sandbox's time things may take to become healthy
    #[arg(long, default_value_t = 15, value_name = "MINUTES")]
    patience: u64,
    /// How fast the sandbox's clock runs
    #[arg(long, default_value_t = 120.0, value_name = "N")]
    speed: f64,
}

/// Something in the repository that can be deployed, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// The folder of an Application, chart, kustomization or plain manifests.
    Deployable {
        path: String,
        kind: &'static str,
        namespace: String,
        /// Further fields of the Application's source.
        options: Value,
    },
    NotSupported {
        path: String,
        why: String,
    },
}

impl Found {
    /// A folder that no Application names.
    fn deployable(path: String, kind: &'static str) -> Self {
        Self::Deployable { path, kind, namespace: "try".to_owned(), options: Value::Null }
    }
}

/// So many paths are tried at most.
const LIMIT: usize = 200;

impl Try {
    pub(crate) async fn run(self) -> Outcome {
        let url = url_of(&self.repository)?;
        let repository = Repositories::new(settings::cache().join("git")).open(&url, &Credentials::default())?;
        repository.refresh().await?;
        let commit = repository.resolve(&self.revision).await?;
        let tree = repository.tree(commit).await?;
        let found = survey(&tree, self.path.trim_matches('/'));
        if found.is_empty() {
            let place = if self.path.is_empty() { "the repository".to_owned() } else { self.path.clone() };
            return Err(Failure::new(format!("{place} holds no Applications, kustomizations or manifests"))
                .hint("name another folder with --path"));
        }
        output::line(format!("{} at {}: {} paths", repository.url(), commit.short(), found.len()));
        let reports = self.deploy(&repository, &commit.to_string(), &found).await?;
        let mut bad = 0;
        for (path, verdict) in &reports {
            bad += usize::from(!verdict.starts_with("healthy"));
            output::line(format!("  {:<50} {verdict}", if path.is_empty() { "." } else { path }));
        }
        output::line(format!("{} of {} healthy", reports.len() - bad, reports.len()));
        Ok(if bad == 0 { Code::Done.into() } else { Code::Failed.into() })
    }

    async fn deploy(
        &self,
        repository: &Repository,
        commit: &str,
        found: &[Found],
    ) -> Result<BTreeMap<String, String>, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(self.speed));
        let ids = Ids::random();
        let options =
            SandboxOptions { clock: Arc::clone(&clock), ids: ids.clone(), folder: None, images: Arc::new(AnyImage) };
        let sandbox = Sandbox::start(options)?;
        let cluster = Cluster::from_service(sandbox.router(), Arc::clone(&clock));
        plane::install_definitions(&cluster, &*clock).await?;
        plane::apply(&cluster, [json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "argocd" } })])
            .await?;
        let mut names = BTreeMap::new();
        for (index, item) in found.iter().enumerate() {
            let Found::Deployable { path, namespace, options, .. } = item else { continue };
            let name = format!("try-{index}");
            plane::apply(&cluster, [application(&name, repository.url(), commit, path, namespace, options)]).await?;
            names.insert(path.clone(), name);
        }
        let plane = Plane::new(Plan {
            cluster,
            clock: Arc::clone(&clock),
            ids,
            namespace: "argocd".to_owned(),
            cache: settings::cache().join("git"),
            registry: git::RegistryClient::new(BTreeMap::new()).map_err(Failure::new)?,
            poll: Duration::from_secs(3600),
            speed: self.speed,
            simulated: true,
            tls: false,
            access: Access::Core { user: "try".to_owned() },
            replica: None,
            at_step: None,
            rendering: Rendering::default(),
        });
        let stop = CancellationToken::new();
        plane.run(stop.clone());
        self.settle(&plane, &*clock, names.len()).await;
        let mut reports = BTreeMap::new();
        for item in found {
            let (path, verdict) = match item {
                Found::NotSupported { path, why } => (path.clone(), format!("not supported: {why}")),
                Found::Deployable { path, kind, .. } => {
                    let app = names.get(path).and_then(|name| plane.controller.application(name));
                    (path.clone(), verdict(&plane, app.as_deref(), kind).await)
                }
            };
            reports.insert(path, verdict);
        }
        stop.cancel();
        sandbox.stop();
        Ok(reports)
    }

    /// Waits until everything is healthy or cannot become so, or patience ends.
    async fn settle(&self, plane: &Plane, clock: &dyn Clock, count: usize) {
        let deadline = clock::after(clock.now(), Duration::from_secs(60 * self.patience));
        let bar = if settings::progress() {
            indicatif::ProgressBar::new(count as u64)
        } else {
            indicatif::ProgressBar::hidden()
        };
        while clock.now() < deadline {
            let apps = plane.controller.stores().applications.all();
            let done = apps.iter().filter(|app| is_settled(app)).count();
            bar.set_position(done as u64);
            if apps.len() >= count && done >= count {
                break;
            }
            clock.sleep(Duration::from_secs(10)).await;
        }
        bar.finish_and_clear();
    }
}

fn url_of(text: &str) -> Result<String, Failure> {
    if text.contains("://") || text.contains('@') {
        return Ok(text.to_owned());
    }
    let path = PathBuf::from(text)
        .canonicalize()
        .map_err(|error| Failure::new(format!("{text}: {error}")).hint("give a URL, or a folder that exists"))?;
    Ok(format!("file://{}", path.display()))
}

fn application(name: &str, url: &str, commit: &str, path: &str, namespace: &str, options: &Value) -> Value {
    let mut source =
        json!({ "repoURL": url, "targetRevision": commit, "path": if path.is_empty() { "." } else { path } });
    for (field, value) in options.as_object().into_iter().flatten() {
        source[field] = value.clone();
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": name, "namespace": "argocd" },
        "spec": {
            "project": "default",
            "source": source,
            "destination": { "server": "https://kubernetes.default.svc", "namespace": namespace },
            "syncPolicy": { "automated": {}, "syncOptions": ["CreateNamespace=true"], "retry": { "limit": 2, "backoff": { "duration": "5s" } } },
        },
    })
}

fn is_settled(app: &Application) -> bool {
    let synced =
        app.status.sync.status == SyncStatusCode::Synced && app.status.health.status == HealthStatusCode::Healthy;
    let failed = app.status.conditions.iter().any(|condition| condition.kind.is_error());
    synced || failed || app.status.health.status == HealthStatusCode::Degraded
}

async fn verdict(plane: &Plane, app: Option<&Application>, kind: &str) -> String {
    let Some(app) = app else { return "not healthy: the controller did not look at it".to_owned() };
    if app.status.sync.status == SyncStatusCode::Synced && app.status.health.status == HealthStatusCode::Healthy {
        return format!("healthy ({kind}, {} objects)", app.status.resources.len());
    }
    let explanation = plane.controller.explain(app).await;
    let reasons: Vec<String> = explanation.reasons.iter().take(3).map(|reason| reason.message.clone()).collect();
    let why = if reasons.is_empty() { explanation.summary } else { reasons.join("; ") };
    format!("not healthy ({kind}): {why}")
}

/// Every folder that is something by itself: a base that another kustomization uses is not.
fn survey(tree: &FileTree, below: &str) -> Vec<Found> {
    let mut folders = Vec::new();
    walk(tree, below, 0, &mut folders);
    let mut found: Vec<Found> = Vec::new();
    let mut used = BTreeSet::new();
    let (mut kustomizations, mut plain, mut charts) = (Vec::new(), Vec::new(), Vec::<String>::new());
    for folder in &folders {
        let files = files_of(tree, folder);
        if charts.iter().any(|chart| is_below(folder, chart)) {
            continue;
        }
        if files.iter().any(|file| file == "Chart.yaml") {
            charts.push(folder.clone());
        } else if let Some(file) =
            render::kustomize::FILE_NAMES.iter().find(|name| files.iter().any(|file| file == *name))
        {
            used.extend(references(tree, folder, file));
            kustomizations.push(folder.clone());
        } else if files.iter().any(|file| [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end))) {
            plain.push(folder.clone());
        }
    }
    let (applications, sources) = applications(tree, &plain);
    found.extend(applications);
    for folder in charts.into_iter().filter(|folder| !sources.contains(folder) && !is_library(tree, folder)) {
        found.push(Found::deployable(folder, "chart"));
    }
    for folder in kustomizations.into_iter().filter(|folder| !used.contains(folder) && !sources.contains(folder)) {
        found.push(Found::deployable(folder, "kustomization"));
    }
    let is_in_use = |folder: &String| used.iter().any(|base| base == folder || is_below(folder, base));
    for folder in plain.into_iter().filter(|folder| !is_in_use(folder) && !sources.contains(folder)) {
        let rendered = render::render(tree, &render::Source::auto(&folder));
        let own = rendered
            .manifests
            .iter()
            .filter(|m| m.manifest.gvk().group != "argoproj.io" && m.manifest.gvk().group != "gantline.dev");
        if own.count() > 0 {
            found.push(Found::deployable(folder, "manifests"));
        }
    }
    found.truncate(LIMIT);
    found
}

fn is_below(folder: &str, above: &str) -> bool {
    above.is_empty() || folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn is_library(tree: &FileTree, chart: &str) -> bool {
    let text = tree.read(&path::child(chart, "Chart.yaml")).ok().flatten().unwrap_or_default();
    yaml::value(&String::from_utf8_lossy(&text)).is_ok_and(|chart| chart["type"] == "library")
}

fn walk(tree: &FileTree, folder: &str, depth: usize, folders: &mut Vec<String>) {
    if depth > 12 || folders.len() > 5000 {
        return;
    }
    folders.push(folder.to_owned());
    for entry in tree.list(folder).ok().flatten().unwrap_or_default() {
        if entry.kind == EntryKind::Folder && !entry.name.starts_with('.') {
            walk(tree, &path::child(folder, &entry.name), depth + 1, folders);
        }
    }
}

fn files_of(tree: &FileTree, folder: &str) -> Vec<String> {
    let entries = tree.list(folder).ok().flatten().unwrap_or_default();
    entries.into_iter().filter(|entry| entry.kind != EntryKind::Folder).map(|entry| entry.name).collect()
}

/// The folders that a kustomization builds on.
fn references(tree: &FileTree, folder: &str, file: &str) -> Vec<String> {
    let text = tree.read(&path::child(folder, file)).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let Ok(documents) = yaml::documents(&text, yaml::Dialect::Kubernetes) else { return Vec::new() };
    let lists = ["resources", "bases", "components"];
    let names = documents.iter().flat_map(|d| lists.iter().filter_map(|list| d.value[*list].as_array()).flatten());
    names.filter_map(|name| path::join(folder, name.as_str()?)).collect()
}

/// Applications written in plain manifests: those whose source is in this repository, and the folders they use.
fn applications(tree: &FileTree, folders: &[String]) -> (Vec<Found>, BTreeSet<String>) {
    let (mut found, mut sources) = (Vec::new(), BTreeSet::new());
    for folder in folders {
        for file in files_of(tree, folder) {
            let text = tree.read(&path::child(folder, &file)).ok().flatten().unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let Ok(documents) = yaml::documents(&text, yaml::Dialect::Kubernetes) else { continue };
            for object in documents.iter().map(|d| &d.value).filter(|object| object["kind"] == "Application") {
                let get =
                    |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
                let source = get("/spec/source/path");
                if source.is_empty() {
                    let path = path::child(folder, &file);
                    found.push(Found::NotSupported {
                        path,
                        why: "an Application whose source is not one folder of Git".to_owned(),
                    });
                } else if tree.is_folder(&source).unwrap_or(false) && sources.insert(source.clone()) {
                    let namespace = get("/spec/destination/namespace");
                    let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
                    let fields = ["helm", "kustomize", "directory"].into_iter();
                    let given =
                        fields.filter_map(|name| Some((name, object.pointer(&format!("/spec/source/{name}"))?)));
                    let options = given.map(|(name, value)| (name.to_owned(), value.clone())).collect();
                    found.push(Found::Deployable { path: source, kind: "Application", namespace, options });
                }
            }
        }
    }
    (found, sources)
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn a_survey_finds_what_can_be_deployed() {
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
        let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: x}\nspec: {source: {path: overlays/dev, repoURL: u}, destination: {namespace: dev}}\n";
        let tree = MemoryTree::default()
            .file("base/kustomization.yaml", "resources: [d.yaml]\n")
            .file("base/d.yaml", deployment)
            .file("overlays/dev/kustomization.yaml", "resources: [../../base]\n")
            .file("overlays/prod/kustomization.yaml", "resources: [../../base]\n")
            .file("plain/d.yaml", deployment)
            .file("chart/Chart.yaml", "name: c\n")
            .file("chart/crds/d.yaml", deployment)
            .file("library/Chart.yaml", "name: l\ntype: library\n")
            .file("apps/a.yaml", application)
            .tree();
        let found = survey(&tree, "");
        let paths: Vec<String> = found
            .iter()
            .map(|f| match f {
                Found::Deployable { path, kind, namespace, .. } => format!("{path} {kind} {namespace}"),
                Found::NotSupported { path, .. } => format!("{path} no"),
            })
            .collect();
        assert_eq!(
            paths,
            [
                "overlays/dev Application dev",
                "chart chart try",
                "overlays/prod kustomization try",
                "plain manifests try"
            ]
        );
    }
}
