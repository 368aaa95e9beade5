//! Go's `time.Time`, as far as templates can see it.

use std::fmt;

use super::Str;
use crate::layout;

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

/// Go's `Time.String`: `2006-01-02 15:04:05.999999999 -0700 MST`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&layout::format(self, layout::STRING_LAYOUT))
    }
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
}
