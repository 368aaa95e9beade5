//! What is told about an image of a chart.

use std::fmt;

use object::yaml::edit::Step;
use serde_json::Value;

use crate::Origin;

/// An image that a chart renders, and what feeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartImage {
    /// The line of the template that writes it.
    pub template: Origin,
    /// The line of the template that is included there, if it is.
    pub included: Option<Origin>,
    /// The keys that feed it: each was proven by a render with another value there.
    pub keys: Vec<ImageKey>,
    /// The value files of the Application in their order: later ones win.
    pub value_files: Vec<ValueFile>,
    /// The `values.yaml` of the chart, where it can be edited.
    pub chart_values: Option<String>,
    /// The chart is an archive.
    pub packed: bool,
}

/// A key of the values that feeds an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageKey {
    /// As the Application's values have it.
    pub path: Vec<Step>,
    /// The parts of the image that change with it.
    pub parts: Vec<ImagePart>,
    /// Null where nothing sets it.
    pub value: Value,
    /// What decides its value.
    pub from: ValueSource,
    /// The image after another value was put here, for the place of the value in it.
    pub changed: (String, String),
}

/// A part of a reference to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImagePart {
    Name,
    Tag,
    Digest,
}

/// A value file of an Application.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueFile {
    /// The `ref` of the source in whose repository it lies; empty: the source's own.
    pub reference: String,
    /// Path in the repository.
    pub path: String,
}

/// What sets a value. Lines are 1-based, 0 where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    File {
        file: ValueFile,
        line: usize,
    },
    /// `spec.source.helm.values` and the like: in the cluster, not in the repository.
    Application {
        field: String,
    },
    /// The `values.yaml` of a chart; `below` is the way to a subchart.
    Chart {
        file: String,
        line: usize,
        below: Vec<String>,
    },
    /// No source has the key.
    Nowhere,
}

impl fmt::Display for ValueFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reference.as_str() {
            "" => f.write_str(&self.path),
            reference => write!(f, "${reference}/{}", self.path),
        }
    }
}

impl ValueSource {
    /// The file, as people read it, and the line.
    pub fn place(&self) -> (String, usize) {
        match self {
            Self::File { file, line } => (file.to_string(), *line),
            Self::Chart { file, line, .. } => (file.clone(), *line),
            Self::Application { field } => (field.clone(), 0),
            Self::Nowhere => (String::new(), 0),
        }
    }
}
