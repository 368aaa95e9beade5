//! `healthy`: another environment runs the release and was Healthy without a break for a time.

use std::fmt::Write as _;

use api::gantline::{GateKind, GateReport, GateState, HealthyGate, ReleasePhase};
use api::meta::time::whole_seconds;
use jiff::SignedDuration;

use super::{Evidence, Judge};
use crate::answers::Answers;

impl Judge for HealthyGate {
    fn judge(&self, evidence: &Evidence<'_>, _: &Answers) -> GateReport {
        let before = evidence.pipeline.before(&evidence.environment.name).map_or("", |before| before.name.as_str());
        let place = if self.environment.is_empty() { before } else { self.environment.as_str() };
        let soak = self.soak();
        let long = if soak.is_zero() { String::new() } else { shown(" for ", soak) };
        let report = GateReport {
            name: ["healthy in ", place, &long].concat(),
            kind: GateKind::Healthy,
            needed: ["Healthy", &long].concat(),
            ..GateReport::default()
        };
        judge(place, soak, report, evidence)
    }

    fn says(&self) -> String {
        let place = if self.environment.is_empty() { String::new() } else { format!(" in {}", self.environment) };
        let long = if self.duration.is_empty() { String::new() } else { format!(" for {}", self.duration) };
        format!("healthy{place}{long}")
    }

    fn soaks<'a>(&'a self, before: &'a str) -> Option<(&'a str, SignedDuration)> {
        Some((if self.environment.is_empty() { before } else { &self.environment }, self.soak()))
    }
}

fn judge(place: &str, soak: SignedDuration, report: GateReport, evidence: &Evidence<'_>) -> GateReport {
    let failed = |value: String, who: String| GateReport {
        state: GateState::Failed,
        value,
        who_can_act: who,
        since: evidence.release.in_environment(place).and_then(|entry| entry.since),
        ..report.clone()
    };
    let waiting = |value: String, who: String| GateReport { value, who_can_act: who, ..report.clone() };
    let Some(entry) = evidence.release.in_environment(place) else {
        return waiting(format!("not in {place} yet"), format!("whoever promotes it to {place}"));
    };
    let since = match entry.phase {
        ReleasePhase::Replaced => {
            let who = format!("whoever puts it into {place} again");
            return failed(format!("another release took its place in {place}"), who);
        }
        ReleasePhase::Failed => {
            return failed(format!("failed in {place}: {}", entry.message), "CI, with another image".into());
        }
        ReleasePhase::Deploying => None,
        ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified => entry.healthy_since,
    };
    if let Some((_, why)) = evidence.blind.iter().find(|(blind, _)| blind == place) {
        return waiting(why.clone(), "whoever looks after the controller".into());
    }
    let Some(since) = since else {
        let why = if entry.message.is_empty() { format!("not Healthy in {place} yet") } else { entry.message.clone() };
        return waiting(why, format!("whoever looks after {place}"));
    };
    let restarts = match entry.restarts {
        0 => String::new(),
        1 => ", after it began again once".to_owned(),
        times => format!(", after it began again {times} times"),
    };
    let passed = evidence.now.duration_since(since) >= soak;
    GateReport {
        state: if passed { GateState::Passed } else { GateState::Waiting },
        // no text that time alone changes: how long that is, is the reader's to say
        value: ["Healthy since ", &whole_seconds(since).to_string(), &restarts].concat(),
        since: Some(since),
        earliest: since.checked_add(soak).ok(),
        who_can_act: if passed { String::new() } else { "time alone".to_owned() },
        ..report
    }
}

/// `start`, and `9m30s`.
fn shown(start: &str, duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let mut text = String::with_capacity(32);
    text.push_str(start);
    for (number, unit) in parts.into_iter().filter(|(number, unit)| *number > 0 || (seconds == 0 && *unit == 's')) {
        let _ = write!(text, "{number}{unit}");
    }
    text
}
