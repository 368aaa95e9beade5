//! Methods of `time.Time`.

use super::duration::nanoseconds;
use super::named;
use crate::function::{CallError, Context, Function, Param, integer, string};
use crate::layout::{self, Civil};
use crate::value::{Time, Value};

type Called = Result<Value, CallError>;

/// What Go's zero `time.Time` counts from 1970.
const YEAR_ONE: i64 = -62_135_596_800;
const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

pub(super) static METHODS: &[Function] = &[
    Function::new("Year", &[], |arguments, _| shown(arguments, |civil| civil.year)),
    Function::new("Month", &[], |arguments, _| Ok(named::month(Civil::of(time(arguments, 0)?).month))),
    Function::new("Weekday", &[], |arguments, _| Ok(named::weekday(Civil::of(time(arguments, 0)?).week_day))),
    Function::new("Day", &[], |arguments, _| shown(arguments, |civil| civil.day.into())),
    Function::new("YearDay", &[], |arguments, _| shown(arguments, |civil| civil.year_day.into())),
    Function::new("Hour", &[], |arguments, _| shown(arguments, |civil| civil.hour.into())),
    Function::new("Minute", &[], |arguments, _| shown(arguments, |civil| civil.minute.into())),
    Function::new("Second", &[], |arguments, _| shown(arguments, |civil| civil.second.into())),
    Function::new("Nanosecond", &[], |arguments, _| Ok(Value::int(time(arguments, 0)?.nanoseconds.into()))),
    Function::new("Unix", &[], |arguments, _| since_1970(arguments, 1)),
    Function::new("UnixMilli", &[], |arguments, _| since_1970(arguments, 1000)),
    Function::new("UnixMicro", &[], |arguments, _| since_1970(arguments, 1_000_000)),
    Function::new("UnixNano", &[], |arguments, _| since_1970(arguments, SECOND)),
    Function::new("IsZero", &[], |arguments, _| {
        let time = time(arguments, 0)?;
        Ok(Value::Bool(time.unix_seconds == YEAR_ONE && time.nanoseconds == 0))
    }),
    Function::new("IsDST", &[], |_, _| Ok(Value::Bool(false))),
    Function::new("UTC", &[], utc),
    Function::new("Local", &[], utc),
    Function::new("String", &[], |arguments, _| Ok(Value::string(time(arguments, 0)?.to_string()))),
    Function::new("Format", &[Param::String], format),
    Function::new("Add", &[Param::Duration], add),
    Function::new("AddDate", &[Param::INT, Param::INT, Param::INT], add_date),
    Function::new("Sub", &[Param::Time], sub),
    Function::new("Truncate", &[Param::Duration], truncate),
    Function::new("Before", &[Param::Time], |arguments, _| Ok(Value::Bool(difference(arguments)? < 0))),
    Function::new("After", &[Param::Time], |arguments, _| Ok(Value::Bool(difference(arguments)? > 0))),
    Function::new("Equal", &[Param::Time], |arguments, _| Ok(Value::Bool(difference(arguments)? == 0))),
    Function::new("Compare", &[Param::Time], |arguments, _| Ok(Value::int(difference(arguments)?.signum() as i64))),
];

fn time(arguments: &[Value], index: usize) -> Result<&Time, CallError> {
    match arguments.get(index) {
        Some(Value::Time(time)) => Ok(time),
        _ => Err(CallError::new(format!("argument {index} is not a time"))),
    }
}

fn shown(arguments: &[Value], part: impl Fn(Civil) -> i64) -> Called {
    Ok(Value::int(part(Civil::of(time(arguments, 0)?))))
}

/// Units of a part of a second since 1970; beyond their range they wrap, as in Go.
fn since_1970(arguments: &[Value], per_second: i64) -> Called {
    let time = time(arguments, 0)?;
    let rest = i64::from(time.nanoseconds) / (SECOND / per_second);
    Ok(Value::int64(time.unix_seconds.wrapping_mul(per_second).wrapping_add(rest)))
}

/// The local zone of a render is UTC, too.
fn utc(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let time = time(arguments, 0)?;
    Ok(Value::Time(Time::utc(time.unix_seconds, time.nanoseconds).into()))
}

fn format(arguments: &[Value], context: &mut Context<'_>) -> Called {
    let layout = string(arguments, 1)?.to_text();
    context.allocate(layout.len().saturating_mul(2))?;
    Ok(Value::string(layout::format(time(arguments, 0)?, &layout)))
}

fn total(time: &Time) -> i128 {
    i128::from(time.unix_seconds) * i128::from(SECOND) + i128::from(time.nanoseconds)
}

/// The same zone at another instant, given in nanoseconds since 1970.
fn at(time: &Time, nanoseconds: i128) -> Value {
    let second = i128::from(SECOND);
    let seconds = nanoseconds.div_euclid(second).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    let rest = nanoseconds.rem_euclid(second);
    Value::Time(Time { unix_seconds: seconds as i64, nanoseconds: rest as u32, ..time.clone() }.into())
}

fn add(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let time = time(arguments, 0)?;
    Ok(at(time, total(time) + i128::from(nanoseconds(arguments, 1)?)))
}

/// Years, months and days later by the calendar; what is beyond a month's end carries on into the next.
fn add_date(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let time = time(arguments, 0)?;
    let part = |index| integer(arguments, index).map(|number| number.clamp(-1_000_000_000, 1_000_000_000));
    let civil = Civil::of(time);
    let (year, month, day) =
        (civil.year + part(1)?, i64::from(civil.month) + part(2)?, i64::from(civil.day) + part(3)?);
    let local = time.unix_seconds.saturating_add(time.offset.into());
    let moved = layout::unix_seconds(year, month, day).saturating_add(local.rem_euclid(DAY));
    let unix_seconds = moved.saturating_sub(time.offset.into());
    Ok(Value::Time(Time { unix_seconds, ..time.clone() }.into()))
}

/// Nanoseconds from the argument to the receiver.
fn difference(arguments: &[Value]) -> Result<i128, CallError> {
    Ok(total(time(arguments, 0)?) - total(time(arguments, 1)?))
}

fn sub(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let difference = difference(arguments)?.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Ok(Value::Duration(difference as i64))
}

/// Down to a multiple of a duration since the year 1.
fn truncate(arguments: &[Value], _: &mut Context<'_>) -> Called {
    let (time, unit) = (time(arguments, 0)?, i128::from(nanoseconds(arguments, 1)?));
    let start = i128::from(YEAR_ONE) * i128::from(SECOND);
    let rest = if unit <= 0 { 0 } else { (total(time) - start).rem_euclid(unit) };
    Ok(at(time, total(time) - rest))
}
