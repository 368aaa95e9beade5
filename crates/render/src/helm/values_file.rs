//! Values files: one or more YAML documents, merged in order.

use std::borrow::Cow;

use object::yaml::{self, Dialect, Mark, YamlError};
use serde_json::{Map, Number, Value};

/// Reads a values file. Numbers become floats, as Go reads them; nulls stay.
///
/// # Errors
/// The first syntax error, with line and column, or a document that is no mapping.
pub(crate) fn read(bytes: &[u8]) -> Result<Map<String, Value>, YamlError> {
    let mut values = Map::new();
    let text = with_newline(utf8(bytes)?);
    for (line, chunk) in chunks(&text)? {
        let document = document(chunk).map_err(|mut error| {
            error.mark.line += line;
            error
        })?;
        merge(&mut values, document);
    }
    Ok(values)
}

/// Helm reads values line by line and ends the last one, too: a block scalar there gets its newline.
fn with_newline(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) }
}

/// # Errors
/// When the bytes are no text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, YamlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let mark = Mark { index: before.len(), line: before.matches('\n').count() + 1, column: 0 };
        YamlError { mark, reason: "this is no UTF-8 text".to_owned() }
    })
}

/// The texts between lines of `---`, with the number of lines before each. Helm splits before it parses, and allows
/// nothing but a comment behind the dashes.
fn chunks(text: &str) -> Result<Vec<(usize, &str)>, YamlError> {
    let (mut chunks, mut start, mut start_line, mut at) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---") {
            if !matches!(rest.trim().as_bytes(), [] | [b'#', ..]) {
                let mark = Mark { index: at, line: number + 1, column: 4 };
                return Err(YamlError { mark, reason: "nothing but a comment may follow ---".to_owned() });
            }
            if at > start {
                chunks.push((start_line, &text[start..at]));
            }
            (start, start_line) = (at, number);
        }
        at += line.len();
    }
    chunks.push((start_line, &text[start..]));
    Ok(chunks)
}

fn document(text: &str) -> Result<Map<String, Value>, YamlError> {
    let Some(node) = yaml::parse(text)?.into_iter().next() else { return Ok(Map::new()) };
    match yaml::to_value(&node, Dialect::Kubernetes)? {
        Value::Object(map) => Ok(floats(map)),
        Value::Null => Ok(Map::new()),
        _ => Err(YamlError { mark: node.start, reason: "values must be a mapping of keys to values".to_owned() }),
    }
}

fn floats(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter().map(|(key, value)| (key, float(value))).collect()
}

/// The same value with every number as a float.
pub(crate) fn float(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(floats(map)),
        Value::Array(items) => Value::Array(items.into_iter().map(float).collect()),
        Value::Number(number) => number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        other => other,
    }
}

/// Puts `over` on top of `base`: mappings are merged, everything else, null too, is replaced.
pub(crate) fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_merged_in_order() {
        let values = read(b"---\na: {b: 1, c: 2}\nl: [1]\n---\n# nothing\n---\na: {b: ~, d: 010}\nl: [2]\n").unwrap();
        assert_eq!(Value::Object(values), json!({"a": {"b": null, "c": 2.0, "d": 8.0}, "l": [2.0]}));
        assert_eq!(read(b"a: 1\n---\n- a\n").unwrap_err().mark.line, 3);
        assert_eq!(read(b"a: 1\n--- {b: 2}\n").unwrap_err().mark.line, 2);
        assert!(read(b"a: \xff").is_err());
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn the_last_line_ends() {
        for (text, expected) in [("a: |\n  b", "b\n"), ("a: |-\n  b", "b"), ("a: |\n  b\r", "b\n"), ("a: b", "b")] {
            assert_eq!(Value::Object(read(text.as_bytes()).unwrap()), json!({"a": expected}), "{text:?}");
        }
    }
}
