//! Gates: what must hold before a release enters an environment. One file a gate, one line each in [`judge`].

mod approval;
mod healthy;

use api::gantline::{Approval, Environment, Gate, GateReport, GateState, Pipeline, Release};
use jiff::Timestamp;

pub use approval::policy;

/// What the gates look at.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub pipeline: &'a Pipeline,
    /// The environment that the release wants to enter.
    pub environment: &'a Environment,
    pub release: &'a Release,
    pub approvals: &'a [Approval],
    /// Who asked for the promotion; empty when it came by itself.
    pub requested_by: &'a str,
    pub now: Timestamp,
}

/// What follows from all gates together.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Promote(Vec<GateReport>),
    Wait(Vec<GateReport>),
    /// Waiting does not help.
    Refuse(Vec<GateReport>),
}

impl Decision {
    pub fn reports(&self) -> &[GateReport] {
        match self {
            Self::Promote(reports) | Self::Wait(reports) | Self::Refuse(reports) => reports,
        }
    }
}

/// Judges every gate of the environment, and that the release is not quarantined. No gate: nothing to wait for.
pub fn evaluate(evidence: &Evidence<'_>) -> Decision {
    let mut reports: Vec<GateReport> = quarantined(evidence.release).into_iter().chain(pinned(evidence)).collect();
    reports.extend(evidence.environment.gates.iter().map(|gate| judge(gate, evidence)));
    let any = |state: GateState| reports.iter().any(|report| report.state == state);
    match (any(GateState::Failed), any(GateState::Waiting)) {
        (true, _) => Decision::Refuse(reports),
        (false, true) => Decision::Wait(reports),
        (false, false) => Decision::Promote(reports),
    }
}

fn judge(gate: &Gate, evidence: &Evidence<'_>) -> GateReport {
    match gate {
        Gate::Healthy(gate) => healthy::judge(gate, evidence),
        Gate::Approval(gate) => approval::judge(gate, evidence),
    }
}

/// A quarantined digest enters nothing.
fn quarantined(release: &Release) -> Option<GateReport> {
    let quarantine = release.status.quarantine.as_ref()?;
    Some(GateReport {
        name: "not quarantined".into(),
        kind: "quarantine".into(),
        state: GateState::Failed,
        value: format!("quarantined by {}: {}", quarantine.by, quarantine.reason),
        needed: "another image".into(),
        since: quarantine.at,
        earliest: None,
        who_can_act: "CI, with a new build".into(),
    })
}

/// A pinned environment takes nothing by itself, also what waited before it was pinned. Who asks knows of the pin.
fn pinned(evidence: &Evidence<'_>) -> Option<GateReport> {
    let name = &evidence.environment.name;
    let pin = evidence.pipeline.status_of(name)?.pinned.as_ref().filter(|_| evidence.requested_by.is_empty())?;
    Some(GateReport {
        name: format!("{name} not pinned"),
        kind: "pin".into(),
        state: GateState::Waiting,
        value: format!("pinned by {}: {}", pin.by, pin.reason),
        needed: "no pin, or somebody who asks for this release".into(),
        since: pin.at,
        earliest: None,
        who_can_act: "whoever lifts the pin or promotes by hand".into(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use api::gantline::{ReleaseEnvironment, ReleasePhase};
    use serde_json::json;

    use super::*;

    pub(crate) fn time(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + minutes * 60).unwrap()
    }

    pub(crate) fn pipeline() -> Pipeline {
        Pipeline::from_value(json!({"metadata": {"name": "shop"}, "spec": {
            "images": [{"name": "ghcr.io/acme/shop"}],
            "environments": [{"name": "dev", "application": "shop-dev", "auto": true}, {"name": "staging", "application": "shop-staging", "auto": true},
                {"name": "production", "application": "shop-production", "gates": [{"healthy": {"in": "staging", "for": "10m"}}, {"approval": {"group": "team-leads"}}]}]}}))
        .unwrap()
    }

    pub(crate) fn release(phase: ReleasePhase, healthy_since: Option<i64>) -> Release {
        let mut release = Release::default();
        release.spec.images.push(api::gantline::ReleaseImage {
            name: "ghcr.io/acme/shop".into(),
            tag: "v2".into(),
            digest: "sha256:d".into(),
        });
        release.spec.source.author = "Dana".into();
        release.status.environments.push(ReleaseEnvironment {
            name: "staging".into(),
            phase,
            healthy_since: healthy_since.map(time),
            ..ReleaseEnvironment::default()
        });
        release
    }

    pub(crate) fn approval(user: &str, pipeline: &Pipeline) -> Approval {
        let environment = pipeline.environment("production").unwrap();
        Approval {
            user: user.into(),
            groups: vec!["team-leads".into()],
            at: Some(time(1)),
            digest: "sha256:d".into(),
            environment: "production".into(),
            policy: policy(environment),
            ..Approval::default()
        }
    }

    /// `states` are those of the soak and of the approval.
    fn check(
        release: &Release,
        approvals: &[Approval],
        requested_by: &str,
        now: i64,
        states: [GateState; 2],
    ) -> Decision {
        let pipeline = pipeline();
        let environment = pipeline.environment("production").unwrap();
        let evidence = Evidence { pipeline: &pipeline, environment, release, approvals, requested_by, now: time(now) };
        let decision = evaluate(&evidence);
        let found: Vec<GateState> = decision.reports().iter().map(|r| r.state).collect();
        assert_eq!(found, states, "{decision:?}");
        decision
    }

    #[test]
    fn soak_and_approval_decide_together() {
        use GateState::{Passed, Waiting};
        let p = pipeline();
        let soaking = release(ReleasePhase::Soaking, Some(0));
        let decision = check(&soaking, &[], "", 4, [Waiting, Waiting]);
        let soak = &decision.reports()[0];
        assert_eq!((soak.value.as_str(), soak.needed.as_str()), ("Healthy for 4m", "Healthy for 10m"));
        assert_eq!(soak.earliest, Some(time(10)));
        assert_eq!(decision.reports()[1].who_can_act, "a member of team-leads, but not Dana");
        check(&soaking, &[approval("tina", &p)], "", 4, [Waiting, Passed]);
        let all = check(&soaking, &[approval("tina", &p)], "", 10, [Passed, Passed]);
        assert!(matches!(all, Decision::Promote(_)));
        // a Degraded sample takes the beginning away
        check(&release(ReleasePhase::Deploying, None), &[approval("tina", &p)], "", 60, [Waiting, Passed]);
        // the release was replaced in staging
        check(&release(ReleasePhase::Replaced, Some(0)), &[], "", 60, [GateState::Failed, Waiting]);
    }

    #[test]
    fn who_wrote_or_asked_does_not_approve() {
        use GateState::{Failed, Passed, Waiting};
        let p = pipeline();
        let soaking = release(ReleasePhase::Soaking, Some(0));
        check(&soaking, &[approval("dana", &p)], "", 10, [Passed, Waiting]);
        check(&soaking, &[approval("tina", &p)], "tina", 10, [Passed, Waiting]);
        let stale = Approval { policy: "other".into(), ..approval("tina", &p) };
        check(&soaking, &[stale], "", 10, [Passed, Waiting]);
        let other = Approval { digest: "sha256:e".into(), ..approval("tina", &p) };
        check(&soaking, &[other], "", 10, [Passed, Waiting]);
        let no = Approval { decision: api::gantline::Verdict::Reject, ..approval("tina", &p) };
        check(&soaking, &[no], "", 10, [Passed, Failed]);
    }

    #[test]
    fn a_quarantined_release_goes_nowhere() {
        let p = pipeline();
        let mut bad = release(ReleasePhase::Soaking, Some(0));
        bad.status.quarantine =
            Some(api::gantline::Quarantine { by: "gantline".into(), reason: "it failed".into(), at: None });
        let environment = p.environment("production").unwrap();
        let approvals = [approval("tina", &p)];
        let evidence = Evidence {
            pipeline: &p,
            environment,
            release: &bad,
            approvals: &approvals,
            requested_by: "",
            now: time(60),
        };
        assert!(matches!(evaluate(&evidence), Decision::Refuse(_)));
    }
}
