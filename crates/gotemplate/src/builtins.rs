//! Go's own template functions, but for `and`, `or` and `call`, which the evaluator runs itself.

use crate::compare;
use crate::escape;
use crate::format;
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::limits::Exceeded;
use crate::value::{ElementType, Kind, List, Str, UintType, Value};

type Called = Result<Value, CallError>;

pub(crate) static FUNCTIONS: &[Function] = &[
    Function::variadic("eq", &[Param::Any], Param::Any, eq),
    Function::new("ne", &[Param::Any, Param::Any], ne),
    Function::new("lt", &[Param::Any, Param::Any], lt),
    Function::new("le", &[Param::Any, Param::Any], le),
    Function::new("gt", &[Param::Any, Param::Any], gt),
    Function::new("ge", &[Param::Any, Param::Any], ge),
    Function::new("not", &[Param::Any], not),
    Function::new("len", &[Param::Any], len),
    Function::variadic("index", &[Param::Any], Param::Any, index),
    Function::variadic("slice", &[Param::Any], Param::Any, slice),
    Function::variadic("print", &[], Param::Any, print),
    Function::variadic("println", &[], Param::Any, println),
    Function::variadic("printf", &[Param::String], Param::Any, printf),
    Function::variadic("html", &[], Param::Any, html),
    Function::variadic("js", &[], Param::Any, js),
    Function::variadic("urlquery", &[], Param::Any, urlquery),
];

fn eq(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(compare::equals_any(any(arguments, 0)?, &arguments[1..])?))
}

fn ne(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(!compare::equals_any(any(arguments, 0)?, &arguments[1..])?))
}

fn lt(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(compare::less(any(arguments, 0)?, any(arguments, 1)?)?))
}

fn ge(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(!compare::less(any(arguments, 0)?, any(arguments, 1)?)?))
}

fn le(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(compare::less_or_equal(any(arguments, 0)?, any(arguments, 1)?)?))
}

fn gt(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(!compare::less_or_equal(any(arguments, 0)?, any(arguments, 1)?)?))
}

fn not(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::Bool(!any(arguments, 0)?.is_true()))
}

fn len(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::int(length(any(arguments, 0)?)? as i64))
}

fn length(value: &Value) -> Result<usize, CallError> {
    Ok(match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err(CallError::new("len of nil pointer")),
        Value::Object(object) if matches!(object.kind(), Kind::Map | Kind::Slice) => {
            return object.plain().map_or(Ok(0), |plain| length(&plain));
        }
        _ => return Err(CallError::new(format!("len of type {}", value.type_name()))),
    })
}

fn index(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let mut item = any(arguments, 0)?.clone();
    if matches!(item, Value::Nil) {
        return Err(CallError::new("index of untyped nil"));
    }
    for index in &arguments[1..] {
        item = index_one(&item, index)?;
    }
    Ok(item)
}

fn index_one(item: &Value, index: &Value) -> Called {
    match item {
        Value::Nil => Err(CallError::new("index of nil pointer")),
        Value::List(list) => list.get(position(index, list.len())?).ok_or_else(|| out_of_range(list.len(), list.len())),
        Value::Bytes(bytes) => byte_at(bytes, index),
        Value::String(text) => byte_at(text.as_bytes(), index),
        Value::Map(map) => match index {
            Value::String(key) => Ok(map.get(key.as_bytes()).unwrap_or_else(|| map.zero())),
            Value::Nil => Err(CallError::new("value is nil; should be of type string")),
            _ => Err(CallError::new(format!("value has type {}; should be string", index.type_name()))),
        },
        Value::Object(object) => match object.plain() {
            Some(plain) => index_one(&plain, index),
            None => Err(CallError::new(format!("can't index item of type {}", item.type_name()))),
        },
        _ => Err(CallError::new(format!("can't index item of type {}", item.type_name()))),
    }
}

fn byte_at(bytes: &[u8], index: &Value) -> Called {
    let at = position(index, bytes.len())?;
    let byte = bytes.get(at).ok_or_else(|| out_of_range(at, bytes.len()))?;
    Ok(Value::Uint(UintType::Uint8, u64::from(*byte)))
}

/// Go's runtime error for the one index its check lets through.
fn out_of_range(_at: usize, _length: usize) -> CallError {
    CallError::new("reflect: slice index out of range")
}

/// A number that can be an index: no larger than the capacity.
fn position(index: &Value, capacity: usize) -> Result<usize, CallError> {
    let number = match index {
        Value::Int(_, number) | Value::Duration(number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Nil => return Err(CallError::new("cannot index slice/array with nil")),
        _ => return Err(CallError::new(format!("cannot index slice/array with type {}", index.type_name()))),
    };
    usize::try_from(number)
        .ok()
        .filter(|position| *position <= capacity)
        .ok_or_else(|| CallError::new(format!("index out of range: {number}")))
}

fn slice(arguments: &[Value], context: &mut Context<'_>) -> Called {
    let item = any(arguments, 0)?;
    let indexes = &arguments[1..];
    if indexes.len() > 3 {
        return Err(CallError::new(format!("too many slice indexes: {}", indexes.len())));
    }
    context.allocate(length(item).unwrap_or(0))?;
    match item {
        Value::Nil => Err(CallError::new("slice of untyped nil")),
        Value::String(_) if indexes.len() == 3 => Err(CallError::new("cannot 3-index slice a string")),
        Value::String(text) => {
            let (from, to) = bounds(indexes, text.len())?;
            Ok(Value::String(Str::from(&text.as_bytes()[from..to])))
        }
        Value::Bytes(bytes) => {
            let (from, to) = bounds(indexes, bytes.len())?;
            Ok(Value::Bytes(bytes[from..to].into()))
        }
        Value::List(list) => {
            let (from, to) = bounds(indexes, list.len())?;
            Ok(Value::List(List::typed(list.element(), list.items()[from..to].to_vec())))
        }
        Value::Object(object) if object.kind() == Kind::Slice => match object.plain() {
            Some(plain) => slice(&[std::slice::from_ref(&plain), indexes].concat(), context),
            None => Ok(Value::List(List::nil(ElementType::Any))),
        },
        _ => Err(CallError::new(format!("can't slice item of type {}", item.type_name()))),
    }
}

/// `item[i:j]` or `item[i:j:k]`, with Go's checks.
fn bounds(indexes: &[Value], length: usize) -> Result<(usize, usize), CallError> {
    let mut ends = [0, length, length];
    for (end, index) in ends.iter_mut().zip(indexes) {
        *end = position(index, length)?;
    }
    let [from, to, most] = ends;
    if from > to {
        return Err(CallError::new(format!("invalid slice index: {from} > {to}")));
    }
    if to > most {
        return Err(CallError::new(format!("invalid slice index: {to} > {most}")));
    }
    Ok((from, to))
}

fn print(arguments: &[Value], context: &mut Context<'_>) -> Called {
    written(format::sprint(arguments, context.budget.room()), context)
}

fn println(arguments: &[Value], context: &mut Context<'_>) -> Called {
    written(format::sprintln(arguments, context.budget.room()), context)
}

fn printf(arguments: &[Value], context: &mut Context<'_>) -> Called {
    let format = string(arguments, 0)?;
    written(format::sprintf(format.as_bytes(), &arguments[1..], context.budget.room()), context)
}

/// What was printed, as a string.
fn written(text: Result<Vec<u8>, Exceeded>, context: &mut Context<'_>) -> Called {
    let text = text?;
    context.budget.spend_on_text(text.len())?;
    Ok(Value::String(text.into()))
}

fn html(arguments: &[Value], context: &mut Context<'_>) -> Called {
    escaped(arguments, context, escape::html)
}

fn js(arguments: &[Value], context: &mut Context<'_>) -> Called {
    escaped(arguments, context, escape::js)
}

fn urlquery(arguments: &[Value], context: &mut Context<'_>) -> Called {
    escaped(arguments, context, escape::url_query)
}

/// Escapes what `print` gives; no escape is longer than six bytes.
fn escaped(arguments: &[Value], context: &mut Context<'_>, escape: fn(&[u8]) -> Vec<u8>) -> Called {
    let shown = |value: &Value| if matches!(value, Value::Nil) { Value::string("<no value>") } else { value.clone() };
    let arguments: Vec<_> = arguments.iter().map(shown).collect();
    let text = format::sprint(&arguments, context.budget.room())?;
    context.allocate(text.len().saturating_mul(6))?;
    Ok(Value::String(escape(&text).into()))
}
