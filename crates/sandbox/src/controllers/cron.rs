//! Schedules in the form of cron: five fields, or `@hourly` and its like. All times are UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Sets of allowed values, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A day must fit both fields only if neither is a star.
    any_day: bool,
    any_weekday: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// A schedule without a day in so many minutes has none (29 February comes within eight years).
const HORIZON: usize = 366 * 8;

impl Schedule {
    /// `None` for what is no schedule.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
        let star = |field: &str| field.starts_with('*') || field.starts_with('?');
        let weekdays = bits(weekday, 0, 7, &WEEKDAYS, 0)?;
        Some(Self {
            minutes: bits(minute, 0, 59, &[], 0)?,
            hours: bits(hour, 0, 23, &[], 0)?,
            days: bits(day, 1, 31, &[], 0)?,
            months: bits(month, 1, 12, &MONTHS, 1)?,
            // seven is Sunday too
            weekdays: weekdays | (weekdays >> 7 & 1),
            any_day: star(day),
            any_weekday: star(weekday),
        })
    }

    /// The first time after `time`.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let start = time.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        let mut first = u64::from(start.hour().unsigned_abs()) * 60 + u64::from(start.minute().unsigned_abs()) + 1;
        for _ in 0..HORIZON {
            if self.on(date) {
                let minute = (first..1440)
                    .find(|minute| self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1);
                if let Some(minute) = minute {
                    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                    return date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
                }
            }
            date = date.tomorrow().ok()?;
            first = 0;
        }
        None
    }

    fn on(&self, date: jiff::civil::Date) -> bool {
        let bit = |set: u64, at: i8| set >> at & 1 == 1;
        let day = bit(self.days, date.day());
        let weekday = bit(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = if self.any_day || self.any_weekday { day && weekday } else { day || weekday };
        bit(self.months, date.month()) && fits
    }
}

/// `*/5`, `1-10/2`, `3,7`, `mon-fri`.
fn bits(field: &str, low: u64, high: u64, names: &[&str], first: u64) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|at| at as u64 + first);
        named.or_else(|| text.parse().ok()).filter(|number| (low..=high).contains(number))
    };
    let mut out = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        (from..=to).step_by(step.unwrap_or(1)).for_each(|bit| out |= 1 << bit);
    }
    (out != 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found() {
        let check = |schedule: &str, after: &str, expected: Option<&str>| {
            let next = Schedule::parse(schedule).and_then(|s| s.after(after.parse().unwrap()));
            assert_eq!(next.map(|t| t.to_string()).as_deref(), expected, "{schedule} after {after}");
        };
        check("* * * * *", "2026-01-01T00:00:00Z", Some("2026-01-01T00:01:00Z"));
        check("*/15 * * * *", "2026-01-01T00:46:30Z", Some("2026-01-01T01:00:00Z"));
        check("30 4 * * mon-fri", "2026-01-02T05:00:00Z", Some("2026-01-05T04:30:00Z"));
        check("0 0 29 2 *", "2026-01-01T00:00:00Z", Some("2028-02-29T00:00:00Z"));
        check("0 0 13 * 5", "2026-01-01T00:00:00Z", Some("2026-01-02T00:00:00Z"));
        check("@daily", "2026-01-01T00:00:00Z", Some("2026-01-02T00:00:00Z"));
        check("0 0 * * 7", "2026-01-01T00:00:00Z", Some("2026-01-04T00:00:00Z"));
        for bad in ["", "* * * *", "60 * * * *", "*/0 * * * *", "a * * * *", "5-1 * * * *", "0 0 31 2 *"] {
            check(bad, "2026-01-01T00:00:00Z", None);
        }
    }
}
