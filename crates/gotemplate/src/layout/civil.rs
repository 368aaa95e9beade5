//! The calendar: days and clock readings of an instant.

use crate::value::Time;

const DAY: i64 = 86_400;

/// What calendar and clock show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12
    pub(crate) month: u32,
    /// 1 to 31
    pub(crate) day: u32,
    /// 1 to 366
    pub(crate) year_day: u32,
    /// 0 is Sunday
    pub(crate) week_day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
}

impl Civil {
    /// What is shown at the time's place.
    pub(crate) fn of(time: &Time) -> Self {
        let local = time.unix_seconds.saturating_add(i64::from(time.offset));
        let (days, seconds) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let part = |value: i64| u32::try_from(value).unwrap_or_default();
        Self {
            year,
            month,
            day,
            year_day: part(days - days_until(year, 1, 1) + 1),
            week_day: part((days + 4).rem_euclid(7)),
            hour: part(seconds / 3600),
            minute: part(seconds / 60 % 60),
            second: part(seconds % 60),
        }
    }
}

/// The date that many days after 1970-01-01.
fn date(days: i64) -> (i64, u32, u32) {
    // Years counted from March, in eras of 400 years: the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or_default(), u32::try_from(day).unwrap_or_default())
}

/// Days from 1970-01-01 to a date.
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Seconds from 1970-01-01T00:00:00Z to a date in UTC; days and months beyond their range carry on, as in Go.
pub(crate) fn unix_seconds(year: i64, month: i64, day: i64) -> i64 {
    let months = month - 1;
    let (year, month) = (year.saturating_add(months.div_euclid(12)), months.rem_euclid(12) + 1);
    let year = year.clamp(-200_000_000_000, 200_000_000_000);
    days_until(year, month, 1).saturating_add(day - 1).saturating_mul(DAY)
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, 1 to 12.
pub(crate) fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
