//! Methods of Helm's `common.Values`, the type of `.Values` (helm 4.2.4, `pkg/chart/common/values.go`).

use crate::function::{CallError, Context, Function, Param, map, string};
use crate::helm_functions::marshal;
use crate::value::{Map, MapType, Value};

type Called = Result<Value, CallError>;

pub(super) static METHODS: &[Function] = &[
    Function::new("AsMap", &[], as_map),
    Function::new("PathValue", &[Param::String], path_value),
    Function::new("Table", &[Param::String], table),
    Function::new("YAML", &[], yaml),
];

/// The same map, seen as a `map[string]interface {}`.
fn as_map(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Map(map(arguments, 0)?.convert(MapType::Any)))
}

fn yaml(arguments: &[Value], context: &mut Context<'_>) -> Called {
    Ok(Value::string(marshal(&arguments[0], context)?))
}

/// The table at a dotted path.
fn table(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let values = map(arguments, 0)?;
    let path = string(arguments, 1)?.to_text();
    let mut found = values.clone();
    for name in path.split('.') {
        found = inner_table(&found, name).ok_or_else(|| CallError::new(format!("{} is not a table", quoted(name))))?;
    }
    Ok(Value::Map(found.convert(values.of())))
}

fn quoted(name: &str) -> String {
    crate::strconv::quote(name.as_bytes())
}

fn inner_table(map: &Map, name: &str) -> Option<Map> {
    match map.get(name.as_bytes())? {
        Value::Map(inner) if inner.of() != MapType::String => Some(inner),
        _ => None,
    }
}

/// The value at a dotted path, which must be no table.
fn path_value(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let mut at = map(arguments, 0)?.clone();
    let path = string(arguments, 1)?.to_text();
    if path.is_empty() {
        return Err(CallError::new("YAML path cannot be empty"));
    }
    let (tables, key) = path.rsplit_once('.').map_or((None, &*path), |(tables, key)| (Some(tables), key));
    let missing = || CallError::new(format!("{} is not a value", quoted(key)));
    for name in tables.iter().flat_map(|tables| tables.split('.')) {
        at = inner_table(&at, name).ok_or_else(missing)?;
    }
    at.get(key.as_bytes()).filter(|value| value.as_map().is_none_or(|map| map.of() != MapType::Any)).ok_or_else(missing)
}
