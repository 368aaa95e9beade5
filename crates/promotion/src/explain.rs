//! Why: of a release, why it does not move; of an environment, why what is next is not here; of a Pipeline, all of that.

use std::borrow::Cow;

use api::gantline::{Environment, GateState, Promotion, PromotionPhase, Release, ReleaseEnvironment, ReleasePhase};
use jiff::Timestamp;
use object::short_hash;
use serde::Serialize;

use crate::about::to_lift;
use crate::gates::Decision;
use crate::identity::{identity, label};
use crate::plan::{Draft, Known, Observed};

/// One answer, the same on every screen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The name of the release; empty where it is about an environment into which nothing wants.
    pub release: String,
    pub tag: String,
    pub digest: String,
    /// One sentence.
    pub summary: String,
    /// What holds it; empty: nothing does.
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The environment, or `Quarantine`, or `Pipeline`.
    pub topic: String,
    pub message: String,
    /// What it is now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What it has to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub needed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// It cannot be otherwise before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Timestamp>,
    /// Who can act.
    pub who: String,
}

/// Why a release is where it is; `None`: there is no such release.
pub fn release(seen: &Observed, name: &str) -> Option<Explanation> {
    let draft = Draft::now(seen);
    let release = draft.release(name)?;
    let environments = || seen.pipeline.spec.environments.iter();
    let mut reasons: Vec<Reason> = quarantine(release).into_iter().collect();
    for environment in environments() {
        let entry = release.in_environment(&environment.name);
        reasons.extend(entry.and_then(|entry| held(environment, entry)));
        if entry.is_none_or(|entry| entry.phase == ReleasePhase::Replaced) && !reached_later(seen, release, environment)
        {
            // what holds it here holds it everywhere behind
            reasons.extend(outside(&draft, release, environment));
            break;
        }
    }
    Some(summed_up(release, reasons))
}

/// Why what is next is not in an environment: its open promotion, or what the environment before runs; `None`: there is
/// no such environment.
pub fn environment(seen: &Observed, name: &str) -> Option<Explanation> {
    let environment = seen.pipeline.environment(name)?;
    Some(arrival(&Draft::now(seen), environment))
}

fn arrival(draft: &Draft<'_>, environment: &Environment) -> Explanation {
    let (pipeline, name) = (&draft.seen.pipeline, environment.name.as_str());
    let open = draft.promotions.iter().find(|p| p.spec.environment == name && p.status.phase.is_open());
    let before = pipeline.before(name).and_then(|before| draft.runs(&before.name));
    let here = draft.put_last(name).map(|here| here.metadata.name.as_str());
    let next = open.and_then(|open| draft.release(&open.spec.release)).or(before);
    let Some(next) = next.filter(|next| open.is_some() || Some(next.metadata.name.as_str()) != here) else {
        let runs = draft.runs(name).map_or_else(|| "no release".into(), called);
        let summary = format!("{name} runs {runs}, and nothing is on its way there");
        let reasons = of_pin(draft, environment).into_iter().collect();
        return Explanation { summary, reasons, ..Explanation::default() };
    };
    let mut reasons: Vec<Reason> = quarantine(next).into_iter().collect();
    reasons.extend(outside(draft, next, environment));
    summed_up(next, reasons)
}

/// What all environments run, and why each does not run what the one before does, or is not well; the first one first.
pub fn pipeline(seen: &Observed) -> Explanation {
    let (draft, spec) = (Draft::now(seen), &seen.pipeline.spec);
    let stopped = seen.problems.iter().filter(|problem| problem.error);
    let mut reasons: Vec<Reason> = stopped.map(|problem| of_problem(&problem.message)).collect();
    for here in &spec.environments {
        let there = draft.put_last(&here.name).and_then(|release| release.in_environment(&here.name));
        reasons.extend(there.and_then(|entry| held(here, entry)));
        reasons.extend(arrival(&draft, here).reasons);
    }
    let runs = |environment: &Environment| {
        let release = draft.runs(&environment.name).map_or_else(|| "no release".into(), called);
        format!("{} runs {release}", environment.name)
    };
    let runs = spec.environments.iter().map(runs).collect::<Vec<_>>().join(", ");
    let name = &seen.pipeline.metadata.name;
    let summary = match reasons.first() {
        None => format!("{name}: {runs}."),
        Some(first) => format!("{name}: {runs}: {}", first.message),
    };
    Explanation { summary, reasons, ..Explanation::default() }
}

fn of_problem(message: &str) -> Reason {
    Reason {
        topic: "Pipeline".to_owned(),
        message: format!("the Pipeline stands still: {message}"),
        who: "whoever edits the Pipeline".to_owned(),
        ..Reason::default()
    }
}

impl<'a> Draft<'a> {
    /// With releases as they are at this moment.
    fn now(seen: &'a Observed) -> Self {
        let mut draft = Self::of(seen);
        draft.follow();
        draft
    }
}

fn quarantine(release: &Release) -> Option<Reason> {
    let quarantine = release.status.quarantine.as_ref()?;
    Some(Reason {
        topic: "Quarantine".to_owned(),
        message: format!("{} is quarantined by {}: {}", called(release), quarantine.whose(), quarantine.reason),
        since: quarantine.at,
        who: format!("CI, with another image, or who may lift it ({})", to_lift(quarantine, &release.metadata.name)),
        ..Reason::default()
    })
}

/// What keeps a release that was put into an environment from being well there.
fn held(environment: &Environment, entry: &ReleaseEnvironment) -> Option<Reason> {
    let well = entry.phase == ReleasePhase::Verified || entry.phase == ReleasePhase::Replaced;
    let message = match entry.phase {
        ReleasePhase::Deploying if entry.message.is_empty() => {
            format!("{} does not run it yet", environment.application)
        }
        _ => entry.message.clone(),
    };
    (!well && !message.is_empty()).then(|| Reason {
        topic: environment.name.clone(),
        message,
        value: entry.phase.as_str().to_owned(),
        since: entry.since,
        who: format!("whoever looks after {}", environment.application),
        ..Reason::default()
    })
}

/// Whether it was put into an environment behind this one.
fn reached_later(seen: &Observed, release: &Release, environment: &Environment) -> bool {
    let behind = seen.pipeline.spec.environments.iter().skip_while(|known| known.name != environment.name).skip(1);
    behind
        .into_iter()
        .any(|later| release.in_environment(&later.name).is_some_and(|entry| entry.phase != ReleasePhase::Replaced))
}

/// Why a release is not in an environment.
fn outside(draft: &Draft<'_>, release: &Release, environment: &Environment) -> Vec<Reason> {
    let of =
        |p: &&Known<'_, Promotion>| p.spec.environment == environment.name && p.spec.release == release.metadata.name;
    if let Some(promotion) = draft.promotions.iter().find(of)
        && promotion.status.phase != PromotionPhase::Succeeded
    {
        return of_promotion(draft, promotion);
    }
    let replaced = release.in_environment(&environment.name).filter(|entry| entry.phase == ReleasePhase::Replaced);
    let Some(replaced) = replaced else { return vec![of_absence(draft, release, environment)] };
    // a rollback pins, too: both keep it away
    let reasons = [Some(of_replaced(draft, release, environment, replaced)), of_pin(draft, environment)];
    reasons.into_iter().flatten().collect()
}

/// One reason a gate that has not passed, else what the promotion says.
fn of_promotion(draft: &Draft<'_>, promotion: &Promotion) -> Vec<Reason> {
    let (environment, phase) = (&promotion.spec.environment, promotion.status.phase);
    let decision = (phase == PromotionPhase::Waiting).then(|| draft.judge(promotion)).flatten();
    let gates = decision.as_ref().map_or(&[][..], Decision::reports).iter();
    let mut reasons: Vec<Reason> = gates
        .filter(|gate| gate.state != GateState::Passed)
        .map(|gate| Reason {
            topic: environment.clone(),
            message: format!("{environment} waits for {}", gate.name),
            value: gate.value.clone(),
            needed: gate.needed.clone(),
            since: gate.since,
            earliest: gate.earliest,
            who: gate.who_can_act.clone(),
        })
        .collect();
    let retry_at = promotion.status.retry_at.filter(|at| *at > draft.seen.now);
    if reasons.is_empty() || retry_at.is_some() {
        let said = &promotion.status.message;
        let why = if said.is_empty() { String::new() } else { format!(": {said}") };
        let reason = Reason {
            topic: environment.clone(),
            message: format!("the promotion to {environment} is {}{why}", phase.as_str()),
            value: phase.as_str().to_owned(),
            earliest: retry_at,
            who: who_after(promotion),
            ..Reason::default()
        };
        reasons.insert(0, reason);
    }
    reasons
}

/// Who goes on after what a promotion has come to.
fn who_after(promotion: &Promotion) -> String {
    let spec = &promotion.spec;
    match promotion.status.phase {
        phase if phase.is_open() => {
            "nobody needs to act while it goes on; `gantline release show` tells each step".into()
        }
        PromotionPhase::Superseded => "nobody: another release took its place".into(),
        _ => format!("whoever may promote: gantline promote {} --to {}", spec.pipeline, spec.environment),
    }
}

fn of_replaced(draft: &Draft<'_>, release: &Release, environment: &Environment, entry: &ReleaseEnvironment) -> Reason {
    let other = draft.put_last(&environment.name).map_or_else(|| "something that is no release".into(), called);
    Reason {
        topic: environment.name.clone(),
        message: format!("{} was in {}: {other} took its place", called(release), environment.name),
        value: entry.phase.as_str().to_owned(),
        since: entry.since,
        who: asks(draft, environment),
        ..Reason::default()
    }
}

fn of_absence(draft: &Draft<'_>, release: &Release, environment: &Environment) -> Reason {
    let name = &environment.name;
    let who = asks(draft, environment);
    if let Some(pinned) = of_pin(draft, environment) {
        return pinned;
    }
    let before = draft.seen.pipeline.before(name).and_then(|before| release.in_environment(&before.name));
    let message = match before.map(|entry| entry.phase) {
        Some(ReleasePhase::Deploying) => format!("{name} takes it once the environment before runs it"),
        Some(ReleasePhase::Replaced) => format!("{name} did not take it while the environment before ran it"),
        _ => format!("nobody asked for it in {name} yet"),
    };
    Reason { topic: name.clone(), message, who, ..Reason::default() }
}

fn of_pin(draft: &Draft<'_>, environment: &Environment) -> Option<Reason> {
    let (pipeline, name) = (&draft.seen.pipeline, &environment.name);
    let pin = pipeline.pin_of(name)?;
    let lifts = format!("who may lift it: gantline rollback {} --in {name} --unpin", pipeline.metadata.name);
    Some(Reason {
        topic: name.clone(),
        message: format!("{name} is pinned by {}: {}", pin.by, pin.reason),
        since: pin.at,
        who: format!("{}, or {lifts}", asks(draft, environment)),
        ..Reason::default()
    })
}

fn asks(draft: &Draft<'_>, environment: &Environment) -> String {
    let pipeline = &draft.seen.pipeline.metadata.name;
    format!("whoever may promote: gantline promote {pipeline} --to {}", environment.name)
}

fn summed_up(release: &Release, reasons: Vec<Reason>) -> Explanation {
    let present = release.status.environments.iter().filter(|entry| entry.phase != ReleasePhase::Replaced);
    let here: Vec<&str> = present.map(|entry| entry.name.as_str()).collect();
    let name = called(release);
    let summary = match reasons.first() {
        None => format!("{name} went through every environment: {}.", here.join(", ")),
        Some(first) if here.is_empty() => format!("{name} is in no environment: {}", first.message),
        Some(first) => format!("{name} is in {}: {}", here.join(", "), first.message),
    };
    Explanation {
        release: release.metadata.name.clone(),
        digest: identity(&release.spec.images).map_or_else(String::new, String::from),
        summary,
        reasons,
        tag: label(&release.spec.images).into_owned(),
    }
}

/// Its tag, cut where that is a commit's hash; pinned by digest alone it has none, and is called by its name.
fn called(release: &Release) -> Cow<'_, str> {
    match label(&release.spec.images) {
        Cow::Borrowed("") => Cow::Borrowed(&release.metadata.name),
        Cow::Borrowed(tag) => Cow::Borrowed(short_hash(tag)),
        several => several,
    }
}
