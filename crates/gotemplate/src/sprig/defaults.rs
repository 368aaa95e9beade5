//! What stands in for values that are empty.

use crate::function::{CallError, Context, Function, Param, any};
use crate::value::{Kind, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[Param::Any], Param::Any, default),
    Function::new("empty", &[Param::Any], |args, _| Ok(Value::Bool(is_empty(any(args, 0)?)))),
    Function::variadic("coalesce", &[], Param::Any, |args, _| {
        Ok(args.iter().find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))
    }),
    Function::variadic("all", &[], Param::Any, |args, _| Ok(Value::Bool(!args.iter().any(is_empty)))),
    Function::variadic("any", &[], Param::Any, |args, _| Ok(Value::Bool(!args.iter().all(is_empty)))),
    Function::new("ternary", &[Param::Any, Param::Any, Param::Bool], ternary),
];

/// Whether a value is zero, false, nil, or has no item; structs never are.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => match object.kind() {
            Kind::Map | Kind::Slice | Kind::String => object.plain().is_some_and(|plain| is_empty(&plain)),
            _ => false,
        },
        other => !other.is_true(),
    }
}

fn default(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    match args.get(1) {
        Some(given) if !is_empty(given) => Ok(given.clone()),
        _ => any(args, 0).cloned(),
    }
}

fn ternary(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let chosen = if any(args, 2)?.is_true() { 0 } else { 1 };
    any(args, chosen).cloned()
}
