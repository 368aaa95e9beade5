//! Promotions: attempts to put a release into an environment, and what people decide about them.

use api::gantline::{Promotion, Verdict};
use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use super::releases::Of;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Path, Query};
use crate::views::{List, Object};

/// Why somebody says yes or no, or lifts a quarantine.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Decision {
    pub(super) reason: Option<String>,
}

pub(super) async fn list(Query(of): Query<Of>, asker: Asker) -> Result<Json<List<Promotion>>, ApiError> {
    let promotions = asker.promotions(of.pipeline.as_deref());
    of.exists(&asker, promotions.is_empty())?;
    Ok(Json(List::whole(promotions.iter().map(|promotion| asker.shown_promotion(promotion)).collect())))
}

pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Object<Promotion>>, ApiError> {
    let promotion = asker.promotion(&name)?;
    Ok(Json(asker.shown_promotion(&promotion)))
}

pub(super) async fn approve(
    Path(name): Path<String>,
    asker: Asker,
    Body(decision): Body<Decision>,
) -> Result<Json<Object<Promotion>>, ApiError> {
    decide(&asker, &name, Verdict::Approve, &decision.reason.unwrap_or_default()).await
}

pub(super) async fn reject(
    Path(name): Path<String>,
    asker: Asker,
    Body(decision): Body<Decision>,
) -> Result<Json<Object<Promotion>>, ApiError> {
    decide(&asker, &name, Verdict::Reject, &decision.reason.unwrap_or_default()).await
}

async fn decide(
    asker: &Asker,
    name: &str,
    verdict: Verdict,
    reason: &str,
) -> Result<Json<Object<Promotion>>, ApiError> {
    let promotion = asker.promotion(name)?;
    let pipeline = asker.pipeline(&promotion.spec.pipeline)?;
    let environment = asker.environment(&pipeline, &promotion.spec.environment)?;
    let groups = asker.identity().gate_groups(std::slice::from_ref(environment));
    let (controller, seen) = (asker.controller(), asker.seen(&pipeline)?);
    let decided =
        control::requests::decide(controller, &seen, &promotion.metadata.name, verdict, asker.user(), &groups, reason)
            .await?;
    Ok(Json(asker.shown_promotion(&decided)))
}
