//! Deleting an Application: its objects go first where a finalizer asks for it, the highest wave first.

use std::collections::BTreeSet;

use api::argocd::{Application, Condition, ConditionType, names};
use cluster::{ClusterError, Patch, PatchOptions, Propagation};
use engine::operation::Draft;
use engine::{Permitted, Removal, asks_before_deletion, is_kept, set_conditions};
use failpoint::Point;
use object::{GroupKind, LiveObject, ResourceKey};
use serde_json::json;

use crate::context::Context;
use crate::driver::Next;
use crate::facts::Fact;
use crate::live::{belonging, excluded, namespaces_of, permits, scopes};
use crate::sites::Site;
use crate::status;
use crate::stays::stays;
use crate::stores::AppKey;

/// Does what can be done now towards the end of an Application that is being deleted.
pub(crate) async fn finalize(cx: &Context, app: &Application) -> Next {
    match step(cx, app).await {
        Ok(next) => next,
        Err(error) => {
            let mut said = Draft::from(app);
            let found = vec![Condition::new(ConditionType::DeletionError, error.to_string())];
            set_conditions(&mut said.app.status.conditions, &[ConditionType::DeletionError], found, cx.clock.now());
            match status::write(cx, app, said).await {
                Ok(_) | Err(ClusterError::NotFound { .. }) => Next::Retry,
                Err(error) => {
                    tracing::debug!(%error, "deletion error not written");
                    Next::Retry
                }
            }
        }
    }
}

async fn step(cx: &Context, app: &Application) -> Result<Next, ClusterError> {
    let Some(propagation) = app.cascade() else { return Ok(Next::Nothing) };
    let policy = if propagation == "Background" { Propagation::Background } else { Propagation::Foreground };
    let left = match cx.sites.at(&app.spec.destination) {
        Ok(site) => site.patiently(&cx.turns, delete_wave(cx, &site, app, policy)).await?,
        // objects of a cluster that nobody knows any more are out of reach, as in Argo CD: they stay
        Err(error) if error.is_unknown() => false,
        Err(error) => return Err(error.into()),
    };
    if !left {
        release(cx, app).await?;
    }
    // the watch tells when they are gone
    Ok(Next::Nothing)
}

/// Deletes what is left of the highest wave; the answer is whether anything was left.
async fn delete_wave(cx: &Context, site: &Site, app: &Application, policy: Propagation) -> Result<bool, ClusterError> {
    site.answers()?;
    let left = going(cx, site, app).await?;
    if let Some((object, _)) = left.iter().find(|(object, _)| asks_first(object, app)) {
        tracing::info!(application = app.metadata.name, object = %object.key(), "its deletion waits for a person's approval");
        return Ok(true);
    }
    let Some(wave) = left.iter().map(|(object, _)| engine::sync_wave(object)).max() else { return Ok(false) };
    for (object, permitted) in left {
        if engine::sync_wave(&object) == wave && object.deletion_timestamp().is_none() {
            delete(site, &permitted, policy).await?;
        }
    }
    Ok(true)
}

/// What of the Application goes with it. What it may not touch any more stays, as in Argo CD, and what others need.
async fn going(
    cx: &Context,
    site: &Site,
    app: &Application,
) -> Result<Vec<(LiveObject, Permitted<Removal>)>, ClusterError> {
    let all = objects(cx, site, app).await?;
    cx.stores.project(app.spec.project_name()).map_err(|error| ClusterError::Config {
        message: format!("{error}: what the Application deployed is deleted once its project is there again"),
    })?;
    let kinds = all.iter().map(|object| object.gvk().group_kind());
    let permits = permits(cx, site, app, scopes(site, kinds));
    let keys: Vec<ResourceKey> = all.iter().map(|object| object.key()).collect();
    let going: Vec<ResourceKey> = keys.iter().filter(|key| permits.check(key).is_ok()).cloned().collect();
    let stays = stays(cx, site, app, &keys, &going).await?;
    let goes = |object: LiveObject| {
        let key = object.key();
        let refusal = match (stays.get(&key), permits.removal(&object)) {
            (None, Ok(permitted)) => return Some((object, permitted)),
            (Some(stay), _) => stay.to_string(),
            (None, Err(denied)) => denied.to_string(),
        };
        tracing::warn!(application = app.metadata.name, %key, "stays after its Application: {refusal}");
        None
    };
    Ok(all.into_iter().filter_map(goes).collect())
}

/// The Application's live objects that go with it.
async fn objects(cx: &Context, site: &Site, app: &Application) -> Result<Vec<LiveObject>, ClusterError> {
    let (all, excluded) = (app.status.resources.iter(), excluded(cx, site));
    let kinds: BTreeSet<GroupKind> = all.map(|r| GroupKind::new(r.group.clone(), r.kind.clone())).collect();
    let namespaces = namespaces_of(app);
    for kind in kinds.iter().filter(|kind| !excluded(kind)) {
        match site.live.ensure_in(kind, &namespaces).await {
            Ok(()) | Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(belonging(cx, site, app).filter(|object| goes(object, app)).collect())
}

/// Definitions stay: deleting one deletes every object of its kind. So does what is told to, and the Application itself.
fn goes(object: &LiveObject, app: &Application) -> bool {
    let own = object.uid() == app.metadata.uid;
    !own && !is_kept(object, "Delete=false")
        && object.kind() != "CustomResourceDefinition"
        && object.owner_references().is_empty()
}

/// Whether nothing of the Application goes now: somebody has to approve it before.
fn asks_first(object: &LiveObject, app: &Application) -> bool {
    !app.deletion_is_approved() && object.deletion_timestamp().is_none() && asks_before_deletion(object, app)
}

async fn delete(site: &Site, object: &Permitted<Removal>, propagation: Propagation) -> Result<(), ClusterError> {
    failpoint::before(Point::Cascade);
    let deleted = site.hand(object).delete(propagation).await;
    failpoint::after(Point::Cascade);
    match deleted {
        // a namesake took its place: not ours any more
        Ok(_) | Err(ClusterError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes our finalizer away: the API server does the rest.
async fn release(cx: &Context, app: &Application) -> Result<(), ClusterError> {
    let ours = |finalizer: &String| finalizer.starts_with(names::RESOURCES_FINALIZER);
    let rest: Vec<&String> = app.metadata.finalizers.iter().filter(|f| !ours(f)).collect();
    // the resource version makes sure that no finalizer of somebody else gets lost
    let meta = json!({"finalizers": rest, "resourceVersion": app.metadata.resource_version});
    let patch = Patch::Merge(json!({"metadata": meta}));
    let key = AppKey::of(app).resource_key();
    failpoint::before(Point::Finalizer);
    let patched = cx.cluster.patch(&key, &patch, PatchOptions::default()).await;
    failpoint::after(Point::Finalizer);
    match patched {
        Ok(_) | Err(ClusterError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    cx.facts.tell(&Fact::ApplicationDeleted { app: app.into() });
    Ok(())
}
