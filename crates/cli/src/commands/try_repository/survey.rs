//! What somebody would deploy of a repository: Applications, charts, kustomizations and folders of manifests that stand
//! for themselves. What another one is made from, and what other programs read, is not among them.

use std::collections::{BTreeMap, BTreeSet};

use api::argocd::normalize_git_url;
use control::workers::Renderer;
use futures::future::join_all;
use object::{EntryKind, FileTree, Manifest, path, yaml};
use render::{DirectoryOptions, RenderContext, Rendered, Source, Tool, ToolChoice};
use serde_json::{Value, json};

use super::manifests::{Files, is_of_control_plane};

/// Something that can be deployed, or the reason why it is not.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The folder, or the file that holds an Application.
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Deployable(Box<Deployable>),
    NotDeployed(String),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Deployable {
    /// Of the Application: unique, fit for a label, a namespace and the name of a Helm release.
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) sources: Vec<Value>,
    pub(super) sync_options: Vec<String>,
    /// As far as it renders without other repositories.
    pub(super) manifests: Vec<Manifest>,
}

/// The repository that is tried, as Applications are to name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) url: &'a str,
    pub(super) commit: &'a str,
}

/// Folders of tests, of other programs and of code that came from elsewhere.
const NOT_DEPLOYED: [&str; 8] = ["test", "tests", "testdata", "e2e", "ci", "fixtures", "node_modules", "vendor"];
const DEPTH: usize = 12;
const FOLDERS: usize = 5000;
const JSONNET: &str = "Jsonnet is not rendered yet";
const PLUGIN: &str = "config management plugins are not supported yet";
/// As long as the name of a Helm release may be.
const NAME_LENGTH: usize = 53;

/// Everything below a folder that would be deployed by itself, by path.
pub(super) async fn survey(tree: &FileTree, below: &str, origin: Origin<'_>, renderer: &Renderer) -> Vec<Found> {
    let mut survey = Survey { tree, origin, renderer, names: BTreeSet::new(), renders: BTreeMap::new() };
    let places = survey.places(below).await;
    let applications = survey.applications(&places);
    let sources: BTreeSet<String> = applications.iter().flat_map(|(_, app)| folders_of(app)).collect();
    let recursed: Vec<String> = applications.iter().flat_map(|(_, app)| recursed_by(app)).collect();
    let used = survey.used(&sources);
    let mut found: Vec<Found> = applications.into_iter().map(|(file, app)| survey.application(&file, &app)).collect();
    for Place { folder, kind } in places {
        let marker = survey.renders.get(&folder).and_then(|render| render.marker.clone());
        let comes_along = kind == Kind::Manifests && recursed.iter().any(|above| is_below(&folder, above));
        let is_used = sources.contains(&folder) || marker.is_some_and(|file| used.users_of(&file, &folder));
        if !is_used && !comes_along {
            found.extend(survey.folder(folder, kind, &used).await);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A folder and what makes it something by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    folder: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chart,
    Kustomization,
    Manifests,
    Jsonnet,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Kustomization => "kustomization",
            Self::Manifests => "manifests",
            Self::Jsonnet => "jsonnet",
        }
    }
}

struct Render {
    /// The file by which others use the folder.
    marker: Option<String>,
    rendered: Rendered,
}

/// Which files each folder is made from.
struct Used(BTreeMap<String, BTreeSet<String>>);

impl Used {
    /// Whether another folder is made from the file.
    fn users_of(&self, file: &str, folder: &str) -> bool {
        self.0.get(file).is_some_and(|users| users.iter().any(|user| user != folder))
    }
}

struct Survey<'a> {
    tree: &'a FileTree,
    origin: Origin<'a>,
    /// What comes from elsewhere is rendered with limits.
    renderer: &'a Renderer,
    names: BTreeSet<String>,
    renders: BTreeMap<String, Render>,
}

impl Survey<'_> {
    /// The folders that may be deployed, each rendered where it has a tool of its own.
    async fn places(&mut self, below: &str) -> Vec<Place> {
        let (mut folders, mut places) = (Vec::new(), Vec::<(Place, Option<String>)>::new());
        walk(self.tree, below, 0, &mut folders);
        for folder in folders {
            let in_chart = |(place, _): &(Place, _)| place.kind == Kind::Chart && is_below(&folder, &place.folder);
            if places.iter().any(in_chart) {
                continue;
            }
            let Some((kind, marker)) = self.kind_of(&folder) else { continue };
            places.push((Place { folder, kind }, marker));
        }
        let render = async |(Place { folder, kind }, marker): &(Place, Option<String>)| {
            let rendered = match kind {
                Kind::Jsonnet => return None,
                Kind::Chart | Kind::Kustomization | Kind::Manifests => self.render(folder, ToolChoice::Auto).await,
            };
            Some((folder.clone(), Render { marker: marker.clone(), rendered }))
        };
        let renders = join_all(places.iter().map(render)).await;
        self.renders = renders.into_iter().flatten().collect();
        places.into_iter().map(|(place, _)| place).collect()
    }

    fn kind_of(&self, folder: &str) -> Option<(Kind, Option<String>)> {
        let files = files_of(self.tree, folder);
        let has = |name: &str| files.iter().any(|file| file == name);
        if has("Chart.yaml") {
            let marker = path::child(folder, "Chart.yaml");
            let is_library = self.document(&marker).is_some_and(|chart| chart["type"] == "library");
            return (!is_library).then_some((Kind::Chart, Some(marker)));
        }
        let kustomization = render::kustomize::FILE_NAMES.iter().find(|name| has(name));
        if let Some(name) = kustomization {
            let marker = path::child(folder, name);
            match self.document(&marker) {
                Some(written) if written["kind"] == "Component" => return None,
                // Flux has a kind of that name
                Some(written) if is_of_group(&written, "kustomize.toolkit.fluxcd.io") => {}
                _ => return Some((Kind::Kustomization, Some(marker))),
            }
        }
        if !Files::of(self.tree, folder, &files).manifests.is_empty() {
            return Some((Kind::Manifests, None));
        }
        files.iter().any(|file| file.ends_with(".jsonnet")).then_some((Kind::Jsonnet, None))
    }

    fn document(&self, file: &str) -> Option<Value> {
        let text = self.tree.read(file).ok().flatten()?;
        yaml::value(&String::from_utf8_lossy(&text)).ok()
    }

    async fn render(&self, folder: &str, tool: ToolChoice) -> Rendered {
        let context = RenderContext { app_name: name_of(folder, self.origin.url), ..RenderContext::default() };
        self.renderer.rendered(folder, self.tree, Source { tool, ..Source::auto(folder) }, context).await
    }

    /// What each folder with a tool of its own, and each folder of an Application, is made from.
    fn used(&self, sources: &BTreeSet<String>) -> Used {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let tools = self.renders.iter().filter(|(folder, it)| it.marker.is_some() || sources.contains(*folder));
        for (folder, render) in tools {
            let read = render.rendered.reads.paths().map(str::to_owned);
            // a build that fails early has not read all that it names
            let named = render.marker.as_deref().map(|file| self.named_in(folder, file)).unwrap_or_default();
            for file in read.chain(named) {
                used.entry(file).or_default().insert(folder.clone());
            }
        }
        Used(used)
    }

    /// The files, and the kustomizations of the folders, that a kustomization names.
    fn named_in(&self, folder: &str, file: &str) -> Vec<String> {
        let Some(written) = self.document(file) else { return Vec::new() };
        let lists = ["resources", "bases", "components"];
        let names = lists.iter().filter_map(|list| written[*list].as_array()).flatten();
        let places: Vec<String> = names.filter_map(|name| path::join(folder, name.as_str()?)).collect();
        let inside = |place: &String| {
            render::kustomize::FILE_NAMES.iter().map(|name| path::child(place, name)).chain([place.clone()]).collect()
        };
        places.iter().flat_map(|place| -> Vec<String> { inside(place) }).collect()
    }

    /// Applications that are written in files, or that a folder is made of, with the file or folder.
    fn applications(&self, places: &[Place]) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for Place { folder, kind } in places {
            let files = files_of(self.tree, folder);
            let written = Files::of(self.tree, folder, &files).manifests;
            let written = written.into_iter().filter(|_| *kind == Kind::Manifests);
            for (file, objects) in written {
                found.extend(objects.into_iter().map(|object| (path::child(folder, &file), object)));
            }
            if let Some(render) = self.renders.get(folder).filter(|_| *kind != Kind::Manifests) {
                let rendered = render.rendered.manifests.iter().map(|it| it.manifest.value().clone());
                found.extend(rendered.map(|object| (folder.clone(), object)));
            }
        }
        found.retain(|(_, object)| object["kind"] == "Application" && is_of_group(object, "argoproj.io"));
        found
    }

    /// An Application as it would be, with the files of this commit.
    fn application(&mut self, file: &str, app: &Value) -> Found {
        let spec = &app["spec"];
        let ours = self.own_addresses(spec);
        let mut sources = sources_of(spec);
        for source in sources.iter_mut().filter(|source| ours.contains(&address(source))) {
            source["repoURL"] = json!(self.origin.url);
            source["targetRevision"] = json!(self.origin.commit);
        }
        let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let said = app["metadata"]["name"].as_str().unwrap_or_default();
        let name = self.unique(name_of(said, file));
        let namespace = Some(text("/destination/namespace")).filter(|it| !it.is_empty()).unwrap_or(name.clone());
        let options = spec.pointer("/syncPolicy/syncOptions").and_then(Value::as_array).into_iter().flatten();
        let sync_options = options.filter_map(|option| option.as_str().map(str::to_owned)).collect();
        let folders = folders_of(app);
        let recursed = recursed_by(app);
        let comes_along =
            |folder: &String, it: &Render| it.marker.is_none() && recursed.iter().any(|above| is_below(folder, above));
        let renders = self.renders.iter().filter(|(at, it)| folders.contains(at) || comes_along(at, it));
        let manifests = renders.flat_map(|(_, it)| it.rendered.manifests.iter().map(|it| it.manifest.clone()));
        let manifests = manifests.collect();
        let path = folders.first().filter(|_| folders.len() == 1).cloned().unwrap_or_else(|| file.to_owned());
        let what = match self.unsupported(&sources, &folders) {
            Some(why) => What::NotDeployed(why.to_owned()),
            None => What::Deployable(Box::new(Deployable { name, namespace, sources, sync_options, manifests })),
        };
        Found { path, kind: "Application", what }
    }

    /// Why the sources cannot be deployed by this version.
    fn unsupported(&self, sources: &[Value], folders: &[String]) -> Option<&'static str> {
        if sources.is_empty() {
            return Some("it names no source");
        }
        if sources.iter().any(|source| !source["plugin"].is_null()) {
            return Some(PLUGIN);
        }
        folders
            .iter()
            .find_map(|folder| match self.renders.get(folder)?.rendered.tool {
                Tool::Jsonnet => Some(JSONNET),
                Tool::Plugin => Some(PLUGIN),
                Tool::Directory | Tool::Kustomize | Tool::Helm => None,
            })
            .or_else(|| folders.iter().any(|folder| self.is_jsonnet(folder)).then_some(JSONNET))
    }

    fn is_jsonnet(&self, folder: &str) -> bool {
        matches!(self.kind_of(folder), Some((Kind::Jsonnet, _)))
    }

    /// The addresses under which an Application means this repository: its own, and whatever has the folders that it names.
    fn own_addresses(&self, spec: &Value) -> BTreeSet<String> {
        let is_here = |source: &Value| {
            let folder = source["path"].as_str().unwrap_or_default().trim_matches('/');
            !folder.is_empty() && self.tree.is_folder(folder).unwrap_or(false)
        };
        let sources = sources_of(spec);
        let found = sources.iter().filter(|source| source["chart"].is_null() && is_here(source)).map(address);
        found.chain([place_of(self.origin.url)]).collect()
    }

    async fn folder(&mut self, folder: String, kind: Kind, used: &Used) -> Option<Found> {
        let not = |why: &str| {
            Some(Found { path: folder.clone(), kind: kind.word(), what: What::NotDeployed(why.to_owned()) })
        };
        let mut source = json!({ "repoURL": self.origin.url, "targetRevision": self.origin.commit,
            "path": if folder.is_empty() { "." } else { &folder } });
        let rendered = match kind {
            Kind::Jsonnet => return not(JSONNET),
            Kind::Chart | Kind::Kustomization => self.renders.get(&folder)?.rendered.clone(),
            Kind::Manifests => {
                let include = self.to_include(&folder, used)?;
                let options = DirectoryOptions { include: include.clone(), ..DirectoryOptions::default() };
                if !include.is_empty() {
                    source["directory"] = json!({ "include": include });
                }
                self.render(&folder, ToolChoice::Directory(options)).await
            }
        };
        let manifests: Vec<Manifest> = rendered.manifests.iter().map(|it| it.manifest.clone()).collect();
        if rendered.complete() && manifests.is_empty() {
            return not("it renders no objects with its own values");
        }
        if rendered.complete() && manifests.iter().all(|manifest| is_of_control_plane(manifest.value())) {
            return None;
        }
        let name = self.unique(name_of(&folder, self.origin.url));
        let deployable =
            Deployable { namespace: name.clone(), name, sources: vec![source], sync_options: Vec::new(), manifests };
        Some(Found { path: folder, kind: kind.word(), what: What::Deployable(Box::new(deployable)) })
    }

    /// The pattern for the files of a folder that hold manifests nobody else uses; empty: all. `None`: there are none.
    fn to_include(&self, folder: &str, used: &Used) -> Option<String> {
        let files = files_of(self.tree, folder);
        let Files { manifests, others } = Files::of(self.tree, folder, &files);
        let (taken, own): (Vec<_>, Vec<_>) = manifests.into_iter().partition(|(file, objects)| {
            let says_what_to_deploy = !objects.is_empty() && objects.iter().all(is_of_control_plane);
            says_what_to_deploy || used.users_of(&path::child(folder, file), folder)
        });
        if own.is_empty() {
            return None;
        }
        if taken.is_empty() && others.is_empty() {
            return Some(String::new());
        }
        let names: Vec<String> = own.into_iter().map(|(file, _)| file).collect();
        Some(if names.len() == 1 { names.concat() } else { format!("{{{}}}", names.join(",")) })
    }

    fn unique(&mut self, name: String) -> String {
        let numbered = |number: usize| {
            let end = format!("-{number}");
            format!("{}{end}", &name[..name.len().min(NAME_LENGTH - end.len())])
        };
        let free = std::iter::once(name.clone()).chain((2..).map(numbered)).find(|it| !self.names.contains(it));
        let free = free.unwrap_or(name);
        self.names.insert(free.clone());
        free
    }
}

fn sources_of(spec: &Value) -> Vec<Value> {
    match (&spec["sources"], &spec["source"]) {
        (Value::Array(several), _) if !several.is_empty() => several.clone(),
        (_, Value::Object(one)) => vec![Value::Object(one.clone())],
        _ => Vec::new(),
    }
}

/// The folders of this or another repository that an Application deploys.
fn folders_of(app: &Value) -> Vec<String> {
    sources_of(&app["spec"]).iter().filter_map(folder_of).collect()
}

/// Those of them below which all manifests come along.
fn recursed_by(app: &Value) -> Vec<String> {
    let sources = sources_of(&app["spec"]);
    sources.iter().filter(|source| source["directory"]["recurse"] == true).filter_map(folder_of).collect()
}

fn folder_of(source: &Value) -> Option<String> {
    let path = source["path"].as_str().filter(|_| source["chart"].is_null())?;
    let path = path.trim_start_matches("./").trim_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}

fn address(source: &Value) -> String {
    place_of(source["repoURL"].as_str().unwrap_or_default())
}

/// Host and path: a repository is reached by HTTP and by SSH.
fn place_of(url: &str) -> String {
    let url = normalize_git_url(url);
    let place = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, rest)| rest);
    place.replacen(':', "/", 1).trim_end_matches('/').to_owned()
}

fn is_of_group(object: &Value, group: &str) -> bool {
    object["apiVersion"].as_str().and_then(|version| version.split_once('/')).is_some_and(|(of, _)| of == group)
}

/// From the last parts of a path; of the root, from the repository's.
fn name_of(path: &str, otherwise: &str) -> String {
    let last = otherwise.trim_end_matches(".git").trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let text = if path.trim_matches(['.', '/']).is_empty() { last } else { path };
    let plain: String =
        text.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let from = plain.len().saturating_sub(NAME_LENGTH);
    let name = plain[from..].trim_matches('-');
    // a Service may not begin with a digit, nor be called nothing
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("try-{}", &name[..name.len().min(NAME_LENGTH - 4)])
    }
}

fn walk(tree: &FileTree, folder: &str, depth: usize, folders: &mut Vec<String>) {
    if depth > DEPTH || folders.len() > FOLDERS {
        return;
    }
    folders.push(folder.to_owned());
    for entry in tree.list(folder).ok().flatten().unwrap_or_default() {
        let name = entry.name.as_str();
        if entry.kind == EntryKind::Folder && !name.starts_with('.') && !NOT_DEPLOYED.contains(&name) {
            walk(tree, &path::child(folder, name), depth + 1, folders);
        }
    }
}

fn files_of(tree: &FileTree, folder: &str) -> Vec<String> {
    let entries = tree.list(folder).ok().flatten().unwrap_or_default();
    entries.into_iter().filter(|entry| entry.kind != EntryKind::Folder).map(|entry| entry.name).collect()
}

fn is_below(folder: &str, above: &str) -> bool {
    above.is_empty() || folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    const ORIGIN: Origin<'static> = Origin { url: "https://git.test/acme/shop.git", commit: "c1" };

    async fn all(tree: &MemoryTree) -> Vec<Found> {
        survey(&tree.clone().tree(), "", ORIGIN, &Renderer::InProcess).await
    }

    async fn found(tree: &MemoryTree) -> Vec<String> {
        let shown = |found: &Found| match &found.what {
            What::Deployable(it) => format!("{} {} -> {}", found.path, found.kind, it.namespace),
            What::NotDeployed(why) => format!("{} {}: {why}", found.path, found.kind),
        };
        all(tree).await.iter().map(shown).collect()
    }

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";

    #[tokio::test]
    async fn a_survey_finds_what_can_be_deployed() {
        let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: x}\nspec: {source: {path: overlays/dev, repoURL: u}, destination: {namespace: dev}}\n";
        let tree = MemoryTree::default()
            .file("base/kustomization.yaml", "resources: [d.yaml]\n")
            .file("base/d.yaml", DEPLOYMENT)
            .file("overlays/dev/kustomization.yaml", "resources: [../../base]\n")
            .file("overlays/prod/kustomization.yaml", "resources: [../../base]\n")
            .file("plain/d.yaml", DEPLOYMENT)
            .file("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
            .file("chart/templates/d.yaml", DEPLOYMENT)
            .file("library/Chart.yaml", "apiVersion: v2\nname: l\nversion: 1.0.0\ntype: library\n")
            .file("apps/a.yaml", application);
        assert_eq!(
            found(&tree).await,
            [
                "chart chart -> chart",
                "overlays/dev Application -> dev",
                "overlays/prod kustomization -> overlays-prod",
                "plain manifests -> plain"
            ]
        );
    }

    #[tokio::test]
    async fn what_an_application_takes_of_the_folders_below_comes_along_with_it() {
        let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: x}\nspec: {source: {path: cluster, repoURL: u, directory: {recurse: true}}, destination: {namespace: dev}}\n";
        let link = "apiVersion: console.openshift.io/v1\nkind: ConsoleLink\nmetadata: {name: l}\n";
        let tree = MemoryTree::default()
            .file("argo/cluster.yaml", application)
            .file("cluster/console/link.yaml", link)
            .file("cluster/app/d.yaml", DEPLOYMENT)
            .file("cluster/chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
            .file("cluster/chart/templates/d.yaml", DEPLOYMENT);
        assert_eq!(found(&tree).await, ["cluster Application -> dev", "cluster/chart chart -> cluster-chart"]);
        let all = all(&tree).await;
        let What::Deployable(app) = &all[0].what else { panic!("{all:?}") };
        let kinds: Vec<_> = app.manifests.iter().map(|it| it.gvk().group_kind().to_string()).collect();
        assert_eq!(kinds, ["Deployment.apps", "ConsoleLink.console.openshift.io"], "what nobody defines is known");
    }

    #[tokio::test]
    async fn what_others_use_and_what_other_programs_read_is_not_deployed() {
        let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml}]\n";
        let overlay = "resources: [../base]\ncomponents: [../component]\npatches: [{path: ../patches/d.yaml}]\n";
        let tree = MemoryTree::default()
            .file("base/kustomization.yaml", "resources: [d.yaml]\n")
            .file("base/d.yaml", DEPLOYMENT)
            .file("component/kustomization.yaml", component)
            .file("component/p.yaml", DEPLOYMENT)
            .file("patches/d.yaml", DEPLOYMENT)
            .file("overlay/kustomization.yaml", overlay)
            .file("tests/all/kustomization.yaml", "resources: [../../overlay]\n")
            .file(".github/workflows/d.yaml", DEPLOYMENT)
            .file("skaffold.yaml", "apiVersion: skaffold/v4beta6\nkind: Config\n")
            .file("docker-compose.yaml", "services: {a: {image: b}}\n")
            .file("kind/cluster.yaml", "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\n")
            .file("template/d.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Name }}}\n")
            .file("mixed/d.yaml", DEPLOYMENT)
            .file("mixed/values.yaml", "color: red\n")
            .file("sonnet/main.jsonnet", "{}\n")
            .file("empty/Chart.yaml", "apiVersion: v2\nname: e\nversion: 1.0.0\n");
        assert_eq!(
            found(&tree).await,
            [
                "empty chart: it renders no objects with its own values",
                "mixed manifests -> mixed",
                "overlay kustomization -> overlay",
                "sonnet jsonnet: Jsonnet is not rendered yet"
            ]
        );
        let all = all(&tree).await;
        let mixed = all.iter().find(|found| found.path == "mixed").unwrap();
        let What::Deployable(mixed) = &mixed.what else { panic!("{mixed:?}") };
        assert_eq!(mixed.sources[0]["directory"]["include"], "d.yaml");
    }

    #[tokio::test]
    async fn applications_keep_their_sources_and_take_the_files_of_this_commit() {
        let app = |name: &str, spec: Value| {
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name}, "spec": spec}).to_string()
        };
        let chart = json!({"repoURL": "https://charts.test", "chart": "redis", "targetRevision": "1.0.0",
            "helm": {"valueFiles": ["$here/values.yaml"]}});
        let own = json!({"repoURL": "git@git.test:acme/shop.git", "targetRevision": "main", "ref": "here"});
        let several = json!({"sources": [chart, own], "destination": {"namespace": "cache"}});
        let tree = MemoryTree::default()
            .file("apps/redis.yaml", app("redis", several))
            .file("parent/Chart.yaml", "apiVersion: v2\nname: p\nversion: 1.0.0\n")
            .file(
                "parent/templates/web.yaml",
                app("web", json!({"source": {"repoURL": "https://x.test/y", "path": "web"}})),
            )
            .file("web/d.yaml", DEPLOYMENT);
        assert_eq!(found(&tree).await, ["apps/redis.yaml Application -> cache", "web Application -> web"]);
        let all = all(&tree).await;
        let sources = |index: usize| match &all[index].what {
            What::Deployable(it) => it.sources.clone(),
            What::NotDeployed(why) => panic!("{why}"),
        };
        assert_eq!(sources(0)[0], chart);
        let at = json!({"repoURL": ORIGIN.url, "targetRevision": "c1"});
        for (source, field) in [(&sources(0)[1], "ref"), (&sources(1)[0], "path")] {
            assert_eq!((&source["repoURL"], &source["targetRevision"]), (&at["repoURL"], &at["targetRevision"]));
            assert!(source[field].is_string());
        }
    }

    #[test]
    fn names_fit_labels_and_releases() {
        let check = |path: &str, expected: &str| assert_eq!(name_of(path, ORIGIN.url), expected);
        check("", "shop");
        check("apps/Guest_Book", "apps-guest-book");
        check("2048/game", "try-2048-game");
        assert!(name_of(&"a/".repeat(60), "x").len() <= NAME_LENGTH);
    }
}
