//! Whether what is no Kubernetes object was meant to be one: a file in a folder of manifests that only has a slip may not
//! be taken for something else, because its object would be taken for one that nobody wants.

use object::distance;
use serde_json::{Map, Value};

/// A key of a mapping, or of a line, with what is written behind it.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    key: &'a str,
    value: Held<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Held<'a> {
    Text(&'a str),
    /// A mapping, or what may be one.
    Below,
    Other,
}

impl Entry<'_> {
    /// The field of every object that the key is, or is near to.
    fn meant(&self) -> Option<&'static str> {
        let plain: String = self.key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let near = |field: &str| distance(&plain, field);
        match self.value {
            _ if plain == "apiversion" => Some("apiVersion"),
            _ if plain == "kind" => Some("kind"),
            Held::Text(text) if near("apiversion") <= 2 && is_version(text) => Some("apiVersion"),
            Held::Text(text) if (near("kind") <= 1 || is_shuffled(&plain, "kind")) && is_kind(text) => Some("kind"),
            Held::Below if near("metadata") <= 2 => Some("metadata"),
            _ => None,
        }
    }
}

/// The same letters in another order.
fn is_shuffled(text: &str, of: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(text) == sorted(of)
}

/// As `v1` or `apps/v1beta1`.
fn is_version(text: &str) -> bool {
    let version = text.rsplit('/').next().unwrap_or(text);
    version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.contains('.'))
}

/// As `ConfigMap`.
fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().any(|c| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The first key of a mapping that is, or is near to, a field that every object has, with that field.
pub(crate) fn slip(map: &Map<String, Value>) -> Option<(&str, &'static str)> {
    let mut found = map.iter().filter_map(|(key, value)| {
        let value = match value {
            Value::String(text) => Held::Text(text),
            Value::Object(_) | Value::Null => Held::Below,
            _ => Held::Other,
        };
        Some((key.as_str(), Entry { key, value }.meant()?))
    });
    let first = found.next()?;
    // one that is misspelled tells more than one that is not
    Some(std::iter::once(first).chain(found).find(|(key, meant)| key != meant).unwrap_or(first))
}

/// Whether a text that cannot be read as YAML was meant to hold an object.
pub(crate) fn resembles_an_object(text: &str) -> bool {
    text.contains("apiVersion") || text.lines().filter_map(entry).any(|entry| entry.meant().is_some())
}

/// Whether a text says an object at its top level, as far as a look at its lines tells.
pub(crate) fn names_an_object(text: &str) -> bool {
    let has = |field: &str| text.lines().filter_map(entry).any(|entry| entry.meant() == Some(field));
    text.trim_start().starts_with(['{', '[']) && text.contains("apiVersion") || (has("apiVersion") && has("kind"))
}

/// The key of a line, and what is behind it.
fn entry(line: &str) -> Option<Entry<'_>> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_matches(|c: char| c.is_whitespace() || "-{[\"'".contains(c));
    let value = value.split(" #").next().unwrap_or(value);
    let value = value.trim_matches(|c: char| c.is_whitespace() || ",\"'".contains(c));
    let value = if value.is_empty() || value.starts_with('{') { Held::Below } else { Held::Text(value) };
    Some(Entry { key, value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_are_near_are_slips() {
        for (value, expected) in [
            (json!({"apiVersion": "v1", "knd": "ConfigMap", "metadata": {"name": "a"}}), Some(("knd", "kind"))),
            (json!({"apiversion": "v1", "kind": "ConfigMap"}), Some(("apiversion", "apiVersion"))),
            (json!({"api_version": "v1"}), Some(("api_version", "apiVersion"))),
            (json!({"apiVersoin": "apps/v1"}), Some(("apiVersoin", "apiVersion"))),
            (json!({"Kind": "Secret"}), Some(("Kind", "kind"))),
            (json!({"knid": "Secret"}), Some(("knid", "kind"))),
            (json!({"kind\u{200b}": "secret"}), Some(("kind\u{200b}", "kind"))),
            (json!({"kind": 3}), Some(("kind", "kind"))),
            (json!({"metdata": {"name": "a"}}), Some(("metdata", "metadata"))),
            (json!({"metadata": {"name": "a"}}), Some(("metadata", "metadata"))),
            (json!({"replicas": 3, "image": {"tag": "v1"}}), None),
            (json!({"appVersion": "1.2.3", "version": "v1", "name": "x"}), None),
            (json!({"bind": "0.0.0.0", "find": "all"}), None),
            (json!({}), None),
        ] {
            assert_eq!(slip(value.as_object().unwrap()), expected, "{value}");
        }
    }

    #[test]
    fn lines_tell_as_well() {
        for (text, resembles, names) in [
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n", true, true),
            ("knd: ConfigMap\nmetdata:\n  name: [\n", true, false),
            ("- 'kind': Pod\n  x: [\n", true, false),
            ("{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}", true, true),
            ("replicas: [\n", false, false),
            ("# nothing\n", false, false),
        ] {
            assert_eq!((resembles_an_object(text), names_an_object(text)), (resembles, names), "{text}");
        }
    }
}
