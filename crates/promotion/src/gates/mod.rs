//! Gates: what must hold before a release enters an environment. One file a gate, in the order of [`api::gates!`].

use api::gantline::{
    Approval, ApprovalGroup, Environment, Gate, GateKind, GateReport, GateState, Pipeline, Promotion, Release, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use crate::about::to_lift;
use crate::answers::{Answers, Question};
use crate::change_set::ChangeSet;
use crate::members::Members;

pub use approval::{bound, policy};

/// What the gates look at.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub pipeline: &'a Pipeline,
    /// The environment that the release wants to enter.
    pub environment: &'a Environment,
    pub release: &'a Release,
    /// What wants to enter: who asked for it, and who approved it.
    pub promotion: &'a Promotion,
    /// Who wrote what would change.
    pub change_set: &'a ChangeSet,
    /// Who could approve, as far as that is known.
    pub members: &'a Members,
    /// Environments of which nobody can tell now what they run or how that does, and why: no time counts there.
    pub blind: &'a [(String, String)],
    pub now: Timestamp,
}

/// How one kind of gate behaves. Its shape, which people write, is its [`api::gantline::Shape`].
pub trait Judge {
    /// What has to be known from outside, before it can be judged.
    fn questions(&self, _: &Evidence<'_>) -> Vec<Question> {
        Vec::new()
    }

    fn judge(&self, evidence: &Evidence<'_>, answers: &Answers) -> GateReport;

    /// What it asks for, as a list of gates shows it: `healthy for 10m`.
    fn says(&self) -> String;

    /// Whose members decide.
    fn groups(&self) -> Vec<ApprovalGroup> {
        Vec::new()
    }

    /// Whether nothing but the word of people passes or refuses it: time and answers from outside do not.
    fn awaits_people(&self) -> bool {
        false
    }

    /// Whether what a person decides counts, else why not; `None` where nobody is asked.
    fn counts(&self, _: &Evidence<'_>, _: &Approval) -> Option<Result<(), String>> {
        None
    }

    /// The environment in which a release has to be healthy, and for how long. `before` is the one before this.
    fn soaks<'a>(&'a self, _before: &'a str) -> Option<(&'a str, SignedDuration)> {
        None
    }
}

macro_rules! judges {
    ($($word:ident $kind:ident $shape:ident;)*) => {
        $(mod $word;)*

        fn behaviour(gate: &Gate) -> &dyn Judge {
            match gate {
                $(Gate::$kind(gate) => gate,)*
            }
        }

        /// [`Judge::awaits_people`] of a gate that reported and may not be there any more.
        pub fn awaits_people(kind: GateKind) -> bool {
            match kind {
                $(GateKind::$kind => api::gantline::$shape::default().awaits_people(),)*
                GateKind::Quarantine | GateKind::Pin | GateKind::Unknown => false,
            }
        }
    };
}
api::gates!(judges);

impl Judge for Gate {
    fn questions(&self, evidence: &Evidence<'_>) -> Vec<Question> {
        behaviour(self).questions(evidence)
    }

    fn judge(&self, evidence: &Evidence<'_>, answers: &Answers) -> GateReport {
        behaviour(self).judge(evidence, answers)
    }

    fn says(&self) -> String {
        behaviour(self).says()
    }

    fn groups(&self) -> Vec<ApprovalGroup> {
        behaviour(self).groups()
    }

    fn awaits_people(&self) -> bool {
        behaviour(self).awaits_people()
    }

    fn counts(&self, evidence: &Evidence<'_>, vote: &Approval) -> Option<Result<(), String>> {
        behaviour(self).counts(evidence, vote)
    }

    fn soaks<'a>(&'a self, before: &'a str) -> Option<(&'a str, SignedDuration)> {
        behaviour(self).soaks(before)
    }
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
pub fn evaluate(evidence: &Evidence<'_>, answers: &Answers) -> Decision {
    let mut reports: Vec<GateReport> = quarantined(evidence.release).into_iter().chain(pinned(evidence)).collect();
    reports.extend(evidence.environment.gates.iter().map(|gate| gate.judge(evidence, answers)));
    let any = |state: GateState| reports.iter().any(|report| report.state == state);
    match (any(GateState::Failed), any(GateState::Waiting)) {
        (true, _) => Decision::Refuse(reports),
        (false, true) => Decision::Wait(reports),
        (false, false) => Decision::Promote(reports),
    }
}

/// Who approved, as far as that counts for a gate.
pub(crate) fn approvers(evidence: &Evidence<'_>) -> Vec<String> {
    let gates = || evidence.environment.gates.iter();
    let counts = |vote: &&Approval| gates().any(|gate| gate.counts(evidence, vote) == Some(Ok(())));
    let yes = approval::about_this(evidence).into_iter().filter(|vote| vote.decision == Verdict::Approve);
    yes.filter(counts).map(|vote| vote.user.clone()).collect()
}

/// How long later gates want a release to be healthy in each environment; `None`: no gate counts time there.
pub(crate) fn soaks(pipeline: &Pipeline) -> Vec<Option<SignedDuration>> {
    let environments = &pipeline.spec.environments;
    let mut longest = vec![None; environments.len()];
    let mut before = "";
    for later in environments {
        let wanted = later.gates.iter().filter_map(|gate| gate.soaks(before)).filter(|(_, soak)| !soak.is_zero());
        for (place, soak) in wanted {
            let same = environments.iter().zip(&mut longest).find(|(known, _)| known.name == place);
            same.into_iter().for_each(|(_, longest)| *longest = (*longest).max(Some(soak)));
        }
        before = &later.name;
    }
    longest
}

/// A quarantined digest enters nothing.
pub(crate) fn quarantined(release: &Release) -> Option<GateReport> {
    let quarantine = release.status.quarantine.as_ref()?;
    Some(GateReport {
        name: "not quarantined".into(),
        kind: GateKind::Quarantine,
        state: GateState::Failed,
        value: format!("quarantined by {}: {}", quarantine.whose(), quarantine.reason),
        needed: "another image, or the quarantine lifted".into(),
        since: quarantine.at,
        who_can_act: format!(
            "CI, with a new build, or who may lift it ({})",
            to_lift(quarantine, &release.metadata.name)
        ),
        ..GateReport::default()
    })
}

/// A pinned environment takes nothing by itself, also what waited before it was pinned. Who asks knows of the pin.
fn pinned(evidence: &Evidence<'_>) -> Option<GateReport> {
    let name = &evidence.environment.name;
    let pin = evidence.pipeline.pin_of(name).filter(|_| evidence.promotion.askers().next().is_none())?;
    Some(GateReport {
        name: format!("{name} not pinned"),
        kind: GateKind::Pin,
        state: GateState::Waiting,
        value: format!("pinned by {}: {}", pin.by, pin.reason),
        needed: "no pin, or somebody who asks for this release".into(),
        since: pin.at,
        who_can_act: "whoever lifts the pin or promotes by hand".into(),
        ..GateReport::default()
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use api::gantline::{ReleaseEnvironment, ReleasePhase};
    use serde_json::json;

    use std::sync::LazyLock;

    use super::*;
    use crate::change_set::Accounts;

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

    fn digest(digit: &str) -> object::ImageDigest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    pub(crate) fn release(phase: ReleasePhase, healthy_since: Option<i64>) -> Release {
        let mut release = Release::default();
        release.spec.images.push(api::gantline::ReleaseImage {
            name: "ghcr.io/acme/shop".into(),
            tag: "v2".into(),
            digest: digest("d"),
            parts: Vec::new(),
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

    pub(crate) fn promotion(requested_by: &str, approvals: &[Approval]) -> Promotion {
        let mut promotion = Promotion::default();
        promotion.spec.requested_by = requested_by.to_owned();
        promotion.status.approvals = approvals.to_vec();
        promotion
    }

    pub(crate) fn approval(user: &str, pipeline: &Pipeline) -> Approval {
        let environment = pipeline.environment("production").unwrap();
        Approval {
            user: user.into(),
            groups: vec!["team-leads".into()],
            at: Some(time(1)),
            digest: Some(digest("d")),
            environment: "production".into(),
            policy: policy(environment),
            ..Approval::default()
        }
    }

    /// About production, with nobody behind the release, nobody known, and nothing that nobody can tell.
    pub(crate) fn evidence<'a>(
        pipeline: &'a Pipeline,
        release: &'a Release,
        promotion: &'a Promotion,
        now: Timestamp,
    ) -> Evidence<'a> {
        static NOBODY: LazyLock<(ChangeSet, Members)> = LazyLock::new(Default::default);
        let (change_set, members) = &*NOBODY;
        let environment = pipeline.environment("production").unwrap();
        Evidence { pipeline, environment, release, promotion, change_set, members, blind: &[], now }
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
        let promotion = promotion(requested_by, approvals);
        let change_set = &ChangeSet::of([&release.spec.source], &accounts());
        let evidence = Evidence { change_set, ..evidence(&pipeline, release, &promotion, time(now)) };
        let decision = evaluate(&evidence, &Answers::default());
        let found: Vec<GateState> = decision.reports().iter().map(|r| r.state).collect();
        assert_eq!(found, states, "{decision:?}");
        decision
    }

    fn accounts() -> Accounts {
        ["dana", "tina"].map(|name| (name.to_owned(), Default::default())).into()
    }

    #[test]
    fn soak_and_approval_decide_together() {
        use GateState::{Passed, Waiting};
        let p = pipeline();
        let soaking = release(ReleasePhase::Soaking, Some(0));
        let decision = check(&soaking, &[], "", 4, [Waiting, Waiting]);
        let soak = &decision.reports()[0];
        let since = format!("Healthy since {}", time(0));
        assert_eq!((soak.value.as_str(), soak.needed.as_str()), (since.as_str(), "Healthy for 10m"));
        assert_eq!(soak.earliest, Some(time(10)));
        assert_eq!(decision.reports()[1].who_can_act, "a member of team-leads, but not Dana");
        let later = check(&soaking, &[], "", 5, [Waiting, Waiting]);
        assert_eq!(later, decision, "time alone changes nothing until it is enough");
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
        let other = Approval { digest: Some(digest("e")), ..approval("tina", &p) };
        check(&soaking, &[other], "", 10, [Passed, Waiting]);
        let no = Approval { decision: api::gantline::Verdict::Reject, ..approval("tina", &p) };
        check(&soaking, &[no], "", 10, [Passed, Failed]);
    }

    #[test]
    fn a_quarantined_release_goes_nowhere() {
        let p = pipeline();
        let mut bad = release(ReleasePhase::Soaking, Some(0));
        bad.status.quarantine =
            Some(api::gantline::Quarantine { by: "gantline".into(), reason: "it failed".into(), ..Default::default() });
        let promotion = promotion("", &[approval("tina", &p)]);
        let evidence = evidence(&p, &bad, &promotion, time(60));
        assert!(matches!(evaluate(&evidence, &Answers::default()), Decision::Refuse(_)));
    }
}
