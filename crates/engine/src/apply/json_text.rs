//! JSON as Go writes it: what kubectl keeps of an object has to be the same text, whoever wrote it.

use std::fmt::Write as _;

use serde_json::Value;

/// Keys by name, `<`, `>` and `&` as escapes, and a line break behind all.
pub(super) fn json_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            between(fields, ['{', '}'], text, |(name, value), text| {
                write_text(name, text);
                text.push(':');
                write(value, text);
            });
        }
        Value::Array(items) => between(items, ['[', ']'], text, write),
        Value::String(own) => write_text(own, text),
        other => drop(write!(text, "{other}")),
    }
}

fn between<T>(
    items: impl IntoIterator<Item = T>,
    [open, close]: [char; 2],
    text: &mut String,
    each: impl Fn(T, &mut String),
) {
    text.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        each(item, text);
    }
    text.push(close);
}

fn write_text(own: &str, text: &mut String) {
    let quoted = Value::from(own).to_string();
    for character in quoted.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => drop(write!(text, "\\u{:04x}", u32::from(character))),
            other => text.push(other),
        }
    }
}
