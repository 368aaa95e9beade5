//! What a value is, whatever the order in which it was written.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 of a value. The order of keys does not count, and what is null counts as not there, as for API servers.
pub fn fingerprint(value: &Value) -> [u8; 32] {
    let mut text = Vec::new();
    write(value, &mut text);
    Sha256::digest(text).into()
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (key, value) in entries {
                out.extend(Value::from(key.as_str()).to_string().into_bytes());
                out.push(b':');
                write(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(all) => {
            out.push(b'[');
            for value in all {
                write(value, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.extend(value.to_string().into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_in_nothing_but_order_is_the_same() {
        let text = r#"{"b": [1, {"y": null, "x": "a"}], "a": {}}"#;
        let turned: Value = serde_json::from_str(text).unwrap();
        assert_eq!(fingerprint(&turned), fingerprint(&json!({"a": {}, "b": [1, {"x": "a"}]})));
        let others = [
            json!({"a": {}, "b": [1, {"x": "b"}]}),
            json!({"a": {}, "b": [1], "x": "a"}),
            json!({"a": {}, "b": [{"x": "a"}, 1]}),
            json!({"a": {}, "b": ["1", {"x": "a"}]}),
            json!({"a": null, "b": [1, {"x": "a"}]}),
        ];
        for other in others {
            assert_ne!(fingerprint(&turned), fingerprint(&other), "{other}");
        }
    }
}
