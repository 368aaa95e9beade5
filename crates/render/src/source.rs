//! What to render: a folder and the tool for it, with Argo CD's options.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use object::{FileTree, path};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::environment::expand;
use crate::helm::Surroundings;
use crate::kustomize;
use crate::remote::Remotes;

/// The part of an Application's source that decides what is rendered. Written down without the files of others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Relative to the root of the repository.
    pub path: String,
    pub tool: ToolChoice,
    /// Other repositories that the source names, as far as they may be used and were fetched.
    #[serde(skip)]
    pub remotes: Remotes,
    /// For a folder that is found to be a kustomization. One that is chosen as such has its own.
    pub build: kustomize::BuildOptions,
}

impl Source {
    /// The folder `path` with the tool found as Argo CD finds it.
    pub fn auto(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// The tool that a source asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum ToolChoice {
    /// A kustomization file makes it Kustomize, a Chart.yaml makes it Helm, else it is a directory.
    #[default]
    Auto,
    Directory(DirectoryOptions),
    Kustomize(Box<KustomizeOptions>),
    Helm(Box<HelmOptions>),
    Jsonnet,
    /// A config management plugin, by name.
    Plugin(String),
}

/// `spec.source.directory` of an Application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryOptions {
    pub recurse: bool,
    /// A glob over the path below the folder; `*` also matches `/`. Empty: every manifest file.
    pub include: String,
    /// As `include`; empty: none.
    pub exclude: String,
}

/// `spec.source.kustomize` of an Application: what is set on top of the kustomization file before the build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KustomizeOptions {
    pub name_prefix: String,
    pub name_suffix: String,
    /// As for `kustomize edit set image`: `name=newName:tag`, `name:tag`, `name@digest`, `name=newName`.
    pub images: Vec<String>,
    /// Workload name and count.
    pub replicas: Vec<(String, i64)>,
    pub common_labels: BTreeMap<String, String>,
    /// Replace labels that the kustomization file already sets.
    pub force_common_labels: bool,
    pub label_without_selector: bool,
    pub label_include_templates: bool,
    pub common_annotations: BTreeMap<String, String>,
    pub force_common_annotations: bool,
    /// Replace `$ARGOCD_APP_NAME` and the like in their values.
    pub common_annotations_envsubst: bool,
    pub namespace: String,
    pub components: Vec<String>,
    pub ignore_missing_components: bool,
    pub patches: Vec<KustomizePatch>,
    /// From `kustomize.buildOptions` of Argo CD's configuration.
    pub build: kustomize::BuildOptions,
}

impl KustomizeOptions {
    /// The options with variables replaced where the Application asks for it, and charts rendered for its cluster (Argo
    /// CD 3.5, `util/kustomize`).
    pub(crate) fn for_application(&self, context: &RenderContext) -> Cow<'_, Self> {
        if !self.common_annotations_envsubst && self.build.helm.is_none() {
            return Cow::Borrowed(self);
        }
        let mut options = self.clone();
        if self.common_annotations_envsubst {
            let annotations = options.common_annotations.values_mut();
            annotations.for_each(|value| *value = expand(value, &context.environment));
        }
        if let Some(flags) = &mut options.build.helm {
            flags.complete(context);
        }
        Cow::Owned(options)
    }
}

/// One entry of `spec.source.kustomize.patches`: the fields of a kustomization's `patches` entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KustomizePatch {
    pub path: String,
    pub patch: String,
    /// `group`, `version`, `kind`, `name`, `namespace`, `labelSelector`, `annotationSelector`; empty: no target.
    pub target: BTreeMap<String, String>,
    pub options: BTreeMap<String, bool>,
}

/// `spec.source.helm` of an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HelmOptions {
    /// Empty: the name of the Application.
    pub release_name: String,
    /// Paths from the chart, from the root of the repository (`/values.yaml`), or in another source
    /// (`$ref/values.yaml`); `*`, `**`, `?` and `[a-z]` choose several.
    pub value_files: Vec<String>,
    pub ignore_missing_value_files: bool,
    /// YAML, over the value files.
    pub values: String,
    /// Instead of `values`, when there is one.
    pub values_object: Option<Value>,
    /// Over the values.
    pub parameters: Vec<HelmParameter>,
    pub file_parameters: Vec<HelmFileParameter>,
    pub skip_crds: bool,
    pub skip_tests: bool,
    pub skip_schema_validation: bool,
    /// Empty: the namespace of the destination.
    pub namespace: String,
    /// Empty: the version of the cluster.
    pub kube_version: String,
    /// Empty: those of the cluster.
    pub api_versions: Vec<String>,
}

/// One entry of `spec.source.helm.parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelmParameter {
    pub name: String,
    pub value: String,
    /// The value is a text, whatever it looks like.
    pub force_string: bool,
}

/// One entry of `spec.source.helm.fileParameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelmFileParameter {
    pub name: String,
    /// As of a value file, without patterns.
    pub path: String,
}

/// What a render may know of the Application that it is for. Written down without the files of others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RenderContext {
    /// Name of the Application: the release name of charts.
    pub app_name: String,
    /// Of the destination.
    pub namespace: String,
    /// Of the cluster; empty: Helm's default.
    pub kube_version: String,
    /// Of the cluster, as `group/version` and `group/version/Kind`.
    pub api_versions: Vec<String>,
    /// `ARGOCD_APP_NAME` and the like, for `$NAME` in parameters and paths of charts.
    pub environment: BTreeMap<String, String>,
    /// The files of the sources that have a `ref`, by that name.
    #[serde(skip)]
    pub references: BTreeMap<String, FileTree>,
    /// What `now` and random functions of charts give.
    pub surroundings: Option<Surroundings>,
}

/// The tool that rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tool {
    #[default]
    Directory,
    Kustomize,
    Helm,
    Jsonnet,
    Plugin,
}

impl fmt::Display for Tool {
    /// As `status.sourceType` of an Application has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tool::Directory => "Directory",
            Tool::Kustomize => "Kustomize",
            Tool::Helm => "Helm",
            Tool::Jsonnet => "Jsonnet",
            Tool::Plugin => "Plugin",
        })
    }
}

/// The tool that a source asks for, found out where it leaves the choice.
pub(crate) fn resolved(tree: &FileTree, folder: &str, source: &Source) -> ToolChoice {
    match &source.tool {
        ToolChoice::Auto => detect(tree, folder, &source.build),
        chosen => chosen.clone(),
    }
}

/// The tool for a folder by the files in it (Argo CD 3.5, `util/app/discovery`: a kustomization file wins over a chart).
fn detect(tree: &FileTree, folder: &str, build: &kustomize::BuildOptions) -> ToolChoice {
    let has = |name: &str| path::join(folder, name).is_some_and(|p| tree.is_file(&p).unwrap_or_default());
    if kustomize::FILE_NAMES.iter().any(|name| has(name)) {
        ToolChoice::Kustomize(Box::new(KustomizeOptions { build: build.clone(), ..KustomizeOptions::default() }))
    } else if has("Chart.yaml") {
        ToolChoice::Helm(Box::default())
    } else {
        ToolChoice::Directory(DirectoryOptions::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_take_variables_where_asked_to() {
        let variables = BTreeMap::from([("ARGOCD_APP_NAME".to_owned(), "shop".to_owned())]);
        for (common_annotations_envsubst, wanted) in [(true, "by shop"), (false, "by ${ARGOCD_APP_NAME}")] {
            let common_annotations = BTreeMap::from([("made".to_owned(), "by ${ARGOCD_APP_NAME}".to_owned())]);
            let options =
                KustomizeOptions { common_annotations, common_annotations_envsubst, ..KustomizeOptions::default() };
            let context = RenderContext { environment: variables.clone(), ..RenderContext::default() };
            assert_eq!(options.for_application(&context).common_annotations["made"], wanted);
        }
    }
}
