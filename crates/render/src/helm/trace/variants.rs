//! Other values to put in the place of one.

use serde_json::{Number, Value};

/// Values of the same kind that differ from this one, the most similar first: a chart may look at the form of a value.
pub(crate) fn variants(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![Value::Bool(!flag)],
        Value::Number(number) => {
            let more = number.as_f64().unwrap_or_default() + 1.0;
            Number::from_f64(more).map(Value::Number).into_iter().collect()
        }
        Value::String(text) if !text.is_empty() => {
            let mut all: Vec<Value> = similar(text).map(Value::String).into_iter().collect();
            all.push(Value::String("9.9.9".to_owned()));
            all
        }
        Value::String(_) | Value::Null => {
            vec!["9.9.9".into(), format!("sha256:{}", "9".repeat(64)).into()]
        }
        _ => Vec::new(),
    }
}

/// The text with its last letter or digit exchanged, so that digests stay digests and versions versions.
fn similar(text: &str) -> Option<String> {
    let (at, last) = text.char_indices().rev().find(|(_, c)| c.is_ascii_alphanumeric())?;
    let next = match last {
        '9' => '8',
        'f' => 'e',
        'z' | 'Z' => 'a',
        c => char::from(u8::try_from(c).ok()? + 1),
    };
    Some(format!("{}{next}{}", &text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_values_have_the_same_form() {
        for (value, first) in [
            (json!("1.2.3"), json!("1.2.4")),
            (json!("v1.9"), json!("v1.8")),
            (json!("sha256:abf"), json!("sha256:abe")),
            (json!("{{ .Values.a }}"), json!("{{ .Values.b }}")),
            (json!(15.0), json!(16.0)),
            (json!(true), json!(false)),
            (json!(null), json!("9.9.9")),
            (json!("-"), json!("9.9.9")),
        ] {
            assert_eq!(variants(&value).first(), Some(&first), "{value}");
        }
    }
}
