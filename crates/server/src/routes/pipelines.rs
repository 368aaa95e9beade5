//! Pipelines: what they are, where their environments stand, and the three things that people ask of them.

use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{Environment, Pipeline};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Server;
use crate::error::ApiError;
use crate::overview;
use crate::people::{Action, Identity};

/// What somebody asks of one environment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    environment: String,
    /// A release's name, tag or digest; what the environment before runs when absent.
    release: Option<String>,
    reason: Option<String>,
}

pub(super) async fn list(State(server): State<Server>, _: Identity) -> Json<Value> {
    let items: Vec<Value> = server.stores().pipelines.all().iter().map(|pipeline| pipeline.to_value()).collect();
    Json(json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": "PipelineList", "items": items }))
}

pub(super) async fn get(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(find(&server, &name)?.to_value()))
}

pub(crate) fn find(server: &Server, name: &str) -> Result<Arc<Pipeline>, ApiError> {
    server.stores().pipeline(name).ok_or_else(|| {
        let known: Vec<String> = server.stores().pipelines.all().iter().map(|p| p.metadata.name.clone()).collect();
        ApiError::not_found(match known.len() {
            0 => format!(
                "there is no Pipeline {name:?}, and no other either: apply one to namespace {}",
                server.config.namespace
            ),
            _ => format!("there is no Pipeline {name:?}: there are {}", known.join(", ")),
        })
    })
}

fn environment<'a>(pipeline: &'a Pipeline, name: &str) -> Result<&'a Environment, ApiError> {
    pipeline.environment(name).ok_or_else(|| {
        let known: Vec<&str> = pipeline.spec.environments.iter().map(|e| e.name.as_str()).collect();
        let text = format!("{} has no environment {name:?}: it has {}", pipeline.metadata.name, known.join(", "));
        ApiError::not_found(text)
    })
}

/// The table of environments: what each is for, where it runs, and where image and configuration come from.
pub(super) async fn environments(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let pipeline = find(&server, &name)?;
    let views = overview::environments(&server, &pipeline);
    let rows = pipeline.spec.environments.iter().zip(views).map(|(environment, view)| {
        let app = server.config.controller.application(&environment.application);
        let app = app.as_deref();
        let mut row = serde_json::to_value(&view).unwrap_or_default();
        row["namespace"] = json!(app.map_or("", |app| app.spec.destination.namespace.as_str()));
        row["imageSource"] = json!(image_source(&pipeline, environment, &view));
        row["configSource"] = json!(app.map_or_else(String::new, config_source));
        row["trigger"] = json!(trigger(&pipeline, environment));
        row
    });
    Ok(Json(json!({ "pipeline": name, "items": rows.collect::<Vec<_>>() })))
}

fn image_source(pipeline: &Pipeline, environment: &Environment, view: &overview::EnvironmentView) -> String {
    let image = pipeline.spec.images.first().map_or("", |image| image.name.as_str());
    let how = match pipeline.before(&environment.name) {
        None => "CI pushes it".to_owned(),
        Some(before) => format!("the digest from {}", before.name),
    };
    if view.tag.is_empty() { format!("{image} ({how})") } else { format!("{image}:{} ({how})", view.tag) }
}

fn config_source(app: &Application) -> String {
    let sources = app.spec.all_sources();
    let Some(source) = sources.first() else { return String::new() };
    let revision = if source.target_revision.is_empty() { "HEAD" } else { source.target_revision.as_str() };
    format!("{} {} @ {revision}", source.repo_url, source.path)
}

fn trigger(pipeline: &Pipeline, environment: &Environment) -> String {
    use api::gantline::Gate;
    let gates: Vec<String> = environment
        .gates
        .iter()
        .map(|gate| match gate {
            Gate::Healthy(gate) if gate.duration.is_empty() => "healthy".to_owned(),
            Gate::Healthy(gate) => format!("healthy for {}", gate.duration),
            Gate::Approval(gate) => {
                let groups: Vec<String> = gate.needed().into_iter().map(|group| group.name).collect();
                format!("approval by {}", groups.join(" and "))
            }
        })
        .collect();
    let start = match (pipeline.before(&environment.name), environment.auto) {
        (None, _) => "commit to Git".to_owned(),
        (Some(before), true) => format!("by itself after {}", before.name),
        (Some(_), false) => "on request or approval".to_owned(),
    };
    if gates.is_empty() { start } else { format!("{start}: {}", gates.join(", ")) }
}

/// The environment that a request is about, where its sender may do that.
fn asked<'a>(
    identity: &Identity,
    action: Action,
    pipeline: &'a Pipeline,
    request: &Request,
) -> Result<&'a Environment, ApiError> {
    let environment = environment(pipeline, &request.environment)?;
    permitted(identity, action, pipeline, environment)?;
    Ok(environment)
}

pub(super) async fn promote(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(request): Json<Request>,
) -> Result<Json<Value>, ApiError> {
    let pipeline = find(&server, &name)?;
    let environment = asked(&identity, Action::Promote, &pipeline, &request)?;
    let release =
        super::releases::chosen(&server, &pipeline, environment, request.release.as_deref().unwrap_or_default())?;
    let promotion = control::requests::promote(
        &server.config.controller,
        &pipeline,
        environment,
        &release,
        identity.user(),
        request.reason.as_deref().unwrap_or_default(),
    )
    .await?;
    Ok(Json(promotion.to_value()))
}

pub(super) async fn roll_back(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(request): Json<Request>,
) -> Result<Json<Value>, ApiError> {
    let pipeline = find(&server, &name)?;
    let environment = asked(&identity, Action::RollBack, &pipeline, &request)?;
    let done = control::requests::roll_back(
        &server.config.controller,
        &pipeline,
        environment,
        identity.user(),
        request.reason.as_deref().unwrap_or_default(),
    )
    .await?;
    Ok(Json(serde_json::to_value(done).unwrap_or_default()))
}

pub(super) async fn unpin(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(request): Json<Request>,
) -> Result<Json<Value>, ApiError> {
    let pipeline = find(&server, &name)?;
    let environment = asked(&identity, Action::RollBack, &pipeline, &request)?;
    control::requests::unpin(&server.config.controller, &pipeline, environment, identity.user()).await?;
    Ok(Json(json!({})))
}

/// # Errors
/// 403 that says who may.
pub(crate) fn permitted(
    identity: &Identity,
    action: Action,
    pipeline: &Pipeline,
    environment: &Environment,
) -> Result<(), ApiError> {
    let name = pipeline.metadata.name.as_str();
    if identity.may_move(action, name, environment) {
        return Ok(());
    }
    let groups = crate::people::identity::groups_of(environment);
    let who = if groups.is_empty() { String::new() } else { format!(", a member of {}", groups.join(" or ")) };
    Err(ApiError::forbidden(format!(
        "{} may not {action} {name} in {}: an admin can{who}, or whom a line of argocd-rbac-cm allows it \
         (p, WHO, pipelines, {action}, {name}/{}, allow)",
        identity.user(),
        environment.name,
        environment.name
    )))
}
