//! What came of one path, and why.

use std::collections::BTreeSet;

use api::argocd::{Application, HealthStatusCode, OperationPhase, SyncStatusCode};
use control::Controller;
use serde::Serialize;

use super::survey::{Deployable, Found, What};

/// See the module.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) status: Status,
    /// How many objects it has in the cluster.
    pub(super) objects: usize,
    /// What keeps it from being healthy, or why it is not deployed.
    pub(super) causes: Vec<String>,
    /// The Application in the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    Healthy,
    NotHealthy,
    /// It cannot be healthy without something that the repository does not have.
    NeedsMore,
    NotDeployed,
}

/// So many causes of one path are told.
const CAUSES: usize = 3;

impl Verdict {
    pub(super) fn line(&self) -> String {
        let path = if self.path.is_empty() { "." } else { &self.path };
        let why = self.causes.join("; ");
        let (kind, objects) = (self.kind, self.objects);
        match self.status {
            Status::Healthy => format!("  {path:<50} healthy ({kind}, {objects} objects)"),
            Status::NotHealthy => format!("  {path:<50} not healthy ({kind}): {why}"),
            Status::NeedsMore => format!("  {path:<50} needs more ({kind}): {why}"),
            Status::NotDeployed => format!("  {path:<50} not deployed ({kind}): {why}"),
        }
    }
}

/// `unknown` are the kinds that the path needs and nobody defines.
pub(super) async fn verdict(controller: &Controller, found: &Found, unknown: &BTreeSet<String>) -> Verdict {
    let (path, kind) = (found.path.clone(), found.kind);
    let deployable = match &found.what {
        What::Deployable(deployable) => deployable,
        What::NotDeployed(why) => {
            let (status, causes) = (Status::NotDeployed, vec![why.clone()]);
            return Verdict { path, kind, status, objects: 0, causes, application: None };
        }
    };
    let app = controller.application(&deployable.name);
    let status = match &app {
        Some(app) if is_healthy(app) => Status::Healthy,
        _ if unknown.is_empty() => Status::NotHealthy,
        _ => Status::NeedsMore,
    };
    let objects = app.as_ref().map_or(0, |app| app.status.resources.len());
    let causes = match (&app, status) {
        (_, Status::NeedsMore) => vec![needs(unknown)],
        (Some(app), Status::NotHealthy) => causes(controller, app, deployable).await,
        (None, _) => vec!["the controller has not looked at it".to_owned()],
        _ => Vec::new(),
    };
    Verdict { path, kind, status, objects, causes, application: Some(deployable.name.clone()) }
}

pub(super) fn is_healthy(app: &Application) -> bool {
    app.status.sync.status == SyncStatusCode::Synced && app.status.health.status == HealthStatusCode::Healthy
}

fn needs(unknown: &BTreeSet<String>) -> String {
    let kinds = unknown.iter().cloned().collect::<Vec<_>>().join(", ");
    format!(
        "no CustomResourceDefinition of the repository defines {kinds}: an operator that is installed beside it does"
    )
}

/// The nearest cause first: what cannot be read, what cannot be applied, what does not come up.
async fn causes(controller: &Controller, app: &Application, deployable: &Deployable) -> Vec<String> {
    let errors = app.status.conditions.iter().filter(|condition| condition.kind.is_error());
    let mut causes: Vec<String> = errors.map(|condition| condition.message.clone()).collect();
    let operation = app.status.operation_state.as_ref();
    if causes.is_empty() {
        let failed = operation.filter(|it| matches!(it.phase, OperationPhase::Failed | OperationPhase::Error));
        causes.extend(failed.map(|it| it.message.clone()));
    }
    if causes.is_empty() {
        let explained = controller.explain(app).await;
        let reasons = explained.reasons.into_iter().map(|reason| reason.message);
        causes.extend(reasons.filter(|reason| !reason.is_empty()));
        if causes.is_empty() {
            causes.extend(operation.map(|it| it.message.clone()).filter(|message| !message.is_empty()));
        }
        if causes.is_empty() {
            causes.push(format!("{}: the patience ended first", explained.summary));
        }
    }
    if deployable.manifests.is_empty() && app.status.resources.is_empty() {
        causes.push("nothing of it was deployed".to_owned());
    }
    causes.dedup();
    causes.truncate(CAUSES);
    causes
}
