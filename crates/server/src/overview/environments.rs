//! The environments of a pipeline.

use std::sync::Arc;

use api::argocd::{Application, HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Environment, EnvironmentStatus, Gate, GateReport, GateState, Pipeline, Promotion, PromotionPhase, Release,
};

use crate::server::State;
use crate::views::{EnvironmentView, Next, Promotable, reasons};

/// The environments of a pipeline, as the page and `gantline env` show them.
pub(crate) fn environments(state: &State, pipeline: &Pipeline) -> Vec<EnvironmentView> {
    let name = pipeline.metadata.name.as_str();
    let (releases, promotions) = (state.releases(Some(name)), state.promotions(Some(name)));
    let view = |environment: &Environment| {
        let app = state.application(&environment.application);
        environment_view(state, pipeline, environment, app.as_deref(), &releases, &promotions)
    };
    pipeline.spec.environments.iter().map(view).collect()
}

fn environment_view(
    state: &State,
    pipeline: &Pipeline,
    environment: &Environment,
    app: Option<&Application>,
    releases: &[Arc<Release>],
    promotions: &[Arc<Promotion>],
) -> EnvironmentView {
    let unknown = EnvironmentStatus::default();
    let status = pipeline.status_of(&environment.name).unwrap_or(&unknown);
    let here = releases.iter().find(|release| release.metadata.name == status.release);
    let phase = here.and_then(|release| release.in_environment(&environment.name)).map(|entry| entry.phase);
    let pending = promotions
        .iter()
        .find(|promotion| promotion.spec.environment == environment.name && promotion.status.phase.is_open());
    let missing = || vec![format!("there is no Application {}", environment.application)];
    let mut reasons = app.map_or_else(missing, reasons);
    if pending.is_none() {
        reasons.extend(status.waiting.iter().cloned());
    }
    EnvironmentView {
        name: environment.name.clone(),
        purpose: environment.purpose.clone(),
        application: environment.application.clone(),
        sync: app.map_or(SyncStatusCode::Unknown, |app| app.status.sync.status),
        health: app.map_or(HealthStatusCode::Missing, |app| app.status.health.status),
        phase,
        release: status.release.clone(),
        tag: status.tag.clone(),
        digest: status.digest.clone(),
        since: status.since,
        reasons,
        pinned: status.pinned.clone(),
        next: pending.map(|promotion| next(state, environment, promotion)),
        promotable: promotable(pipeline, environment, status, releases).filter(|_| pending.is_none()),
        can_roll_back: here.is_some() && came_before(environment, status, releases),
    }
}

/// What the gates say at this moment; what is stored is as old as the last change.
pub(crate) fn gates_now(state: &State, promotion: &Promotion) -> Vec<GateReport> {
    let (spec, status) = (&promotion.spec, &promotion.status);
    let judged = || {
        let pipeline = state.pipeline(&spec.pipeline)?;
        let release = state.release(&spec.release)?;
        let environment = pipeline.environment(&spec.environment)?;
        let evidence = promotion::Evidence {
            pipeline: &pipeline,
            environment,
            release: &release,
            approvals: &status.approvals,
            requested_by: &spec.requested_by,
            now: state.config.clock.now(),
        };
        Some(promotion::evaluate(&evidence).reports().to_vec())
    };
    let waits = status.phase == PromotionPhase::Waiting && !spec.rollback;
    waits.then(judged).flatten().unwrap_or_else(|| status.gates.clone())
}

fn next(state: &State, environment: &Environment, promotion: &Promotion) -> Next {
    let gates = gates_now(state, promotion);
    let waits = |gate: &GateReport| gate.kind == "approval" && gate.state != GateState::Passed;
    let asked = environment.gates.iter().any(|gate| matches!(gate, Gate::Approval(_)));
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

/// The release of the environment before, when it is another one and may travel.
fn promotable(
    pipeline: &Pipeline,
    environment: &Environment,
    status: &EnvironmentStatus,
    releases: &[Arc<Release>],
) -> Option<Promotable> {
    let before = pipeline.status_of(&pipeline.before(&environment.name)?.name)?;
    let release = releases.iter().find(|release| release.metadata.name == before.release)?;
    let may = before.release != status.release && release.status.quarantine.is_none();
    may.then(|| Promotable { release: before.release.clone(), tag: before.tag.clone() })
}

/// Whether another release ran here before the present one.
fn came_before(environment: &Environment, status: &EnvironmentStatus, releases: &[Arc<Release>]) -> bool {
    let was_here = |release: &&Arc<Release>| release.in_environment(&environment.name).is_some();
    releases.iter().filter(was_here).any(|release| release.metadata.name != status.release)
}
