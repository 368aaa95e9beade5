//! Go's `time.Time`, as far as templates can see it.

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
