//! Go templates' comparisons: by basic kind, never across kinds but for signed and unsigned integers.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::format;
use crate::function::CallError;
use crate::value::{Kind, Str, Value};

/// What Go templates can compare.
#[derive(Debug)]
enum Basic<'v> {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Uint(u64),
    Float(f64),
    String(&'v Str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(_, value) | Value::Duration(value) => Basic::Int(*value),
        Value::Uint(_, value) => Basic::Uint(*value),
        Value::Float(_, value) => Basic::Float(*value),
        Value::Complex(parts) => Basic::Complex(parts.0, parts.1),
        Value::String(text) => Basic::String(text),
        _ => return None,
    })
}

/// `eq first second...`: whether any of the others equals the first.
pub(crate) fn equals_any(first: &Value, others: &[Value]) -> Result<bool, CallError> {
    if others.is_empty() {
        return Err(CallError::new("missing argument for comparison"));
    }
    for other in others {
        if equals(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(left: &Value, right: &Value) -> Result<bool, CallError> {
    Ok(match (basic(left), basic(right)) {
        (Some(Basic::Bool(left)), Some(Basic::Bool(right))) => left == right,
        (Some(Basic::Complex(re, im)), Some(Basic::Complex(re2, im2))) => re == re2 && im == im2,
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => left == right,
        (Some(Basic::Int(left)), Some(Basic::Int(right))) => left == right,
        (Some(Basic::Uint(left)), Some(Basic::Uint(right))) => left == right,
        (Some(Basic::String(left)), Some(Basic::String(right))) => left == right,
        (Some(Basic::Int(left)), Some(Basic::Uint(right))) => u64::try_from(left) == Ok(right),
        (Some(Basic::Uint(left)), Some(Basic::Int(right))) => u64::try_from(right) == Ok(left),
        (None, None) => return equals_other(left, right),
        _ if is_nil(left) || is_nil(right) => false,
        _ => return Err(incompatible(left, right)),
    })
}

fn is_nil(value: &Value) -> bool {
    matches!(value, Value::Nil)
}

/// nil, also a nil map or slice.
fn is_nil_of_type(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

/// Values that are no numbers, strings or booleans.
fn equals_other(left: &Value, right: &Value) -> Result<bool, CallError> {
    let same_kind = left.kind() == right.kind();
    if !same_kind && !is_nil(left) && !is_nil(right) {
        let (one, other) = (shown("%s", left)?, shown("%v", right)?);
        let (one_type, other_type) = (left.type_name(), right.type_name());
        return Err(CallError::new(format!("non-comparable types {one}: {one_type}, {other_type}: {other}")));
    }
    if is_nil_of_type(left) || is_nil_of_type(right) {
        return Ok(is_nil_of_type(left) == is_nil_of_type(right));
    }
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (Value::Object(left), Value::Object(right)) if !matches!(left.kind(), Kind::Map | Kind::Slice) => {
            Ok(Rc::ptr_eq(left, right) || left.equals(right.as_ref()))
        }
        _ => {
            let (other, type_name) = (shown("%s", right)?, right.type_name());
            Err(CallError::new(format!("non-comparable type {other}: {type_name}")))
        }
    }
}

fn shown(verb: &str, value: &Value) -> Result<String, CallError> {
    const ROOM: usize = 1 << 16;
    let text = format::sprintf(verb.as_bytes(), std::slice::from_ref(value), ROOM)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn incompatible(left: &Value, right: &Value) -> CallError {
    let (left, right) = (left.type_name(), right.type_name());
    CallError::new(format!("incompatible types for comparison: {left} and {right}"))
}

/// `lt`
pub(crate) fn less(left: &Value, right: &Value) -> Result<bool, CallError> {
    let invalid = || CallError::new("invalid type for comparison");
    let (Some(one), Some(other)) = (basic(left), basic(right)) else { return Err(invalid()) };
    Ok(match (one, other) {
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => return Err(invalid()),
        (Basic::Float(one), Basic::Float(other)) => one < other,
        (Basic::Int(one), Basic::Int(other)) => one < other,
        (Basic::Uint(one), Basic::Uint(other)) => one < other,
        (Basic::String(one), Basic::String(other)) => one.cmp(other) == Ordering::Less,
        (Basic::Int(one), Basic::Uint(other)) => u64::try_from(one).map_or(true, |one| one < other),
        (Basic::Uint(one), Basic::Int(other)) => u64::try_from(other).is_ok_and(|other| one < other),
        _ => return Err(incompatible(left, right)),
    })
}

/// `le`
pub(crate) fn less_or_equal(left: &Value, right: &Value) -> Result<bool, CallError> {
    Ok(less(left, right)? || equals(left, right)?)
}
