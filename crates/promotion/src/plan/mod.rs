//! Everything that is decided about a Pipeline: a function of what was observed, and of nothing else.
//!
//! Whoever realizes a plan takes its steps in order, each against the version that was observed, and stops at the first
//! that finds another one: the next plan sees what changed.

mod appear;
mod attempts;
mod distrust;
mod follow;
mod known;
mod ledger;
mod observed;
mod open;
mod running;
mod sight;
mod status;

use api::gantline::{
    Environment, GateReport, Pin, PipelineCondition, PipelineConditionKind, PipelineStatus, Promotion, PromotionPhase,
    PromotionSpec, PromotionStatus, Release, ReleaseEnvironment, ReleasePhase, ReleaseSpec, ReleaseStatus,
};
use jiff::Timestamp;

use crate::answers::{Answer, Question};
use crate::appeared::Appearance;
use crate::facts::Fact;
use crate::gates::Decision;
use crate::ledger::Ledger;

pub(crate) use known::Known;
use ledger::held_back;
pub(crate) use ledger::quarantined;
pub use observed::{Brought, Observed, Place, PlaceApplication, RunningImage, RunningPod};
pub(crate) use open::came;
use sight::{Runs, Sight};

/// What has to be done now, what has to be known, and when to look again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    pub status: PipelineStatus,
    /// All that the plan rests on, answered or not, some of it more than once: an answer that is needed no more may be
    /// forgotten.
    pub questions: Vec<Question>,
    /// When time alone may change something; `None`: only events do.
    pub next: Option<Timestamp>,
}

/// One thing to do, and what is to be told once it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub action: Action,
    pub facts: Vec<Fact>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// That it exists already is fine: its name says all about it.
    CreateRelease {
        name: String,
        spec: ReleaseSpec,
    },
    SetRelease {
        name: String,
        status: ReleaseStatus,
    },
    /// As above.
    OpenPromotion {
        name: String,
        spec: PromotionSpec,
    },
    SetPromotion {
        name: String,
        status: PromotionStatus,
    },
    /// Of a release that was written past Gantline: the only write to what it does not trust.
    SetBackRelease {
        name: String,
        status: ReleaseStatus,
    },
    /// As above.
    SetBackPromotion {
        name: String,
        status: PromotionStatus,
    },
    /// Against the one that was observed: a later one is another plan's ground.
    SetLedger {
        ledger: Ledger,
    },
    Pin {
        environment: String,
        pin: Pin,
    },
    /// From the spec, and from the status where old ones stand.
    Unpin {
        environment: String,
    },
    /// All gates passed: claim it, judge them once more on the head, and push one commit.
    Write {
        promotion: String,
        gates: Vec<GateReport>,
    },
    /// It was claimed: take the steps that are left, from what is written down and from what Git says.
    GoOn {
        promotion: String,
    },
}

/// Decides. The same observation gives the same plan; a plan that was realized leaves nothing to do until something
/// changes or its `next` has come.
pub fn plan(seen: &Observed) -> Plan {
    let mut draft = Draft::of(seen);
    if seen.problems.iter().any(|problem| problem.error) {
        return draft.invalid();
    }
    draft.distrust();
    draft.remember();
    draft.appear();
    draft.follow();
    draft.open();
    draft.go_on();
    draft.seal_new();
    draft.keep_ledger();
    draft.end()
}

/// What the gates of an open promotion say now; `None` where its environment or its release does not exist, or it does
/// not exist itself.
pub fn judged(seen: &Observed, promotion: &str) -> Option<Decision> {
    let mut draft = Draft::of(seen);
    draft.follow();
    let promotion = draft.promotions.iter().find(|known| known.metadata.name == promotion)?.clone();
    draft.judge(&promotion)
}

/// With what a claimed promotion may be pushed now.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    pub gates: Vec<GateReport>,
    /// Whose approvals count.
    pub approvers: Vec<String>,
}

/// `None`: the gates do not pass any more, or somebody set it back meanwhile.
pub fn may_push(seen: &Observed, promotion: &str) -> Option<Passed> {
    let claimed = seen.promotions.iter().find(|known| known.metadata.name == promotion)?;
    let mut draft = Draft::of(seen);
    if draft.passed_by(claimed).is_some() || claimed.status.phase != PromotionPhase::Writing {
        return None;
    }
    draft.follow();
    let Decision::Promote(gates) = draft.judge(claimed)? else { return None };
    Some(Passed { gates, approvers: draft.approvers(claimed) })
}

/// A plan while it is made: objects are as they will be after the steps so far.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) seen: &'a Observed,
    /// One for each environment.
    sights: Vec<Sight<'a>>,
    /// Why nobody can tell how a release does in an environment.
    blind: Vec<(String, String)>,
    /// The newest first.
    pub(crate) releases: Vec<Known<'a, Release>>,
    /// The newest first.
    pub(crate) promotions: Vec<Known<'a, Promotion>>,
    conditions: Vec<PipelineCondition>,
    /// The release that this plan finds.
    appearance: Option<Appearance>,
    plan: Plan,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(seen: &'a Observed) -> Self {
        let mut releases: Vec<_> = seen.releases.iter().map(|release| held_back(release, seen)).collect();
        releases.sort_by(|a, b| came(b).cmp(&came(a)).then_with(|| b.metadata.name.cmp(&a.metadata.name)));
        let mut promotions: Vec<_> = seen.promotions.iter().map(|promotion| Known::Seen(&**promotion)).collect();
        let age = |p: &Promotion| p.metadata.creation_timestamp;
        promotions.sort_by(|a, b| age(b).cmp(&age(a)).then_with(|| b.metadata.name.cmp(&a.metadata.name)));
        let (sights, blind, conditions, appearance, plan) = Default::default();
        let mut draft = Self { seen, sights, blind, releases, promotions, conditions, appearance, plan };
        draft.look();
        draft
    }

    fn invalid(self) -> Plan {
        let conditions = self.seen.problems.iter().map(|problem| PipelineCondition {
            r#type: PipelineConditionKind::Invalid,
            message: problem.message.clone(),
        });
        let status = PipelineStatus { conditions: conditions.collect(), ..self.seen.pipeline.status.clone() };
        Plan { status, ..Plan::default() }
    }

    fn end(mut self) -> Plan {
        self.conditions.extend(self.seen.problems.iter().map(|problem| PipelineCondition {
            r#type: PipelineConditionKind::Warning,
            message: problem.message.clone(),
        }));
        let status = self.status();
        Plan { status, ..self.plan }
    }

    fn condition(&mut self, kind: PipelineConditionKind, message: String) {
        self.conditions.push(PipelineCondition { r#type: kind, message });
    }

    fn step(&mut self, action: Action, facts: Vec<Fact>) {
        self.plan.steps.push(Step { action, facts });
    }

    /// Something may change at that time.
    fn wake(&mut self, at: Option<Timestamp>) {
        let Some(at) = at.filter(|at| *at > self.seen.now) else { return };
        self.plan.next = Some(self.plan.next.map_or(at, |next| next.min(at)));
    }

    /// The answer, if there is one. An old one counts until the new one is there.
    fn ask(&mut self, question: Question) -> Option<&'a Answer> {
        let answered = self.seen.answers.of(&question);
        self.wake(answered.and_then(|answered| answered.until()));
        self.plan.questions.push(question);
        answered.map(|answered| &answered.answer)
    }

    pub(crate) fn release(&self, name: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.metadata.name == name).map(|release| &**release)
    }

    /// What comes into the first is written by people.
    fn is_first(&self, environment: &str) -> bool {
        self.seen.pipeline.spec.environments.first().is_some_and(|first| first.name == environment)
    }

    /// The release that an environment runs by what Git and the registry say now.
    pub(crate) fn runs(&self, environment: &str) -> Option<&Release> {
        self.run_by(self.sight(environment)?)
    }

    fn run_by(&self, sight: &Sight<'_>) -> Option<&Release> {
        match sight.runs {
            Runs::Release(index) => self.releases.get(index).map(|release| &**release),
            Runs::Nothing | Runs::Other | Runs::Unknown { .. } => None,
        }
    }

    /// The release that was put into an environment last and has not been followed by another one: what a rollback takes
    /// back. It may not run there yet.
    pub(crate) fn put_last(&self, environment: &str) -> Option<&Release> {
        let here = self.releases.iter().filter_map(|release| Some((release, release.in_environment(environment)?)));
        let present = here.filter(|(_, entry)| entry.phase != ReleasePhase::Replaced);
        present.max_by_key(|(release, entry)| (entry.deployed_at, came(release))).map(|(release, _)| &**release)
    }
}

/// Of a release that was just seen in an environment, or written there.
pub(crate) fn entry(environment: &str, commit: &str, now: Timestamp) -> ReleaseEnvironment {
    ReleaseEnvironment {
        name: environment.to_owned(),
        since: Some(now),
        deployed_at: Some(now),
        known_since: Some(now),
        commit: commit.to_owned(),
        ..ReleaseEnvironment::default()
    }
}

/// Whether something comes into an environment without being asked for.
fn opens(environment: &Environment) -> bool {
    environment.auto || !environment.gates.is_empty()
}
