//! Whole values: compared as `reflect.DeepEqual` does, and copied.

use std::rc::Rc;

use crate::function::{CallError, Context};
use crate::limits::{Exceeded, MAX_NESTING};
use crate::value::{List, Map, Str, Value};

/// Whether both are equal in type and content, however deep.
pub(crate) fn equal(a: &Value, b: &Value, context: &mut Context<'_>) -> Result<bool, CallError> {
    equal_at(a, b, 0, context)
}

fn equal_at(a: &Value, b: &Value, depth: usize, context: &mut Context<'_>) -> Result<bool, CallError> {
    context.spend(1)?;
    if depth > MAX_NESTING {
        return Err(Exceeded::Nesting(MAX_NESTING).into());
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(of, a), Value::Int(other, b)) => of == other && a == b,
        (Value::Uint(of, a), Value::Uint(other, b)) => of == other && a == b,
        (Value::Float(of, a), Value::Float(other, b)) => of == other && a == b,
        (Value::Complex(a), Value::Complex(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::List(a), Value::List(b)) => return equal_lists(a, b, depth, context),
        (Value::Map(a), Value::Map(b)) => return equal_maps(a, b, depth, context),
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || a.equals(b.as_ref()),
        _ => false,
    })
}

fn equal_lists(a: &List, b: &List, depth: usize, context: &mut Context<'_>) -> Result<bool, CallError> {
    if a.element() != b.element() || a.is_nil() != b.is_nil() || a.len() != b.len() {
        return Ok(false);
    }
    if a.is_same(b) {
        return Ok(true);
    }
    for (a, b) in a.items().iter().zip(b.items().iter()) {
        if !equal_at(a, b, depth + 1, context)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(a: &Map, b: &Map, depth: usize, context: &mut Context<'_>) -> Result<bool, CallError> {
    if a.of() != b.of() || a.is_nil() != b.is_nil() || a.len() != b.len() {
        return Ok(false);
    }
    if a.is_same(b) {
        return Ok(true);
    }
    for ((key, a), (other, b)) in a.entries().iter().zip(b.entries().iter()) {
        if key != other || !equal_at(a, b, depth + 1, context)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same value with lists and maps of its own.
pub(crate) fn copy(value: &Value, context: &mut Context<'_>) -> Result<Value, CallError> {
    copy_at(value, 0, context)
}

fn copy_at(value: &Value, depth: usize, context: &mut Context<'_>) -> Result<Value, CallError> {
    context.spend(1)?;
    context.allocate(size_of::<Value>())?;
    if depth > MAX_NESTING {
        return Err(Exceeded::Nesting(MAX_NESTING).into());
    }
    match value {
        Value::List(list) if !list.is_nil() => {
            context.allocate(List::footprint(list.len()))?;
            let items = list.items().iter().map(|item| copy_at(item, depth + 1, context)).collect::<Result<_, _>>()?;
            Ok(Value::List(List::typed(list.element(), items)))
        }
        Value::Map(map) if !map.is_nil() => {
            context.allocate(Map::footprint(map.len()))?;
            let copied = |(key, value): (&Str, &Value)| Ok((key.clone(), copy_at(value, depth + 1, context)?));
            let entries = map.entries().iter().map(copied).collect::<Result<_, CallError>>()?;
            Ok(Value::Map(Map::typed(map.of(), entries)))
        }
        other => Ok(other.clone()),
    }
}
