//! Applications, on Argo CD's paths.

use std::sync::Arc;

use api::argocd::Application;
use axum::Json;
use axum::extract::{Path, Query, State};
use control::AppKey;
use control::requests::{self, SyncRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Server;
use crate::error::ApiError;
use crate::people::{Action, Identity};
use crate::selector;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GetOptions {
    /// `normal` or `hard`: ask the controller to look again.
    refresh: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListOptions {
    /// A label selector.
    selector: String,
    /// Names of projects, with commas between.
    projects: String,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct DeleteQuery {
    cascade: bool,
}

impl Default for DeleteQuery {
    /// As Argo CD: what the Application deployed goes with it unless somebody says otherwise.
    fn default() -> Self {
        Self { cascade: true }
    }
}

/// The body of Argo CD's sync request; what it says beyond these fields is refused, not ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SyncBody {
    name: Option<String>,
    app_namespace: Option<String>,
    project: Option<String>,
    revision: Option<String>,
    prune: bool,
    dry_run: bool,
    resources: Vec<ResourceName>,
    sync_options: Items,
    strategy: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Items {
    items: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResourceName {
    group: String,
    kind: String,
    name: String,
}

pub(super) async fn list(
    State(server): State<Server>,
    Query(wanted): Query<ListOptions>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let terms = selector::parse(&wanted.selector).map_err(ApiError::invalid)?;
    let projects: Vec<&str> = wanted.projects.split(',').filter(|name| !name.is_empty()).collect();
    let applications = server.config.controller.stores().applications.all();
    let items: Vec<Value> = applications
        .iter()
        .filter(|app| projects.is_empty() || projects.contains(&app.spec.project_name()))
        .filter(|app| terms.iter().all(|term| term.matches(&app.metadata.labels)))
        .map(|app| app.to_value())
        .collect();
    Ok(Json(json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationList", "metadata": {}, "items": items })))
}

pub(super) async fn get(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(options): Query<GetOptions>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    match options.refresh.as_str() {
        "" => {}
        "normal" | "true" => requests::refresh(&server.config.controller, &app, false).await?,
        "hard" => requests::refresh(&server.config.controller, &app, true).await?,
        other => return Err(ApiError::invalid(format!("refresh={other:?} is neither normal nor hard"))),
    }
    Ok(Json(find(&server, &name)?.to_value()))
}

pub(super) fn find(server: &Server, name: &str) -> Result<Arc<Application>, ApiError> {
    server.config.controller.application(name).ok_or_else(|| {
        let namespace = &server.config.namespace;
        let key = AppKey::said(name, namespace);
        if let Some(why) = server.stores().applications.why_unreadable(&key.namespace, &key.name) {
            return ApiError::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &*why);
        }
        let all = server.config.controller.stores().applications.all();
        let near = all.iter().filter(|app| is_near(&app.metadata.name, &key.name));
        let near: Vec<String> = near.take(5).map(|app| AppKey::of(app).text(namespace)).collect();
        let hint = match near.as_slice() {
            [] => format!("`gantline app list` shows the {} that there are", all.len()),
            names => format!("did you mean {}?", names.join(" or ")),
        };
        ApiError::not_found(format!("there is no Application {:?} in namespace {}: {hint}", key.name, key.namespace))
    })
}

fn is_near(known: &str, name: &str) -> bool {
    known.contains(name) || name.contains(known) || known.split('-').next() == name.split('-').next()
}

fn allowed(server: &Server, identity: &Identity, action: Action, app: &Application) -> Result<(), ApiError> {
    let (project, name) = (app.spec.project_name(), AppKey::of(app).text(&server.config.namespace));
    if identity.may_change(action, project, &name) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "{} may not {action} {name}: an admin can, or whom a line of argocd-rbac-cm allows it \
         (p, WHO, applications, {action}, {project}/{name}, allow)",
        identity.user()
    )))
}

pub(super) async fn sync(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(body): Json<SyncBody>,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    allowed(&server, &identity, Action::Sync, &app)?;
    let elsewhere = body.app_namespace.as_ref().is_some_and(|namespace| *namespace != app.metadata.namespace);
    if elsewhere || body.name.as_ref().is_some_and(|said| *said != app.metadata.name) {
        return Err(ApiError::invalid("the body names another Application than the path"));
    }
    if body.project.as_ref().is_some_and(|project| project != app.spec.project_name()) {
        return Err(ApiError::invalid(format!("{name} belongs to project {}", app.spec.project_name())));
    }
    if body.strategy.as_ref().is_some_and(|strategy| strategy.pointer("/hook/force").is_some_and(|f| f == true)) {
        return Err(ApiError::invalid("strategy.hook.force is not supported yet: set the sync option Force=true"));
    }
    let request = SyncRequest {
        revision: body.revision.unwrap_or_default(),
        prune: body.prune,
        dry_run: body.dry_run,
        resources: body.resources.into_iter().map(|r| (r.group, r.kind, r.name)).collect(),
        sync_options: body.sync_options.items,
    };
    requests::sync(&server.config.controller, &app, identity.user(), request).await?;
    Ok(Json(find(&server, &name)?.to_value()))
}

pub(super) async fn terminate(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    allowed(&server, &identity, Action::Sync, &app)?;
    requests::terminate(&server.config.controller, &app).await?;
    Ok(Json(json!({})))
}

pub(super) async fn delete(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(query): Query<DeleteQuery>,
    identity: Identity,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    allowed(&server, &identity, Action::Delete, &app)?;
    requests::delete(&server.config.controller, &app, query.cascade).await?;
    Ok(Json(json!({})))
}

pub(super) async fn managed_resources(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    let items = server.config.controller.managed_resources(&app).await.map_err(|conditions| {
        let messages: Vec<String> = conditions.into_iter().map(|condition| condition.message).collect();
        ApiError::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, messages.join("; "))
    })?;
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn resource_tree(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let app = find(&server, &name)?;
    let tree = server.config.controller.resource_tree(&app).await?;
    Ok(Json(serde_json::to_value(tree).unwrap_or_default()))
}
