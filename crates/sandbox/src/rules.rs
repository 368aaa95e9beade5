//! The rules of schemas (`x-kubernetes-validations`), as far as they ask whether a value has one of some fields. Others
//! hold: the sandbox reads no more of their language.

use serde_json::Value;

use crate::status::Cause;

/// The rules that a value breaks which keeps all else of its schema.
pub(crate) fn broken(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let wanted = fields(rule["rule"].as_str().unwrap_or_default());
        if wanted.is_some_and(|wanted| wanted.into_iter().all(|field| value.get(field).is_none())) {
            let message = format!("Invalid value: {}", rule["message"].as_str().unwrap_or_default());
            found.push(Cause { reason: "FieldValueInvalid", message, field: path.to_owned() });
        }
    }
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                broken(inner, child, &at, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                broken(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Of `has(self.a) || has(self.b)`; `None` where it says something else.
fn fields(rule: &str) -> Option<Vec<&str>> {
    rule.split("||").map(field).collect()
}

fn field(part: &str) -> Option<&str> {
    let name = part.trim().strip_prefix("has(self.")?.strip_suffix(')')?;
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_of_some_fields_has_to_be_there() {
        let rule = |rule: &str| json!([{ "rule": rule, "message": "a gate is one of a, b" }]);
        let gate = json!({ "x-kubernetes-validations": rule("has(self.a) || has(self.b)") });
        let schema = json!({ "properties": { "gates": { "items": gate }, "other": {
            "x-kubernetes-validations": rule("self.replicas < 3") } } });
        let value = json!({ "gates": [{ "a": {} }, { "c": {} }, { "b": 1, "c": 2 }], "other": { "replicas": 7 } });
        let mut found = Vec::new();
        broken(&schema, &value, "", &mut found);
        let found: Vec<_> = found.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(found, ["gates[1]: Invalid value: a gate is one of a, b"]);
    }
}
