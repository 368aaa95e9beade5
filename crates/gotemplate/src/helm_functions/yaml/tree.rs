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
    context.allocate(List::footprint(list.len()))?;
    let items = list.items();
    let items = items.iter().map(|item| tree(item, road, depth + 1, context));
    Ok(Json::Array(items.collect::<Result<_, _>>()?))
}

fn mapping(map: &Map, road: Road, depth: usize, context: &mut Context<'_>) -> Result<Json, CallError> {
    context.allocate(Map::footprint(map.len()))?;
    let mut entries = JsonMap::new();
    for (key, value) in map.entries().iter() {
        let key = readable_key(&key.to_text(), road, context)?;
        entries.insert(key, tree(value, road, depth + 1, context)?);
    }
    Ok(Json::Object(entries))
}

/// go-yaml looks so many characters back for the start of a key.
const KEY_MAX: usize = 1024;
/// A line break in YAML, but nothing that JSON would escape.
const NEXT_LINE: char = '\u{85}';

/// A key of JSON that go-yaml takes for one.
fn readable_key(key: &str, road: Road, context: &mut Context<'_>) -> Result<String, CallError> {
    if road == Road::Json && (key.contains(NEXT_LINE) || key.chars().count() > KEY_MAX - 2) {
        return Err(CallError::new("yaml: did not find expected ',' or '}'"));
    }
    readable(key, road, context)
}

/// A text as it passes through go-yaml's reader.
fn readable(text: &str, road: Road, context: &mut Context<'_>) -> Result<String, CallError> {
    context.allocate(text.len())?;
    if road == Road::Direct || text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(text.to_owned());
    }
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(refused) {
        return Err(CallError::new("yaml: control characters are not allowed"));
    }
    Ok(if text.contains(NEXT_LINE) { folded(text) } else { text.to_owned() })
}

/// Line breaks as YAML folds them in quotes: one is a space, of more all but one stay; spaces around them go.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = 0;
    for (i, line) in text.split(NEXT_LINE).enumerate() {
        let inner = if i == 0 { line } else { line.trim_start_matches(' ') };
        breaks += usize::from(i > 0);
        if inner.trim_matches(' ').is_empty() && i > 0 {
            continue;
        }
        push_breaks(&mut out, &mut breaks);
        out.push_str(inner);
    }
    push_breaks(&mut out, &mut breaks);
    out
}

fn push_breaks(out: &mut String, breaks: &mut usize) {
    if *breaks == 0 {
        return;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push_str(&if *breaks == 1 { " ".to_owned() } else { "\n".repeat(*breaks - 1) });
    *breaks = 0;
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
