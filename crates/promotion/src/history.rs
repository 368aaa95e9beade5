//! What happened, as far as Pipelines, Releases and Promotions keep it: the facts that were told then, so that whoever was
//! not there to hear them reads the same. Of what came more than once the last time is kept.

use api::gantline::{
    Approval, GateState, Pipeline, Promotion, PromotionPhase, Release, ReleasePhase, Verdict, WriteStep,
};
use jiff::Timestamp;

use crate::about;
use crate::facts::{Fact, What};
use crate::plan::{Observed, quarantined};
use crate::writing;

/// A fact, and when it was so.
pub type Kept = (Timestamp, Fact);

/// That somebody has to ask before releases come again.
pub fn of_pipeline(pipeline: &Pipeline) -> Vec<Kept> {
    let pins = pipeline.spec.environments.iter().filter_map(|environment| {
        let (environment, pin) = (environment.name.clone(), pipeline.pin_of(&environment.name)?);
        let (by, reason) = (pin.by.clone(), pin.reason.clone());
        Some((pin.at?, Fact::of_pipeline(&pipeline.metadata.name, What::Pinned { environment, by, reason })))
    });
    pins.collect()
}

/// Where it came from, how far it is in each environment, and its quarantine.
pub fn of_release(release: &Release) -> Vec<Kept> {
    let (meta, spec, status) = (&release.metadata, &release.spec, &release.status);
    let fact = |what| Fact::of_release(&meta.name, spec, what);
    let made = meta.creation_timestamp.map(|at| (at, fact(What::released(&spec.images, &spec.source))));
    let by_hand = status
        .environments
        .iter()
        .filter(|entry| entry.by_hand)
        .filter_map(|entry| Some((entry.deployed_at?, fact(What::ByHand { environment: entry.name.clone() }))));
    let told = status.environments.iter().filter(|entry| entry.phase != ReleasePhase::Replaced);
    let moved = told.filter(|entry| entry.phase != ReleasePhase::Deploying).filter_map(|entry| {
        let (environment, phase, why) = (entry.name.clone(), entry.phase, entry.message.clone());
        Some((entry.since?, fact(What::Moved { environment, phase, why })))
    });
    let held = status
        .quarantine
        .iter()
        .filter_map(|it| Some((it.at?, fact(quarantined(release, it.by.clone(), it.reason.clone())))));
    made.into_iter().chain(by_hand).chain(moved).chain(held).collect()
}

/// Who asked, who decided, its commit, and why it did not go there.
pub fn of_promotion(promotion: &Promotion, gated: bool) -> Vec<Kept> {
    let (meta, spec, status) = (&promotion.metadata, &promotion.spec, &promotion.status);
    let fact = |what| Fact::of_promotion(&meta.name, spec, what);
    let environment = || spec.environment.clone();
    let wants = |by: &str| fact(What::Wants { environment: environment(), by: by.to_owned() });
    let waited = gated && !spec.rollback;
    let asked = meta.creation_timestamp.filter(|_| waited).map(|at| (at, wants(&spec.requested_by)));
    let also = status.asked.iter().filter_map(|ask| Some((ask.at?, wants(&ask.by))));
    let decided = status.approvals.iter().filter_map(|vote| {
        let (verdict, by, reason) = (vote.decision, vote.user.clone(), vote.reason.clone());
        Some((vote.at?, fact(What::Decided { environment: environment(), verdict, by, reason })))
    });
    let recorded = status.steps.iter().find(|record| record.step == WriteStep::Recorded);
    let pushed = recorded.filter(|_| !status.commit.is_empty()).and_then(|record| record.at);
    let pushed = pushed.map(|at| (at, writing::pushed(promotion, &status.commit)));
    let refused = status.ended_at.zip(refusal(promotion)).map(|(at, what)| (at, fact(what)));
    asked.into_iter().chain(also).chain(decided).chain(pushed).chain(refused).collect()
}

/// Why it did not go there; `None`: it did, or may yet.
fn refusal(promotion: &Promotion) -> Option<What> {
    let status = &promotion.status;
    let (environment, why) = (promotion.spec.environment.clone(), status.message.clone());
    match status.phase {
        _ if !status.commit.is_empty() => None,
        PromotionPhase::Superseded => Some(What::Overtaken { environment, why }),
        PromotionPhase::Rejected | PromotionPhase::Failed => {
            let no = status.gates.iter().find(|gate| gate.state == GateState::Failed);
            let tells_of = no.and_then(about::of_gate).unwrap_or_default().to_owned();
            Some(What::Refused { environment, why, tells_of })
        }
        _ => None,
    }
}

/// What was kept out of an environment last, while nothing newer came there.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnedAway<'a> {
    pub promotion: &'a Promotion,
    /// The word that decided; `None`: no person's.
    pub vote: Option<&'a Approval>,
    pub at: Timestamp,
}

/// `None` also while what was kept out last is older than what is there.
pub fn turned_away<'a>(seen: &'a Observed, environment: &str) -> Option<TurnedAway<'a>> {
    let here = |p: &&Promotion| p.spec.environment == environment && p.status.commit.is_empty();
    let refused = |p: &&Promotion| matches!(p.status.phase, PromotionPhase::Rejected | PromotionPhase::Failed);
    let all = seen.promotions.iter().map(|promotion| &**promotion).filter(here).filter(refused);
    let promotion = all.max_by_key(|promotion| promotion.status.ended_at)?;
    let at = promotion.status.ended_at?;
    let came = seen.releases.iter().filter_map(|release| release.in_environment(environment)?.deployed_at).max();
    let rejects = |vote: &&Approval| vote.decision == Verdict::Reject;
    let vote = promotion.status.approvals.iter().filter(rejects).max_by_key(|vote| vote.at);
    let vote = vote.filter(|_| promotion.status.phase == PromotionPhase::Rejected);
    came.is_none_or(|came| came < at).then_some(TurnedAway { promotion, vote, at })
}
