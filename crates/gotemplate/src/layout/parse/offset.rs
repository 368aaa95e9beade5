//! Offsets from UTC and names of zones.

use super::Wrong;
use crate::layout::{OffsetPrecision, OffsetStyle};

/// Where the time is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offset {
    Utc,
    /// East of UTC.
    Seconds(i32),
}

impl Offset {
    /// Reads `+01:00` and its like, by the style of the layout.
    pub(super) fn read(rest: &mut &str, style: OffsetStyle) -> Result<Self, Wrong> {
        // `Z07:00:00` and `Z070000` do not take a `Z` in Go.
        if style.z
            && style.precision != OffsetPrecision::Seconds
            && let Some(behind) = rest.strip_prefix('Z')
        {
            *rest = behind;
            return Ok(Self::Utc);
        }
        let (sign, mut body) = match rest.strip_prefix('+') {
            Some(body) => (1, body),
            None => (-1, rest.strip_prefix('-').ok_or(Wrong::Mismatch)?),
        };
        let parts = 1 + style.precision as usize;
        let mut values = [0; 3];
        for (i, value) in values.iter_mut().enumerate().take(parts) {
            if i > 0 && style.colons {
                body = body.strip_prefix(':').ok_or(Wrong::Mismatch)?;
            }
            *value = super::digits(&mut body, 2, 2)?;
        }
        let [hours, minutes, seconds] = values;
        let ranges = [(hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")];
        if let Some((.., part)) = ranges.into_iter().find(|(value, most, _)| value > most) {
            return Err(Wrong::OutOfRange(match part {
                "hour" => "time zone offset hour",
                "minute" => "time zone offset minute",
                _ => "time zone offset second",
            }));
        }
        *rest = body;
        let size = i32::try_from(hours * 3600 + minutes * 60 + seconds).map_err(|_| Wrong::Mismatch)?;
        Ok(Self::Seconds(sign * size))
    }
}

/// How many bytes at the start are the abbreviation of a zone: `CET`, `GMT+3`, `+03`.
pub(super) fn zone_name_length(text: &str) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(behind) = text.strip_prefix("GMT") {
        return Some(3 + signed_length(behind));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_length(text)).filter(|length| *length > 0);
    }
    let upper = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let ends_in_t = |n: usize| text.as_bytes()[n - 1] == b'T';
    match upper {
        3 => Some(3),
        4 => Some(4).filter(|_| ends_in_t(4) || text.starts_with("WITA")),
        5 => Some(5).filter(|_| ends_in_t(5)),
        _ => None,
    }
}

/// The length of `+3` or `-11`; zero if the text does not start with an offset of up to 23 hours.
fn signed_length(text: &str) -> usize {
    let Some(body) = text.strip_prefix(['+', '-']) else { return 0 };
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let fits = body[..digits].parse::<u64>().is_ok_and(|hours| hours <= 23);
    if fits { 1 + digits } else { 0 }
}

/// The offset that a name such as `GMT+3` says; other names say none.
pub(super) fn of_name(name: &str) -> i32 {
    let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok());
    hours.unwrap_or_default() * 3600
}
