//! Time zones, from a database that is part of the program.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::value::{Str, Time};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The same instant, shown in the zone of that name. None if there is no such zone.
pub(crate) fn in_zone(time: &Time, name: &str) -> Option<Time> {
    // The local time of a render is UTC wherever it runs, so that its output does not depend on the machine.
    if matches!(name, "" | "UTC" | "Local") {
        return Some(Time::utc(time.unix_seconds, time.nanoseconds));
    }
    let zone = named(name)?;
    let beyond = if time.unix_seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let at = Timestamp::from_second(time.unix_seconds).unwrap_or(beyond);
    let info = zone.to_offset_info(at);
    let zone = Str::from(info.abbreviation());
    Some(Time { offset: info.offset().seconds(), zone, ..time.clone() })
}

/// Names are case-sensitive, as files are.
fn named(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}
