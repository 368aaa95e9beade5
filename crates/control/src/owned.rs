//! Operations on environments that Pipelines own: what they bring was promoted, or somebody with the right to that goes
//! past the gates.

use std::sync::Arc;

use api::argocd::{Application, Info, OperationState};
use api::gantline::{GROUP, Pipeline};
use cluster::{ClusterError, Scope};
use engine::{Comparison, images};
use object::{GroupKind, ImageRef, Manifest};
use promotion::{Images, Records, unpromoted};

use crate::context::Context;
use crate::pipelines::observe::observed;
use crate::reconcile::Judged;
use crate::records;
use crate::stores::AppKey;

/// Under this name an operation says that somebody may go past the gates: what it is about, and the seal of that.
const OVERRIDE: &str = "gantline.dev/override";

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
    if pipelines.is_empty() || sync.dry_run || is_overridden(cx, app, judged, state) {
        return Ok(None);
    }
    if cx.seal().is_none() {
        return Err(records::no_key(cx));
    }
    let images = images_of(&judged.compared.comparison);
    for pipeline in pipelines {
        if why(cx, app, &pipeline, &images).is_none() {
            continue;
        }
        // a promotion that another replica just began may be known here only later
        catch_up(cx).await?;
        if let Some(why) = why(cx, app, &pipeline, &images) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

fn why(cx: &Context, app: &Application, pipeline: &Arc<Pipeline>, images: &Images) -> Option<String> {
    let seen = observed(cx, Arc::clone(pipeline));
    unpromoted(pipeline, &app.metadata.name, Records::of(&seen), images)
}

async fn catch_up(cx: &Context) -> Result<(), ClusterError> {
    let all = |kind: &str| Scope::namespaced(GroupKind::new(GROUP, kind), &*cx.namespace);
    for live in cx.cluster.list(&all("Promotion")).await? {
        cx.stores.promotions.note(live);
    }
    for live in cx.cluster.list(&all("Release")).await? {
        cx.stores.releases.note(live);
    }
    Ok(())
}

fn images_of(comparison: &Comparison) -> Images {
    let of = |manifest: &Manifest| -> Vec<ImageRef> {
        images(manifest).into_iter().filter_map(|container| container.image.parse().ok()).collect()
    };
    let targets = comparison.objects.iter().filter_map(|object| object.target.as_ref());
    let live = comparison.objects.iter().filter_map(|object| object.live.as_deref());
    Images { wanted: targets.flat_map(of).collect(), live: live.flat_map(|live| of(live)).collect() }
}

/// What an operation that goes past the gates says of itself: what it brings is what was seen when it was asked for.
/// `None` while the key is not there.
pub(crate) fn overriding(cx: &Context, app: &Application, revision: &str) -> Option<Info> {
    let sync = &app.status.sync;
    let seen = if sync.revisions.is_empty() { sync.revision.clone() } else { sync.revisions.join(",") };
    let about = if revision.is_empty() { seen } else { revision.to_owned() };
    let seal = cx.seal()?.of_override(&app.metadata.uid, &about);
    Some(Info { name: OVERRIDE.to_owned(), value: format!("{about} {seal}") })
}

fn is_overridden(cx: &Context, app: &Application, judged: &Judged, state: &OperationState) -> bool {
    let Some(seal) = cx.seal() else { return false };
    let asked = state.operation.sync.as_ref().map_or("", |sync| sync.revision.as_str());
    let said = state.operation.info.iter().filter(|info| info.name == OVERRIDE);
    said.filter_map(|info| info.value.rsplit_once(' ')).any(|(about, sealed)| {
        let fits = about == asked || about == judged.wanted.commits.join(",");
        fits && seal.holds_override(&app.metadata.uid, about, sealed)
    })
}
