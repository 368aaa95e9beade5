//! `window`: days and hours at which releases may enter. Counted on the clocks of its zone, so that a day may have 23 or
//! 25 hours.

use api::gantline::{GateKind, GateReport, GateState, WindowGate};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Evidence, Judge};
use crate::answers::Answers;

impl Judge for WindowGate {
    fn judge(&self, evidence: &Evidence<'_>, _: &Answers) -> GateReport {
        let report =
            GateReport { name: self.says(), kind: GateKind::Window, needed: self.says(), ..GateReport::default() };
        match spans(self, evidence.now) {
            Ok(spans) => judge(self, &spans, evidence.now, report),
            Err(value) => GateReport { value, who_can_act: "whoever writes the Pipeline".to_owned(), ..report },
        }
    }

    fn says(&self) -> String {
        let days = if self.days.is_empty() { "every day".to_owned() } else { self.days.join(", ") };
        let hours = if self.hours.is_empty() { String::new() } else { format!(" {}", self.hours) };
        let zone = if self.zone.is_empty() { "UTC" } else { &self.zone };
        let word = if self.deny { "not" } else { "only" };
        format!("{word} {days}{hours} {zone}")
    }
}

/// From and until, the latter not included.
type Span = (Timestamp, Timestamp);

fn judge(gate: &WindowGate, spans: &[Span], now: Timestamp, report: GateReport) -> GateReport {
    let begins = spans.iter().map(|(from, _)| *from).filter(|from| *from > now).min();
    if inside(spans, now).is_some() != gate.deny {
        let until = if gate.deny { begins } else { end(spans, now) };
        return GateReport { state: GateState::Passed, value: "open".to_owned(), until, ..report };
    }
    let opens = if gate.deny { end(spans, now) } else { begins };
    let when = opens.zip(gate.time_zone().ok());
    let when = when.map(|(opens, zone)| opens.to_zoned(zone).strftime(" until %a %Y-%m-%d %H:%M %Z").to_string());
    GateReport {
        state: GateState::Waiting,
        value: format!("closed{}", when.unwrap_or_default()),
        earliest: opens,
        who_can_act: "time alone".to_owned(),
        ..report
    }
}

fn inside(spans: &[Span], at: Timestamp) -> Option<Span> {
    spans.iter().find(|(from, until)| *from <= at && at < *until).copied()
}

/// When the last of the spans that follow each other without a break ends.
fn end(spans: &[Span], at: Timestamp) -> Option<Timestamp> {
    let mut end = inside(spans, at)?.1;
    while let Some((_, later)) = inside(spans, end) {
        end = later;
    }
    Some(end)
}

/// All spans from the day before to the same weekday of the next week.
fn spans(gate: &WindowGate, now: Timestamp) -> Result<Vec<Span>, String> {
    let (days, hours, zone) = (gate.weekdays()?, gate.spans()?, gate.time_zone()?);
    let today = now.to_zoned(zone.clone()).date();
    let near = (-1..=8).filter_map(|offset| today.checked_add(i64::from(offset).days()).ok());
    let begins = near.filter(|date| days.contains(&date.weekday()));
    let all = begins.flat_map(|date| hours.iter().map(move |span| (date, *span)));
    let bounds = all.filter_map(|(date, span)| {
        let last = if span.until > span.from { date } else { date.tomorrow().ok()? };
        Some((moment(date, span.from, &zone)?, moment(last, span.until, &zone)?))
    });
    Ok(bounds.collect())
}

/// Of a time that a clock skips: what it shows then; of one that it shows twice: the first.
fn moment(date: Date, time: jiff::civil::Time, zone: &TimeZone) -> Option<Timestamp> {
    Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests::{evidence, pipeline, release};
    use api::gantline::{Promotion, ReleasePhase};
    use serde_json::{Value, json};

    /// `opens` is empty where it is open at `at`.
    fn check(gate: Value, at: &str, opens: &str) {
        let gate: WindowGate = serde_json::from_value(gate).unwrap();
        let pipeline = pipeline();
        let (release, promotion) = (release(ReleasePhase::Verified, None), Promotion::default());
        let evidence = evidence(&pipeline, &release, &promotion, at.parse().unwrap());
        let report = gate.judge(&evidence, &Answers::default());
        let earliest = report.earliest.map_or_else(String::new, |at| at.to_string());
        assert_eq!(earliest, opens, "{gate:?} at {at}: {report:?}");
        assert_eq!(report.state == GateState::Passed, opens.is_empty(), "{report:?}");
        if let Some(until) = report.until {
            let then = gate.judge(&Evidence { now: until, ..evidence }, &Answers::default());
            assert_ne!(then.state, report.state, "{gate:?} closes at {until}");
        }
        if let Some(opens) = report.earliest {
            let then = gate.judge(&Evidence { now: opens, ..evidence }, &Answers::default());
            assert_eq!(then.state, GateState::Passed, "{gate:?} opens at {opens}");
        }
    }

    #[test]
    fn working_hours_follow_the_clocks_of_the_zone() {
        let office = || json!({"days": ["Mon-Fri"], "hours": "09:00-17:00", "zone": "Europe/Berlin"});
        // winter: one hour before UTC; summer: two
        check(office(), "2026-11-30T08:00:00Z", "");
        check(office(), "2026-11-30T07:59:59Z", "2026-11-30T08:00:00Z");
        check(office(), "2026-11-30T16:00:00Z", "2026-12-01T08:00:00Z");
        check(office(), "2026-07-03T15:00:00Z", "2026-07-06T07:00:00Z");
        // the clocks go back in the night of 2026-10-25, a Sunday
        check(office(), "2026-10-23T15:00:00Z", "2026-10-26T08:00:00Z");
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let night = || json!({"days": ["Fri"], "hours": "22:00-06:00", "zone": "Europe/Berlin"});
        check(night(), "2026-12-05T04:59:59Z", "");
        check(night(), "2026-12-05T05:00:00Z", "2026-12-11T21:00:00Z");
        // 02:30 does not exist on 2026-03-29, and the night has seven hours
        let skipped = || json!({"days": ["Sun"], "hours": "02:30-06:00", "zone": "Europe/Berlin"});
        check(skipped(), "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z");
        check(skipped(), "2026-03-29T03:59:59Z", "");
    }

    #[test]
    fn a_freeze_is_a_window_that_denies() {
        let weekend = || json!({"days": ["Sat-Sun"], "zone": "Europe/Berlin", "deny": true});
        check(weekend(), "2026-12-04T22:59:59Z", "");
        // both days, and the next one begins an hour before midnight in UTC
        check(weekend(), "2026-12-04T23:00:00Z", "2026-12-06T23:00:00Z");
        check(
            json!({"hours": "12:00-13:00, 13:00-14:00", "deny": true}),
            "2026-12-04T12:30:00Z",
            "2026-12-04T14:00:00Z",
        );
    }
}
