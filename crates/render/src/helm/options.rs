//! What a render is told beside the chart.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::limits::Limits;
use serde::{Deserialize, Serialize};

use super::capabilities::KubeVersion;

/// Everything that `helm template` takes beside the chart. The defaults are Helm's.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateOptions {
    pub release_name: String,
    pub namespace: String,
    pub kube_version: KubeVersion,
    /// In addition to those that every cluster has; `group/version` or `group/version/Kind`.
    pub api_versions: Vec<String>,
    pub values: ValueSources,
    pub include_crds: bool,
    pub skip_tests: bool,
    pub no_hooks: bool,
    /// Patterns for paths below the chart, such as `templates/*.yaml`; empty: everything.
    pub show_only: Vec<String>,
    pub skip_schema_validation: bool,
    pub is_upgrade: bool,
    /// What `now` and random functions give. Without it a chart that asks for them fails.
    pub surroundings: Option<Surroundings>,
    pub limits: Limits,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self {
            release_name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            kube_version: KubeVersion::default(),
            api_versions: Vec::new(),
            values: ValueSources::default(),
            include_crds: false,
            skip_tests: false,
            no_hooks: false,
            show_only: Vec::new(),
            skip_schema_validation: false,
            is_upgrade: false,
            surroundings: None,
            limits: Limits::default(),
        }
    }
}

/// Time and randomness for one render.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: i64,
    pub nanoseconds: u32,
    /// Where all random bytes of the render come from: from a secure source, and never used twice.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for Surroundings {
    /// Without the seed: passwords come from it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("unix_seconds", &self.unix_seconds).finish_non_exhaustive()
    }
}

/// Where values come from beside the chart's defaults. Later kinds win over earlier ones, and later entries of a kind
/// over earlier ones, as for Helm's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueSources {
    /// `-f`.
    pub files: Vec<ValuesFile>,
    /// `--set-json`.
    pub set_json: Vec<String>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`.
    pub set_string: Vec<String>,
    /// `--set-file`: `key=name,...`; the content of each name stands in `file_contents`.
    pub set_file: Vec<String>,
    /// `--set-literal`.
    pub set_literal: Vec<String>,
    /// What the files named in `set_file` hold.
    pub file_contents: BTreeMap<String, Arc<[u8]>>,
}

/// One values file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValuesFile {
    /// For messages.
    pub name: String,
    pub content: Arc<[u8]>,
}
