//! `window`: days and hours at which releases may enter.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{GatePlace, Shape};

/// `window: { days: [Mon-Thu, Sat], hours: "09:00-12:00, 22:00-02:00", zone: Europe/Berlin }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowGate {
    /// `Mon`, or `Mon-Fri`; empty: every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// `09:00-17:00`, several with commas; empty: the whole day. What passes midnight belongs to the day it begins on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hours: String,
    /// A name of the IANA time zone database; empty: UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Nothing enters then; otherwise only then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deny: bool,
}

/// A time of a day that it begins on, and one of that day or, if not later, of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    pub from: Time,
    pub until: Time,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl WindowGate {
    /// The days on which it begins.
    ///
    /// # Errors
    /// When one is no day.
    pub fn weekdays(&self) -> Result<Vec<Weekday>, String> {
        if self.days.is_empty() {
            return Ok(DAYS.iter().map(|(_, day)| *day).collect());
        }
        let spans: Result<Vec<_>, _> = self.days.iter().map(|text| days(text)).collect();
        Ok(spans?.concat())
    }

    /// The parts of each day.
    ///
    /// # Errors
    /// When one is no span of hours.
    pub fn spans(&self) -> Result<Vec<Hours>, String> {
        if self.hours.trim().is_empty() {
            return Ok(vec![Hours { from: Time::midnight(), until: Time::midnight() }]);
        }
        self.hours.split(',').map(|text| hours(text.trim())).collect()
    }

    /// # Errors
    /// When the database has no such zone.
    pub fn time_zone(&self) -> Result<TimeZone, String> {
        if self.zone.is_empty() {
            return Ok(TimeZone::UTC);
        }
        let unknown = |_| format!("window.zone {:?} is no time zone: write one as Europe/Berlin, or UTC", self.zone);
        TimeZone::get(&self.zone).map_err(unknown)
    }

    fn is_always(&self) -> bool {
        let all = |days: Vec<Weekday>| DAYS.iter().all(|(_, day)| days.contains(day));
        let whole = |spans: Vec<Hours>| spans.iter().any(|span| span.from == span.until);
        self.weekdays().is_ok_and(all) && self.spans().is_ok_and(whole)
    }
}

impl Shape for WindowGate {
    const ABOUT: &'static str = "It is one of these days and hours; with `deny`, it is not.";
    const EXAMPLE: &'static str = "window: { days: [Mon-Thu], hours: \"09:00-17:00\", zone: Europe/Berlin }";

    fn schema() -> Value {
        let text = json!({"type": "string"});
        json!({"type": "object", "properties": {
            "days": {"type": "array", "items": text}, "hours": text, "zone": text, "deny": {"type": "boolean"},
        }})
    }

    fn problems(&self, _: &GatePlace<'_>) -> Vec<String> {
        let all = [self.weekdays().err(), self.spans().err(), self.time_zone().err()];
        let always = self.is_always().then(|| "window is every hour of every day: name days or hours".to_owned());
        all.into_iter().flatten().chain(always).collect()
    }
}

/// `Mon`, or `Fri-Mon`.
fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let bad = || format!("window.days {text:?} is no day: write Mon, or Mon-Fri");
    let day = |text: &str| {
        let name: String = text.trim().to_lowercase().chars().take(3).collect();
        DAYS.iter().position(|(known, _)| *known == name).ok_or_else(bad)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7;
    Ok((0..=count).map(|step| DAYS[(first + step) % 7].1).collect())
}

fn hours(text: &str) -> Result<Hours, String> {
    let bad = || format!("window.hours {text:?} is no span: write 09:00-17:00, several with commas");
    let (from, until) = text.split_once('-').ok_or_else(bad)?;
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| bad());
    let until = if until.trim() == "24:00" { Ok(Time::midnight()) } else { time(until) };
    let span = Hours { from: time(from)?, until: until? };
    let empty = span.from == span.until && span.from != Time::midnight();
    if empty { Err(format!("window.hours {text:?} is empty: leave hours out for the whole day")) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(gate: Value, expected: &[&str]) {
        let gate: WindowGate = serde_json::from_value(gate).unwrap();
        let found = gate.problems(&GatePlace { earlier: &[] });
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (problem, part) in found.iter().zip(expected) {
            assert!(problem.contains(part), "{problem} lacks {part}");
        }
    }

    #[test]
    fn slips_are_named_with_what_to_write() {
        check(
            json!({"days": ["Mon-Fri", "sunday"], "hours": "09:00-12:00, 22:00-02:00", "zone": "Europe/Berlin"}),
            &[],
        );
        check(json!({}), &["every hour of every day"]);
        check(
            json!({"days": ["Mo"], "hours": "9 to 5", "zone": "Berlin"}),
            &["is no day", "is no span", "no time zone"],
        );
        check(json!({"hours": "09:00-09:00"}), &["is empty"]);
        check(json!({"hours": "25:00-26:00"}), &["is no span"]);
        check(json!({"deny": true}), &["every hour of every day"]);
        check(json!({"deny": true, "days": ["Mon-Sun"], "hours": "00:00-24:00"}), &["every hour"]);
        check(json!({"deny": true, "days": ["Sat-Sun"]}), &[]);
    }

    #[test]
    fn days_go_round() {
        assert_eq!(days("Fri-Mon").unwrap().len(), 4);
        assert_eq!(days("Sat").unwrap(), [Weekday::Saturday]);
    }
}
