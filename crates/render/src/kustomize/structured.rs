//! YAML or JSON that is the text of a field: read, changed and written in its own form.

use object::yaml;
use serde_json::Value;

use super::generate::go_json;
use super::node::{Fault, Node};

/// The document in a text.
///
/// # Errors
/// When the text is neither YAML nor JSON.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    match yaml::first_document(text).map_err(|e| e.to_string())? {
        Some(node) => Node::from_yaml(&node, 0).map_err(|e| e.to_string()),
        None => Ok(Node::null()),
    }
}

/// The document as text: JSON when the old text was JSON, in lines when the old one was; else YAML without final newline.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn print(document: &Node, old: &str) -> Result<String, Fault> {
    if !old.trim_start().starts_with(['{', '[']) {
        let mut out = String::new();
        block(document, 0, &mut out);
        return Ok(out.trim().to_owned());
    }
    let value = document.to_value()?;
    if old.contains('\n') && old.contains("  ") {
        let mut out = String::new();
        indented(&value, 0, &mut out);
        return Ok(out);
    }
    Ok(go_json(&value))
}

fn indented(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, depth + 1);
                indented(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for (i, key) in keys.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, depth + 1);
                out.push_str(&go_json(&Value::String(key.clone())));
                out.push_str(": ");
                indented(&map[key], depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        other => out.push_str(&go_json(other)),
    }
}

/// Block YAML in the order of the document.
fn block(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match node {
        Node::Map(pairs) if !pairs.is_empty() => {
            for (key, value) in pairs {
                out.push_str(&format!("{pad}{}:", scalar_text(&Value::String(key.text.clone()), indent)));
                nested(value, indent, 2, out);
            }
        }
        Node::List(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                let mut inner = String::new();
                block(item, indent + 2, &mut inner);
                let is_collection = matches!(item, Node::Map(p) if !p.is_empty()) || !item.items().is_empty();
                if is_collection {
                    out.push(' ');
                    out.push_str(inner.trim_start());
                } else {
                    nested(item, indent, 2, out);
                }
            }
        }
        other => {
            nested(other, indent, 0, out);
        }
    }
}

fn nested(value: &Node, indent: usize, step: usize, out: &mut String) {
    match value {
        Node::Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            block(value, indent + step, out);
        }
        Node::List(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent, out);
        }
        Node::Map(_) => out.push_str(" {}\n"),
        Node::List(_) => out.push_str(" []\n"),
        Node::Scalar(scalar) => {
            let value = value.to_value().unwrap_or_else(|_| Value::String(scalar.text.clone()));
            let text = match &value {
                Value::String(text) if scalar.quoted && !text.contains('\n') => {
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                }
                Value::String(_) => scalar_text(&value, indent),
                _ => scalar.text.clone(),
            };
            out.push_str(&format!(" {text}\n"));
        }
    }
}

/// A scalar as it stands behind `key: `, block literals indented.
fn scalar_text(value: &Value, indent: usize) -> String {
    let text = yaml::to_string(value);
    let mut lines = text.trim_end_matches('\n').lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}
