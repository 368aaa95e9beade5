//! Deleting an Application: its objects go first where a finalizer asks for it, the highest wave first.

use std::collections::BTreeSet;

use api::argocd::{Application, Condition, ConditionType, names};
use cluster::{ClusterError, DeleteOptions, Patch, PatchOptions, Propagation};
use engine::operation::Draft;
use engine::set_conditions;
use object::{GroupKind, LiveObject, Manifest};
use serde_json::json;

use crate::context::Context;
use crate::driver::Next;
use crate::facts::Fact;
use crate::live::{belonging, excluded};
use crate::sites::Site;
use crate::status;
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
    let left = objects(cx, site, app).await?;
    let Some(wave) = left.iter().map(|o| engine::sync_wave(o)).max() else { return Ok(false) };
    for object in left {
        if engine::sync_wave(&object) == wave && object.deletion_timestamp().is_none() {
            delete(site, &object, policy).await?;
        }
    }
    Ok(true)
}

/// The Application's live objects that go with it.
async fn objects(cx: &Context, site: &Site, app: &Application) -> Result<Vec<LiveObject>, ClusterError> {
    let (all, excluded) = (app.status.resources.iter(), excluded(cx, site));
    let kinds: BTreeSet<GroupKind> = all.map(|r| GroupKind::new(r.group.clone(), r.kind.clone())).collect();
    for kind in kinds.iter().filter(|kind| !excluded(kind)) {
        match site.live.ensure(kind).await {
            Ok(()) | Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(belonging(cx, site, app).filter(|object| goes(object, app)).collect())
}

/// Definitions stay: deleting one deletes every object of its kind. So does what is told to, and the Application itself.
fn goes(object: &LiveObject, app: &Application) -> bool {
    let own = object.uid() == app.metadata.uid;
    let kept = has_option(object, "Delete=false") || object.annotation(names::HELM_RESOURCE_POLICY) == Some("keep");
    !own && !kept && object.kind() != "CustomResourceDefinition" && object.owner_references().is_empty()
}

fn has_option(manifest: &Manifest, option: &str) -> bool {
    let options = manifest.annotation(names::SYNC_OPTIONS).unwrap_or_default();
    options.split(',').any(|o| o.trim() == option)
}

async fn delete(site: &Site, object: &LiveObject, propagation: Propagation) -> Result<(), ClusterError> {
    let uid = Some(object.uid().to_owned());
    let options = DeleteOptions { propagation, uid, ..DeleteOptions::default() };
    match site.cluster.delete(&object.key(), &options).await {
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
    match cx.cluster.patch(&key, &patch, PatchOptions::default()).await {
        Ok(_) | Err(ClusterError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    cx.facts.tell(&Fact::ApplicationDeleted { app: app.into() });
    Ok(())
}
