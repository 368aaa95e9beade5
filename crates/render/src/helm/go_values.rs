//! Between JSON values, which loaded charts share, and the values that templates see.

use gotemplate::value::{List, Map, Str, Value};
use serde_json::Value as Json;

/// A template's value of its own: maps and lists are not shared with anything.
pub(crate) fn from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) if !number.is_f64() => Value::int64(whole),
            _ => Value::float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::string(text.as_str()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(map_from_json(map)),
    }
}

pub(crate) fn map_from_json(map: &serde_json::Map<String, Json>) -> Map {
    map.iter().map(|(key, value)| (Str::from(key.as_str()), from_json(value))).collect()
}

/// As JSON, for a schema; what has no such form becomes null.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(_, number) => Json::from(*number),
        Value::Uint(_, number) => Json::from(*number),
        Value::Float(_, number) => json_number(*number),
        Value::String(text) => Json::String(text.to_text().into_owned()),
        Value::List(list) => Json::Array(list.items().iter().map(to_json).collect()),
        Value::Map(map) => {
            Json::Object(map.entries().iter().map(|(k, v)| (k.to_text().into_owned(), to_json(v))).collect())
        }
        _ => Json::Null,
    }
}

/// Whole numbers stay whole: a schema tells `integer` from `number`.
fn json_number(number: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the comparison")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "checked by the comparison")]
    if whole as f64 == number && number.abs() < 9e15 { Json::from(whole) } else { Json::from(number) }
}

/// A copy that shares no map or list with `value`.
pub(crate) fn deep_copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(copy_map(map)),
        Value::List(list) => Value::List(list.items().iter().map(deep_copy).collect::<List>()),
        other => other.clone(),
    }
}

pub(crate) fn copy_map(map: &Map) -> Map {
    map.entries().iter().map(|(key, value)| (key.clone(), deep_copy(value))).collect()
}

/// The map at a dotted path; none when something on the way is no map.
pub(crate) fn table(map: &Map, path: &str) -> Option<Map> {
    path.split('.').try_fold(map.clone(), |map, key| match map.get(key.as_bytes()) {
        Some(Value::Map(inner)) => Some(inner),
        _ => None,
    })
}

/// What is not a map at a dotted path.
pub(crate) fn leaf(map: &Map, path: &str) -> Option<Value> {
    let (holder, key) = match path.rsplit_once('.') {
        Some((folder, key)) => (table(map, folder)?, key),
        None => (map.clone(), path),
    };
    holder.get(key.as_bytes()).filter(|value| !matches!(value, Value::Map(_)))
}
