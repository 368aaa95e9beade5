//! What is not deleted although its Application does not want it any more: others need it.

use std::collections::BTreeMap;

use api::argocd::Application;
use cluster::{ClusterError, Scope};
use engine::{Held, Stay};
use object::{GroupKind, ResourceKey};

use crate::context::Context;
use crate::sites::Site;

/// Which of the objects stay, and why.
///
/// # Errors
/// When the cluster does not tell what a Namespace holds: then nobody knows, and nothing may be deleted.
pub(crate) async fn stays(
    cx: &Context,
    site: &Site,
    app: &Application,
    objects: &[ResourceKey],
) -> Result<BTreeMap<ResourceKey, Stay>, ClusterError> {
    let mut found = wanted_elsewhere(cx, app, objects);
    for key in objects.iter().filter(|key| is_namespace(key)) {
        if found.contains_key(key) {
            continue;
        }
        let held = held(cx, site, &key.name, objects).await?;
        if !held.is_empty() {
            found.insert(key.clone(), Stay::Holds(held));
        }
    }
    Ok(found)
}

/// By the statuses of all Applications on the same cluster: a look through all of them, which only a deletion costs.
fn wanted_elsewhere(cx: &Context, app: &Application, objects: &[ResourceKey]) -> BTreeMap<ResourceKey, Stay> {
    if objects.is_empty() {
        return BTreeMap::new();
    }
    let is_other = |other: &Application| {
        other.metadata.uid != app.metadata.uid
            && other.metadata.deletion_timestamp.is_none()
            && cx.sites.same(&other.spec.destination, &app.spec.destination)
    };
    let mut found = BTreeMap::new();
    for other in cx.stores.applications.all() {
        let wants = |key: &&ResourceKey| other.status.resources.iter().any(|resource| resource.wants(key));
        let wanted: Vec<&ResourceKey> = objects.iter().filter(wants).collect();
        // where it deploys to is asked last: of nearly all it need not be known
        if wanted.is_empty() || !is_other(&other) {
            continue;
        }
        for key in wanted {
            let by = other.instance_name(&cx.namespace);
            found.entry(key.clone()).or_insert(Stay::Wanted { by });
        }
    }
    found
}

fn is_namespace(key: &ResourceKey) -> bool {
    key.group.is_empty() && key.kind == "Namespace"
}

/// What a Namespace holds of any Application, and its volumes, without what goes by itself.
async fn held(cx: &Context, site: &Site, namespace: &str, going: &[ResourceKey]) -> Result<Vec<Held>, ClusterError> {
    let all = site.live.inhabitants(namespace).into_iter().filter(|(owner, _)| cx.exists(owner));
    let mut held: BTreeMap<ResourceKey, Option<String>> =
        all.map(|(owner, object)| (object, Some(owner.to_string()))).collect();
    let volumes = Scope::namespaced(GroupKind::new("", "PersistentVolumeClaim"), namespace);
    let volumes = site.cluster.list(&volumes).await?.into_iter().filter(|it| it.deletion_timestamp().is_none());
    for volume in volumes {
        held.entry(volume.key()).or_default();
    }
    let stays = held.into_iter().filter(|(object, _)| !going.contains(object));
    Ok(stays.map(|(object, of)| Held { object, of }).collect())
}
