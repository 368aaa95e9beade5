//! What is not deleted although its Application does not want it any more: others need it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::Application;
use cluster::{ApiResource, ClusterError, Scope};
use engine::{Held, Other, Stay, Tracking};
use futures::future::try_join_all;
use object::{Gvk, LiveObject, ResourceKey};

use crate::context::Context;
use crate::live::visible;
use crate::sites::Site;

/// How many kinds a Namespace is searched for at once; what the first of them find is enough.
const AT_ONCE: usize = 8;
/// What a Namespace is searched for first.
const FIRST: [(&str, &str); 5] = [
    ("", "PersistentVolumeClaim"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("", "ConfigMap"),
    ("argoproj.io", "Application"),
];

/// What of its own an Application takes with a Namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Going<'a> {
    These(&'a [ResourceKey]),
    /// All that carries its mark: what of that stays was judged before.
    Own,
    OwnHooks,
}

/// Which of the objects stay, and why. `going`: those of them that go if nobody needs them.
///
/// # Errors
/// When the cluster cannot be reached: then nobody knows, and nothing may be deleted.
pub(crate) async fn stays(
    cx: &Context,
    site: &Site,
    app: &Application,
    objects: &[ResourceKey],
    going: &[ResourceKey],
) -> Result<BTreeMap<ResourceKey, Stay>, ClusterError> {
    let mut found = wanted_elsewhere(cx, site, app, objects);
    let going: Vec<ResourceKey> = going.iter().filter(|key| !found.contains_key(key)).cloned().collect();
    for key in objects.iter().filter(|key| is_namespace(key)) {
        if found.contains_key(key) {
            continue;
        }
        if let Some(stay) = of_namespace(cx, site, app, &key.name, Going::These(&going)).await? {
            found.insert(key.clone(), stay);
        }
    }
    Ok(found)
}

/// By the statuses of all Applications on the same cluster, as far as their own projects let them have the object: a look
/// through all of them, which only a deletion costs.
pub(crate) fn wanted_elsewhere(
    cx: &Context,
    site: &Site,
    app: &Application,
    objects: &[ResourceKey],
) -> BTreeMap<ResourceKey, Stay> {
    let mut found = BTreeMap::new();
    if objects.is_empty() {
        return found;
    }
    let is_other = |other: &Application| {
        other.metadata.uid != app.metadata.uid
            && other.metadata.deletion_timestamp.is_none()
            && cx.sites.same(&other.spec.destination, &app.spec.destination)
    };
    for other in cx.stores.applications.all() {
        let wants = |key: &&ResourceKey| other.status.resources.iter().any(|resource| resource.wants(key));
        let wanted: Vec<&ResourceKey> = objects.iter().filter(wants).collect();
        // where it deploys to is asked last: of nearly all it need not be known
        if wanted.is_empty() || !is_other(&other) {
            continue;
        }
        for key in wanted.into_iter().filter(|key| may_have(cx, site, &other, key)) {
            let by = told(cx, app, &other);
            found.entry(key.clone()).or_insert(Stay::Wanted { by });
        }
    }
    found
}

/// Whether the Application's own project lets it have the object: what it names in vain it does not want. Of one whose
/// project is not known nobody can tell.
pub(crate) fn may_have(cx: &Context, site: &Site, app: &Application, key: &ResourceKey) -> bool {
    let is_known = cx.stores.project(app.spec.project_name()).is_ok();
    !is_known || visible(cx, site, app, [key.group_kind()].into()).check(key).is_ok()
}

/// Another Application, for people of this one: of another project they are told the project only.
pub(crate) fn told(cx: &Context, app: &Application, other: &Application) -> Other {
    let project = other.spec.project_name();
    if project == app.spec.project_name() {
        Other::Named(other.instance_name(&cx.namespace))
    } else {
        Other::OfProject(project.to_owned())
    }
}

/// The same of who is named by a mark; `None` where there is none. One that cannot be read is named as the mark does.
pub(crate) fn told_by_mark(cx: &Context, app: &Application, instance: &str) -> Option<Other> {
    let named = || Other::Named(instance.to_owned());
    let told = |other: Arc<Application>| told(cx, app, &other);
    cx.exists(instance).then(|| cx.stores.application(&cx.key_of(instance)).map_or_else(named, told))
}

pub(crate) fn is_namespace(key: &ResourceKey) -> bool {
    key.group.is_empty() && key.kind == "Namespace"
}

/// Why a Namespace is not deleted, looked at now.
///
/// # Errors
/// When the cluster cannot be reached.
pub(crate) async fn of_namespace(
    cx: &Context,
    site: &Site,
    app: &Application,
    namespace: &str,
    going: Going<'_>,
) -> Result<Option<Stay>, ClusterError> {
    if is_vital(cx, site, namespace) {
        return Ok(Some(Stay::Vital));
    }
    let tracking = Tracking::from(&*cx.stores.settings());
    let search = Search { cx, site, app, namespace, going, tracking };
    let known = search.inhabitants();
    if !known.is_empty() {
        return Ok(Some(Stay::Holds(known)));
    }
    search.everything().await
}

fn is_vital(cx: &Context, site: &Site, namespace: &str) -> bool {
    let is_control_plane = site.is_own() && namespace == cx.namespace;
    is_control_plane || namespace == "default" || namespace.starts_with("kube-")
}

/// A look for what a Namespace holds.
struct Search<'a> {
    cx: &'a Context,
    site: &'a Site,
    app: &'a Application,
    namespace: &'a str,
    going: Going<'a>,
    tracking: Tracking,
}

impl Search<'_> {
    /// What is known of any Application there, without a question.
    fn inhabitants(&self) -> Vec<Held> {
        let all = self.site.live.inhabitants(self.namespace).into_iter();
        let live = all.filter_map(|(_, key)| self.site.live.peek(&key));
        let held = live.filter_map(|object| self.held(&object));
        held.filter(|held| held.of.is_some()).collect()
    }

    /// All kinds, a few at a time, until something is found.
    async fn everything(&self) -> Result<Option<Stay>, ClusterError> {
        let kinds = self.kinds().await?;
        let mut unknown = None;
        for kinds in kinds.chunks(AT_ONCE) {
            let found = try_join_all(kinds.iter().map(|kind| self.of_kind(kind))).await?;
            let (mut held, mut failed) = (Vec::new(), Vec::new());
            for found in found {
                found.map_or_else(|stay| failed.push(stay), |found| held.extend(found));
            }
            if !held.is_empty() {
                held.sort_by(|a: &Held, b| a.object.cmp(&b.object));
                return Ok(Some(Stay::Holds(held)));
            }
            unknown = unknown.or_else(|| failed.into_iter().next());
        }
        Ok(unknown)
    }

    async fn kinds(&self) -> Result<Vec<Arc<ApiResource>>, ClusterError> {
        let mut kinds = self.site.cluster.resources().await?;
        kinds.retain(|kind| kind.namespaced && kind.can("list") && !is_passing(&kind.gvk));
        let is_late = |kind: &Arc<ApiResource>| !FIRST.contains(&(&*kind.gvk.group, &*kind.gvk.kind));
        kinds.sort_by_key(is_late);
        Ok(kinds)
    }

    /// What there is of one kind, or why nobody can tell.
    async fn of_kind(&self, kind: &ApiResource) -> Result<Result<Vec<Held>, Stay>, ClusterError> {
        let scope = Scope::namespaced(kind.gvk.group_kind(), self.namespace);
        match self.site.cluster.list(&scope).await {
            Ok(all) => Ok(Ok(all.iter().filter_map(|object| self.held(object)).collect())),
            Err(ClusterError::NotFound { .. } | ClusterError::UnknownKind { .. }) => Ok(Ok(Vec::new())),
            Err(error @ ClusterError::Unreachable { .. }) => Err(error),
            Err(error) => Ok(Err(Stay::Unknown { why: error.to_string() })),
        }
    }

    /// `None`: it goes by itself, or with something that is looked at as well.
    fn held(&self, object: &LiveObject) -> Option<Held> {
        let owner = self.tracking.application_of(object);
        let of = owner.as_deref().and_then(|owner| told_by_mark(self.cx, self.app, owner));
        let goes = object.deletion_timestamp().is_some()
            || self.has_owner(object)
            || self.is_going(object, owner.as_deref())
            || (of.is_none() && is_made_by_the_cluster(object));
        (!goes).then(|| Held { object: object.key(), of })
    }

    fn is_going(&self, object: &LiveObject, owner: Option<&str>) -> bool {
        let is_named = || owner == Some(&self.app.instance_name(&self.cx.namespace));
        let is_own = || is_named() && self.tracking.is_self_referenced(object);
        match self.going {
            Going::These(keys) => keys.contains(&object.key()),
            Going::Own => is_own(),
            Going::OwnHooks => is_own() && engine::is_hook(object),
        }
    }

    /// Whether what it belongs to is in the Namespace as well: that is looked at in its place.
    fn has_owner(&self, object: &LiveObject) -> bool {
        object.owner_references().iter().any(|owner| {
            let kind = Gvk::from_api_version(&owner.api_version, &owner.kind).group_kind();
            self.site.cluster.known_resource(&kind).is_some_and(|kind| kind.namespaced && !is_passing(&kind.gvk))
        })
    }
}

/// Kinds that say what the cluster does at the moment, and hold nothing.
fn is_passing(kind: &Gvk) -> bool {
    matches!(
        (kind.group.as_str(), kind.kind.as_str()),
        ("" | "events.k8s.io", "Event")
            | ("", "Endpoints")
            | ("discovery.k8s.io", "EndpointSlice")
            | ("coordination.k8s.io", "Lease")
            | ("metrics.k8s.io", _)
    )
}

/// What is in every Namespace.
fn is_made_by_the_cluster(object: &LiveObject) -> bool {
    let key = object.key();
    match (key.group.as_str(), key.kind.as_str(), key.name.as_str()) {
        ("", "ServiceAccount", "default") | ("", "ConfigMap", "kube-root-ca.crt") => true,
        ("", "Secret", _) => {
            object.value()["type"] == "kubernetes.io/service-account-token"
                && object.annotation("kubernetes.io/service-account.name") == Some("default")
        }
        _ => false,
    }
}
