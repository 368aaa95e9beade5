//! Of which environment's Application a text tells. Who may not see the Application is not told it.

use api::gantline::{GateKind, GateReport, Quarantine, Release};

/// By whom a release is quarantined that failed.
pub(crate) const OURSELVES: &str = "gantline";

/// Why a record is not believed that carries no seal, or a wrong one: so it begins.
pub(crate) const PAST_US: &str = "it was written past Gantline";

/// Whether a release is quarantined because its record is not believed: that is no word about its images.
pub(crate) fn is_distrust(quarantine: &Quarantine) -> bool {
    quarantine.by == OURSELVES && quarantine.reason.starts_with(PAST_US)
}

/// Whether the record of a release is Gantline's own, so that its spec says who is behind it.
pub(crate) fn is_believed(release: &Release) -> bool {
    !release.status.tampered && !release.status.quarantine.as_ref().is_some_and(is_distrust)
}

/// Why a release is quarantined that failed in an environment.
pub(crate) fn failure(environment: &str, message: &str) -> String {
    format!("failed in {environment}: {message}")
}

/// What a quarantine tells of. Where somebody decided it, that is no Application.
pub fn of_quarantine(quarantine: &Quarantine) -> Option<&str> {
    of_failure(&quarantine.by, &quarantine.reason)
}

pub(crate) fn of_failure<'a>(by: &str, reason: &'a str) -> Option<&'a str> {
    let (environment, _) = reason.strip_prefix("failed in ")?.split_once(": ").filter(|_| by == OURSELVES)?;
    Some(environment)
}

/// The reason without what an Application says: that is not for everybody who may be told of the rest.
pub(crate) fn outlined(quarantine: &Quarantine) -> String {
    match of_quarantine(quarantine) {
        Some(environment) => format!("failed in {environment}"),
        None => quarantine.reason.clone(),
    }
}

/// What ends the quarantine of a release.
pub(crate) fn to_lift(quarantine: &Quarantine, release: &str) -> String {
    match quarantine.other_pipeline() {
        Some(pipeline) => format!(
            "gantline release lift {} ends it in {pipeline}, gantline release lift {release} for this Pipeline alone",
            quarantine.release
        ),
        None => format!("gantline release lift {release}"),
    }
}

/// What the value of a gate tells of.
pub fn of_gate(gate: &GateReport) -> Option<&str> {
    match gate.kind {
        GateKind::Healthy => of_gate_named(&gate.name),
        GateKind::Quarantine => {
            let (by, reason) = gate.value.strip_prefix("quarantined by ")?.split_once(": ")?;
            of_failure(by, reason)
        }
        GateKind::Approval | GateKind::Window | GateKind::Pin | GateKind::Unknown => None,
    }
}

/// `staging` of `healthy in staging for 10m`.
pub fn of_gate_named(name: &str) -> Option<&str> {
    name.strip_prefix("healthy in ")?.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;
    use crate::gates::evaluate;
    use crate::gates::tests::{evidence, pipeline, promotion, release, time};

    /// As they are written, so they are read.
    #[test]
    fn what_gates_and_quarantines_tell_of_is_known() {
        let pipeline = pipeline();
        let promotion = promotion("", &[]);
        let mut release = release(api::gantline::ReleasePhase::Failed, None);
        let check = |release: &api::gantline::Release, expected: &[Option<&str>]| {
            let decision = evaluate(&evidence(&pipeline, release, &promotion, time(1)), &Answers::default());
            assert_eq!(decision.reports().iter().map(of_gate).collect::<Vec<_>>(), expected, "{decision:?}");
        };
        check(&release, &[Some("staging"), None]);
        let mut quarantine = Quarantine { by: OURSELVES.into(), reason: failure("dev", "a: b"), ..Default::default() };
        assert_eq!(of_quarantine(&quarantine), Some("dev"));
        release.status.quarantine = Some(quarantine.clone());
        check(&release, &[Some("dev"), Some("staging"), None]);
        quarantine.by = "otto".into();
        assert_eq!(of_quarantine(&quarantine), None, "somebody's own words");
    }
}
