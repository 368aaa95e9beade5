//! Methods of `time.Duration`.

use crate::duration;
use crate::function::{CallError, Context, Function, Param};
use crate::value::Value;

type Called = Result<Value, CallError>;

pub(super) static METHODS: &[Function] = &[
    Function::new("Abs", &[], |arguments, _| Ok(Value::Duration(nanoseconds(arguments, 0)?.saturating_abs()))),
    Function::new("Hours", &[], |arguments, _| count(arguments, 3_600_000_000_000)),
    Function::new("Minutes", &[], |arguments, _| count(arguments, 60_000_000_000)),
    Function::new("Seconds", &[], |arguments, _| count(arguments, 1_000_000_000)),
    Function::new("Milliseconds", &[], |arguments, _| whole(arguments, 1_000_000)),
    Function::new("Microseconds", &[], |arguments, _| whole(arguments, 1_000)),
    Function::new("Nanoseconds", &[], |arguments, _| whole(arguments, 1)),
    Function::new("Round", &[Param::Duration], round),
    Function::new("Truncate", &[Param::Duration], truncate),
    Function::new("String", &[], |arguments, _| Ok(Value::string(duration::format(nanoseconds(arguments, 0)?)))),
];

pub(super) fn nanoseconds(arguments: &[Value], index: usize) -> Result<i64, CallError> {
    match arguments.get(index) {
        Some(Value::Duration(nanoseconds)) => Ok(*nanoseconds),
        _ => Err(CallError::new(format!("argument {index} is not a duration"))),
    }
}

/// How many of a unit, with a fraction.
fn count(arguments: &[Value], unit: i64) -> Called {
    let nanoseconds = nanoseconds(arguments, 0)?;
    Ok(Value::float((nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64))
}

/// How many whole ones of a unit.
fn whole(arguments: &[Value], unit: i64) -> Called {
    Ok(Value::int64(nanoseconds(arguments, 0)? / unit))
}

fn truncate(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let (value, unit) = (nanoseconds(arguments, 0)?, nanoseconds(arguments, 1)?);
    Ok(Value::Duration(if unit <= 0 { value } else { value - value % unit }))
}

/// To the nearest multiple, halves away from zero.
fn round(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let (value, unit) = (nanoseconds(arguments, 0)?, nanoseconds(arguments, 1)?);
    if unit <= 0 {
        return Ok(Value::Duration(value));
    }
    let rest = i128::from(value % unit);
    let down = i128::from(value) - rest;
    let up = if 2 * rest.abs() >= i128::from(unit) { rest.signum() * i128::from(unit) } else { 0 };
    let rounded = (down + up).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Ok(Value::Duration(rounded as i64))
}
