use api::argocd::{Application, HealthStatusCode, OperationPhase, SyncStatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// An Application in one line, as the page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ApplicationRow {
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) sync: SyncStatusCode,
    pub(crate) health: HealthStatusCode,
    /// The commit that it was compared with.
    pub(crate) revision: String,
    /// Why it is not green, in its own words.
    pub(crate) reasons: Vec<String>,
}

impl From<&Application> for ApplicationRow {
    fn from(app: &Application) -> Self {
        Self {
            name: app.metadata.name.clone(),
            project: app.spec.project.clone(),
            sync: app.status.sync.status,
            health: app.status.health.status,
            revision: app.status.sync.revision.clone(),
            reasons: reasons(app),
        }
    }
}

/// Why an Application is not green, in its own words.
pub(crate) fn reasons(app: &Application) -> Vec<String> {
    let conditions = app.status.conditions.iter().map(|condition| condition.message.clone());
    let health = app.status.health.message.clone();
    let resources = app.status.resources.iter().filter_map(|resource| {
        let health = resource.health.as_ref()?;
        let said = !health.message.is_empty() && health.status != HealthStatusCode::Healthy;
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
