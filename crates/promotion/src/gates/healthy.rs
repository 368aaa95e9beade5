//! `healthy`: another environment runs the release and was Healthy without a break for a time.

use api::gantline::{GateReport, GateState, HealthyGate, ReleasePhase};
use jiff::{SignedDuration, Timestamp};

use super::Evidence;

pub(super) fn judge(gate: &HealthyGate, evidence: &Evidence<'_>) -> GateReport {
    let before = || evidence.pipeline.before(&evidence.environment.name).map(|e| e.name.clone());
    let place = if gate.environment.is_empty() { before().unwrap_or_default() } else { gate.environment.clone() };
    let soak = gate.soak();
    let needed = if soak.is_zero() { "Healthy".to_owned() } else { format!("Healthy for {}", shown(soak)) };
    let name =
        if soak.is_zero() { format!("healthy in {place}") } else { format!("healthy in {place} for {}", shown(soak)) };
    let report =
        |state, value: String, since: Option<Timestamp>, earliest: Option<Timestamp>, who: String| GateReport {
            name: name.clone(),
            kind: "healthy".into(),
            state,
            value,
            needed: needed.clone(),
            since,
            earliest,
            who_can_act: who,
        };
    let nobody = || "time alone".to_owned();
    let Some(entry) = evidence.release.in_environment(&place) else {
        let who = format!("whoever promotes it to {place}");
        return report(GateState::Waiting, format!("not in {place} yet"), None, None, who);
    };
    let healthy_since = match entry.phase {
        ReleasePhase::Replaced => {
            let who = format!("whoever puts it into {place} again");
            return report(
                GateState::Failed,
                format!("another release took its place in {place}"),
                entry.since,
                None,
                who,
            );
        }
        ReleasePhase::Failed => {
            let value = format!("failed in {place}: {}", entry.message);
            return report(GateState::Failed, value, entry.since, None, "CI, with another image".into());
        }
        ReleasePhase::Deploying => None,
        ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified => entry.healthy_since,
    };
    let Some(since) = healthy_since else {
        let why = if entry.message.is_empty() { format!("not Healthy in {place} yet") } else { entry.message.clone() };
        return report(GateState::Waiting, why, None, None, format!("whoever looks after {place}"));
    };
    let lasted = evidence.now.duration_since(since);
    let earliest = since.checked_add(soak).ok();
    let restarts = match entry.restarts {
        0 => String::new(),
        1 => ", after it began again once".to_owned(),
        times => format!(", after it began again {times} times"),
    };
    let value = format!("Healthy for {}{restarts}", shown(lasted));
    if lasted >= soak {
        return report(GateState::Passed, value, Some(since), earliest, String::new());
    }
    report(GateState::Waiting, value, Some(since), earliest, nobody())
}

/// `9m30s`
pub(crate) fn shown(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}
