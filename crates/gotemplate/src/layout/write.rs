//! Writing times.

use std::fmt::Write;

use super::{Chunk, Civil, FractionStyle, MONTHS, OffsetPrecision, OffsetStyle, WEEKDAYS, next_chunk};
use crate::value::Time;

/// `time` by the example of `layout`.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let civil = Civil::of(time);
    let (mut out, mut rest) = (String::with_capacity(layout.len() + 8), layout);
    while let Some((before, chunk, behind)) = next_chunk(rest) {
        out.push_str(before);
        // Writing to a string does not fail.
        let _ = write(&mut out, chunk, &civil, time);
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn write(out: &mut String, chunk: Chunk, civil: &Civil, time: &Time) -> std::fmt::Result {
    let hour12 = (civil.hour + 11) % 12 + 1;
    let month = MONTHS[(civil.month as usize).clamp(1, 12) - 1];
    let week_day = WEEKDAYS[civil.week_day as usize % 7];
    match chunk {
        Chunk::LongMonth => out.write_str(month),
        Chunk::Month => out.write_str(&month[..3]),
        Chunk::NumberMonth => write!(out, "{}", civil.month),
        Chunk::ZeroMonth => write!(out, "{:02}", civil.month),
        Chunk::LongWeekDay => out.write_str(week_day),
        Chunk::WeekDay => out.write_str(&week_day[..3]),
        Chunk::Day => write!(out, "{}", civil.day),
        Chunk::UnderDay => write!(out, "{:2}", civil.day),
        Chunk::ZeroDay => write!(out, "{:02}", civil.day),
        Chunk::UnderYearDay => write!(out, "{:3}", civil.year_day),
        Chunk::ZeroYearDay => write!(out, "{:03}", civil.year_day),
        Chunk::Hour => write!(out, "{:02}", civil.hour),
        Chunk::Hour12 => write!(out, "{hour12}"),
        Chunk::ZeroHour12 => write!(out, "{hour12:02}"),
        Chunk::Minute => write!(out, "{}", civil.minute),
        Chunk::ZeroMinute => write!(out, "{:02}", civil.minute),
        Chunk::Second => write!(out, "{}", civil.second),
        Chunk::ZeroSecond => write!(out, "{:02}", civil.second),
        Chunk::LongYear if civil.year < 0 => write!(out, "-{:04}", civil.year.unsigned_abs()),
        Chunk::LongYear => write!(out, "{:04}", civil.year),
        Chunk::Year => write!(out, "{:02}", civil.year.max(0) % 100),
        Chunk::UpperPm => out.write_str(if civil.hour >= 12 { "PM" } else { "AM" }),
        Chunk::LowerPm => out.write_str(if civil.hour >= 12 { "pm" } else { "am" }),
        Chunk::ZoneName => zone_name(out, time),
        Chunk::Offset(style) => offset(out, style, time.offset),
        Chunk::Fraction(style) => fraction(out, style, time.nanoseconds),
    }
}

/// The abbreviation, or the offset where there is none.
fn zone_name(out: &mut String, time: &Time) -> std::fmt::Result {
    if !time.zone.is_empty() {
        return out.write_str(&time.zone.to_text());
    }
    offset(out, OffsetStyle { z: false, colons: false, precision: OffsetPrecision::Minutes }, time.offset)
}

fn offset(out: &mut String, style: OffsetStyle, offset: i32) -> std::fmt::Result {
    if style.z && offset == 0 {
        return out.write_char('Z');
    }
    // Go rounds to minutes before it takes the sign.
    let sign = if offset / 60 < 0 { '-' } else { '+' };
    let size = offset.unsigned_abs();
    let colon = if style.colons { ":" } else { "" };
    write!(out, "{sign}{:02}", size / 3600)?;
    if style.precision != OffsetPrecision::Hours {
        write!(out, "{colon}{:02}", size / 60 % 60)?;
    }
    if style.precision == OffsetPrecision::Seconds {
        write!(out, "{colon}{:02}", size % 60)?;
    }
    Ok(())
}

fn fraction(out: &mut String, style: FractionStyle, nanoseconds: u32) -> std::fmt::Result {
    let nine = format!("{nanoseconds:09}");
    let digits = &nine[..style.digits.min(9)];
    let shown = if style.trimmed { digits.trim_end_matches('0') } else { digits };
    if style.trimmed && shown.is_empty() {
        return Ok(());
    }
    write!(out, "{}{shown}", style.separator)?;
    let missing = if style.trimmed { 0 } else { style.digits.saturating_sub(9) };
    (0..missing).try_for_each(|_| out.write_char('0'))
}
