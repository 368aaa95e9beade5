//! Releases: the images that travel.

use std::sync::Arc;

use api::gantline::{Environment, Pipeline, Release};
use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::promotions::Decision;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Path, Query};
use crate::views::{List, Object, ReleaseWithPromotions};

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Of {
    /// Those of this pipeline only.
    pub(super) pipeline: Option<String>,
}

impl Of {
    /// Nothing is found of a pipeline that is not there either; what one left behind that is gone is.
    ///
    /// # Errors
    /// As [`Asker::pipeline`] where nothing was found.
    pub(super) fn exists(&self, asker: &Asker, is_empty: bool) -> Result<(), ApiError> {
        match self.pipeline.as_deref().filter(|_| is_empty) {
            Some(name) if asker.unreadable_pipeline(name).is_none() => asker.pipeline(name).map(drop),
            _ => Ok(()),
        }
    }
}

pub(super) async fn list(Query(of): Query<Of>, asker: Asker) -> Result<Json<List<Release>>, ApiError> {
    let releases = asker.releases(of.pipeline.as_deref());
    of.exists(&asker, releases.is_empty())?;
    Ok(Json(List::whole(releases.iter().map(|release| asker.shown_release(release)).collect())))
}

pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<ReleaseWithPromotions>, ApiError> {
    let release = asker.release(&name, None)?;
    let promotions = asker.promotions(Some(&release.spec.pipeline));
    let of = promotions.iter().filter(|promotion| promotion.spec.release == release.metadata.name);
    let promotions = of.map(|promotion| asker.shown_promotion(promotion)).collect();
    let can_lift = asker.may_lift(&release);
    Ok(Json(ReleaseWithPromotions { release: asker.shown_release(&release), promotions, can_lift }))
}

pub(super) async fn lift(
    Path(name): Path<String>,
    asker: Asker,
    Body(decision): Body<Decision>,
) -> Result<Json<Object<Release>>, ApiError> {
    let release = asker.release_to_change(&name)?;
    let (name, pipeline) = (&release.metadata.name, asker.pipeline(&release.spec.pipeline)?);
    let (controller, seen) = (asker.controller(), asker.seen(&pipeline)?);
    control::requests::lift(controller, &seen, name, asker.user(), &decision.reason.unwrap_or_default()).await?;
    Ok(Json(asker.shown_release(&*asker.release(name, None)?)))
}

/// The release that somebody means for an environment: the one named, else the one that runs in the environment before.
///
/// # Errors
/// When there is none.
pub(super) fn chosen(
    asker: &Asker,
    pipeline: &Pipeline,
    environment: &Environment,
    text: &str,
) -> Result<Arc<Release>, ApiError> {
    if !text.is_empty() {
        let release = asker.release(text, Some(&pipeline.metadata.name))?;
        let own = release.spec.pipeline == pipeline.metadata.name;
        let other = || {
            let (name, of) = (&release.metadata.name, &release.spec.pipeline);
            ApiError::invalid(format!("release {name} belongs to {of}, not to {}", pipeline.metadata.name))
        };
        return own.then_some(Arc::clone(&release)).ok_or_else(other);
    }
    let before = pipeline.before(&environment.name).ok_or_else(|| {
        ApiError::invalid(format!("{} is the first environment: say which release", environment.name))
    })?;
    let status = pipeline.status_of(&before.name).filter(|status| !status.release.is_empty());
    let none = || {
        ApiError::invalid(format!(
            "no release runs in {} yet, so there is none to promote to {}",
            before.name, environment.name
        ))
    };
    asker.release(&status.ok_or_else(none)?.release, None)
}
