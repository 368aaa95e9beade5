//! Durations as Go and Argo CD read them.

use jiff::SignedDuration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse {0} as a duration: write a number of seconds, or numbers with units such as 1m30s")]
pub struct DurationError(pub String);

/// A bare whole number means seconds (Argo CD's rule for retries); anything else is read as [`parse_go_duration`] does.
///
/// # Errors
/// When the text is neither.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    match text.parse::<i64>() {
        Ok(seconds) => Ok(SignedDuration::from_secs(seconds)),
        Err(_) => parse_go_duration(text),
    }
}

/// Go's `time.ParseDuration`: signed decimal numbers, each with a unit (ns, us, µs, ms, s, m, h); a bare `0` is zero.
///
/// # Errors
/// When a unit is missing or unknown, or the value leaves the range of 64-bit nanoseconds.
pub fn parse_go_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let error = || DurationError(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (part, tail) = component(rest).ok_or_else(error)?;
        nanos += part;
        rest = tail;
    }
    let nanos = i64::try_from(if negative { -nanos } else { nanos }).map_err(|_| error())?;
    Ok(SignedDuration::from_nanos(nanos))
}

/// The first number with its unit, in nanoseconds, and what follows.
fn component(text: &str) -> Option<(i128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut nanos = if whole.is_empty() { 0 } else { i128::from(whole.parse::<u64>().ok()?) * scale };
    // digits beyond the eighteenth are below a nanosecond for every unit
    let fraction = &fraction[..fraction.len().min(18)];
    if !fraction.is_empty() {
        let power = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        nanos += i128::from(fraction.parse::<u64>().ok()?) * scale / power;
    }
    Some((nanos, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, millis) in [
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("-2ms", -2),
            ("0", 0),
            ("180", 180_000),
            ("2h45m0.5s", 9_900_500),
        ] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_millis(millis)), "{text}");
        }
        for text in ["", "1x", "s", "1", "5 s", ".s", "1..5s", "99999999999h", "-"] {
            assert!(parse_go_duration(text).is_err(), "{text}");
        }
    }
}
