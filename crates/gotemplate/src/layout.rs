//! Go's time layouts: times are written and read by the example of `Mon Jan 2 15:04:05 MST 2006`.

mod civil;
mod parse;
mod write;
mod zone;

pub(crate) use civil::{Civil, unix_seconds};
pub(crate) use parse::parse;
pub(crate) use write::format;
pub(crate) use zone::in_zone;

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How `time.Time` prints itself.
pub(crate) const STRING_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// A part of a layout that stands for a part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(OffsetStyle),
    Fraction(FractionStyle),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OffsetStyle {
    /// UTC is written `Z`.
    z: bool,
    colons: bool,
    precision: OffsetPrecision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OffsetPrecision {
    Hours,
    Minutes,
    Seconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FractionStyle {
    separator: char,
    digits: usize,
    /// Trailing zeros are left out.
    trimmed: bool,
}

const SECONDS: OffsetPrecision = OffsetPrecision::Seconds;
const MINUTES: OffsetPrecision = OffsetPrecision::Minutes;
const HOURS: OffsetPrecision = OffsetPrecision::Hours;

/// The ways an offset is written behind its `-` or `Z`, longest first.
const OFFSETS: [(&str, bool, OffsetPrecision); 5] = [
    ("070000", false, SECONDS),
    ("07:00:00", true, SECONDS),
    ("0700", false, MINUTES),
    ("07:00", true, MINUTES),
    ("07", false, HOURS),
];

/// The fixed chunks, longest first where one starts with another.
const FIXED: [(&str, Chunk); 25] = [
    ("January", Chunk::LongMonth),
    ("Monday", Chunk::LongWeekDay),
    ("MST", Chunk::ZoneName),
    ("002", Chunk::ZeroYearDay),
    ("01", Chunk::ZeroMonth),
    ("02", Chunk::ZeroDay),
    ("03", Chunk::ZeroHour12),
    ("04", Chunk::ZeroMinute),
    ("05", Chunk::ZeroSecond),
    ("06", Chunk::Year),
    ("15", Chunk::Hour),
    ("1", Chunk::NumberMonth),
    ("2006", Chunk::LongYear),
    ("2", Chunk::Day),
    ("__2", Chunk::UnderYearDay),
    ("_2", Chunk::UnderDay),
    ("3", Chunk::Hour12),
    ("4", Chunk::Minute),
    ("5", Chunk::Second),
    ("PM", Chunk::UpperPm),
    ("pm", Chunk::LowerPm),
    ("Jan", Chunk::Month),
    ("Mon", Chunk::WeekDay),
    ("-", Chunk::Offset(OffsetStyle { z: false, colons: false, precision: HOURS })),
    ("Z", Chunk::Offset(OffsetStyle { z: true, colons: false, precision: HOURS })),
];

/// The first chunk of a layout: the text before, the chunk, the text behind.
fn next_chunk(layout: &str) -> Option<(&str, Chunk, &str)> {
    layout.char_indices().find_map(|(at, _)| {
        let (chunk, length) = chunk_at(&layout[at..])?;
        // `_2006` is an underscore and a year.
        let skipped = usize::from(layout[at..].starts_with("_2006"));
        Some((&layout[..at + skipped], chunk, &layout[at + skipped + length..]))
    })
}

fn chunk_at(text: &str) -> Option<(Chunk, usize)> {
    if text.starts_with("_2006") {
        return Some((Chunk::LongYear, 4));
    }
    if text.starts_with(['.', ',']) {
        return fraction_at(text);
    }
    let (name, chunk) = FIXED.iter().find(|(name, _)| text.starts_with(name))?;
    let behind = &text[name.len()..];
    match chunk {
        Chunk::Offset(style) => {
            let (form, colons, precision) = OFFSETS.iter().find(|(form, ..)| behind.starts_with(form))?;
            Some((Chunk::Offset(OffsetStyle { colons: *colons, precision: *precision, ..*style }), 1 + form.len()))
        }
        Chunk::Month | Chunk::WeekDay if behind.starts_with(|c: char| c.is_ascii_lowercase()) => None,
        _ => Some((*chunk, name.len())),
    }
}

/// `.000` or `,999`, with no other digit behind.
fn fraction_at(text: &str) -> Option<(Chunk, usize)> {
    let separator = text.chars().next()?;
    let digit = text[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = text[1..].chars().take_while(|c| *c == digit).count();
    if text[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Chunk::Fraction(FractionStyle { separator, digits, trimmed: digit == '9' }), 1 + digits))
}

#[cfg(test)]
mod tests;
