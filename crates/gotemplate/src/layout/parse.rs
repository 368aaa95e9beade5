//! Reading times.

mod offset;

use super::civil::{days_in, is_leap, unix_seconds};
use super::{Chunk, MONTHS, WEEKDAYS, next_chunk};
use crate::value::{Str, Time};
use offset::Offset;

/// Why a text does not fit a layout, in the words of Go's `time.ParseError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("parsing time {value:?} as {layout:?}: cannot parse {rest:?} as {part:?}")]
    Mismatch { value: String, layout: String, rest: String, part: String },
    #[error("parsing time {value:?}: {what} out of range")]
    OutOfRange { value: String, what: &'static str },
    #[error("parsing time {value:?}: extra text: {rest:?}")]
    ExtraText { value: String, rest: String },
}

/// What went wrong at one chunk.
enum Wrong {
    Mismatch,
    OutOfRange(&'static str),
}

/// The time that `value` shows by the example of `layout`; where no zone is named, in UTC.
pub(crate) fn parse(layout: &str, value: &str) -> Result<Time, ParseError> {
    let (mut fields, mut layout_rest, mut rest) = (Fields::default(), layout, value);
    let mismatch = |rest: &str, part: &str| ParseError::Mismatch {
        value: value.to_owned(),
        layout: layout.to_owned(),
        rest: rest.to_owned(),
        part: part.to_owned(),
    };
    let out_of_range = |what| ParseError::OutOfRange { value: value.to_owned(), what };
    while let Some((before, chunk, behind)) = next_chunk(layout_rest) {
        rest = skip(rest, before).ok_or_else(|| mismatch(rest, before))?;
        let part = &layout_rest[before.len()..layout_rest.len() - behind.len()];
        layout_rest = behind;
        rest = fields.read(chunk, rest, layout_rest).map_err(|wrong| match wrong {
            Wrong::Mismatch => mismatch(rest, part),
            Wrong::OutOfRange(what) => out_of_range(what),
        })?;
    }
    rest = skip(rest, layout_rest).ok_or_else(|| mismatch(rest, layout_rest))?;
    if !rest.is_empty() {
        return Err(ParseError::ExtraText { value: value.to_owned(), rest: rest.to_owned() });
    }
    fields.time().map_err(out_of_range)
}

/// Skips the literal text of a layout; one space stands for any number of them.
fn skip<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    let (mut value, mut prefix) = (value, prefix);
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
        } else {
            value = value.strip_prefix(c)?;
            prefix = &prefix[c.len_utf8()..];
        }
    }
    Some(value)
}

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    offset: Option<Offset>,
    zone_name: String,
}

impl Fields {
    /// Reads one chunk off `value`; gives the rest. `layout` is what follows in the layout.
    fn read<'v>(&mut self, chunk: Chunk, value: &'v str, layout: &str) -> Result<&'v str, Wrong> {
        let mut rest = value;
        match chunk {
            Chunk::Year => {
                let year = digits(&mut rest, 2, 2)?;
                self.year = i64::from(year) + if year >= 69 { 1900 } else { 2000 };
            }
            Chunk::LongYear => self.year = i64::from(digits(&mut rest, 4, 4)?),
            Chunk::Month => self.month = Some(1 + name(&mut rest, &MONTHS, 3)?),
            Chunk::LongMonth => self.month = Some(1 + name(&mut rest, &MONTHS, usize::MAX)?),
            Chunk::NumberMonth | Chunk::ZeroMonth => {
                let month = number(&mut rest, chunk == Chunk::ZeroMonth)?;
                self.month = Some(in_range(month, 1..=12, "month")?);
            }
            Chunk::WeekDay => drop(name(&mut rest, &WEEKDAYS, 3)?),
            Chunk::LongWeekDay => drop(name(&mut rest, &WEEKDAYS, usize::MAX)?),
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => {
                if chunk == Chunk::UnderDay {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                self.day = Some(number(&mut rest, chunk == Chunk::ZeroDay)?);
            }
            Chunk::UnderYearDay => {
                let spaces = rest.bytes().take(2).take_while(|b| *b == b' ').count();
                rest = &rest[spaces..];
                self.year_day = Some(digits(&mut rest, 1, 3)?);
            }
            Chunk::ZeroYearDay => self.year_day = Some(digits(&mut rest, 3, 3)?),
            Chunk::Hour => self.hour = in_range(number(&mut rest, false)?, 0..=23, "hour")?,
            Chunk::Hour12 | Chunk::ZeroHour12 => {
                self.hour = in_range(number(&mut rest, chunk == Chunk::ZeroHour12)?, 0..=12, "hour")?;
            }
            Chunk::Minute | Chunk::ZeroMinute => {
                self.minute = in_range(number(&mut rest, chunk == Chunk::ZeroMinute)?, 0..=59, "minute")?;
            }
            Chunk::Second | Chunk::ZeroSecond => {
                self.second = in_range(number(&mut rest, chunk == Chunk::ZeroSecond)?, 0..=59, "second")?;
                self.unannounced_fraction(&mut rest, layout);
            }
            Chunk::UpperPm => self.afternoon = Some(half(&mut rest, "PM", "AM")?),
            Chunk::LowerPm => self.afternoon = Some(half(&mut rest, "pm", "am")?),
            Chunk::Offset(style) => self.offset = Some(Offset::read(&mut rest, style)?),
            Chunk::ZoneName => self.zone(&mut rest)?,
            Chunk::Fraction(style) if style.trimmed => self.optional_fraction(&mut rest),
            Chunk::Fraction(style) => {
                rest = rest.strip_prefix(['.', ',']).ok_or(Wrong::Mismatch)?;
                let (text, behind) = rest.split_at_checked(style.digits).ok_or(Wrong::Mismatch)?;
                self.nanoseconds = nanoseconds(text).ok_or(Wrong::Mismatch)?;
                rest = behind;
            }
        }
        Ok(rest)
    }

    /// Seconds may have a fraction that the layout does not mention.
    fn unannounced_fraction(&mut self, rest: &mut &str, layout: &str) {
        if !matches!(next_chunk(layout), Some((_, Chunk::Fraction(_), _))) {
            self.optional_fraction(rest);
        }
    }

    fn optional_fraction(&mut self, rest: &mut &str) {
        let Some(body) = rest.strip_prefix(['.', ',']) else { return };
        let length = body.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 {
            self.nanoseconds = nanoseconds(&body[..length]).unwrap_or_default();
            *rest = &body[length..];
        }
    }

    fn zone(&mut self, rest: &mut &str) -> Result<(), Wrong> {
        if let Some(behind) = rest.strip_prefix("UTC") {
            self.offset = Some(Offset::Utc);
            *rest = behind;
            return Ok(());
        }
        let length = offset::zone_name_length(rest).ok_or(Wrong::Mismatch)?;
        let (name, behind) = rest.split_at(length);
        name.clone_into(&mut self.zone_name);
        *rest = behind;
        Ok(())
    }

    /// The time, or what of it is out of range.
    fn time(self) -> Result<Time, &'static str> {
        let (month, day) = self.date()?;
        let hour = match (self.afternoon, self.hour) {
            (Some(true), 0..12) => self.hour + 12,
            (Some(false), 12) => 0,
            _ => self.hour,
        };
        let clock = i64::from(hour * 3600 + self.minute * 60 + self.second);
        let local = unix_seconds(self.year, i64::from(month), i64::from(day)) + clock;
        let offset = match self.offset {
            Some(Offset::Utc) => return Ok(Time::utc(local, self.nanoseconds)),
            Some(Offset::Seconds(seconds)) => seconds,
            None => offset::of_name(&self.zone_name),
        };
        // Go reads a clock beside the name of an unknown zone as that of UTC.
        let unix_seconds = if self.offset.is_some() { local - i64::from(offset) } else { local };
        if offset == 0 && matches!(self.zone_name.as_str(), "" | "UTC") {
            return Ok(Time::utc(unix_seconds, self.nanoseconds));
        }
        Ok(Time { unix_seconds, nanoseconds: self.nanoseconds, offset, zone: Str::from(self.zone_name) })
    }

    fn date(&self) -> Result<(u32, u32), &'static str> {
        if let Some(year_day) = self.year_day {
            return self.date_of_year_day(year_day);
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(self.year, month) {
            return Err("day");
        }
        Ok((month, day))
    }

    fn date_of_year_day(&self, year_day: u32) -> Result<(u32, u32), &'static str> {
        if year_day < 1 || year_day > 365 + u32::from(is_leap(self.year)) {
            return Err("day-of-year");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(self.year, month) {
            day -= days_in(self.year, month);
            month += 1;
        }
        let fits = |given: Option<u32>, found: u32| given.is_none_or(|given| given == found);
        if !fits(self.month, month) {
            return Err("day-of-year does not match month");
        }
        if fits(self.day, day) { Ok((month, day)) } else { Err("day-of-year does not match day") }
    }
}

fn in_range(value: u32, range: std::ops::RangeInclusive<u32>, what: &'static str) -> Result<u32, Wrong> {
    if range.contains(&value) { Ok(value) } else { Err(Wrong::OutOfRange(what)) }
}

/// One or two digits; exactly two where the layout shows a leading zero.
fn number(rest: &mut &str, fixed: bool) -> Result<u32, Wrong> {
    digits(rest, if fixed { 2 } else { 1 }, 2)
}

fn digits(rest: &mut &str, least: usize, most: usize) -> Result<u32, Wrong> {
    let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return Err(Wrong::Mismatch);
    }
    let (text, behind) = rest.split_at(length);
    *rest = behind;
    text.parse().map_err(|_| Wrong::Mismatch)
}

/// The position of the name that the text starts with, in any case; names are cut to `length` bytes.
fn name(rest: &mut &str, names: &[&str], length: usize) -> Result<u32, Wrong> {
    for (i, name) in names.iter().enumerate() {
        let name = &name[..name.len().min(length)];
        if rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return u32::try_from(i).map_err(|_| Wrong::Mismatch);
        }
    }
    Err(Wrong::Mismatch)
}

/// Whether it is after noon.
fn half(rest: &mut &str, after: &str, before: &str) -> Result<bool, Wrong> {
    let found = rest.strip_prefix(after).map(|r| (true, r)).or_else(|| rest.strip_prefix(before).map(|r| (false, r)));
    let (afternoon, behind) = found.ok_or(Wrong::Mismatch)?;
    *rest = behind;
    Ok(afternoon)
}

/// Digits behind the separator as nanoseconds; the tenth and further do not count.
fn nanoseconds(digits: &str) -> Option<u32> {
    let known = &digits[..digits.len().min(9)];
    if known.is_empty() || !known.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(known.parse::<u32>().ok()? * 10u32.pow(9 - known.len() as u32))
}
