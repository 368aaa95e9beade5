//! A Pipeline as it is for everybody: what a reader may see and do of it is decided when they read.

use std::borrow::Borrow;
use std::sync::Arc;

use api::argocd::{Application, HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Approval, Environment, EnvironmentStatus, GateKind, GateReport, GateState, Pipeline, PipelineCondition,
    PipelineConditionKind, Promotion, PromotionPhase,
};
use jiff::Timestamp;
use promotion::requests::{self, Ballot};
use promotion::{Judge, Observed, gates, history};

use super::possible::{self, Possible};
use crate::people::Identity;
use crate::rights::{Object, Resource, Verb, permit};
use crate::server::State;
use crate::veil::Veil;
use crate::views::{EnvironmentView, Next, Service, TurnedAway, reasons};

/// One Pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lane {
    name: String,
    images: Vec<String>,
    conditions: Vec<PipelineCondition>,
    stops: Vec<Stop>,
    lifts: Vec<Possible>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq)]
struct Stop {
    /// Without what is its Application's.
    view: EnvironmentView,
    /// What kept out what was turned away.
    gates_of_turned_away: Vec<GateReport>,
    deployed: Deployed,
    possible: Vec<Possible>,
}

/// What only those see who may get the Application.
#[derive(Debug, Clone, PartialEq)]
struct Deployed {
    object: Object,
    name: String,
    sync: SyncStatusCode,
    health: HealthStatusCode,
    reasons: Vec<String>,
}

impl Lane {
    /// As it is now; without environments where it went away meanwhile.
    pub(crate) fn of(state: &State, pipeline: &Pipeline) -> Self {
        let seen = state.config.controller.observed(&pipeline.metadata.name);
        let stop = |seen: &Observed, environment: &Environment| {
            let app = state.application(&environment.application);
            let open = Open::of(seen, environment);
            Stop {
                view: view(seen, environment, open.as_ref()),
                gates_of_turned_away: history::turned_away(seen, &environment.name)
                    .map_or_else(Vec::new, |away| away.promotion.status.gates.clone()),
                deployed: Deployed::of(&environment.application, app.as_deref(), &state.config.namespace),
                possible: possible::in_environment(seen, environment, open.as_ref()),
            }
        };
        let stops = |seen: &Observed| seen.pipeline.spec.environments.iter().map(|it| stop(seen, it)).collect();
        Self {
            name: pipeline.metadata.name.clone(),
            images: pipeline.spec.images.iter().map(|image| image.name.clone()).collect(),
            conditions: pipeline.status.conditions.clone(),
            stops: seen.as_ref().map_or_else(Vec::new, stops),
            lifts: seen.as_ref().map_or_else(Vec::new, possible::lifts),
        }
    }

    /// One that does not have the shape of a Pipeline.
    pub(super) fn unreadable(name: &str, why: &str) -> Self {
        let (r#type, message) = (PipelineConditionKind::Invalid, format!("it cannot be read: {why}"));
        let conditions = vec![PipelineCondition { r#type, message }];
        Self { name: name.to_owned(), images: Vec::new(), conditions, stops: Vec::new(), lifts: Vec::new() }
    }

    /// What somebody may see of it, and what they may do.
    pub(crate) fn seen_by(&self, who: &Identity, now: Timestamp) -> Service {
        let mut conditions = self.conditions.clone();
        self.veil(who).conditions(&mut conditions);
        Service {
            name: self.name.clone(),
            images: self.images.clone(),
            problems: conditions.into_iter().map(|condition| condition.message).collect(),
            environments: self.environments(who, now),
            offers: self.lifts.iter().filter_map(|possible| possible.offered_to(who, now)).collect(),
        }
    }

    /// Its environments, as [`Lane::seen_by`].
    pub(crate) fn environments(&self, who: &Identity, now: Timestamp) -> Vec<EnvironmentView> {
        let veil = self.veil(who);
        self.stops.iter().map(|stop| stop.seen_by(who, now, &veil)).collect()
    }

    fn veil(&self, who: &Identity) -> Veil {
        Veil::over(self.stops.iter().map(|stop| (stop.view.name.clone(), stop.deployed.is_shown_to(who))))
    }

    /// Whether time alone, or an answer from outside, may have changed it.
    pub(super) fn is_restless(&self, now: Timestamp) -> bool {
        let gates = self.stops.iter().filter_map(|stop| stop.view.next.as_ref()).flat_map(|next| &next.gates);
        gates.into_iter().any(|gate| {
            let people = gates::awaits_people(gate.kind) || matches!(gate.kind, GateKind::Quarantine | GateKind::Pin);
            let waits = gate.state == GateState::Waiting && !people && gate.earliest.is_none_or(|at| at <= now);
            waits || gate.until.is_some_and(|until| until <= now)
        })
    }
}

impl Stop {
    fn seen_by(&self, who: &Identity, now: Timestamp, veil: &Veil) -> EnvironmentView {
        let mut view = self.view.clone();
        if let Some(next) = &mut view.next {
            veil.next(&view.name, next);
        }
        if let Some(away) = &mut view.turned_away {
            veil.turned_away(self.gates_of_turned_away.as_slice(), away);
        }
        if self.deployed.is_shown_to(who) {
            let Deployed { name, sync, health, reasons, .. } = self.deployed.clone();
            (view.application, view.sync, view.health) = (Some(name), Some(sync), Some(health));
            view.reasons.splice(..0, reasons);
        }
        view.offers = self.possible.iter().filter_map(|possible| possible.offered_to(who, now)).collect();
        view
    }
}

impl Deployed {
    fn is_shown_to(&self, who: &Identity) -> bool {
        permit(&who.rights, Verb::Get, &self.object)
    }

    fn of(name: &str, app: Option<&Application>, home: &str) -> Self {
        let absent = || Object::absent(Resource::Applications, name);
        Self {
            object: app.map_or_else(absent, |app| Object::application(app, home)),
            name: name.to_owned(),
            sync: app.map_or(SyncStatusCode::Unknown, |app| app.status.sync.status),
            health: app.map_or(HealthStatusCode::Missing, |app| app.status.health.status),
            reasons: app.map_or_else(|| vec![format!("there is no Application {name}")], reasons),
        }
    }
}

/// The promotion that is open in an environment.
pub(super) struct Open<'a> {
    pub(super) promotion: &'a Promotion,
    gates: Vec<GateReport>,
    /// What decides about a word on it, where one is waited for.
    pub(super) ballot: Option<Ballot>,
    /// Whether people have a say in what comes here.
    pub(super) asks_people: bool,
}

impl<'a> Open<'a> {
    fn of(seen: &'a Observed, environment: &Environment) -> Option<Self> {
        let here = |p: &&Arc<Promotion>| p.spec.environment == environment.name && p.status.phase.is_open();
        let promotion: &Promotion = seen.promotions.iter().find(here)?;
        Some(Self {
            promotion,
            gates: gates_now(|| Some(seen), promotion),
            ballot: requests::ballot(seen, &promotion.metadata.name).ok(),
            asks_people: environment.gates.iter().any(|gate| !gate.groups().is_empty()),
        })
    }

    /// Whether somebody's yes is missing.
    pub(super) fn needs_approval(&self) -> bool {
        let waits = |gate: &GateReport| gates::awaits_people(gate.kind) && gate.state != GateState::Passed;
        self.asks_people && self.gates.iter().any(waits) && self.ballot.is_some()
    }
}

fn view(seen: &Observed, environment: &Environment, open: Option<&Open<'_>>) -> EnvironmentView {
    let unknown = EnvironmentStatus::default();
    let (pipeline, name) = (&seen.pipeline, &environment.name);
    let status = pipeline.status_of(name).unwrap_or(&unknown);
    let here = seen.releases.iter().find(|release| release.metadata.name == status.release);
    EnvironmentView {
        name: name.clone(),
        purpose: environment.purpose.clone(),
        phase: here.and_then(|release| release.in_environment(name)).map(|entry| entry.phase),
        release: status.release.clone(),
        tag: status.tag.clone(),
        digest: status.digest.as_ref().map_or_else(String::new, ToString::to_string),
        since: status.since,
        reasons: if open.is_none() { status.waiting.clone() } else { Vec::new() },
        pinned: pipeline.pin_of(name).cloned(),
        next: open.map(next),
        turned_away: history::turned_away(seen, name).map(turned_away),
        ..EnvironmentView::default()
    }
}

/// What the gates say at this moment; what is stored is as old as the last change. Only what waits is looked at for it.
pub(crate) fn gates_now<S: Borrow<Observed>>(
    seen: impl FnOnce() -> Option<S>,
    promotion: &Promotion,
) -> Vec<GateReport> {
    let waits = promotion.status.phase == PromotionPhase::Waiting && !promotion.spec.rollback;
    let judged = || Some(promotion::judged(seen()?.borrow(), &promotion.metadata.name)?.reports().to_vec());
    waits.then(judged).flatten().unwrap_or_else(|| promotion.status.gates.clone())
}

fn turned_away(it: history::TurnedAway<'_>) -> TurnedAway {
    let Promotion { metadata, spec, status, .. } = it.promotion;
    let said = |vote: &Approval| (vote.user.clone(), vote.reason.clone());
    let (by, reason) = it.vote.map_or_else(|| (String::new(), status.message.clone()), said);
    let (promotion, release, tag) = (metadata.name.clone(), spec.release.clone(), spec.tag.clone());
    TurnedAway { promotion, release, tag, by, reason, at: it.at }
}

fn next(open: &Open<'_>) -> Next {
    let Promotion { metadata, spec, status, .. } = open.promotion;
    Next {
        promotion: metadata.name.clone(),
        release: spec.release.clone(),
        phase: status.phase,
        tag: spec.tag.clone(),
        message: status.message.clone(),
        needs_approval: open.needs_approval(),
        gates: open.gates.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_time_or_an_answer_may_change_is_looked_at_without_being_touched() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let lane = |gate: GateReport| {
            let next = Some(Next { gates: vec![gate], ..Next::default() });
            let view = EnvironmentView { next, ..EnvironmentView::default() };
            let deployed = Deployed::of("web", None, "argocd");
            let stops = vec![Stop { view, gates_of_turned_away: Vec::new(), deployed, possible: Vec::new() }];
            Lane { stops, ..Lane::unreadable("shop", "") }
        };
        let waits = |kind: GateKind| GateReport { kind, state: GateState::Waiting, ..GateReport::default() };
        let check = |gate: GateReport, expected: [bool; 2]| {
            let lane = lane(gate.clone());
            assert_eq!([at(9), at(10)].map(|now| lane.is_restless(now)), expected, "{gate:?}");
        };
        check(waits(GateKind::Approval), [false, false]);
        check(GateReport { earliest: Some(at(10)), ..waits(GateKind::Healthy) }, [false, true]);
        // an answer from outside is not a change of any object
        check(waits(GateKind::Healthy), [true, true]);
        let open = GateReport { state: GateState::Passed, until: Some(at(10)), ..waits(GateKind::Window) };
        check(open, [false, true]);
    }
}
