//! When a sync window begins: cron expressions of five fields, in the dialect of Argo CD (robfig/cron).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("it is empty: write five fields, minute hour day month weekday")]
    Empty,
    #[error("it has {0} fields: write five, minute hour day month weekday")]
    Fields(usize),
    #[error("words like {0} are not understood: write five fields, minute hour day month weekday")]
    Descriptor(String),
    #[error("the time zone {0:?} is not known: write a name such as Europe/Paris, and five fields after it")]
    Zone(String),
    #[error("{text:?} is no {field}: {reason}")]
    Field { field: &'static str, text: String, reason: &'static str },
}

/// The minutes at which something begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
    /// Named by the schedule itself (`TZ=…`); without one its fields are read in the zone of the time it is asked with.
    zone: Option<TimeZone>,
}

/// The numbers that a field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// All of them, and not because somebody listed them: of day and weekday the other one decides alone then.
    any: bool,
}

impl Field {
    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.bits & 1_u64.checked_shl(number).unwrap_or(0) != 0)
    }
}

/// What a field may name.
struct Bounds {
    field: &'static str,
    least: u64,
    most: u64,
    /// The names of its numbers, from the first.
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { field: "minute", least: 0, most: 59, names: &[] };
const HOUR: Bounds = Bounds { field: "hour", least: 0, most: 23, names: &[] };
const DAY: Bounds = Bounds { field: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Bounds = Bounds {
    field: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Bounds =
    Bounds { field: "day of the week", least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Schedule {
    /// # Errors
    /// When the text has not five fields, or one of them is not understood.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.is_empty() {
            return Err(ScheduleError::Empty);
        }
        let (zone, text) = split_zone(text)?;
        if text.starts_with('@') {
            return Err(ScheduleError::Descriptor(text.to_owned()));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(ScheduleError::Fields(fields.len()));
        };
        Ok(Self {
            minutes: MINUTE.read(minutes)?,
            hours: HOUR.read(hours)?,
            days: DAY.read(days)?,
            months: MONTH.read(months)?,
            weekdays: WEEKDAY.read(weekdays)?,
            zone,
        })
    }

    /// The first time after `time` (in seconds since 1970), where the clock on the wall shows UTC unless the schedule
    /// names a zone. Nothing when there is none in five years.
    pub fn next(&self, time: i64) -> Option<i64> {
        let fields = [self.minutes, self.hours, self.days, self.months, self.weekdays];
        if fields.iter().any(|field| field.bits == 0) {
            return None;
        }
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let mut walk = Walk { at: time.checked_add(1)?, zone, moved: false };
        let last = walk.wall()?.year().checked_add(5)?;
        while walk.wall()?.year() <= last {
            if self.step(&mut walk)? {
                return Some(walk.at);
            }
        }
        None
    }

    /// Goes on to where the coarsest field that does not fit does; `true` when all fit. When that leads into the next of
    /// a coarser one, it is to be looked at again.
    fn step(&self, walk: &mut Walk) -> Option<bool> {
        while !self.months.has(walk.wall()?.month()) {
            walk.first(|wall| wall.with().day(1).hour(0).minute(0).second(0).build().ok())?;
            walk.next_month()?;
            if walk.wall()?.month() == 1 {
                return Some(false);
            }
        }
        while !self.is_day(walk.wall()?) {
            walk.first(|wall| wall.with().hour(0).minute(0).second(0).build().ok())?;
            walk.next_day()?;
            if walk.wall()?.day() == 1 {
                return Some(false);
            }
        }
        while !self.hours.has(walk.wall()?.hour()) {
            walk.first(|wall| wall.with().minute(0).second(0).build().ok())?;
            walk.at = walk.at.checked_add(3_600)?;
            if walk.wall()?.hour() == 0 {
                return Some(false);
            }
        }
        while !self.minutes.has(walk.wall()?.minute()) {
            walk.next_minute()?;
            if walk.wall()?.minute() == 0 {
                return Some(false);
            }
        }
        if walk.wall()?.second() != 0 {
            walk.next_minute()?;
            return Some(false);
        }
        Some(true)
    }

    /// Where both days are written, one of them is enough.
    fn is_day(&self, wall: DateTime) -> bool {
        let day = self.days.has(wall.day());
        let weekday = self.weekdays.has(wall.weekday().to_sunday_zero_offset());
        if self.days.any || self.weekdays.any { day && weekday } else { day || weekday }
    }
}

/// A time on its way to the next one that fits.
struct Walk {
    at: i64,
    zone: TimeZone,
    /// The finer fields begin at their first number as soon as a coarser one moved.
    moved: bool,
}

impl Walk {
    fn offset(&self, at: i64) -> Option<Offset> {
        Some(self.zone.to_offset(Timestamp::from_second(at).ok()?))
    }

    /// What the clock on the wall shows.
    fn wall(&self) -> Option<DateTime> {
        Some(self.offset(self.at)?.to_datetime(Timestamp::from_second(self.at).ok()?))
    }

    /// Goes to where the wall shows this. What a change of the clocks leaves out is looked for by the offset before it.
    fn go(&mut self, wall: DateTime) -> Option<()> {
        let plain = Offset::UTC.to_timestamp(wall).ok()?.as_second();
        let near = plain - i64::from(self.offset(plain)?.seconds());
        self.at = plain - i64::from(self.offset(near)?.seconds());
        Some(())
    }

    fn first(&mut self, start: impl Fn(DateTime) -> Option<DateTime>) -> Option<()> {
        if !std::mem::replace(&mut self.moved, true) {
            self.go(start(self.wall()?)?)?;
        }
        Some(())
    }

    fn next_month(&mut self) -> Option<()> {
        self.go(self.wall()?.checked_add(jiff::Span::new().months(1)).ok()?)
    }

    /// Midnight of the next day, or the first hour that it has.
    fn next_day(&mut self) -> Option<()> {
        self.go(self.wall()?.checked_add(jiff::Span::new().days(1)).ok()?)?;
        let hour = i64::from(self.wall()?.hour());
        self.at += 3_600 * if hour > 12 { 24 - hour } else { -hour };
        Some(())
    }

    fn next_minute(&mut self) -> Option<()> {
        self.moved = true;
        self.at = self.at.checked_sub(self.at.rem_euclid(60))?.checked_add(60)?;
        Some(())
    }
}

/// `TZ=Europe/Paris` or `CRON_TZ=…` in front of the fields.
fn split_zone(text: &str) -> Result<(Option<TimeZone>, &str), ScheduleError> {
    let Some(rest) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) else {
        return Ok((None, text));
    };
    let (name, fields) = rest.split_once(' ').ok_or_else(|| ScheduleError::Zone(rest.to_owned()))?;
    let zone = time_zone(name).ok_or_else(|| ScheduleError::Zone(name.to_owned()))?;
    Ok((Some(zone), fields.trim()))
}

/// The zone of that name, as it is spelled; none and `Local` are UTC.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC" | "Local") {
        return Some(TimeZone::UTC);
    }
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name) && !zone.is_unknown())
}

impl Bounds {
    /// Ranges with commas between them; what is empty between commas is nothing.
    fn read(&self, text: &str) -> Result<Field, ScheduleError> {
        let mut ranges = text.split(',').filter(|range| !range.is_empty()).map(|range| self.range(range));
        ranges.try_fold(Field { bits: 0, any: false }, |all, range| {
            let range = range?;
            Ok(Field { bits: all.bits | range.bits, any: all.any || range.any })
        })
    }

    /// `*`, `n`, `n-m`, each with `/step`; `n/step` goes on to the end.
    fn range(&self, text: &str) -> Result<Field, ScheduleError> {
        let error = |reason| ScheduleError::Field { field: self.field, text: text.to_owned(), reason };
        let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
        let ends: Vec<&str> = range.split('-').collect();
        let starred = matches!(ends[0], "*" | "?");
        let (first, mut last) = match (starred, &ends[..]) {
            (true, _) => (self.least, self.most),
            (_, [one]) => self.number(one).map(|one| (one, one)).map_err(error)?,
            (_, [first, last]) => (self.number(first).map_err(error)?, self.number(last).map_err(error)?),
            _ => return Err(error("it has too many hyphens")),
        };
        let step = match step {
            None => 1,
            Some(step) if step.contains('/') => return Err(error("it has too many slashes")),
            Some(step) => number(step).map_err(error)?,
        };
        if text.contains('/') && ends.len() == 1 {
            last = self.most;
        }
        match (first, last) {
            _ if first < self.least => Err(error("it is less than there is")),
            _ if last > self.most => Err(error("it is more than there is")),
            _ if first > last => Err(error("its beginning is after its end")),
            _ if step == 0 => Err(error("its step is nothing")),
            _ => {
                let step = usize::try_from(step).unwrap_or(usize::MAX);
                let bits = (first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number);
                Ok(Field { bits, any: starred && step == 1 })
            }
        }
    }

    /// A number, or its name in any case.
    fn number(&self, text: &str) -> Result<u64, &'static str> {
        let name = text.to_lowercase();
        match (self.least..).zip(self.names).find(|(_, known)| **known == name) {
            Some((named, _)) => Ok(named),
            None => number(text),
        }
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    let number: i64 = text.parse().map_err(|_| "it is no number")?;
    u64::try_from(number).map_err(|_| "it is negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn the_next_time_is_the_first_that_fits() {
        for (schedule, from, next) in [
            ("0 8 * * *", "2026-03-04T08:00:00Z", "2026-03-05T08:00:00Z"),
            ("0 8 * * *", "2026-03-04T07:59:59Z", "2026-03-04T08:00:00Z"),
            ("*/15 * * * *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
            ("10-50/20 * * * *", "2026-01-01T00:10:00Z", "2026-01-01T00:30:00Z"),
            ("5/20 * * * *", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            // both days are written: one is enough; a star with a step counts as written
            ("0 0 13 * 5", "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z"),
            ("0 0 */2 * 5", "2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z"),
            ("0 0 * * fri", "2026-02-02T00:00:00Z", "2026-02-06T00:00:00Z"),
            ("0 0 ? jan-FEB *", "2026-02-28T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("0,,5 8 * * *", "2026-02-28T08:00:00Z", "2026-02-28T08:05:00Z"),
            ("*-3 8 * * *", "2026-02-28T08:30:00Z", "2026-02-28T08:31:00Z"),
            ("TZ=Europe/Paris 0 8 * * *", "2026-07-01T00:00:00Z", "2026-07-01T06:00:00Z"),
            ("CRON_TZ=Asia/Tokyo  0 8 * * *", "2026-07-01T00:00:00Z", "2026-07-01T23:00:00Z"),
            // 02:30 is not there on this day
            ("TZ=America/New_York 30 2 * * *", "2026-03-08T05:00:00Z", "2026-03-09T06:30:00Z"),
            ("TZ=America/New_York 0 0 * * *", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ] {
            let found = Schedule::parse(schedule).unwrap().next(second(from));
            assert_eq!(found, Some(second(next)), "{schedule} from {from}: {found:?}");
        }
        for never in ["0 0 30 2 *", ", 8 * * *"] {
            assert_eq!(Schedule::parse(never).unwrap().next(second("2026-01-01T00:00:00Z")), None, "{never}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            " ",
            "0 8 * *",
            "0 0 8 * * *",
            "@daily",
            "60 8 * * *",
            "0 24 * * *",
            "0 8 0 * *",
            "0 8 * 13 *",
            "0 8 * * 7",
            "0 8 * * FOO",
            "0 8 * * FRI-MON",
            "0 8 L * *",
            "*/0 8 * * *",
            "*/-1 8 * * *",
            "*/2/3 8 * * *",
            "1-2-3 8 * * *",
            "-5 8 * * *",
            "*/ 8 * * *",
            "TZ=Mars/Base 0 8 * * *",
            "TZ=europe/paris 0 8 * * *",
            "TZ=UTC",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
