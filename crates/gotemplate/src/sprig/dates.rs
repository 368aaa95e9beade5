//! Times and durations. The local time zone of a render is UTC, wherever it runs.

use crate::duration;
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::layout;
use crate::value::{IntType, Time, Value};

const DATE: &str = "2006-01-02";
const SECOND: i64 = 1_000_000_000;
/// What Go's zero `time.Time` counts from 1970.
const YEAR_ONE: i64 = -62_135_596_800;

const LAYOUT_AND_DATE: &[Param] = &[Param::String, Param::Any];
const WITH_ZONE: &[Param] = &[Param::String, Param::Any, Param::String];
const CHANGE_AND_TIME: &[Param] = &[Param::String, Param::Time];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |_, context| Ok(Value::Time(context.now().into()))),
    Function::new("date", LAYOUT_AND_DATE, |args, context| shown(any(args, 1)?, &text(args, 0)?, "Local", context)),
    Function::new("dateInZone", WITH_ZONE, date_in_zone),
    Function::new("date_in_zone", WITH_ZONE, date_in_zone),
    Function::new("htmlDate", &[Param::Any], |args, context| shown(any(args, 0)?, DATE, "Local", context)),
    Function::new("htmlDateInZone", &[Param::Any, Param::String], html_date_in_zone),
    Function::new("dateModify", CHANGE_AND_TIME, |args, _| Ok(modified(args)?.unwrap_or_else(|_| args[1].clone()))),
    Function::new("date_modify", CHANGE_AND_TIME, |args, _| Ok(modified(args)?.unwrap_or_else(|_| args[1].clone()))),
    Function::new("mustDateModify", CHANGE_AND_TIME, |args, _| modified(args)?),
    Function::new("must_date_modify", CHANGE_AND_TIME, |args, _| modified(args)?),
    Function::new("toDate", &[Param::String, Param::String], |args, _| {
        Ok(parsed(args)?.unwrap_or_else(|_| Value::Time(Time::utc(YEAR_ONE, 0).into())))
    }),
    Function::new("mustToDate", &[Param::String, Param::String], |args, _| parsed(args)?),
    Function::new("unixEpoch", &[Param::Time], unix_epoch),
    Function::new("ago", &[Param::Any], ago),
    Function::new("duration", &[Param::Any], duration_of),
    Function::new("durationRound", &[Param::Any], duration_round),
];

fn text(args: &[Value], index: usize) -> Result<String, CallError> {
    Ok(string(args, index)?.to_text().into_owned())
}

/// The time of a value: seconds since 1970 as an integer, else the current time.
fn instant(value: &Value, context: &mut Context<'_>) -> Time {
    match value {
        Value::Time(time) => time.as_ref().clone(),
        Value::Int(IntType::Int | IntType::Int32 | IntType::Int64, seconds) => Time::utc(*seconds, 0),
        _ => context.now(),
    }
}

/// A time by a layout, in a zone; in UTC if the zone is unknown.
fn shown(value: &Value, layout: &str, zone: &str, context: &mut Context<'_>) -> Result<Value, CallError> {
    let time = instant(value, context);
    let local = layout::in_zone(&time, zone).unwrap_or_else(|| Time::utc(time.unix_seconds, time.nanoseconds));
    context.allocate(layout.len().saturating_mul(2))?;
    Ok(Value::string(layout::format(&local, layout)))
}

fn date_in_zone(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    shown(any(args, 1)?, &text(args, 0)?, &text(args, 2)?, context)
}

/// The date comes first here, the zone second.
fn html_date_in_zone(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    shown(any(args, 0)?, DATE, &text(args, 1)?, context)
}

fn time_at(args: &[Value], index: usize) -> Result<&Time, CallError> {
    match any(args, index)? {
        Value::Time(time) => Ok(time),
        other => Err(CallError::new(format!("{} is no time.Time", other.type_name()))),
    }
}

/// The time moved by a duration, or what is wrong with the duration.
fn modified(args: &[Value]) -> Result<Result<Value, CallError>, CallError> {
    let time = time_at(args, 1)?;
    let moved = duration::parse(&text(args, 0)?).map(|change| Value::Time(later(time, change).into()));
    Ok(moved.map_err(CallError::new))
}

/// The time so many nanoseconds later.
pub(crate) fn later(time: &Time, change: i64) -> Time {
    let nanoseconds = i64::from(time.nanoseconds) + change.rem_euclid(SECOND);
    let seconds = change.div_euclid(SECOND) + nanoseconds.div_euclid(SECOND);
    Time {
        unix_seconds: time.unix_seconds.saturating_add(seconds),
        nanoseconds: u32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default(),
        ..time.clone()
    }
}

fn parsed(args: &[Value]) -> Result<Result<Value, CallError>, CallError> {
    let time = layout::parse(&text(args, 0)?, &text(args, 1)?);
    Ok(time.map(|time| Value::Time(time.into())).map_err(|e| CallError::new(e.to_string())))
}

fn unix_epoch(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::string(time_at(args, 0)?.unix_seconds.to_string()))
}

/// Nanoseconds since a time; as many as fit if it is too long ago.
fn since(time: &Time, context: &mut Context<'_>) -> i64 {
    let now = context.now();
    let nanoseconds = |time: &Time| i128::from(time.unix_seconds) * i128::from(SECOND) + i128::from(time.nanoseconds);
    let difference = nanoseconds(&now) - nanoseconds(time);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

fn ago(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let time = instant(any(args, 0)?, context);
    let nanoseconds = since(&time, context);
    let rounded = (nanoseconds / SECOND + nanoseconds % SECOND / (SECOND / 2)).saturating_mul(SECOND);
    Ok(Value::string(duration::format(rounded)))
}

/// Seconds as a duration; an `int` counts as none, by the reference's own choice.
fn duration_of(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let seconds = match any(args, 0)? {
        Value::Int(IntType::Int64, seconds) => *seconds,
        Value::String(text) => text.as_str().map_or(0, super::conversion::decimal_integer),
        _ => 0,
    };
    Ok(Value::string(duration::format(seconds.wrapping_mul(SECOND))))
}

/// The greatest unit that a duration is more than one of.
fn duration_round(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let nanoseconds = match any(args, 0)? {
        Value::String(text) => duration::parse(&text.to_text()).unwrap_or_default(),
        Value::Int(IntType::Int64, nanoseconds) => *nanoseconds,
        Value::Time(time) => since(time, context),
        _ => 0,
    };
    let seconds = [("y", 31_536_000), ("mo", 2_592_000), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1_u64)];
    let size = nanoseconds.unsigned_abs();
    let unit = seconds.iter().map(|(name, seconds)| (name, seconds * 1_000_000_000)).find(|(_, unit)| size > *unit);
    Ok(Value::string(unit.map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", size / unit))))
}
