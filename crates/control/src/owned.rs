//! Operations on environments that Pipelines own: what they bring was promoted, or somebody with the right to that goes
//! past the gates.

use std::sync::Arc;

use api::argocd::{Application, Info, OperationPhase, OperationState};
use api::gantline::{GROUP, PIPELINE_LABEL, Pipeline};
use cluster::{ClusterError, Scope};
use engine::sync::SyncOptions;
use engine::{Comparison, images};
use jiff::{SignedDuration, Timestamp};
use object::{GroupKind, ImageRef, Manifest, ResourceKey};
use promotion::{Images, Records, unpromoted};

use crate::context::Context;
use crate::pipelines::observe::observed;
use crate::reconcile::Judged;
use crate::records;
use crate::stores::AppKey;

/// Under this name an operation says that somebody may go past the gates: what it is about, and the seal of that.
const OVERRIDE: &str = "gantline.dev/override";
/// So long after it was asked for an operation begins at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Why an operation does not go on.
///
/// # Errors
/// When what was recorded cannot be read.
pub(crate) async fn held(
    cx: &Context,
    app: &Application,
    judged: &Judged,
    state: &OperationState,
) -> Result<Option<String>, ClusterError> {
    let pipelines = cx.stores.deployed_by(&AppKey::of(app));
    let sync = state.operation.sync.clone().unwrap_or_default();
    let is_ending = state.phase == OperationPhase::Terminating;
    if pipelines.is_empty() || sync.dry_run || is_ending || is_overridden(cx, app, judged, state) {
        return Ok(None);
    }
    let options = SyncOptions::new(&sync, false);
    let images = images_of(&judged.compared.comparison, |key| options.selects(key, &app.spec.destination.namespace));
    if images.bring_nothing_new() {
        return Ok(None);
    }
    if cx.seal().is_none() {
        return Err(records::no_key(cx));
    }
    for pipeline in pipelines.iter().filter(|pipeline| promotion::is_owned(pipeline, &app.metadata.name)) {
        if why(cx, app, pipeline, &images).is_none() {
            continue;
        }
        // a promotion that another replica just began may be known here only later
        catch_up(cx, &pipeline.metadata.name).await?;
        if let Some(why) = why(cx, app, pipeline, &images) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

fn why(cx: &Context, app: &Application, pipeline: &Arc<Pipeline>, images: &Images) -> Option<String> {
    let seen = observed(cx, Arc::clone(pipeline));
    unpromoted(pipeline, &app.metadata.name, Records::of(&seen), images)
}

/// With all that was recorded of a Pipeline.
async fn catch_up(cx: &Context, pipeline: &str) -> Result<(), ClusterError> {
    let its = |kind: &str| {
        let all = Scope::namespaced(GroupKind::new(GROUP, kind), &*cx.namespace);
        all.with_labels(format!("{PIPELINE_LABEL}={pipeline}"))
    };
    for live in cx.cluster.list(&its("Promotion")).await? {
        cx.stores.promotions.note(live);
    }
    for live in cx.cluster.list(&its("Release")).await? {
        cx.stores.releases.note(live);
    }
    Ok(())
}

/// Of the objects that a sync is about: of all where it names none.
fn images_of(comparison: &Comparison, is_chosen: impl Fn(&ResourceKey) -> bool) -> Images {
    let of = |manifest: &Manifest| -> Vec<ImageRef> {
        images(manifest).into_iter().filter_map(|container| container.image.parse().ok()).collect()
    };
    let mut images = Images::default();
    for object in comparison.objects.iter().filter(|object| is_chosen(&object.key)) {
        let target = object.target.as_ref().map(of);
        let live = object.live.as_deref().map_or_else(Vec::new, |live| of(live));
        if let Some(target) = target {
            let gone = live.iter().filter(|old| !target.iter().any(|new| new.same_repository(&old.name)));
            images.replaced.extend(gone.cloned());
            images.wanted.extend(target);
        }
        images.live.extend(live);
    }
    images
}

/// What an operation that goes past the gates says of itself: what it brings is what was seen when it was asked for.
/// `None` while the key is not there.
pub(crate) fn overriding(cx: &Context, app: &Application, revision: &str) -> Option<Info> {
    let sync = &app.status.sync;
    let seen = if sync.revisions.is_empty() { sync.revision.clone() } else { sync.revisions.join(",") };
    let about = if revision.is_empty() { seen } else { revision.to_owned() };
    let said = format!("{about} {}", cx.clock.now());
    let seal = cx.seal()?.of_override(&app.metadata.uid, &said);
    Some(Info { name: OVERRIDE.to_owned(), value: format!("{said} {seal}") })
}

fn is_overridden(cx: &Context, app: &Application, judged: &Judged, state: &OperationState) -> bool {
    let Some(seal) = cx.seal() else { return false };
    let asked = state.operation.sync.as_ref().map_or("", |sync| sync.revision.as_str());
    let said = state.operation.info.iter().filter(|info| info.name == OVERRIDE);
    said.filter_map(|info| info.value.rsplit_once(' ')).any(|(said, sealed)| {
        let Some((about, at)) = said.rsplit_once(' ') else { return false };
        let fits = about == asked || about == judged.wanted.commits.join(",");
        // what was said once is not said for ever
        let is_fresh = at.parse::<Timestamp>().is_ok_and(|at| state.started_at.duration_since(at).abs() < FRESH);
        fits && is_fresh && seal.holds_override(&app.metadata.uid, said, sealed)
    })
}
