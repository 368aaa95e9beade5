//! The versions of ONE chart out of an `index.yaml`, which may have tens of megabytes: only the lines that speak of it
//! are parsed.

use std::io::{self, BufRead};

use serde_json::Value;

use super::index_json;
use super::version::{self, ChartVersion};

/// Why an index cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("line {line}: {reason}")]
    Yaml { line: usize, reason: String },
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it has no entries: this is no index of a chart repository")]
    NoEntries,
}

/// The versions of `chart`, the newest first; `None` when the index does not name it.
pub(crate) fn versions(mut index: impl BufRead, chart: &str) -> Result<Option<Vec<ChartVersion>>, IndexError> {
    let first = index.fill_buf()?.iter().find(|b| !b.is_ascii_whitespace()).copied();
    let items = match first {
        Some(b'{') => index_json::entry(index, chart)?,
        _ => Lines::new(index).entry(chart)?,
    };
    let Some(Value::Array(items)) = items else { return Ok(items.map(|_| Vec::new())) };
    let mut versions = items.iter().filter_map(|item| chart_version(chart, item)).collect();
    version::sort(&mut versions);
    Ok(Some(versions))
}

/// An entry of the index, if it is one that Helm does not skip.
fn chart_version(chart: &str, item: &Value) -> Option<ChartVersion> {
    let text = |key: &str| item.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("name")?;
    if !matches!(text("type"), None | Some("application" | "library")) {
        return None;
    }
    let urls = item.get("urls").and_then(Value::as_array).into_iter().flatten();
    let digest = text("digest").map(|d| d.strip_prefix("sha256:").unwrap_or(d).to_ascii_lowercase());
    Some(ChartVersion {
        chart: chart.to_owned(),
        version: version_text(item.get("version")?)?,
        digest: digest.map(|hex| format!("sha256:{hex}")),
        urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
        manifest: None,
    })
}

/// An unquoted `1.0` is a number in YAML.
fn version_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Fields of an entry that are read; the rest (most of it) is never parsed.
const FIELDS: [&str; 5] = ["name", "version", "type", "urls", "digest"];

struct Lines<R> {
    text: R,
    number: usize,
    /// The current line as it was read.
    bytes: Vec<u8>,
    /// The current line, without its end.
    line: String,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(text: R) -> Self {
        Self { text, number: 0, bytes: Vec::new(), line: String::new(), ended: false }
    }

    /// The list below `entries: <chart>:`.
    fn entry(mut self, chart: &str) -> Result<Option<Value>, IndexError> {
        loop {
            self.next()?;
            if self.ended {
                return Err(IndexError::NoEntries);
            }
            match key_of(&self.line) {
                Some((0, "entries", "")) => break,
                Some((0, "entries", rest)) if rest == "{}" || rest == "null" || rest == "~" => return Ok(None),
                Some((0, "entries", _)) => return Err(self.error("entries are not written line by line")),
                _ => {}
            }
        }
        let Some(width) = self.first_entry()? else { return Ok(None) };
        while !self.ended && (is_blank(&self.line) || indent(&self.line) >= width) {
            match key_of(&self.line) {
                Some((at, key, rest)) if at == width && key == chart => {
                    let rest = rest.to_owned();
                    return self.list(width, &rest).map(Some);
                }
                _ => self.next_within(width)?,
            }
        }
        Ok(None)
    }

    /// How far the names of charts are indented.
    fn first_entry(&mut self) -> Result<Option<usize>, IndexError> {
        self.next()?;
        while !self.ended && is_blank(&self.line) {
            self.next()?;
        }
        Ok(Some(indent(&self.line)).filter(|width| !self.ended && *width > 0))
    }

    /// The list that belongs to the key of the current line.
    fn list(mut self, width: usize, rest: &str) -> Result<Value, IndexError> {
        let start = self.number;
        let mut block = Block::default();
        if !rest.is_empty() {
            return object::yaml::value(rest).map_err(|error| IndexError::Yaml { line: start, reason: error.reason });
        }
        loop {
            self.next()?;
            let depth = indent(&self.line);
            let inside = depth > width || (depth == width && is_item(&self.line[depth..]));
            if self.ended || !(is_blank(&self.line) || inside) {
                break;
            }
            block.add(&self.line);
        }
        // lines were left out: the place is that of the chart
        object::yaml::value(&block.text).map_err(|error| IndexError::Yaml { line: start, reason: error.reason })
    }

    fn next(&mut self) -> Result<(), IndexError> {
        self.next_within(usize::MAX)
    }

    /// Goes to the next line that is not indented more than `width`. Lines on the way are not looked at any closer.
    fn next_within(&mut self, width: usize) -> Result<(), IndexError> {
        loop {
            self.bytes.clear();
            self.number += 1;
            self.ended = self.text.read_until(b'\n', &mut self.bytes)? == 0;
            let beyond = self.bytes.get(width).is_some_and(|_| self.bytes[..=width].iter().all(|b| *b == b' '));
            if self.ended || !beyond {
                break;
            }
        }
        let line = str::from_utf8(&self.bytes).map_err(|error| self.error(&error.to_string()))?;
        self.line.clear();
        self.line.push_str(line.trim_end_matches(['\n', '\r']));
        Ok(())
    }

    fn error(&self, reason: &str) -> IndexError {
        IndexError::Yaml { line: self.number, reason: reason.to_owned() }
    }
}

/// The lines of a list of mappings, without fields that are not asked for.
#[derive(Default)]
struct Block {
    text: String,
    /// Indentation of the dashes.
    dashes: Option<usize>,
    /// Indentation of the fields of the current item; none while it is not known.
    fields: Option<usize>,
    keeping: bool,
}

impl Block {
    fn add(&mut self, line: &str) {
        let depth = indent(line);
        if is_blank(line) {
            // within a kept text, empty lines count
            if self.keeping && line.trim().is_empty() {
                self.push("");
            }
            return;
        }
        let dashes = *self.dashes.get_or_insert(depth);
        if depth == dashes && is_item(&line[depth..]) {
            return self.item(line, dashes);
        }
        if self.fields.is_none() && !self.keeping {
            self.fields = Some(depth);
        }
        self.field(line, depth);
    }

    fn item(&mut self, line: &str, dashes: usize) {
        let rest = line[dashes + 1..].trim_start();
        self.fields = (!is_blank(rest)).then(|| line.len() - rest.len());
        self.keeping = false;
        match (self.fields, key_of(rest)) {
            (Some(depth), Some(_)) => {
                self.push("-");
                self.field(&format!("{}{rest}", " ".repeat(depth)), depth);
            }
            (Some(_), None) => {
                // something unusual, as {a: b}: all of the item is kept
                self.push(&line[dashes..]);
                self.keeping = true;
                self.fields = None;
            }
            (None, _) => self.push("-"),
        }
    }

    /// A line of an item: it begins a field or goes on with one.
    fn field(&mut self, line: &str, depth: usize) {
        let content = &line[depth..];
        if self.fields == Some(depth) && !is_item(content) {
            self.keeping = match key_of(content) {
                Some((_, key, _)) => FIELDS.contains(&key),
                None => true,
            };
        }
        if self.keeping {
            self.push(line);
        }
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Nothing but white space or a comment.
fn is_blank(line: &str) -> bool {
    let text = line.trim_start();
    text.is_empty() || text.starts_with('#')
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// The indentation, the key and what follows it, of a line that begins an entry of a mapping.
fn key_of(line: &str) -> Option<(usize, &str, &str)> {
    let depth = indent(line);
    let text = &line[depth..];
    let (key, rest) = match text.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let (key, rest) = text[1..].split_once(char::from(*quote))?;
            (key, rest.trim_start().strip_prefix(':')?)
        }
        b'{' | b'[' | b'?' | b'&' | b'*' | b'!' | b'#' | b'|' | b'>' | b'-' | b'%' | b'@' | b'<' => return None,
        _ => {
            let end = text.find(": ").or_else(|| text.ends_with(':').then(|| text.len() - 1))?;
            (text[..end].trim_end(), &text[end + 1..])
        }
    };
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim();
    Some((depth, key, if rest.starts_with('#') { "" } else { rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(index: &str, chart: &str) -> String {
        match versions(index.as_bytes(), chart) {
            Ok(None) => "none".to_owned(),
            Ok(Some(versions)) => {
                let texts = versions.iter().map(|v| {
                    let digest = v.digest.as_deref().unwrap_or("-");
                    format!("{} {} {digest}", v.version, v.urls.join(","))
                });
                texts.collect::<Vec<_>>().join("; ")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    const INDEX: &str = "\
apiVersion: v1
annotations:
  entries: no
entries:
  # comment
  alpine:
  - annotations:
      text: |
        entries:

          nginx:
          - version: 9.9.9
    dependencies:
    - name: x
      version: 7.7.7
    name: alpine
    urls:
    - https://h/alpine-1.0.0.tgz
    version: 1.0.0

  - version: 1.1.0
    name: alpine
    digest: SHA
    urls: [a.tgz,
      b.tgz]
    description: \"one
      two: three\"
  \"nginx\":   # quoted
    -
      name: nginx
      version: 2.0
      urls:
        - n.tgz
    - {name: nginx, version: 2.1.0, digest: 'sha256:AB', urls: [m.tgz]}
  empty: []
  nothing:
  inline: [{name: inline, version: 1.0.0, urls: [i.tgz]}]
generated: \"2026-01-01T00:00:00Z\"
  alpine2:
";

    #[test]
    fn the_lines_of_one_chart() {
        for (chart, versions) in [
            ("alpine", "1.1.0 a.tgz,b.tgz sha256:sha; 1.0.0 https://h/alpine-1.0.0.tgz -"),
            ("nginx", "2.1.0 m.tgz sha256:ab; 2.0 n.tgz -"),
            ("empty", ""),
            ("nothing", ""),
            ("inline", "1.0.0 i.tgz -"),
            ("none", "none"),
            ("annotations", "none"),
            ("alpine2", "none"),
        ] {
            assert_eq!(found(INDEX, chart), versions, "{chart}");
            assert_eq!(found(&INDEX.replace('\n', "\r\n"), chart), versions, "{chart}");
        }
    }

    #[test]
    fn entries_that_helm_skips() {
        let entry = |text: &str| format!("entries:\n  a:\n  - {}\n", text.replace(", ", "\n    "));
        assert_eq!(found(&entry("name: a, version: 1.0.0, type: library"), "a"), "1.0.0  -");
        for text in ["version: 1.0.0", "name: a, version: x", "name: a", "name: a, version: 1.0.0, type: x", "~"] {
            assert_eq!(found(&entry(text), "a"), "", "{text}");
        }
    }

    #[test]
    fn what_is_no_index() {
        assert!(found("<html>\n<body>", "a").contains("no index of a chart repository"));
        assert!(found("", "a").contains("no index"));
        assert!(found("entries: {a: [{name: a}]}", "a").contains("line 1: entries"));
        assert!(found("entries:\n  a:\n  - name: [\n", "a").contains("line 2"));
        assert_eq!(found("entries: {}\n", "a"), "none");
        assert_eq!(found("entries:\n", "a"), "none");
        assert!(found("{\"entries\": 1}", "a").contains("error"));
        assert!(found("{\"a\": 1}", "a").contains("no entries"));
        assert!(found("{\"entries\": {\"a\": [", "a").contains("EOF"));
    }

    #[test]
    fn a_json_index() {
        let index = r#"{"apiVersion":"v1","entries":{"b":[{"name":"b","version":"0.1.0","x":[[1]]}],
            "a":[{"name":"a","version":"1.0.0","urls":["a.tgz"]},{"name":"a","version":"1.2.0","urls":[]}]},"z":{}}"#;
        assert_eq!(found(index, "a"), "1.2.0  -; 1.0.0 a.tgz -");
        assert_eq!(found(index, "c"), "none");
    }
}
