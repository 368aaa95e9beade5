//! YAML or JSON that is the text of a field: read, changed and written in its own form.

use object::go_json;
use object::yaml::{self, NodeKind, Style};
use serde_json::Value;

use super::node::{Fault, Node, Scalar};

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

/// The document as text: JSON when the old text was JSON, in lines when the old one was; else YAML without final newline,
/// with the quotes of the old text, and in one line what was a flow collection (`{…}`, `[…]`).
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn print(document: &Node, old: &str) -> Result<String, Fault> {
    if !old.trim_start().starts_with(['{', '[']) {
        let was = yaml::first_document(old).ok().flatten();
        let mut out = String::new();
        block(document, Was(was.as_ref()), 0, &mut out);
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

/// What stood in the old text where a node stands now.
#[derive(Clone, Copy)]
struct Was<'a>(Option<&'a yaml::Node>);

impl<'a> Was<'a> {
    fn node(self) -> Option<&'a yaml::Node> {
        match &self.0?.kind {
            NodeKind::Alias(_, target) => Some(target),
            _ => self.0,
        }
    }

    fn is(self, style: Style) -> bool {
        self.node().is_some_and(|node| node.style == style)
    }

    fn field(self, key: &str) -> Self {
        let Some(NodeKind::Mapping(pairs)) = self.node().map(|node| &node.kind) else { return Self(None) };
        Self(pairs.iter().find(|(known, _)| known.as_str() == Some(key)).map(|(_, value)| value))
    }

    /// How a key of the mapping was written, where it was.
    fn key(self, key: &str, indent: usize) -> String {
        let pairs = match self.node().map(|node| &node.kind) {
            Some(NodeKind::Mapping(pairs)) => pairs.as_slice(),
            _ => &[],
        };
        let known = pairs.iter().map(|(known, _)| known).find(|known| known.as_str() == Some(key));
        match known.map(|known| known.style) {
            Some(Style::Plain) => key.to_owned(),
            Some(Style::SingleQuoted) => single_quoted(key),
            Some(Style::DoubleQuoted) => double_quoted(key),
            _ => scalar_text(&Value::String(key.to_owned()), indent),
        }
    }

    /// Whether it was just this, without quotes.
    fn is_plain(self, text: &str) -> bool {
        self.is(Style::Plain) && self.node().and_then(yaml::Node::as_str) == Some(text)
    }

    fn item(self, index: usize) -> Self {
        let Some(NodeKind::Sequence(items)) = self.node().map(|node| &node.kind) else { return Self(None) };
        Self(items.get(index))
    }
}

/// Whether a node takes lines of its own.
fn is_block(node: &Node, was: Was<'_>) -> bool {
    let is_full = matches!(node, Node::Map(pairs) if !pairs.is_empty()) || !node.items().is_empty();
    is_full && !was.is(Style::Flow)
}

/// Block YAML in the order of the document.
fn block(node: &Node, was: Was<'_>, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match node {
        Node::Map(pairs) if is_block(node, was) => {
            for (key, value) in pairs {
                out.push_str(&format!("{pad}{}:", was.key(&key.text, indent)));
                nested(value, was.field(&key.text), indent, 2, out);
            }
        }
        Node::List(items) if is_block(node, was) => {
            for (index, item) in items.iter().enumerate() {
                out.push_str(&format!("{pad}-"));
                let was = was.item(index);
                if is_block(item, was) {
                    let mut inner = String::new();
                    block(item, was, indent + 2, &mut inner);
                    out.push(' ');
                    out.push_str(inner.trim_start());
                } else {
                    nested(item, was, indent, 2, out);
                }
            }
        }
        other => nested(other, was, indent, 0, out),
    }
}

fn nested(value: &Node, was: Was<'_>, indent: usize, step: usize, out: &mut String) {
    match value {
        Node::Map(_) if is_block(value, was) => {
            out.push('\n');
            block(value, was, indent + step, out);
        }
        Node::List(_) if is_block(value, was) => {
            out.push('\n');
            block(value, was, indent, out);
        }
        Node::Map(_) | Node::List(_) => {
            out.push(' ');
            flow(value, was, out);
            out.push('\n');
        }
        Node::Scalar(scalar) => out.push_str(&format!(" {}\n", scalar_of(scalar, was, indent))),
    }
}

/// In one line, with all that is inside.
fn flow(node: &Node, was: Was<'_>, out: &mut String) {
    match node {
        Node::Map(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(&in_flow(was.key(&key.text, 0)));
                out.push_str(": ");
                flow(value, was.field(&key.text), out);
            }
            out.push('}');
        }
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(item, was.item(index), out);
            }
            out.push(']');
        }
        Node::Scalar(scalar) => out.push_str(&in_flow(scalar_of(scalar, was, 0))),
    }
}

/// A scalar between brackets: what means something there is quoted (go-yaml v3).
fn in_flow(text: String) -> String {
    let is_quoted = text.starts_with(['"', '\'']);
    if !is_quoted && (text.is_empty() || text.contains([',', '?', ':', '[', ']', '{', '}'])) {
        single_quoted(&text)
    } else {
        text
    }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn scalar_of(scalar: &Scalar, was: Was<'_>, indent: usize) -> String {
    let value = Node::Scalar(scalar.clone()).to_value().unwrap_or_else(|_| Value::String(scalar.text.clone()));
    match &value {
        Value::String(text) if scalar.quoted && !text.contains('\n') => {
            if was.is(Style::SingleQuoted) {
                return single_quoted(text);
            }
            double_quoted(text)
        }
        Value::String(text) if was.is_plain(text) => text.clone(),
        Value::String(_) => scalar_text(&value, indent),
        _ => scalar.text.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_in_one_line_stays_in_one_line() {
        let old = "on: y\na:\n    - {x: \"1\", y: 'it''s', z: [p, 'q,r', 2]}\n    - {}\nb: [ ]\nc: 'one'\nd: {k: localhost:80}\n";
        let new =
            "on: y\na:\n- {x: \"1\", y: 'it''s', z: [p, 'q,r', 2]}\n- {}\nb: []\nc: 'one'\nd: {k: 'localhost:80'}";
        assert_eq!(print(&parse(old).unwrap(), old).unwrap(), new);
    }
}
