//! What server-side apply cannot make sense of in a configuration: fields that are not declared, values of the wrong type,
//! items of lists that have the same key.

use serde_json::Value;

use super::fields::{Element, element_of, show};
use crate::schema::{ListMerge, Schema};

/// # Errors
/// The first thing that does not fit, in the words of the library that the API server uses.
pub(crate) fn check(schema: &Schema, config: &Value) -> Result<(), String> {
    walk(schema, config, &mut Vec::new())
}

fn walk(schema: &Schema, value: &Value, path: &mut Vec<Element>) -> Result<(), String> {
    let is = match value {
        Value::Null => return Ok(()),
        Value::Bool(_) => "boolean",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    };
    let expected = |what: &str, got: String| Err(format!("{}: expected {what}, got {got}", show(path)));
    let raw = || match value {
        Value::String(text) => format!("&value.valueUnstructured{{Value:{text:?}}}"),
        other => format!("&value.valueUnstructured{{Value:{other}}}"),
    };
    match (schema, value) {
        (Schema::String | Schema::Bytes | Schema::Time | Schema::MicroTime, _) if is != "string" => {
            expected("string", raw())
        }
        (Schema::Integer | Schema::Number, _) if !value.is_number() => {
            expected("numeric (int or float)", is.to_owned())
        }
        (Schema::Boolean, _) if !value.is_boolean() => expected("boolean", raw()),
        (Schema::List { items, merge }, Value::Array(values)) => list(items, merge, values, path),
        (Schema::List { .. }, other) => expected("list", format!("&{{{}}}", plain(other))),
        (Schema::Map { .. } | Schema::Named(_) | Schema::Object(_), Value::Object(map)) => {
            let preserved = schema.object().is_some_and(|object| object.preserve);
            for (name, child) in map {
                path.push(Element::Field(name.clone()));
                let top = path.len() == 1 && ["apiVersion", "kind"].contains(&name.as_str());
                match schema.field(name) {
                    Some(field) => walk(field, child, path)?,
                    None if top || preserved => {}
                    None => return Err(format!("{}: field not declared in schema", show(path))),
                }
                path.pop();
            }
            Ok(())
        }
        (Schema::Map { .. } | Schema::Named(_) | Schema::Object(_), other) => {
            expected("map", format!("&{{{}}}", plain(other)))
        }
        _ => Ok(()),
    }
}

fn list(items: &Schema, merge: &ListMerge, values: &[Value], path: &mut Vec<Element>) -> Result<(), String> {
    let mut seen: Vec<Element> = Vec::new();
    for (index, item) in values.iter().enumerate() {
        let element = element_of(merge, items, item);
        if let Some(element) = &element {
            if seen.contains(element) {
                return Err(format!(
                    "{}: duplicate entries for key {}",
                    show(path),
                    show(std::slice::from_ref(element))
                ));
            }
            seen.push(element.clone());
        }
        path.push(element.unwrap_or(Element::Index(index)));
        walk(items, item, path)?;
        path.pop();
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        let schema = Schema::named("core/v1.PodTemplate").unwrap();
        let say = |spec: Value| check(&schema, &json!({"apiVersion": "v1", "template": {"spec": spec}}));
        assert_eq!(say(json!({"containers": [{"name": "c", "image": "i"}]})), Ok(()));
        let at = ".template.spec";
        assert_eq!(say(json!({"nope": 1})), Err(format!("{at}.nope: field not declared in schema")));
        assert_eq!(say(json!({"containers": "x"})), Err(format!("{at}.containers: expected list, got &{{x}}")));
        let number = "expected string, got &value.valueUnstructured{Value:5}";
        let image = say(json!({"containers": [{"name": "c", "image": 5}]}));
        assert_eq!(image, Err(format!("{at}.containers[name=\"c\"].image: {number}")));
        let twice = say(json!({"containers": [{"name": "c"}, {"name": "c"}]}));
        assert_eq!(twice, Err(format!("{at}.containers: duplicate entries for key [name=\"c\"]")));
    }
}
