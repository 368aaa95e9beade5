//! New values as text: in block style in the layout of the document, or in flow style.

use serde_json::Value;

use super::layout::Layout;
use super::span::properties;
use crate::yaml::Style;
use crate::yaml::emit::{inline_text, sorted_keys};

/// A value as it is put behind a key or a dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// On the line of the key or dash.
    Inline(String),
    /// `|-` on the line of the key or dash, and the lines below it.
    Literal(String, Vec<String>),
    /// Whole lines; behind a dash the first one starts on its line.
    Block(Vec<String>),
}

/// Writes block style below a key or dash at a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) layout: Layout,
    /// Column (0-based) of the key or dash.
    pub(crate) column: usize,
    /// Whether it is a dash, and how far behind it values start.
    pub(crate) dash: Option<usize>,
}

impl Writer {
    pub(crate) fn under_key(layout: Layout, column: usize) -> Self {
        Self { layout, column, dash: None }
    }

    pub(crate) fn behind_dash(layout: Layout, column: usize, gap: usize) -> Self {
        Self { layout, column, dash: Some(gap) }
    }

    /// Column of what is nested in the value.
    fn inner(&self) -> usize {
        self.column + self.dash.unwrap_or(self.layout.step)
    }

    pub(crate) fn value(&self, value: &Value) -> Written {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let lines = sorted_keys(map).into_iter().flat_map(|key| self.pair(self.inner(), key, &map[key]));
                Written::Block(lines.collect())
            }
            Value::Array(items) if !items.is_empty() => {
                let column = self.column + self.dash.unwrap_or(self.layout.list);
                Written::Block(items.iter().flat_map(|item| self.item(column, item)).collect())
            }
            Value::String(text) => literal(text, self.inner()).unwrap_or_else(|| Written::Inline(scalar(value))),
            _ => Written::Inline(scalar(value)),
        }
    }

    /// The lines of `key: value` with the key at a column.
    pub(crate) fn pair(&self, column: usize, key: &str, value: &Value) -> Vec<String> {
        let head = format!("{:column$}{}:", "", text(key));
        match Self::under_key(self.layout, column).value(value) {
            Written::Inline(inline) => vec![format!("{head} {inline}")],
            Written::Literal(header, lines) => std::iter::once(format!("{head} {header}")).chain(lines).collect(),
            Written::Block(lines) => std::iter::once(head).chain(lines).collect(),
        }
    }

    /// The lines of `- value` with the dash at a column.
    pub(crate) fn item(&self, column: usize, value: &Value) -> Vec<String> {
        let gap = self.dash.unwrap_or(2);
        let head = format!("{:column$}-{:2$}", "", "", gap - 1);
        match Self::behind_dash(self.layout, column, gap).value(value) {
            Written::Inline(inline) => vec![format!("{head}{inline}")],
            Written::Literal(header, lines) => std::iter::once(format!("{head}{header}")).chain(lines).collect(),
            Written::Block(mut lines) => {
                lines[0] = format!("{head}{}", lines[0].trim_start());
                lines
            }
        }
    }
}

/// `|` with its lines, for texts of several lines that may be written so.
fn literal(text: &str, column: usize) -> Option<Written> {
    let body = text.trim_end_matches('\n');
    let simple = |line: &str| !line.chars().any(|c| c.is_control() && c != '\t') && !line.ends_with([' ', '\t']);
    if !text.contains('\n') || body.is_empty() || body.starts_with([' ', '\t', '\n']) || !body.lines().all(simple) {
        return None;
    }
    let header = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{:column$}{line}", "") };
    let end = text.strip_suffix('\n').unwrap_or(text);
    Some(Written::Literal(header.to_owned(), end.split('\n').map(line).collect()))
}

/// A scalar or an empty collection on one line.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::String(content) => text(content),
        other => other.to_string(),
    }
}

/// A text on one line, quoted if any reader of YAML could take it for something else.
pub(crate) fn text(content: &str) -> String {
    let written = inline_text(content);
    if written == content && reads_as_number(content) { double_quoted(content) } else { written }
}

/// Readers of YAML 1.1 and 1.2 see more numbers than go-yaml: `1_000`, `0o17`.
fn reads_as_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']).replace('_', "");
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"))
}

/// A text in the quotes that the old one had, where they can hold it.
pub(crate) fn quoted_like(style: Style, content: &str) -> String {
    match style {
        Style::SingleQuoted if !content.chars().any(char::is_control) => format!("'{}'", content.replace('\'', "''")),
        Style::DoubleQuoted => double_quoted(content),
        _ => text(content),
    }
}

/// The scalar `written`, tag, anchor and quotes included, with another text in it.
pub fn scalar_like(written: &str, content: &str) -> String {
    let (properties, value) = written.split_at(properties(written));
    let style = match value.chars().next() {
        Some('\'') => Style::SingleQuoted,
        Some('"') => Style::DoubleQuoted,
        _ => Style::Plain,
    };
    format!("{properties}{}", quoted_like(style, content))
}

fn double_quoted(content: &str) -> String {
    let json = Value::String(content.to_owned()).to_string();
    let odd = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    json.chars().map(|c| if odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// A value in flow style; `json` quotes every text.
pub(crate) fn flow(value: &Value, json: bool) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, json)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> = sorted_keys(map).into_iter().map(|key| flow_pair(key, &map[key], json)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::String(content) => flow_text(content, json),
        other => other.to_string(),
    }
}

/// `key: value` in flow style.
pub(crate) fn flow_pair(key: &str, value: &Value, json: bool) -> String {
    format!("{}: {}", flow_text(key, json), flow(value, json))
}

fn flow_text(content: &str, json: bool) -> String {
    if json || content.contains(['\n', ',', '[', ']', '{', '}']) || content.ends_with(':') {
        return double_quoted(content);
    }
    text(content)
}
