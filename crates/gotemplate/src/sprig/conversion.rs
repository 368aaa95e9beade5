//! Values as numbers and texts, by the rules of `spf13/cast` 1.7 and of sprig's `strval`.

use std::cell::Ref;
use std::ops::Deref;

use crate::format::print_value;
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::strconv::{parse_float, parse_int};
use crate::value::{ElementType, Kind, List, Str, UintType, Value};

/// Bytes of a list or map as text.
const TEXT_MAX: usize = 32 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toString", &[Param::Any], to_string),
    Function::new("toStrings", &[Param::Any], to_strings),
    Function::new("atoi", &[Param::String], atoi),
    Function::new("int", &[Param::Any], |args, _| Ok(Value::int(to_i64(any(args, 0)?)))),
    Function::new("int64", &[Param::Any], |args, _| Ok(Value::int64(to_i64(any(args, 0)?)))),
    Function::new("float64", &[Param::Any], |args, _| Ok(Value::float(to_f64(any(args, 0)?)))),
    Function::new("toDecimal", &[Param::Any], to_decimal),
];

fn to_string(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::String(text(any(args, 0)?, context)?))
}

fn to_strings(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    if let Value::List(list) = any(args, 0)?
        && list.element() == ElementType::String
    {
        return Ok(Value::List(list.clone()));
    }
    Ok(Value::List(List::strings(texts(any(args, 0)?, context)?)))
}

fn atoi(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::int(string(args, 0)?.as_str().map_or(0, decimal_integer)))
}

/// Go's `strconv.Atoi`, which gives the nearest number where the text is out of range, and else zero.
pub(super) fn decimal_integer(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let negative = text.starts_with('-');
    text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX })
}

/// A Unix file mode in octal as a number.
fn to_decimal(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = plain_text(any(args, 0)?, context)?;
    let number = text.as_str().and_then(|t| i64::from_str_radix(t, 8).ok());
    Ok(Value::int64(number.unwrap_or_default()))
}

/// The number a value stands for, zero where it stands for none.
pub(super) fn to_i64(value: &Value) -> i64 {
    match value {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => number.cast_signed(),
        Value::Float(_, number) => truncated(*number),
        Value::Bool(flag) => i64::from(*flag),
        Value::String(text) => text.as_str().and_then(|t| parse_int(without_zero_decimals(t))).unwrap_or_default(),
        _ => 0,
    }
}

/// Go's `int64(f)` on amd64: what does not fit comes out as the least number.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// `1.00` is an integer, too.
fn without_zero_decimals(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() && decimals.bytes().all(|b| b == b'0') => whole,
        _ => text,
    }
}

/// The number a value stands for, zero where it stands for none.
pub(super) fn to_f64(value: &Value) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "Go rounds, too")]
    match value {
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(_, number) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::String(text) => text.as_str().and_then(float).unwrap_or_default(),
        _ => 0.0,
    }
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let special = match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" if unsigned.len() == text.len() => f64::NAN,
        _ => return parse_float(text),
    };
    Some(if text.starts_with('-') { -special } else { special })
}

/// What Go's `%v` prints.
pub(super) fn plain_text(value: &Value, context: &mut Context<'_>) -> Result<Str, CallError> {
    if let Value::String(text) = value {
        return Ok(text.clone());
    }
    let mut out = Vec::new();
    print_value(&mut out, value, context.budget.room().min(TEXT_MAX))?;
    context.allocate(out.len())?;
    Ok(Str::from(out))
}

/// sprig's `strval`: as `%v`, but the bytes of a `[]byte` are the text.
pub(super) fn text(value: &Value, context: &mut Context<'_>) -> Result<Str, CallError> {
    match value {
        Value::Bytes(bytes) => Ok(Str::from(&**bytes)),
        other => plain_text(other, context),
    }
}

/// The items of a slice, borrowed from a list where the value is one.
pub(super) enum Items<'v> {
    Shared(Ref<'v, Vec<Value>>),
    Own(Vec<Value>),
}

impl Deref for Items<'_> {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        match self {
            Self::Shared(items) => items,
            Self::Own(items) => items,
        }
    }
}

/// The items of a value that is a slice in Go.
pub(super) fn items(value: &Value) -> Option<Items<'_>> {
    match value {
        Value::List(list) => Some(Items::Shared(list.items())),
        Value::Bytes(bytes) => {
            let byte = |b: &u8| Value::Uint(UintType::Uint8, u64::from(*b));
            Some(Items::Own(bytes.iter().map(byte).collect()))
        }
        Value::Object(object) if object.kind() == Kind::Slice => match object.plain()? {
            Value::List(list) => Some(Items::Own(list.items().clone())),
            _ => None,
        },
        _ => None,
    }
}

/// A value as texts: the items of a list but for nil ones, nothing for nil, else the one text.
pub(super) fn texts(value: &Value, context: &mut Context<'_>) -> Result<Vec<Str>, CallError> {
    let Some(items) = items(value) else {
        return Ok(if matches!(value, Value::Nil) { Vec::new() } else { vec![text(value, context)?] });
    };
    context.spend(items.len())?;
    context.allocate(items.len().saturating_mul(size_of::<Value>()))?;
    items.iter().filter(|item| !matches!(item, Value::Nil)).map(|item| text(item, context)).collect()
}
