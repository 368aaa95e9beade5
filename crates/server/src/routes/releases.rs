//! Releases: the images that travel.

use std::sync::Arc;

use api::gantline::{Environment, Pipeline, Release};
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Server;
use crate::error::ApiError;
use crate::people::Identity;

#[derive(Debug, Deserialize)]
pub(super) struct Of {
    pipeline: Option<String>,
}

pub(super) async fn list(State(server): State<Server>, Query(of): Query<Of>, _: Identity) -> Json<Value> {
    let items: Vec<Value> =
        server.stores().releases(of.pipeline.as_deref()).iter().map(|release| release.to_value()).collect();
    Json(json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": "ReleaseList", "items": items }))
}

pub(super) async fn get(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let release = find(&server, &name, None)?;
    let promotions = server.stores().promotions(Some(&release.spec.pipeline));
    let of = promotions.iter().filter(|promotion| promotion.spec.release == release.metadata.name);
    let promotions: Vec<Value> = of.map(|promotion| super::promotions::shown(&server, promotion)).collect();
    Ok(Json(json!({ "release": release.to_value(), "promotions": promotions })))
}

/// A release by its name, tag, digest, or the beginning of either (8 characters at least).
///
/// # Errors
/// 404 when there is none; 400 when there are several.
pub(crate) fn find(server: &Server, text: &str, pipeline: Option<&str>) -> Result<Arc<Release>, ApiError> {
    if let Some(release) = server.stores().release(text) {
        return Ok(release);
    }
    let all = server.stores().releases(pipeline);
    let digest = |release: &Release| release.digest().trim_start_matches("sha256:").to_owned();
    let text = text.trim_start_matches("sha256:");
    let exact: Vec<_> = all.iter().filter(|r| r.tag() == text || digest(r) == text).cloned().collect();
    let begins = |r: &&Arc<Release>| text.len() >= 8 && (r.tag().starts_with(text) || digest(r).starts_with(text));
    let found = if exact.is_empty() { all.iter().filter(begins).cloned().collect() } else { exact };
    match found.as_slice() {
        [release] => Ok(Arc::clone(release)),
        [] => Err(ApiError::not_found(format!(
            "there is no release {text:?}: name one as `gantline release list` shows it, by its name, tag or digest"
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|release| release.metadata.name.as_str()).collect();
            Err(ApiError::invalid(format!("{text:?} may mean {}: say which", names.join(" or "))))
        }
    }
}

/// The release that somebody means for an environment: the one named, else the one that runs in the environment before.
///
/// # Errors
/// When there is none.
pub(super) fn chosen(
    server: &Server,
    pipeline: &Pipeline,
    environment: &Environment,
    text: &str,
) -> Result<Arc<Release>, ApiError> {
    if !text.is_empty() {
        let release = find(server, text, Some(&pipeline.metadata.name))?;
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
    status.and_then(|status| server.stores().release(&status.release)).ok_or_else(|| {
        ApiError::invalid(format!(
            "no release runs in {} yet, so there is none to promote to {}",
            before.name, environment.name
        ))
    })
}
