//! What the page shows, as one value: services with their environments side by side, Applications, the timeline.

use std::sync::Arc;

use api::argocd::{Application, OperationPhase};
use api::gantline::{
    Environment, EnvironmentStatus, Gate, GateReport, GateState, Pipeline, Promotion, PromotionPhase, Release,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Server;

/// How much of the timeline the page shows.
const ENTRIES: usize = 60;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    images: Vec<String>,
    problems: Vec<String>,
    environments: Vec<EnvironmentView>,
}

/// One environment of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentView {
    pub(crate) name: String,
    pub(crate) purpose: String,
    pub(crate) application: String,
    pub(crate) sync: String,
    pub(crate) health: String,
    /// Of the release that is there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) phase: String,
    pub(crate) release: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) reasons: Vec<String>,
    pub(crate) pinned: Option<api::gantline::Pin>,
    /// The release that wants to come here.
    pub(crate) next: Option<Next>,
    /// A release that somebody could ask for.
    pub(crate) promotable: Option<Promotable>,
    pub(crate) can_roll_back: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Next {
    pub(crate) promotion: String,
    pub(crate) release: String,
    pub(crate) phase: String,
    pub(crate) tag: String,
    pub(crate) message: String,
    pub(crate) gates: Vec<GateReport>,
    pub(crate) needs_approval: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Promotable {
    pub(crate) release: String,
    pub(crate) tag: String,
}

/// What is there now, for everybody who is logged in.
pub(crate) fn overview(server: &Server) -> Value {
    let applications = server.config.controller.stores().applications.all();
    let services: Vec<Service> = server
        .stores()
        .pipelines
        .all()
        .iter()
        .map(|pipeline| Service {
            name: pipeline.metadata.name.clone(),
            images: pipeline.spec.images.iter().map(|image| image.name.clone()).collect(),
            problems: pipeline.status.conditions.iter().map(|condition| condition.message.clone()).collect(),
            environments: environments(server, pipeline),
        })
        .collect();
    json!({
        "applications": applications.iter().map(|app| application(app)).collect::<Vec<_>>(),
        "services": services,
        "simulated": server.config.simulated,
        "speed": server.config.speed,
        "timeline": server.config.controller.timeline().newest(ENTRIES),
        "now": server.config.clock.now(),
    })
}

fn application(app: &Application) -> Value {
    json!({
        "name": app.metadata.name,
        "project": app.spec.project,
        "sync": app.status.sync.status.to_string(),
        "health": app.status.health.status.to_string(),
        "revision": app.status.sync.revision,
        "reasons": reasons(app),
    })
}

/// Why an Application is not green, in its own words.
fn reasons(app: &Application) -> Vec<String> {
    let conditions = app.status.conditions.iter().map(|condition| condition.message.clone());
    let health = app.status.health.message.clone();
    let resources = app.status.resources.iter().filter_map(|resource| {
        let health = resource.health.as_ref()?;
        let said = !health.message.is_empty() && health.status.to_string() != "Healthy";
        said.then(|| format!("{} {}: {}", resource.kind, resource.name, health.message))
    });
    let failed = app
        .status
        .operation_state
        .as_ref()
        .filter(|state| matches!(state.phase, OperationPhase::Failed | OperationPhase::Error));
    let operation = failed.map(|state| format!("the last sync failed: {}", state.message));
    let all = conditions.chain(Some(health)).chain(resources).chain(operation);
    let mut reasons: Vec<String> = all.filter(|reason| !reason.is_empty()).collect();
    reasons.dedup();
    reasons.truncate(4);
    reasons
}

/// The environments of a pipeline, as the page and `gantline env` show them.
pub(crate) fn environments(server: &Server, pipeline: &Pipeline) -> Vec<EnvironmentView> {
    let name = pipeline.metadata.name.as_str();
    let (releases, promotions) = (server.stores().releases(Some(name)), server.stores().promotions(Some(name)));
    let view = |environment: &Environment| {
        let app = server.config.controller.application(&environment.application);
        environment_view(server, pipeline, environment, app.as_deref(), &releases, &promotions)
    };
    pipeline.spec.environments.iter().map(view).collect()
}

fn environment_view(
    server: &Server,
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
        sync: app.map_or_else(|| "Unknown".to_owned(), |app| app.status.sync.status.to_string()),
        health: app.map_or_else(|| "Missing".to_owned(), |app| app.status.health.status.to_string()),
        phase: phase.map_or_else(String::new, |phase| phase.as_str().to_owned()),
        release: status.release.clone(),
        tag: status.tag.clone(),
        digest: status.digest.clone(),
        since: status.since,
        reasons,
        pinned: status.pinned.clone(),
        next: pending.map(|promotion| next(server, environment, promotion)),
        promotable: promotable(pipeline, environment, status, releases).filter(|_| pending.is_none()),
        can_roll_back: here.is_some() && came_before(environment, status, releases),
    }
}

/// What the gates say at this moment; what is stored is as old as the last change.
pub(crate) fn gates_now(server: &Server, promotion: &Promotion) -> Vec<GateReport> {
    let (spec, status) = (&promotion.spec, &promotion.status);
    let judged = || {
        let pipeline = server.stores().pipeline(&spec.pipeline)?;
        let release = server.stores().release(&spec.release)?;
        let environment = pipeline.environment(&spec.environment)?;
        let evidence = promotion::Evidence {
            pipeline: &pipeline,
            environment,
            release: &release,
            approvals: &status.approvals,
            requested_by: &spec.requested_by,
            now: server.config.clock.now(),
        };
        Some(promotion::evaluate(&evidence).reports().to_vec())
    };
    let waits = status.phase == PromotionPhase::Waiting && !spec.rollback;
    waits.then(judged).flatten().unwrap_or_else(|| status.gates.clone())
}

fn next(server: &Server, environment: &Environment, promotion: &Promotion) -> Next {
    let gates = gates_now(server, promotion);
    let waits = |gate: &GateReport| gate.kind == "approval" && gate.state != GateState::Passed;
    let asked = environment.gates.iter().any(|gate| matches!(gate, Gate::Approval(_)));
    Next {
        promotion: promotion.metadata.name.clone(),
        release: promotion.spec.release.clone(),
        phase: promotion.status.phase.as_str().to_owned(),
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
