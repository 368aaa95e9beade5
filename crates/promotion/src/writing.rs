//! What is written down around a commit. Each durable step stands before the next begins: see [`WriteStep`].

use api::gantline::{
    GateReport, Promotion, PromotionPhase, PromotionStatus, Release, ReleaseStatus, StepRecord, WriteStep,
};
use jiff::{SignedDuration, Timestamp};

use crate::facts::{Fact, What};
use crate::plan::{Action, Step, entry};

/// After a push that was declined, or an edit that cannot be made.
const RETRY: SignedDuration = SignedDuration::from_mins(2);
/// So long Applications have to look at a branch.
const LOOK: SignedDuration = SignedDuration::from_secs(15);

/// Why an attempt does not go on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was written: waits, with what to tell.
    Wait(String),
    /// Nothing was written: something would come along that nobody judged, and is being looked at. Waits a moment.
    Unjudged(String),
    /// The commit may be on the branch: before anything else Git is searched again.
    Unknown(String),
    /// The gates do not pass any more, and nothing was written.
    Again,
    /// The branch moved, perhaps by this very promotion: all over again, from the search.
    Stale,
}

/// The status with one more step taken.
pub(crate) fn stepped(status: &PromotionStatus, step: WriteStep, detail: &str, now: Timestamp) -> PromotionStatus {
    let mut status = status.clone();
    status.steps.push(StepRecord { step, at: Some(now), detail: detail.to_owned() });
    status
}

/// From here on one controller has the promotion: whoever else wants it finds another version. `None`: it waits no more.
pub fn claim(promotion: &Promotion, gates: Vec<GateReport>, now: Timestamp) -> Option<Step> {
    if promotion.status.phase != PromotionPhase::Waiting {
        return None;
    }
    let mut status = stepped(&promotion.status, WriteStep::Claimed, "", now);
    (status.phase, status.gates, status.retry_at) = (PromotionPhase::Writing, gates, None);
    status.message.clear();
    status.attempts += 1;
    Some(set(promotion, status, Vec::new()))
}

/// The fact that a commit was pushed: once for each, by whoever pushed it.
pub fn pushed(promotion: &Promotion, commit: &str) -> Fact {
    let spec = &promotion.spec;
    let approved: Vec<&str> = promotion.status.approvals.iter().map(|approval| approval.user.as_str()).collect();
    let (asked, reasons): (Vec<&str>, Vec<&str>) = (promotion.askers().collect(), promotion.reasons().collect());
    let by = if asked.is_empty() { approved } else { asked }.join(", ");
    let (environment, reason, commit) = (spec.environment.clone(), reasons.join("; "), commit.to_owned());
    fact(
        promotion,
        match spec.rollback {
            true => What::RolledBack { environment, by, reason, commit },
            false => What::Promoted { environment, by, reason, commit },
        },
    )
}

/// The commit is on the branch: the release was put into the environment, and the promotion knows its commit. Nothing
/// where that is written down already.
pub fn record(promotion: &Promotion, release: &Release, commit: &str, now: Timestamp) -> Vec<Step> {
    // whatever was thought of the promotion meanwhile: Git has it
    if !promotion.status.commit.is_empty() {
        return Vec::new();
    }
    let environment = &promotion.spec.environment;
    let others = release.status.environments.iter().filter(|entry| entry.name != *environment);
    let environments = others.cloned().chain([entry(environment, commit, now)]).collect();
    let entered = ReleaseStatus { environments, ..release.status.clone() };
    let short: String = commit.chars().take(7).collect();
    let mut status = stepped(&promotion.status, WriteStep::Recorded, &short, now);
    (status.phase, status.commit, status.retry_at) = (PromotionPhase::Written, commit.to_owned(), None);
    status.message.clear();
    let name = release.metadata.name.clone();
    let enter = Step { action: Action::SetRelease { name, status: entered }, facts: Vec::new() };
    vec![enter, set(promotion, status, Vec::new())]
}

/// The Application was asked to look at the branch. `None`: somebody came further meanwhile.
pub fn refreshed(promotion: &Promotion, now: Timestamp) -> Option<Step> {
    if promotion.status.phase != PromotionPhase::Written {
        return None;
    }
    let mut status = stepped(&promotion.status, WriteStep::Refreshed, "", now);
    status.phase = PromotionPhase::Converging;
    Some(set(promotion, status, Vec::new()))
}

/// Writes down why an attempt does not go on. `told` is what was said the last time.
pub fn set_back(promotion: &Promotion, told: &str, stop: Stop, now: Timestamp) -> Step {
    let begun = promotion.status.phase;
    let later = now.checked_add(RETRY).ok();
    let (phase, message, retry_at) = match stop {
        Stop::Again => (PromotionPhase::Waiting, String::new(), None),
        // searched again, and judged again, at once
        Stop::Stale => (begun, "the branch moved: the gates are judged again".to_owned(), None),
        // not back to the gates: what is written cannot be refused any more
        Stop::Unknown(why) => (begun, why, later),
        Stop::Wait(why) => (PromotionPhase::Waiting, why, later),
        Stop::Unjudged(why) => (PromotionPhase::Waiting, why, now.checked_add(LOOK).ok()),
    };
    let news = retry_at.is_some() && message != told;
    let what = What::Delayed { environment: promotion.spec.environment.clone(), why: message.clone() };
    let facts = news.then(|| fact(promotion, what)).into_iter().collect();
    set(promotion, PromotionStatus { phase, message, retry_at, ..promotion.status.clone() }, facts)
}

fn fact(promotion: &Promotion, what: What) -> Fact {
    Fact::of_promotion(&promotion.metadata.name, &promotion.spec, what)
}

fn set(promotion: &Promotion, status: PromotionStatus, facts: Vec<Fact>) -> Step {
    Step { action: Action::SetPromotion { name: promotion.metadata.name.clone(), status }, facts }
}
