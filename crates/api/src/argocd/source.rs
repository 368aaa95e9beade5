//! Where the manifests of an Application come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::{Unknown, is_default};

/// One entry of `spec.source` or `spec.sources`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSource {
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A branch, tag, commit, semver constraint; empty means HEAD.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Box<HelmSource>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Box<KustomizeSource>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Box<DirectorySource>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chart: String,
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ApplicationSource {
    /// The revision as Git is asked for it: `HEAD` when none is written.
    pub fn revision(&self) -> &str {
        if self.target_revision.is_empty() { "HEAD" } else { &self.target_revision }
    }
}

/// `source.helm`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmSource {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub value_files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<HelmParameter>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub values: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_parameters: Vec<HelmFileParameter>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "is_default")]
    pub pass_credentials: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_value_files: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub skip_crds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_object: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub skip_tests: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub skip_schema_validation: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// `helm.parameters[]`, what `--set` and `--set-string` take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmParameter {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    #[serde(skip_serializing_if = "is_default")]
    pub force_string: bool,
}

/// `helm.fileParameters[]`, what `--set-file` takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HelmFileParameter {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// `source.kustomize`: what is written over the kustomization before it is built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KustomizeSource {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_suffix: String,
    /// `[old-name=]name[:tag][@digest]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub force_common_labels: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub force_common_annotations: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "is_default")]
    pub common_annotations_envsubst: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<KustomizeReplica>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<KustomizePatch>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_components: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub label_without_selector: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub label_include_templates: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// `kustomize.replicas[]`; the count is a number or a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KustomizeReplica {
    pub name: String,
    pub count: Value,
}

/// `kustomize.patches[]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KustomizePatch {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, bool>,
}

/// `source.directory`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectorySource {
    #[serde(skip_serializing_if = "is_default")]
    pub recurse: bool,
    /// Kept as written: `extVars`, `tlas`, `libs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonnet: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclude: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub include: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}
