//! Go writes JSON and go-yaml v2 reads it as YAML, before the output is written and before the fields of a kustomization
//! reach the transformers. JSON leaves characters alone there that YAML folds or refuses.

use object::yaml::json_float;
use serde_json::{Map, Number, Value};

use super::node::Fault;

/// NEL, a line break to YAML 1.1.
const NEXT_LINE: char = '\u{85}';

/// The value as YAML reads the JSON of it.
///
/// # Errors
/// Control characters, and a line break in a key.
pub(crate) fn reread(value: Value) -> Result<Value, Fault> {
    match value {
        Value::String(text) => reread_text(text).map(Value::String),
        Value::Array(items) => items.into_iter().map(reread).collect::<Result<_, _>>().map(Value::Array),
        Value::Object(map) => {
            let pairs = map.into_iter().map(|(key, value)| Ok((reread_key(key)?, reread(value)?)));
            pairs.collect::<Result<Map<_, _>, Fault>>().map(Value::Object)
        }
        Value::Number(number) if number.is_f64() => Ok(Value::Number(reread_number(number))),
        other => Ok(other),
    }
}

/// JSON writes a float without a fraction as an integer, which it is from then on.
fn reread_number(number: Number) -> Number {
    let text = json_float(number.as_f64().unwrap_or_default());
    match (text.parse::<i64>(), text.parse::<u64>()) {
        (Ok(n), _) => n.into(),
        (_, Ok(n)) => n.into(),
        _ => number,
    }
}

fn reread_key(key: String) -> Result<String, Fault> {
    if key.contains(NEXT_LINE) { Err(format!("the key {key:?} has a line break (U+0085)")) } else { reread_text(key) }
}

fn reread_text(text: String) -> Result<String, Fault> {
    // first bytes of the characters in question
    if !text.bytes().any(|b| matches!(b, 0x7f | 0xc2 | 0xef)) {
        return Ok(text);
    }
    let refused = |c: &char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(c) = text.chars().find(refused) {
        return Err(format!("the control character U+{:04X} cannot be written", c as u32));
    }
    Ok(if text.contains(NEXT_LINE) { folded(&text) } else { text })
}

/// One break becomes a space, several become one line break less, the spaces around them go.
fn folded(text: &str) -> String {
    let parts: Vec<&str> = text.split(NEXT_LINE).collect();
    let last = parts.len() - 1;
    let (mut out, mut breaks) = (String::with_capacity(text.len()), 0);
    for (i, part) in parts.iter().enumerate() {
        let part = if i == 0 { part } else { part.trim_start_matches(' ') };
        let part = if i == last { part } else { part.trim_end_matches(' ') };
        breaks += usize::from(i > 0);
        if part.is_empty() && i > 0 && i < last {
            continue;
        }
        out.push_str(match breaks {
            1 => " ",
            _ => "",
        });
        out.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1)));
        out.push_str(part);
        breaks = 0;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn next_lines_are_folded_and_control_characters_refused() {
        for (text, expected) in [
            ("a\u{85}b", Some("a b")),
            ("a \u{85} b", Some("a b")),
            ("a\u{85}\u{85}b", Some("a\nb")),
            ("a\u{85} \u{85}\u{85}b", Some("a\n\nb")),
            ("\u{85}", Some(" ")),
            (" a\n ", Some(" a\n ")),
            ("a\u{7f}", None),
            ("a\u{9b}", None),
            ("a\u{ffff}", None),
            ("é\u{feff}", Some("é\u{feff}")),
        ] {
            assert_eq!(reread(json!({"k": [text]})).ok(), expected.map(|e| json!({"k": [e]})), "{text:?}");
        }
        assert!(reread(json!({"a\u{85}b": 1})).is_err());
        assert_eq!(
            reread(json!([2e6, -0.0, 1.5, 1e19, 1e30])),
            Ok(json!([2_000_000, 0, 1.5, 10_000_000_000_000_000_000_u64, 1e30]))
        );
    }
}
