//! Promotions: attempts to put a release into an environment, and what people decide about them.

use std::sync::Arc;

use api::gantline::{Promotion, Verdict};
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pipelines;
use crate::Server;
use crate::error::ApiError;
use crate::overview;
use crate::people::{Action, Identity};

#[derive(Debug, Deserialize)]
pub(super) struct Of {
    pipeline: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Decision {
    reason: Option<String>,
}

pub(super) async fn list(State(server): State<Server>, Query(of): Query<Of>, _: Identity) -> Json<Value> {
    let promotions = server.stores().promotions(of.pipeline.as_deref());
    let items: Vec<Value> = promotions.iter().map(|promotion| shown(&server, promotion)).collect();
    Json(json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": "PromotionList", "items": items }))
}

pub(super) async fn get(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let promotion = find(&server, &name)?;
    Ok(Json(shown(&server, &promotion)))
}

/// A promotion with its gates as they are at this moment.
pub(super) fn shown(server: &Server, promotion: &Promotion) -> Value {
    let mut shown = promotion.clone();
    shown.status.gates = overview::gates_now(server, promotion);
    shown.to_value()
}

fn find(server: &Server, name: &str) -> Result<Arc<Promotion>, ApiError> {
    server.stores().promotion(name).ok_or_else(|| {
        let open = server.stores().promotions(None).into_iter().filter(|promotion| promotion.status.phase.is_open());
        let open: Vec<String> = open.map(|promotion| promotion.metadata.name.clone()).collect();
        ApiError::not_found(match open.len() {
            0 => format!("there is no Promotion {name:?}, and none is open"),
            _ => format!("there is no Promotion {name:?}: open are {}", open.join(", ")),
        })
    })
}

pub(super) async fn approve(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(decision): Json<Decision>,
) -> Result<Json<Value>, ApiError> {
    decide(&server, &name, &identity, Verdict::Approve, decision.reason.as_deref()).await
}

pub(super) async fn reject(
    State(server): State<Server>,
    Path(name): Path<String>,
    identity: Identity,
    Json(decision): Json<Decision>,
) -> Result<Json<Value>, ApiError> {
    decide(&server, &name, &identity, Verdict::Reject, decision.reason.as_deref()).await
}

async fn decide(
    server: &Server,
    name: &str,
    identity: &Identity,
    verdict: Verdict,
    reason: Option<&str>,
) -> Result<Json<Value>, ApiError> {
    let promotion = find(server, name)?;
    let pipeline = pipelines::find(server, &promotion.spec.pipeline)?;
    let environment = pipeline.environment(&promotion.spec.environment).ok_or_else(|| {
        ApiError::not_found(format!(
            "{} has no environment {} any more",
            pipeline.metadata.name, promotion.spec.environment
        ))
    })?;
    pipelines::permitted(identity, Action::Approve, &pipeline, environment)?;
    let groups = identity.gate_groups(environment);
    let decided = control::requests::decide(
        &server.config.controller,
        &promotion,
        verdict,
        identity.user(),
        groups,
        reason.unwrap_or_default(),
    )
    .await?;
    Ok(Json(shown(server, &decided)))
}
