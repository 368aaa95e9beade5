//! `os.time` and `os.date` for scripts, on a clock that is given, in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mlua::{Error, Lua, Result, Table};

/// The table `os`: nothing of it reaches the system.
pub(crate) fn library(lua: &Lua, now: impl Fn() -> i64 + Clone + Send + 'static) -> Result<Table> {
    let os = lua.create_table()?;
    let current = now.clone();
    let time = move |_: &Lua, table: Option<Table>| table.map_or_else(|| Ok(current() as f64), |table| seconds(&table));
    os.set("time", lua.create_function(time)?)?;
    let date = move |lua: &Lua, (format, time): (Option<String>, Option<f64>)| {
        let moment = time.map_or_else(&now, |time| time as i64);
        shown(lua, &format.unwrap_or_else(|| "%c".to_owned()), moment)
    };
    os.set("date", lua.create_function(date)?)?;
    Ok(os)
}

/// The second that `{year = …, month = …, day = …}` names; what is more than a month or a minute has counts on.
fn seconds(table: &Table) -> Result<f64> {
    let field = |name: &str, default: Option<f64>| {
        let found = table.get::<Option<f64>>(name)?.or(default);
        found.ok_or_else(|| Error::runtime(format!("os.time: the field {name:?} is missing")))
    };
    let months = field("year", None)?.mul_add(12.0, field("month", None)? - 1.0);
    let (year, month) = ((months / 12.0).floor(), months.rem_euclid(12.0) + 1.0);
    // a float that does not fit is the nearest number that does, which is no year
    let first = DateTime::new(year as i16, month as i8, 1, 0, 0, 0, 0);
    let first = first.and_then(|first| TimeZone::UTC.to_timestamp(first));
    let first = first.map_err(|error| Error::runtime(format!("os.time: {error}")))?.as_second() as f64;
    let days = (field("day", None)? - 1.0) * 86_400.0;
    let hours = field("hour", Some(12.0))? * 3_600.0;
    Ok(first + days + hours + field("min", Some(0.0))? * 60.0 + field("sec", Some(0.0))?)
}

/// A text by a format of `strftime`, or the fields for `*t`. A leading `!` asks for UTC, which it is anyway.
fn shown(lua: &Lua, format: &str, second: i64) -> Result<mlua::Value> {
    let wrong = |error: jiff::Error| Error::runtime(format!("os.date: {error}"));
    let time = Timestamp::from_second(second).map_err(wrong)?.to_zoned(TimeZone::UTC);
    let format = format.strip_prefix('!').unwrap_or(format);
    if format.starts_with("*t") {
        let fields = lua.create_table()?;
        fields.set("year", time.year())?;
        fields.set("month", time.month())?;
        fields.set("day", time.day())?;
        fields.set("hour", time.hour())?;
        fields.set("min", time.minute())?;
        fields.set("sec", time.second())?;
        fields.set("wday", time.weekday().to_sunday_one_offset())?;
        fields.set("yday", time.day_of_year())?;
        fields.set("isdst", false)?;
        return Ok(mlua::Value::Table(fields));
    }
    let text = jiff::fmt::strtime::format(format, &time).map_err(wrong)?;
    lua.create_string(text).map(mlua::Value::String)
}
