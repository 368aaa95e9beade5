//! Writes to Pipelines, Releases and Promotions, and what is told about them.

use std::sync::Arc;

use api::gantline::{
    GROUP, Pipeline, PipelineStatus, Promotion, PromotionStatus, Quarantine, Release, ReleaseEnvironment, ReleasePhase,
    ReleaseStatus,
};
use cluster::{ClusterError, Patch, PatchOptions};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::context::Context;
use crate::timeline::{TimelineEntry, TimelineKind};

pub(crate) fn key(cx: &Context, kind: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GROUP, kind, &*cx.namespace, name)
}

/// Writes a status where it says something new. The version guards against writing over somebody else.
async fn status(
    cx: &Context,
    kind: &str,
    name: &str,
    version: &str,
    old: Value,
    new: Value,
) -> Result<(), ClusterError> {
    if old == new {
        return Ok(());
    }
    // a merge patch leaves alone what it does not name: what is gone is named with null
    let mut patch = new.clone();
    for field in old.as_object().into_iter().flatten().map(|(field, _)| field) {
        if new.get(field).is_none() {
            patch[field] = Value::Null;
        }
    }
    let body = json!({ "metadata": { "resourceVersion": version }, "status": patch });
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    let live = cx.cluster.patch(&key(cx, kind, name), &Patch::Merge(body), options).await?;
    note(cx, live);
    Ok(())
}

/// What was written is what the next look sees.
fn note(cx: &Context, live: LiveObject) {
    match live.kind() {
        "Pipeline" => drop(cx.stores.pipelines.note(live)),
        "Release" => drop(cx.stores.releases.note(live)),
        _ => drop(cx.stores.promotions.note(live)),
    }
}

fn value(status: &impl serde::Serialize) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

pub(crate) async fn pipeline_status(
    cx: &Context,
    pipeline: &Pipeline,
    new: PipelineStatus,
) -> Result<(), ClusterError> {
    let (name, version) = (&pipeline.metadata.name, &pipeline.metadata.resource_version);
    status(cx, "Pipeline", name, version, value(&pipeline.status), value(&new)).await
}

pub(crate) async fn release_status(cx: &Context, release: &Release, new: ReleaseStatus) -> Result<(), ClusterError> {
    let (name, version) = (&release.metadata.name, &release.metadata.resource_version);
    status(cx, "Release", name, version, value(&release.status), value(&new)).await
}

pub(crate) async fn promotion_status(
    cx: &Context,
    promotion: &Promotion,
    new: PromotionStatus,
) -> Result<Arc<Promotion>, ClusterError> {
    let (name, version) = (&promotion.metadata.name, &promotion.metadata.resource_version);
    status(cx, "Promotion", name, version, value(&promotion.status), value(&new)).await?;
    let fresh = cx.stores.promotion(name);
    fresh.ok_or_else(|| ClusterError::NotFound { object: key(cx, "Promotion", name).to_string() })
}

/// Creates an object; that it exists already is fine: its name says all about it.
pub(crate) async fn create(cx: &Context, object: Value) -> Result<bool, ClusterError> {
    let about = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let manifest =
        Manifest::new(object).map_err(|error| ClusterError::Malformed { object: about, message: error.to_string() })?;
    match cx.cluster.create(&manifest).await {
        Ok(live) => {
            note(cx, live);
            Ok(true)
        }
        Err(ClusterError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn tell(cx: &Context, kind: TimelineKind, pipeline: &str, message: String) -> TimelineEntry {
    TimelineEntry::of_pipeline(kind, cx.clock.now(), pipeline, message)
}

/// A quarantine, told once.
pub(crate) fn quarantine(cx: &Context, pipeline: &Pipeline, release: &Release, by: &str, reason: &str) -> Quarantine {
    let name = &pipeline.metadata.name;
    let message = format!("{name} {} is quarantined: {} goes nowhere", release.tag(), release.digest());
    cx.timeline.add(tell(cx, TimelineKind::Quarantined, name, message).because(reason).by(by));
    Quarantine { by: by.to_owned(), reason: reason.to_owned(), at: Some(cx.clock.now()) }
}

/// Tells of a step forward, and of a soak that began again.
pub(crate) fn tell_progress(
    cx: &Context,
    pipeline: &Pipeline,
    release: &Release,
    environment: &str,
    old: &ReleaseEnvironment,
    new: &ReleaseEnvironment,
) {
    let name = &pipeline.metadata.name;
    if new.restarts > old.restarts {
        let message = format!("{name} {}: the soak in {environment} begins again", release.tag());
        cx.timeline.add(tell(cx, TimelineKind::Progress, name, message).because(&new.message));
    } else if new.phase != old.phase && new.phase != ReleasePhase::Replaced {
        let message = format!("{name} {} is {} in {environment}", release.tag(), new.phase.as_str());
        cx.timeline.add(tell(cx, TimelineKind::Progress, name, message).because(&new.message));
    }
}
