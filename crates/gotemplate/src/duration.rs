//! Go's `time.Duration` as text: `1h2m3.5s`.

/// Nanoseconds of each unit that a text may use.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The text Go prints for a duration in nanoseconds.
pub(crate) fn format(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    if size < 1_000_000_000 {
        let (unit, scale) = match size {
            0 => return "0s".to_owned(),
            1..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", fraction(size, scale));
    }
    let seconds = size / 1_000_000_000;
    let rest = fraction(size % 60_000_000_000, 9);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{sign}{rest}s"),
        (0, minutes) => format!("{sign}{minutes}m{rest}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
    }
}

/// `value` / 10^`scale` without trailing zeros.
fn fraction(value: u64, scale: u32) -> String {
    let unit = 10u64.pow(scale);
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = format!("{part:0width$}", width = scale as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Reads a duration such as `-1.5h` or `2h10m`; the error is Go's.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, behind) = component(rest).map_err(|reason| match reason {
            Reason::Invalid => invalid(),
            Reason::MissingUnit => format!("time: missing unit in duration {text:?}"),
            Reason::UnknownUnit(unit) => format!("time: unknown unit {unit:?} in duration {text:?}"),
        })?;
        total = total.checked_add(part).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = behind;
    }
    let limit = i64::MAX.unsigned_abs() + u64::from(negative);
    if total > limit {
        return Err(invalid());
    }
    let value = total.cast_signed();
    Ok(if negative { value.wrapping_neg() } else { value })
}

enum Reason {
    Invalid,
    MissingUnit,
    UnknownUnit(String),
}

/// One number with its unit at the start of `text`, in nanoseconds.
fn component(text: &str) -> Result<(u64, &str), Reason> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at(digits(text));
    let mut decimals = "";
    if let Some(behind) = rest.strip_prefix('.') {
        (decimals, rest) = behind.split_at(digits(behind));
    }
    if whole.is_empty() && decimals.is_empty() {
        return Err(Reason::Invalid);
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err(Reason::MissingUnit);
    }
    let unit = UNITS.iter().find(|(known, _)| *known == name).ok_or_else(|| Reason::UnknownUnit(name.to_owned()))?.1;
    let value = nanoseconds(whole, decimals, unit.unsigned_abs()).ok_or(Reason::Invalid)?;
    Ok((value, rest))
}

fn nanoseconds(whole: &str, decimals: &str, unit: u64) -> Option<u64> {
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let value = whole.checked_mul(unit)?;
    // Digits below a nanosecond do not count; 18 of them fit in 64 bits.
    let known = &decimals[..decimals.len().min(18)];
    if known.is_empty() {
        return Some(value);
    }
    let part = u128::from(known.parse::<u64>().ok()?) * u128::from(unit) / 10u128.pow(known.len() as u32);
    value.checked_add(u64::try_from(part).ok()?).filter(|sum| *sum <= 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let cases = [
            ("0", "0s"),
            ("1ns", "1ns"),
            ("1500us", "1.5ms"),
            ("1.5µs", "1.5µs"),
            ("90m", "1h30m0s"),
            ("2h10m5s", "2h10m5s"),
            ("-1.5h", "-1h30m0s"),
            ("+5.6s", "5.6s"),
            (".5s", "500ms"),
            ("1h0.25s", "1h0m0.25s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).map(format), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in ["", "-", "3", "h", "1x", ".s", "1h-2m", "9223372036854775808ns", "99999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
