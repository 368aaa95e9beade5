//! The environments of a pipeline.

use std::borrow::Borrow;

use api::argocd::{Application, HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Environment, EnvironmentStatus, GateKind, GateReport, GateState, Pipeline, Promotion, PromotionPhase,
};
use promotion::{Judge, Observed, requests};

use crate::server::State;
use crate::views::{EnvironmentView, Named, Next, Service, reasons};

/// How many quarantined releases of a service are shown.
const LIFTABLE: usize = 3;

/// The environments of a pipeline, as the page and `gantline env` show them.
pub(crate) fn environments(state: &State, pipeline: &Pipeline) -> Vec<EnvironmentView> {
    let seen = state.config.controller.observed(&pipeline.metadata.name);
    seen.map_or_else(Vec::new, |seen| environments_of(state, &seen))
}

fn environments_of(state: &State, seen: &Observed) -> Vec<EnvironmentView> {
    let view = |environment: &Environment| {
        let app = state.application(&environment.application);
        environment_view(seen, environment, app.as_deref())
    };
    seen.pipeline.spec.environments.iter().map(view).collect()
}

pub(super) fn service(state: &State, pipeline: &Pipeline) -> Service {
    let seen = state.config.controller.observed(&pipeline.metadata.name);
    Service {
        name: pipeline.metadata.name.clone(),
        images: pipeline.spec.images.iter().map(|image| image.name.clone()).collect(),
        problems: pipeline.status.conditions.iter().map(|condition| condition.message.clone()).collect(),
        environments: seen.as_ref().map_or_else(Vec::new, |seen| environments_of(state, seen)),
        liftable: seen.as_ref().map_or_else(Vec::new, liftable),
    }
}

fn liftable(seen: &Observed) -> Vec<Named> {
    let newest = requests::liftable(seen).into_iter().take(LIFTABLE);
    newest.filter_map(|release| named(seen, release)).collect()
}

fn environment_view(seen: &Observed, environment: &Environment, app: Option<&Application>) -> EnvironmentView {
    let unknown = EnvironmentStatus::default();
    let (pipeline, name) = (&seen.pipeline, &environment.name);
    let status = pipeline.status_of(name).unwrap_or(&unknown);
    let here = seen.releases.iter().find(|release| release.metadata.name == status.release);
    let mut open = seen.promotions.iter().filter(|p| p.spec.environment == *name && p.status.phase.is_open());
    let pending = open.next();
    let missing = || vec![format!("there is no Application {}", environment.application)];
    let mut reasons = app.map_or_else(missing, reasons);
    if pending.is_none() {
        reasons.extend(status.waiting.iter().cloned());
    }
    EnvironmentView {
        name: name.clone(),
        purpose: environment.purpose.clone(),
        application: environment.application.clone(),
        sync: app.map_or(SyncStatusCode::Unknown, |app| app.status.sync.status),
        health: app.map_or(HealthStatusCode::Missing, |app| app.status.health.status),
        phase: here.and_then(|release| release.in_environment(name)).map(|entry| entry.phase),
        release: status.release.clone(),
        tag: status.tag.clone(),
        digest: status.digest.clone(),
        since: status.since,
        reasons,
        pinned: pipeline.pin_of(name).cloned(),
        next: pending.map(|promotion| next(seen, environment, promotion)),
        promotable: promotable(seen, name).filter(|_| pending.is_none()),
        // what is offered is what would be done
        can_roll_back: requests::roll_back(seen, name, "somebody", "").is_ok(),
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

fn next(seen: &Observed, environment: &Environment, promotion: &Promotion) -> Next {
    let gates = gates_now(|| Some(seen), promotion);
    let waits = |gate: &GateReport| gate.kind == GateKind::Approval && gate.state != GateState::Passed;
    let asked = environment.gates.iter().any(|gate| !gate.groups().is_empty());
    Next {
        promotion: promotion.metadata.name.clone(),
        release: promotion.spec.release.clone(),
        phase: promotion.status.phase,
        tag: promotion.spec.tag.clone(),
        message: promotion.status.message.clone(),
        needs_approval: asked && promotion.status.phase == PromotionPhase::Waiting && gates.iter().any(waits),
        gates,
    }
}

/// The release that somebody could ask for.
fn promotable(seen: &Observed, environment: &str) -> Option<Named> {
    named(seen, requests::promotable(seen, environment)?)
}

fn named(seen: &Observed, release: String) -> Option<Named> {
    let known = seen.releases.iter().find(|known| known.metadata.name == release)?;
    let tag = promotion::label(&known.spec.images).into_owned();
    Some(Named { release, tag })
}
