use std::borrow::Cow;
use std::sync::Arc;

use api::argocd::{
    Application, ApplicationSpec, ApplicationStatus, HealthStatusCode, Operation, OperationPhase, SyncStatusCode,
};
use api::meta::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::object::Written;

/// An Application as it is written, and in its status what nobody writes: `provenAt`.
#[derive(Debug)]
pub(crate) struct ApplicationView {
    pub(crate) app: Arc<Application>,
    /// The commit of its first source at which it is known, without a render, to be what its status says.
    pub(crate) proven_at: Option<String>,
}

const PROVEN: &str = "provenAt";
const PROVEN_AT: &str = "The commit of the first source up to which nothing changed that the Application reads: it is \
                         at this commit what `sync.revision` says. Absent while that is not known to the process that \
                         answers, or cannot be said for pushes to come.";

impl Written for ApplicationView {
    const API_VERSION: &'static str = Application::API_VERSION;
    const KIND: &'static str = Application::KIND;
    const BY_FIELDS: bool = true;

    fn written(&self) -> Value {
        let mut value = serde_json::to_value(Shown::from(self)).unwrap_or_default();
        hide_credentials(&mut value);
        value
    }

    fn text(&self) -> String {
        let text = serde_json::to_string(&Shown::from(self)).unwrap_or_default();
        // also in annotations, and in what was synced when
        match object::without_credentials(&text) {
            Cow::Owned(shown) => shown,
            Cow::Borrowed(_) => text,
        }
    }

    fn definition() -> Value {
        let mut definition = Application::definition();
        let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
        if let Some(properties) = definition.pointer_mut(status) {
            properties["provenAt"] = json!({ "type": "string", "description": PROVEN_AT });
        }
        definition
    }
}

/// Shows the addresses in all texts of a value without what lets somebody in.
pub(super) fn hide_credentials(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = object::without_credentials(text) {
                *text = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_credentials),
        Value::Object(fields) => fields.values_mut().for_each(hide_credentials),
        _ => {}
    }
}

/// An Application without a copy of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a ObjectMeta,
    spec: &'a ApplicationSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ShownStatus<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a Operation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownStatus<'a> {
    #[serde(flatten)]
    status: Cow<'a, ApplicationStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proven_at: Option<&'a str>,
}

impl<'a> From<&'a ApplicationView> for Shown<'a> {
    fn from(ApplicationView { app, proven_at }: &'a ApplicationView) -> Self {
        let mut status = Cow::Borrowed(&app.status);
        // a copy that somebody applied may have an old one
        if app.status.unknown.contains_key(PROVEN) {
            status.to_mut().unknown.remove(PROVEN);
        }
        let said = app.status != ApplicationStatus::default();
        Self {
            api_version: ApplicationView::API_VERSION,
            kind: ApplicationView::KIND,
            metadata: &app.metadata,
            spec: &app.spec,
            status: said.then_some(ShownStatus { status, proven_at: proven_at.as_deref() }),
            operation: app.operation.as_ref(),
        }
    }
}

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
    let told = all.filter(|reason| !reason.is_empty()).map(|reason| object::without_credentials(&reason).into_owned());
    let mut reasons: Vec<String> = told.collect();
    reasons.dedup();
    reasons.truncate(4);
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_application_is_proven_stands_in_its_status() {
        let mut written = json!({ "metadata": { "name": "web" }, "spec": { "destination": {}, "project": "default" },
            "status": { "provenAt": "old", "sync": { "status": "Synced", "revision": "abc" } } });
        written["apiVersion"] = json!(ApplicationView::API_VERSION);
        written["kind"] = json!(ApplicationView::KIND);
        let app = Arc::new(Application::from_value(written).unwrap());
        let check = |proven_at: Option<&str>| {
            let view = ApplicationView { app: Arc::clone(&app), proven_at: proven_at.map(str::to_owned) };
            let value = view.written();
            assert_eq!(value.pointer("/status/provenAt").and_then(Value::as_str), proven_at, "{value}");
            assert_eq!(value.pointer("/status/sync/revision"), Some(&json!("abc")));
        };
        check(Some("def"));
        check(None);
        let property = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/provenAt/type";
        assert_eq!(ApplicationView::definition().pointer(property), Some(&json!("string")));
    }
}
