//! A loaded chart: immutable, shared by renders.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::compiled::Compiled;
use super::metadata::Metadata;

/// One file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the chart's folder.
    pub name: String,
    pub data: Arc<[u8]>,
}

/// A chart with everything that it brings: read once, rendered many times.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    pub metadata: Metadata,
    /// Defaults, from `values.yaml`. Numbers are floats, as Go reads them.
    pub values: Map<String, Value>,
    /// The bytes of `values.schema.json`.
    pub schema: Option<Arc<[u8]>>,
    /// Below `templates/`.
    pub templates: Vec<File>,
    /// What is none of the above: what templates reach as `.Files`.
    pub files: Vec<File>,
    /// From `charts/`, by the name of their folder or archive.
    pub subcharts: Vec<Arc<Chart>>,
    /// What is outdated or doubtful in the chart's files.
    pub warnings: Vec<String>,
    /// Where the chart lies: a folder of the repository, or an archive in it.
    pub location: String,
    /// The chart comes out of an archive.
    pub packed: bool,
    pub(crate) compiled: Compiled,
}

impl Chart {
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The definitions in `crds/`, in the order of the files, without those of subcharts.
    pub(crate) fn crds(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.name.starts_with("crds/") && is_manifest(&f.name))
    }
}

pub(crate) fn is_manifest(name: &str) -> bool {
    let extension = object::path::file_name(name).rsplit_once('.').map_or("", |(_, e)| e);
    ["yaml", "yml", "json"].iter().any(|e| extension.eq_ignore_ascii_case(e))
}
