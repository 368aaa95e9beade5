//! YAML as the Go libraries of Kubernetes read and write it.
//!
//! [`parse`] gives nodes with their place in the text (for errors and for edits that keep every other byte);
//! [`to_value`] gives the JSON value that `sigs.k8s.io/yaml` (YAML 1.1 booleans) or `go-yaml v3` would.

pub mod edit;
mod emit;
mod fold;
mod node;
mod resolve;
mod usual;

pub use emit::{json_float, shortest_float, sorted_keys, to_string, to_string_v3};
pub use fold::refolded;
pub use node::{GoYamlError, Mark, Node, NodeKind, Style, YamlError, first_document, parse, parse_first};
pub use resolve::{Dialect, ScalarKind, resolve_plain, scalar_value, short_float, timestamp, to_value};

use serde_json::Value;

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// 1-based line on which the content starts.
    pub line: usize,
    pub value: Value,
}

/// Reads every document of `text`; empty documents are left out.
///
/// # Errors
/// The first syntax error, with line and column.
pub fn documents(text: &str, dialect: Dialect) -> Result<Vec<Document>, YamlError> {
    node::within_size(text)?;
    if let Some(values) = usual::values(text, dialect) {
        return Ok(values.into_iter().map(|(line, value)| Document { line, value }).collect());
    }
    let nodes = node::parse_fully(text)?;
    let values = nodes.iter().map(|node| Ok(Document { line: node.start.line, value: to_value(node, dialect)? }));
    values.filter(|d| d.as_ref().map_or(true, |d| !d.value.is_null())).collect()
}

/// Reads the first document of `text` as `sigs.k8s.io/yaml` does; null when there is none.
///
/// # Errors
/// The first syntax error, with line and column.
pub fn value(text: &str) -> Result<Value, YamlError> {
    node::within_size(text)?;
    if let Some(first) = usual::first_value(text, Dialect::Kubernetes) {
        return Ok(first.unwrap_or_default());
    }
    node::first_document_fully(text)?.map_or(Ok(Value::Null), |node| to_value(&node, Dialect::Kubernetes))
}
