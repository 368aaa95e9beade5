//! Maps: made, read, changed in place, merged.

use super::conversion::text;
use super::merging::{Conflict, merge};
use crate::deep;
use crate::function::{CallError, Context, Function, Param, any, map, string};
use crate::value::{List, Map, MapType, Str, Value};

const MAP: &[Param] = &[Param::Map];
const MAP_AND_KEY: &[Param] = &[Param::Map, Param::String];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], Param::Any, dict),
    Function::new("get", MAP_AND_KEY, |args, _| Ok(entry(args)?.unwrap_or_else(|| Value::string("")))),
    Function::new("set", &[Param::Map, Param::String, Param::Any], set),
    Function::new("unset", MAP_AND_KEY, unset),
    Function::new("hasKey", MAP_AND_KEY, |args, _| Ok(Value::Bool(entry(args)?.is_some()))),
    Function::variadic("pluck", &[Param::String], Param::Map, pluck),
    Function::variadic("keys", &[], Param::Map, keys),
    Function::new("values", MAP, values),
    Function::variadic("pick", MAP, Param::String, pick),
    Function::variadic("omit", MAP, Param::String, omit),
    Function::variadic("merge", MAP, Param::Map, |args, context| merge_all(args, Conflict::Keep, context)),
    Function::variadic("mustMerge", MAP, Param::Map, |args, context| merge_all(args, Conflict::Keep, context)),
    Function::variadic("mergeOverwrite", MAP, Param::Map, |args, context| {
        merge_all(args, Conflict::Overwrite, context)
    }),
    Function::variadic("mustMergeOverwrite", MAP, Param::Map, |args, context| {
        merge_all(args, Conflict::Overwrite, context)
    }),
    Function::new("deepCopy", &[Param::Any], deep_copy),
    Function::new("mustDeepCopy", &[Param::Any], deep_copy),
    Function::variadic("dig", &[], Param::Any, dig),
];

/// Pairs of keys and values; a last key alone gets an empty text.
fn dict(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    context.allocate(size_of_val(args))?;
    let map = Map::default();
    for pair in args.chunks(2) {
        map.insert(text(any(pair, 0)?, context)?, pair.get(1).cloned().unwrap_or_else(|| Value::string("")));
    }
    Ok(Value::Map(map))
}

fn entry(args: &[Value]) -> Result<Option<Value>, CallError> {
    Ok(map(args, 0)?.get(string(args, 1)?.as_bytes()))
}

fn set(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    context.allocate(2 * size_of::<Value>())?;
    let map = writable(map(args, 0)?)?;
    map.insert(string(args, 1)?.clone(), any(args, 2)?.clone());
    Ok(Value::Map(map.clone()))
}

fn writable(map: &Map) -> Result<&Map, CallError> {
    if map.is_nil() { Err(CallError::new("assignment to entry in nil map")) } else { Ok(map) }
}

fn unset(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let map = map(args, 0)?;
    map.remove(string(args, 1)?.as_bytes());
    Ok(Value::Map(map.clone()))
}

fn maps(args: &[Value]) -> impl Iterator<Item = &Map> {
    args.iter().filter_map(Value::as_map)
}

/// The values of one key in several maps.
fn pluck(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let key = string(args, 0)?;
    Ok(Value::list(maps(&args[1..]).filter_map(|map| map.get(key.as_bytes())).collect()))
}

fn keys(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let keys: Vec<Str> = maps(args).flat_map(|map| map.entries().keys().cloned().collect::<Vec<_>>()).collect();
    context.allocate(keys.len().saturating_mul(size_of::<Value>()))?;
    Ok(Value::List(List::strings(keys)))
}

fn values(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let map = map(args, 0)?;
    context.allocate(map.len().saturating_mul(size_of::<Value>()))?;
    Ok(Value::list(map.entries().values().cloned().collect()))
}

fn pick(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let map = map(args, 0)?;
    let keys = args[1..].iter().filter_map(Value::as_str);
    Ok(Value::Map(keys.filter_map(|key| Some((key.clone(), map.get(key.as_bytes())?))).collect()))
}

fn omit(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let map = map(args, 0)?;
    context.allocate(map.len().saturating_mul(2 * size_of::<Value>()))?;
    let mut entries = map.entries().clone();
    for key in args[1..].iter().filter_map(Value::as_str) {
        entries.remove(key.as_bytes());
    }
    Ok(Value::Map(Map::new(entries)))
}

/// Merges the second and further maps into the first, which is changed and given back.
fn merge_all(args: &[Value], conflict: Conflict, context: &mut Context<'_>) -> Result<Value, CallError> {
    let given = map(args, 0)?;
    let fills_nil = given.is_nil() && maps(&args[1..]).any(|source| !source.is_nil());
    let target = if fills_nil { Map::default() } else { given.clone() };
    for source in maps(&args[1..]) {
        merge(&target, source, conflict, context)?;
    }
    Ok(Value::Map(target))
}

fn deep_copy(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    match any(args, 0)? {
        Value::Nil => Err(CallError::new("deepCopy error: reflect: call of reflect.Value.Type on zero Value")),
        value => deep::copy(value, context),
    }
}

/// The value at a path of keys, or the default where a key is missing.
fn dig(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let [keys @ .., default, last] = args else { return Err(CallError::new("dig needs at least three arguments")) };
    if keys.is_empty() {
        return Err(CallError::new("dig needs at least three arguments"));
    }
    let mut value = last.clone();
    for key in keys {
        let Value::String(key) = key else { return Err(conversion(key, "string")) };
        let Value::Map(map) = &value else { return Err(conversion(&value, MapType::Any.name())) };
        if map.of() != MapType::Any {
            return Err(conversion(&value, MapType::Any.name()));
        }
        let Some(next) = map.get(key.as_bytes()) else { return Ok(default.clone()) };
        value = next;
    }
    Ok(value)
}

fn conversion(value: &Value, wanted: &str) -> CallError {
    let given = match value {
        Value::Nil => "nil".into(),
        other => other.type_name(),
    };
    CallError::new(format!("interface conversion: interface {{}} is {given}, not {wanted}"))
}
