//! `kustomize build` of kustomize 5.8.1, in process and without a checkout.

pub(crate) mod build;
pub(crate) mod chart_entry;
mod config;
mod crds;
mod defaults;
pub mod edit;
mod error;
mod fields;
mod fieldspec;
mod generate;
mod go_sort;
mod helm_charts;
pub(crate) mod history;
mod jsonpatch;
pub(crate) mod load;
mod merge;
mod nameref;
mod names;
pub(crate) mod node;
mod order;
mod overrides;
mod patch;
mod plugins;
mod remote;
mod replacement;
mod reread;
pub(crate) mod resource;
mod schema;
mod selector;
mod shape;
pub(crate) mod sources;
mod split;
mod state;
mod structured;
mod transform;
mod vars;

use object::{FileTree, Manifest, yaml};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::KustomizeError;
pub use remote::RemoteBase;

use chart_entry::ChartGenerator;

use crate::helm::{KubeVersion, Surroundings};
use crate::remote::{RemoteChart, Remotes};
use crate::{KustomizeOptions, Origin, Problem, RenderContext, Rendered, RenderedManifest, Tool};

/// Names under which a folder is a kustomization, in the order in which they are looked for.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The order of the objects in the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reorder {
    /// By kind: namespaces and definitions first, webhooks last.
    #[default]
    Legacy,
    /// As listed.
    None,
}

/// Which files a kustomization may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadRestrictor {
    /// In or below the folder of the kustomization that names the file.
    #[default]
    RootOnly,
    /// Anywhere in the repository.
    None,
}

/// The flags of `kustomize build` that change the result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOptions {
    pub reorder: Reorder,
    pub load_restrictor: LoadRestrictor,
    /// Label every object with `app.kubernetes.io/managed-by: kustomize-v5.8.1`.
    pub enable_managedby_label: bool,
    /// `--enable-helm`: charts are rendered. None: a kustomization with charts is an error.
    pub helm: Option<HelmFlags>,
}

/// What charts in kustomizations are rendered for, where their entry says nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelmFlags {
    /// `--helm-api-versions`.
    pub api_versions: Vec<String>,
    /// `--helm-kube-version`; empty: Helm's default.
    pub kube_version: String,
    /// What `now`, random functions and names of releases without one give.
    pub surroundings: Option<Surroundings>,
}

impl HelmFlags {
    /// Takes what is not given from the Application's cluster; of versions the numbers alone, as Argo CD does.
    pub(crate) fn complete(&mut self, context: &RenderContext) {
        if self.kube_version.is_empty() {
            self.kube_version.clone_from(&context.kube_version);
        }
        if let Ok(version) = KubeVersion::parse(&self.kube_version) {
            self.kube_version = version.normalized;
        }
        if self.api_versions.is_empty() {
            self.api_versions.clone_from(&context.api_versions);
        }
        self.surroundings = self.surroundings.or(context.surroundings);
    }
}

/// What a build gives.
#[derive(Debug, Clone, Default)]
pub struct KustomizeBuild {
    /// Each object, with the file and line that it comes from.
    pub objects: Vec<(Value, Origin)>,
    pub warnings: Vec<Problem>,
}

impl KustomizeBuild {
    /// The text that `kustomize build` prints.
    pub fn text(&self) -> String {
        let texts: Vec<String> = self.objects.iter().map(|(value, _)| yaml::to_string(value)).collect();
        texts.join("---\n")
    }
}

/// Builds the kustomization in the folder `path`.
///
/// # Errors
/// The first problem, with its place and what to do about it.
pub fn build(tree: &FileTree, path: &str, options: &BuildOptions) -> Result<KustomizeBuild, KustomizeError> {
    build_with(
        tree,
        path,
        &KustomizeOptions { build: options.clone(), ..KustomizeOptions::default() },
        &Remotes::default(),
    )
}

/// As [`build`], with revisions of other repositories that it may use.
///
/// # Errors
/// As [`build`].
pub fn build_with_remotes(
    tree: &FileTree,
    path: &str,
    options: &BuildOptions,
    remotes: &Remotes,
) -> Result<KustomizeBuild, KustomizeError> {
    let options = KustomizeOptions { build: options.clone(), ..KustomizeOptions::default() };
    build_with(&remotes.mounted(tree), path, &options, remotes)
}

fn build_with(
    tree: &FileTree,
    path: &str,
    options: &KustomizeOptions,
    remotes: &Remotes,
) -> Result<KustomizeBuild, KustomizeError> {
    let finished = build::run(tree, path, options, remotes)?;
    let objects = finished.resources.iter().map(|resource| {
        let value = resource.node.object_value().and_then(reread::reread).map_err(|fault| {
            let mut error = KustomizeError::new(&resource.file, fault);
            error.0.line = resource.line;
            error
        })?;
        Ok((value, Origin { file: resource.file.clone(), line: resource.line }))
    });
    Ok(KustomizeBuild { objects: objects.collect::<Result<_, _>>()?, warnings: finished.builder.warnings })
}

/// What the kustomization in a folder names as resources, bases and components; nothing where it cannot be read.
pub(crate) fn entries(tree: &FileTree, folder: &str) -> Vec<String> {
    let Ok(folder) = load::Folder::open(tree, folder, load::Reach::default()) else { return Vec::new() };
    let Ok((file, _)) = config::kustomization(folder.text(), folder.file()) else { return Vec::new() };
    let bases = file.bases.into_iter().flatten();
    file.resources.into_iter().chain(bases).chain(file.components).flatten().collect()
}

/// The charts that the kustomization in a folder wants from elsewhere.
pub(crate) fn wanted_charts(tree: &FileTree, folder: &str) -> Vec<RemoteChart> {
    let Ok(folder) = load::Folder::open(tree, folder, load::Reach::default()) else { return Vec::new() };
    let Ok((mut file, _)) = config::kustomization(folder.text(), folder.file()) else { return Vec::new() };
    let old = std::mem::take(&mut file.helm_chart_inflation_generator);
    chart_entry::united(&mut file.helm_charts, &mut file.helm_globals, old);
    let globals = file.helm_globals.unwrap_or_default();
    let mut wanted: Vec<RemoteChart> =
        file.helm_charts.iter().filter_map(|chart| helm_charts::wanted(chart, &globals, &folder)).collect();
    for ChartGenerator { globals, chart } in plugins::chart_generators(&folder, &file.generators) {
        wanted.extend(helm_charts::wanted(&chart, &globals, &folder));
    }
    wanted
}

pub(crate) fn render(tree: &FileTree, folder: &str, options: &KustomizeOptions, remotes: &Remotes) -> Rendered {
    let mut rendered = Rendered { tool: Tool::Kustomize, ..Rendered::default() };
    match build_with(tree, folder, options, remotes) {
        Err(error) => rendered.problems.push(*error.0),
        Ok(build) => {
            rendered.problems = build.warnings;
            for (value, origin) in build.objects {
                match Manifest::new(value) {
                    Ok(manifest) => rendered.manifests.push(RenderedManifest { manifest, origin }),
                    Err(error) => {
                        rendered.problems.push(Problem::error(error.to_string()).in_file(origin.file, origin.line, 0));
                    }
                }
            }
        }
    }
    rendered
}
