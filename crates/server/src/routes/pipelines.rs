//! Pipelines: what they are, where their environments stand, and the three things that people ask of them.

use api::argocd::Application;
use api::gantline::{Environment, Pipeline, Promotion};
use axum::Json;
use promotion::Judge;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Path};
use crate::views::{Done, EnvironmentRow, EnvironmentView, Environments, List, Object};

/// Which release somebody wants in which environment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wish {
    environment: String,
    /// A release's name, tag or digest; what the environment before runs when absent.
    release: Option<String>,
    reason: Option<String>,
}

/// Which environment goes back to what ran before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Return {
    environment: String,
    reason: Option<String>,
}

/// Whose pin is lifted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinned {
    environment: String,
}

pub(super) async fn list(asker: Asker) -> Json<List<Pipeline>> {
    Json(List::whole(asker.all_pipelines().iter().map(|pipeline| asker.shown_pipeline(pipeline)).collect()))
}

pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Object<Pipeline>>, ApiError> {
    if let Some(unreadable) = asker.unreadable_pipeline(&name) {
        return Ok(Json(asker.shown_pipeline(&unreadable.pipeline)));
    }
    Ok(Json(asker.shown_pipeline(&*asker.pipeline(&name)?)))
}

/// The table of environments: what each is for, where it runs, and where image and configuration come from.
pub(super) async fn environments(Path(name): Path<String>, asker: Asker) -> Result<Json<Environments>, ApiError> {
    let pipeline = asker.pipeline(&name)?;
    let apps = asker.applications();
    let views = asker.environments(&pipeline);
    let row = |(environment, view): (&Environment, EnvironmentView)| {
        // whose Application may not be seen shows nothing of it
        let app = apps.iter().find(|app| asker.name_of(app) == environment.application);
        EnvironmentRow {
            namespace: app.map_or_else(String::new, |app| app.spec.destination.namespace.clone()),
            cluster: app.map_or_else(String::new, |app| app.spec.destination.cluster().to_owned()),
            image_source: image_source(&pipeline, environment, &view),
            config_source: app.map_or_else(String::new, |app| config_source(app)),
            trigger: trigger(&pipeline, environment),
            environment: view,
        }
    };
    Ok(Json(Environments { pipeline: name, items: pipeline.spec.environments.iter().zip(views).map(row).collect() }))
}

fn image_source(pipeline: &Pipeline, environment: &Environment, view: &EnvironmentView) -> String {
    let images: Vec<&str> = pipeline.spec.images.iter().map(|image| image.name.as_str()).collect();
    let image = images.join(" + ");
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
    format!("{} {} @ {revision}", object::shown_address(&source.repo_url), source.path)
}

fn trigger(pipeline: &Pipeline, environment: &Environment) -> String {
    let gates: Vec<String> = environment.gates.iter().map(Judge::says).collect();
    let start = match (pipeline.before(&environment.name), environment.auto) {
        (None, _) => "commit to Git".to_owned(),
        (Some(before), true) => format!("by itself after {}", before.name),
        (Some(_), false) => "on request or approval".to_owned(),
    };
    if gates.is_empty() { start } else { format!("{start}: {}", gates.join(", ")) }
}

pub(super) async fn promote(
    Path(name): Path<String>,
    asker: Asker,
    Body(request): Body<Wish>,
) -> Result<Json<Object<Promotion>>, ApiError> {
    let pipeline = asker.pipeline(&name)?;
    let environment = asker.environment(&pipeline, &request.environment)?;
    let release =
        super::releases::chosen(&asker, &pipeline, environment, request.release.as_deref().unwrap_or_default())?;
    let (controller, reason, seen) = (asker.controller(), request.reason.unwrap_or_default(), asker.seen(&pipeline)?);
    let promotion =
        control::requests::promote(controller, &seen, &environment.name, &release.metadata.name, asker.user(), &reason)
            .await?;
    Ok(Json(asker.shown_promotion(&promotion)))
}

pub(super) async fn roll_back(
    Path(name): Path<String>,
    asker: Asker,
    Body(request): Body<Return>,
) -> Result<Json<Object<Promotion>>, ApiError> {
    let pipeline = asker.pipeline(&name)?;
    let environment = asker.environment(&pipeline, &request.environment)?;
    let (controller, reason, seen) = (asker.controller(), request.reason.unwrap_or_default(), asker.seen(&pipeline)?);
    let promotion = control::requests::roll_back(controller, &seen, &environment.name, asker.user(), &reason).await?;
    Ok(Json(asker.shown_promotion(&promotion)))
}

pub(super) async fn unpin(
    Path(name): Path<String>,
    asker: Asker,
    Body(request): Body<Pinned>,
) -> Result<Json<Done>, ApiError> {
    let pipeline = asker.pipeline(&name)?;
    let environment = asker.environment(&pipeline, &request.environment)?;
    let seen = asker.seen(&pipeline)?;
    control::requests::unpin(asker.controller(), &seen, &environment.name, asker.user()).await?;
    Ok(Json(Done {}))
}
