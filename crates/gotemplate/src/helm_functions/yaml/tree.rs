//! Values on their way into YAML text.

use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::function::{CallError, Context};
use crate::json::{plain, unsupported_number};
use crate::limits::MAX_NESTING;
use crate::value::{List, Map, Value};

/// Which road a value takes into YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Road {
    /// Into JSON, which is then read as YAML 1.1.
    Json,
    /// As it is.
    Direct,
}

/// The value as `encoding/json` writes it and go-yaml v2 reads that again.
///
/// # Errors
/// JSON or YAML cannot hold the value, or a limit is exceeded.
pub(super) fn of_json(value: &Value, context: &mut Context<'_>) -> Result<Json, CallError> {
    tree(value, Road::Json, 0, context)
}

/// The value as go-yaml v3 sees it.
///
/// # Errors
/// YAML cannot hold the value, or a limit is exceeded.
pub(super) fn of_value(value: &Value, context: &mut Context<'_>) -> Result<Json, CallError> {
    tree(value, Road::Direct, 0, context)
}

fn tree(value: &Value, road: Road, depth: usize, context: &mut Context<'_>) -> Result<Json, CallError> {
    context.spend(1)?;
    if depth > MAX_NESTING {
        return Err(CallError::new("json: unsupported value: encountered a cycle via map[string]interface {}"));
    }
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(_, number) => Json::from(*number),
        Value::Uint(_, number) => Json::from(*number),
        Value::Float(_, number) => float(*number, road)?,
        Value::String(text) => Json::String(readable(&text.to_text(), road, context)?),
        Value::List(list) if list.is_nil() && road == Road::Json => Json::Null,
        Value::Map(map) if map.is_nil() && road == Road::Json => Json::Null,
        Value::List(items) => list(items, road, depth, context)?,
        Value::Map(entries) => mapping(entries, road, depth, context)?,
        Value::Duration(nanoseconds) if road == Road::Json => Json::from(*nanoseconds),
        Value::Duration(nanoseconds) => Json::String(crate::duration::format(*nanoseconds)),
        Value::Bytes(bytes) if road == Road::Direct => Json::Array(bytes.iter().map(|b| Json::from(*b)).collect()),
        other => tree(&plain(other)?, road, depth + 1, context)?,
    })
}

fn list(list: &List, road: Road, depth: usize, context: &mut Context<'_>) -> Result<Json, CallError> {
    context.allocate(list.len().saturating_mul(size_of::<Json>()))?;
    let items = list.items();
    let items = items.iter().map(|item| tree(item, road, depth + 1, context));
    Ok(Json::Array(items.collect::<Result<_, _>>()?))
}

fn mapping(map: &Map, road: Road, depth: usize, context: &mut Context<'_>) -> Result<Json, CallError> {
    context.allocate(map.len().saturating_mul(2 * size_of::<Json>()))?;
    let mut entries = JsonMap::new();
    for (key, value) in map.entries().iter() {
        let key = readable(&key.to_text(), road, context)?;
        entries.insert(key, tree(value, road, depth + 1, context)?);
    }
    Ok(Json::Object(entries))
}

/// A text that passes through go-yaml's reader.
fn readable(text: &str, road: Road, context: &mut Context<'_>) -> Result<String, CallError> {
    context.allocate(text.len())?;
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if road == Road::Json && text.contains(refused) {
        return Err(CallError::new("yaml: control characters are not allowed"));
    }
    Ok(text.to_owned())
}

fn float(number: f64, road: Road) -> Result<Json, CallError> {
    match Number::from_f64(number) {
        Some(json) => Ok(Json::Number(json)),
        None if road == Road::Json => Err(unsupported_number(number)),
        None => Ok(Json::String(
            if number.is_nan() {
                ".nan"
            } else if number > 0.0 {
                ".inf"
            } else {
                "-.inf"
            }
            .to_owned(),
        )),
    }
}
