//! Go's `time.Time`, as far as templates can see it.

use std::fmt;

use super::Str;

/// An instant with the zone it is shown in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// seconds since 1970-01-01T00:00:00Z
    pub unix_seconds: i64,
    pub nanoseconds: u32,
    /// seconds east of UTC
    pub offset: i32,
    /// the zone's abbreviation at this instant, such as `UTC` or `CET`; empty where only the offset is known
    pub zone: Str,
}

impl Time {
    /// An instant shown in UTC.
    pub fn utc(unix_seconds: i64, nanoseconds: u32) -> Self {
        Self { unix_seconds, nanoseconds, offset: 0, zone: Str::from("UTC") }
    }
}

/// A day and time of day in the time's own zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// 1 to 12
    pub month: u8,
    /// 1 to 31
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl Time {
    /// What a calendar and a clock in the time's zone show.
    pub fn civil(&self) -> Civil {
        let local = self.unix_seconds + i64::from(self.offset);
        let second_of_day = local.rem_euclid(86_400);
        let (year, month, day) = date_of(local.div_euclid(86_400));
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        Civil { year, month, day, hour: hour as u8, minute: minute as u8, second: second as u8 }
    }
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar of all times.
fn date_of(days: i64) -> (i64, u8, u8) {
    // years begin in March here, so that the leap day is the last of its year
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// Go's `Time.String`: `2006-01-02 15:04:05.999999999 -0700 MST`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        if self.nanoseconds > 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs() / 60;
        let offset = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        let zone = self.zone.to_text();
        write!(f, " {offset} {}", if zone.is_empty() { &offset } else { &*zone })
    }
}

/// Go's `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    if total < 1_000_000_000 {
        let (unit, name) = match total {
            ..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{name}", with_fraction(total, unit));
    }
    let seconds = total / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = with_fraction(total % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{rest}s"),
        (0, _) => format!("{sign}{minutes}m{rest}s"),
        _ => format!("{sign}{hours}h{minutes}m{rest}s"),
    }
}

/// A count of units with as many decimals as it needs.
fn with_fraction(count: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", count % unit);
    let fraction = if digits == 0 { "" } else { fraction.trim_end_matches('0') };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", count / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_in_go() {
        for (time, text) in [
            (Time::utc(0, 0), "1970-01-01 00:00:00 +0000 UTC"),
            (Time::utc(951_782_400, 500_000_000), "2000-02-29 00:00:00.5 +0000 UTC"),
            (Time::utc(-62_135_596_800, 0), "0001-01-01 00:00:00 +0000 UTC"),
            (
                Time { offset: -12_600, zone: Str::default(), ..Time::utc(1_700_000_000, 0) },
                "2023-11-14 18:43:20 -0330 -0330",
            ),
        ] {
            assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn durations_print_as_in_go() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (60_000_000_000, "1m0s"),
            (3_661_500_000_000, "1h1m1.5s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(duration_text(nanoseconds), text);
        }
    }
}
