//! An object as Go's structs would hold it: unknown fields noted and dropped, values in their canonical form, zero values
//! written or left out as the struct tags say.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::quantity::{Quantity, SYNTAX};
use crate::schema::{Field, Object, Schema};

/// What tidying noticed.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Dotted paths of fields that are not declared.
    pub(crate) unknown: Vec<String>,
}

/// A value that the type cannot hold. The text is what Go's decoder says after `json: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) String);

/// # Errors
/// When a value has a type that its field cannot hold.
pub(crate) fn tidy(schema: &Schema, value: Value, notes: &mut Notes) -> Result<Value, Mismatch> {
    let place = Place { owner: String::new(), path: String::new() };
    any(schema, value, &place, notes)
}

#[derive(Debug, Clone)]
struct Place {
    /// The Go struct, as errors name it.
    owner: String,
    path: String,
}

impl Place {
    fn field(&self, owner: &str, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let owner = owner.rsplit('.').next().unwrap_or(owner).to_owned();
        Self { owner, path }
    }

    fn index(&self, index: usize) -> Self {
        Self { owner: self.owner.clone(), path: format!("{}[{index}]", self.path) }
    }

    fn mismatch(&self, value: &Value, wanted: &str) -> Mismatch {
        let is = match value {
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let plain: String = strip_indexes(&self.path);
        if self.owner.is_empty() {
            return Mismatch(format!("cannot unmarshal {is} into Go value of type {wanted}"));
        }
        Mismatch(format!("cannot unmarshal {is} into Go struct field {}.{plain} of type {wanted}", self.owner))
    }
}

fn strip_indexes(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

fn any(schema: &Schema, value: Value, place: &Place, notes: &mut Notes) -> Result<Value, Mismatch> {
    match (schema, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Schema::Any, value) => Ok(value),
        (Schema::String, value @ Value::String(_)) => Ok(value),
        (Schema::String, other) => Err(place.mismatch(&other, "string")),
        (Schema::Boolean, value @ Value::Bool(_)) => Ok(value),
        (Schema::Boolean, other) => Err(place.mismatch(&other, "bool")),
        (Schema::Integer, value) => match integer(&value) {
            Some(number) => Ok(json!(number)),
            None => Err(place.mismatch(&value, "int32")),
        },
        (Schema::Number, value @ Value::Number(_)) => Ok(value),
        (Schema::Number, other) => Err(place.mismatch(&other, "float64")),
        (Schema::IntOrString, value @ (Value::String(_) | Value::Number(_))) => Ok(value),
        (Schema::IntOrString, other) => Err(place.mismatch(&other, "intstr.IntOrString")),
        (Schema::Quantity, value) => match Quantity::of(&value) {
            Some(quantity) => Ok(json!(quantity.canonical())),
            None => Err(Mismatch(SYNTAX.to_owned())),
        },
        (Schema::Time, value) => time(&value, false),
        (Schema::MicroTime, value) => time(&value, true),
        (Schema::Bytes, Value::String(text)) => bytes(&text),
        (Schema::Bytes, other) => Err(place.mismatch(&other, "[]uint8")),
        (Schema::List { items, .. }, Value::Array(values)) => {
            let values = values.into_iter().enumerate();
            let values = values.map(|(index, value)| {
                let value = any(items, value, &place.index(index), notes)?;
                // Go has no null in a list of structs or strings
                Ok(if value.is_null() { zero(items) } else { value })
            });
            Ok(Value::Array(values.collect::<Result<_, _>>()?))
        }
        (Schema::List { items, .. }, other) => Err(place.mismatch(&other, &format!("[]{}", go_name(items)))),
        (Schema::Map { values, .. }, Value::Object(map)) => {
            let tidied = map.into_iter().map(|(key, value)| {
                let value = any(values, value, place, notes)?;
                Ok((key, if value.is_null() { zero(values) } else { value }))
            });
            Ok(Value::Object(tidied.collect::<Result<_, _>>()?))
        }
        (Schema::Map { values, .. }, other) => Err(place.mismatch(&other, &format!("map[string]{}", go_name(values)))),
        (schema @ (Schema::Named(_) | Schema::Object(_)), Value::Object(map)) => {
            structure(schema, map, place, notes).map(Value::Object)
        }
        (schema, other) => Err(place.mismatch(&other, &go_name(schema))),
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64))
}

fn go_name(schema: &Schema) -> String {
    match schema {
        Schema::String => "string".to_owned(),
        Schema::Boolean => "bool".to_owned(),
        Schema::Integer => "int32".to_owned(),
        other => other.object().map_or_else(
            || "string".to_owned(),
            |object| {
                let (package, name) = object.name.rsplit_once('.').unwrap_or(("", &object.name));
                format!("{}.{name}", package.rsplit('/').next().unwrap_or(package))
            },
        ),
    }
}

/// Objects say what they are, also the claims inside of a StatefulSet.
fn is_whole(object: &Object, place: &Place) -> bool {
    place.path.is_empty() || object.name.ends_with(".PersistentVolumeClaim")
}

fn structure(
    schema: &Schema,
    map: Map<String, Value>,
    place: &Place,
    notes: &mut Notes,
) -> Result<Map<String, Value>, Mismatch> {
    let Some(object) = schema.object() else { return Ok(map) };
    let mut out = Map::new();
    let custom = object.name.is_empty();
    for (name, value) in map {
        let Some(field) = object.fields.get(&name) else {
            if object.preserve {
                out.insert(name, value);
            } else if !(is_whole(object, place) && ["apiVersion", "kind"].contains(&name.as_str())) {
                notes.unknown.push(place.field("", &name).path);
            } else {
                out.insert(name, value);
            }
            continue;
        };
        let place = place.field(&object.name, &name);
        let value = match any(&field.schema, value.clone(), &place, notes) {
            // what a custom kind's schema says of it is checked later, and worded otherwise
            Err(_) if custom && !matches!(field.schema, Schema::Named(_)) => value,
            other => other?,
        };
        // custom kinds keep what was written
        if custom || (!value.is_null() && (field.pointer || field.zero_written || !is_zero(&field.schema, &value))) {
            out.insert(name, value);
        }
    }
    for (name, field) in object.fields.iter().filter(|(_, field)| field.zero_written) {
        if !out.contains_key(name) {
            out.insert(name.clone(), field_zero(field));
        }
    }
    Ok(out)
}

fn field_zero(field: &Field) -> Value {
    match &field.schema {
        Schema::List { .. } | Schema::Map { .. } | Schema::Any | Schema::Bytes => Value::Null,
        other => zero(other),
    }
}

/// What Go has where nothing was said.
pub(crate) fn zero(schema: &Schema) -> Value {
    match schema {
        Schema::String => json!(""),
        Schema::Integer | Schema::IntOrString => json!(0),
        Schema::Number => json!(0),
        Schema::Boolean => json!(false),
        Schema::Quantity => json!("0"),
        Schema::Named(_) => {
            let empty =
                structure(schema, Map::new(), &Place { owner: String::new(), path: "x".into() }, &mut Notes::default());
            Value::Object(empty.unwrap_or_default())
        }
        _ => Value::Null,
    }
}

fn is_zero(schema: &Schema, value: &Value) -> bool {
    match (schema, value) {
        (Schema::Named(_), _) => false,
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Bool(flag)) => !flag,
        (Schema::IntOrString, _) => false,
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Schema::List { .. }, Value::Array(items)) => items.is_empty(),
        (Schema::Map { .. }, Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

fn time(value: &Value, micro: bool) -> Result<Value, Mismatch> {
    let Some(text) = value.as_str() else {
        return Err(Mismatch("cannot unmarshal number into Go value of type string".to_owned()));
    };
    match text.parse::<Timestamp>() {
        Ok(time) if micro => Ok(json!(time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())),
        Ok(time) => Ok(json!(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        Err(_) => {
            let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
            Err(Mismatch(format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"")))
        }
    }
}

fn bytes(text: &str) -> Result<Value, Mismatch> {
    use base64::Engine as _;
    let plain: String = text.chars().filter(|c| !"\r\n".contains(*c)).collect();
    match base64::engine::general_purpose::STANDARD.decode(&plain) {
        Ok(_) => Ok(json!(plain)),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => plain.len().saturating_sub(plain.len() % 4),
            };
            Err(Mismatch(format!("illegal base64 data at input byte {at}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_values_are_as_go_writes_them() {
        let schema = Schema::named("apps/v1.Deployment").unwrap();
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {}},
            "spec": {"replicas": 0, "paused": false, "typo": 1,
                "template": {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m"}}}]}}}});
        let mut notes = Notes::default();
        let tidied = tidy(&schema, value, &mut notes).unwrap();
        assert_eq!(notes.unknown, ["spec.typo"]);
        assert_eq!(tidied["metadata"], json!({"name": "a"}));
        assert_eq!(tidied["spec"]["replicas"], 0);
        assert!(tidied["spec"].get("paused").is_none());
        assert_eq!(tidied["spec"]["template"]["metadata"], json!({}));
        assert_eq!(tidied["spec"]["strategy"], json!({}));
        assert_eq!(tidied["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "1");
        assert_eq!(tidied["status"], json!({}));
        let wrong = tidy(&schema, json!({"spec": {"replicas": "two"}}), &mut Notes::default());
        let text = "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
        assert_eq!(wrong, Err(Mismatch(text.to_owned())));
    }
}
