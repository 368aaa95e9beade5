//! Which kinds the API server has.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future;
use http::Method;
use jiff::Timestamp;
use object::{GroupKind, Gvk, nearest};
use serde_json::Value;
use tokio::sync::watch;

use crate::request::Call;
use crate::{Cluster, ClusterError};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// A kind that is not known is asked for again after this time at the earliest.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// So often it is asked, once a second, whether a definition that has changed is served as it says.
const SERVED_WITHIN: usize = 10;

/// A kind as the API server offers it in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResource {
    pub gvk: Gvk,
    /// The name in paths: `deployments`.
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    /// `status`, `scale`, `log`, ...
    pub subresources: Vec<String>,
}

impl ApiResource {
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    /// The path of the collection, or of one object in it when `name` is not empty. The namespace is left out for
    /// cluster-scoped kinds, and where it is empty (all namespaces).
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        let Gvk { group, version, .. } = &self.gvk;
        let mut path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if !name.is_empty() {
            path.push('/');
            // names of RBAC objects may hold colons and more
            path.extend(percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC));
        }
        path
    }
}

/// What discovery found, with the time of the last look.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    known: Mutex<Arc<Kinds>>,
    /// How often the server was asked.
    looks: watch::Sender<u64>,
    looking: tokio::sync::Mutex<Option<Look>>,
}

/// The last time that the server was asked.
#[derive(Debug)]
struct Look {
    at: Timestamp,
    /// Given to all who waited for this look, so that a silent server is not waited for by each in turn.
    failure: Option<ClusterError>,
}

#[derive(Debug, Default)]
struct Kinds {
    by_gvk: HashMap<Gvk, Arc<ApiResource>>,
    /// The preferred version of each kind.
    preferred: HashMap<GroupKind, Arc<ApiResource>>,
}

impl Kinds {
    fn new(resources: Vec<ApiResource>) -> Self {
        let mut kinds = Self::default();
        for resource in resources {
            let resource = Arc::new(resource);
            // versions come in the server's order of preference
            kinds.preferred.entry(resource.gvk.group_kind()).or_insert_with(|| Arc::clone(&resource));
            kinds.by_gvk.entry(resource.gvk.clone()).or_insert(resource);
        }
        kinds
    }

    /// The error for a kind, with how the server knows what is called so, or nearly so.
    fn unknown(&self, shown: String, kind: &GroupKind) -> ClusterError {
        let install = "install its CustomResourceDefinition";
        let near = || nearest(&kind.kind, self.preferred.keys().map(|known| known.kind.as_str()));
        let hint = match (self.versions(kind).pop_last(), self.called(&kind.kind)) {
            (Some(version), _) => {
                let served = Gvk::new(kind.group.as_str(), version, kind.kind.as_str()).api_version();
                format!("it serves {} as {served}: write that, and what became of its fields there", kind.kind)
            }
            (None, Some(other)) => format!("{install}, or write what the server has: {} of {other}", kind.kind),
            (None, None) => match near() {
                Some(near) => format!("{install}, or write {near}, if that is meant"),
                None => format!("{install}, or correct apiVersion and kind"),
            },
        };
        ClusterError::UnknownKind { kind: shown, hint }
    }

    /// How kinds of a name are served, those of Kubernetes itself first.
    fn called(&self, name: &str) -> Option<String> {
        let named = self.preferred.values().filter(|resource| resource.gvk.kind == name).map(|resource| &resource.gvk);
        let is_foreign = |group: &str| group.contains('.') && !group.ends_with(".k8s.io");
        named.min_by_key(|gvk| (is_foreign(&gvk.group), &gvk.group)).map(Gvk::api_version)
    }

    fn versions(&self, kind: &GroupKind) -> BTreeSet<String> {
        self.by_gvk.keys().filter(|gvk| gvk.group_kind() == *kind).map(|gvk| gvk.version.clone()).collect()
    }
}

impl Discovered {
    fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cluster {
    /// The kind in the server's preferred version. A kind that is not known yet makes the server be asked again.
    ///
    /// # Errors
    /// [`ClusterError::UnknownKind`], or when the server cannot be asked.
    pub async fn resource(&self, kind: &GroupKind) -> Result<Arc<ApiResource>, ClusterError> {
        let found = self.look_up(|kinds| kinds.preferred.get(kind).cloned()).await?;
        found.ok_or_else(|| self.discovered.kinds().unknown(kind.to_string(), kind))
    }

    /// The kind in exactly this version.
    ///
    /// # Errors
    /// As [`Cluster::resource`].
    pub async fn resource_in(&self, gvk: &Gvk) -> Result<Arc<ApiResource>, ClusterError> {
        let found = self.look_up(|kinds| kinds.by_gvk.get(gvk).cloned()).await?;
        found.ok_or_else(|| self.discovered.kinds().unknown(gvk.to_string(), &gvk.group_kind()))
    }

    /// The kind if it is known already; the server is not asked.
    pub fn known_resource(&self, kind: &GroupKind) -> Option<Arc<ApiResource>> {
        self.discovered.kinds().preferred.get(kind).cloned()
    }

    /// All kinds, each in its preferred version, by group and kind.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn resources(&self) -> Result<Vec<Arc<ApiResource>>, ClusterError> {
        self.look_up(|kinds| (!kinds.preferred.is_empty()).then_some(())).await?;
        let mut all: Vec<_> = self.discovered.kinds().preferred.values().cloned().collect();
        all.sort_by(|a, b| a.gvk.cmp(&b.gvk));
        Ok(all)
    }

    /// Makes the next look at a kind that is not known ask the server at once: call it when a
    /// CustomResourceDefinition has changed.
    pub async fn forget_unknown_kinds(&self) {
        *self.discovered.looking.lock().await = None;
    }

    /// Asks the server anew, also about the kinds that are known, unless that has been done since a time: call it when
    /// one may be served otherwise than it was. However many call, a look is made every two seconds at most.
    pub(crate) async fn discover_since(&self, time: Timestamp) {
        loop {
            let mut last = self.discovered.looking.lock().await;
            let (before, now) = (last.as_ref().map(|look| look.at), self.clock.now());
            let next = before.map_or(now, |at| clock::after(at, ASK_AGAIN));
            match before {
                Some(at) if at >= time => return,
                Some(_) if now < next => {
                    drop(last);
                    self.clock.sleep(Duration::try_from(next.duration_since(now)).unwrap_or_default()).await;
                }
                _ => {
                    if let Err(error) = self.discover(&mut last).await {
                        // what is known stays; the next look asks again
                        tracing::debug!(address = self.address(), %error, "kinds not discovered anew");
                    }
                    return;
                }
            }
        }
    }

    /// Whether a kind is served as its definition says, as far as it is known.
    pub(crate) fn serves(&self, definition: &Value) -> bool {
        let kind = GroupKind::new(text(definition, "/spec/group"), text(definition, "/spec/names/kind"));
        let served = items(&definition["spec"], "versions").iter().filter(|version| version["served"] == true);
        let served: BTreeSet<String> = served.map(|version| text(version, "/name")).collect();
        let known = self.discovered.kinds().versions(&kind);
        known.is_empty() || known == served
    }

    /// Asks the server anew until it serves a kind as its definition says: that takes it a moment.
    pub(crate) async fn discover_as_defined(&self, definition: &Value) {
        for _ in 0..SERVED_WITHIN {
            self.discover_since(self.clock.now()).await;
            if self.serves(definition) {
                return;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Told whenever the server was asked.
    pub(crate) fn looks(&self) -> watch::Receiver<u64> {
        self.discovered.looks.subscribe()
    }

    async fn look_up<T>(&self, find: impl Fn(&Kinds) -> Option<T>) -> Result<Option<T>, ClusterError> {
        if let Some(found) = find(&self.discovered.kinds()) {
            return Ok(Some(found));
        }
        // one look for all who wait here
        let mut last = self.discovered.looking.lock().await;
        if let Some(found) = find(&self.discovered.kinds()) {
            return Ok(Some(found));
        }
        match &*last {
            Some(look) if self.clock.now() < clock::after(look.at, ASK_AGAIN) => {
                look.failure.clone().map_or(Ok(()), Err)
            }
            _ => self.discover(&mut last).await,
        }?;
        Ok(find(&self.discovered.kinds()))
    }

    async fn discover(&self, last: &mut Option<Look>) -> Result<(), ClusterError> {
        let at = self.clock.now();
        let found = future::try_join(self.discover_below("/api"), self.discover_below("/apis")).await;
        *last = Some(Look { at, failure: found.as_ref().err().cloned() });
        let (core, groups) = found?;
        let kinds = Kinds::new(core.into_iter().chain(groups).collect());
        *self.discovered.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(kinds);
        self.discovered.looks.send_modify(|looks| *looks += 1);
        Ok(())
    }

    /// Aggregated discovery (Kubernetes 1.26 and later), or one request for each group and version.
    async fn discover_below(&self, root: &'static str) -> Result<Vec<ApiResource>, ClusterError> {
        let answer = Call::new(Method::GET, root, "discovery").accept(AGGREGATED).json(self).await?;
        if answer.get("kind").and_then(Value::as_str) == Some("APIGroupDiscoveryList") {
            return Ok(items(&answer, "items").iter().flat_map(aggregated_group).collect());
        }
        let lists = group_versions(&answer).into_iter().map(|(group, version)| async move {
            let path = if group.is_empty() { format!("{root}/{version}") } else { format!("{root}/{group}/{version}") };
            match Call::new(Method::GET, path, "discovery").json(self).await {
                Ok(list) => Ok(plain_list(&group, &version, &list)),
                // an aggregated API server that is down hides its own kinds only
                Err(ClusterError::Rejected { code: 500.., .. } | ClusterError::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        });
        Ok(future::try_join_all(lists).await?.concat())
    }
}

fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    items(value, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn aggregated_group(group: &Value) -> Vec<ApiResource> {
    let name = text(group, "/metadata/name");
    let mut resources = Vec::new();
    for version in items(group, "versions") {
        let version_name = text(version, "/version");
        for resource in items(version, "resources") {
            resources.push(ApiResource {
                gvk: Gvk::new(name.clone(), version_name.clone(), text(resource, "/responseKind/kind")),
                plural: text(resource, "/resource"),
                singular: text(resource, "/singularResource"),
                short_names: texts(resource, "shortNames"),
                namespaced: text(resource, "/scope") == "Namespaced",
                verbs: texts(resource, "verbs"),
                subresources: items(resource, "subresources").iter().map(|s| text(s, "/subresource")).collect(),
            });
        }
    }
    resources
}

/// Group and version pairs of `APIVersions` and `APIGroupList`, the preferred version of a group first.
fn group_versions(answer: &Value) -> Vec<(String, String)> {
    let core = texts(answer, "versions").into_iter().map(|v| (String::new(), v));
    let grouped = items(answer, "groups").iter().flat_map(|group| {
        let preferred = text(group, "/preferredVersion/version");
        let mut versions: Vec<String> = items(group, "versions").iter().map(|v| text(v, "/version")).collect();
        versions.sort_by_key(|version| *version != preferred);
        versions.into_iter().map(move |version| (text(group, "/name"), version))
    });
    core.chain(grouped).collect()
}

fn plain_list(group: &str, version: &str, list: &Value) -> Vec<ApiResource> {
    let all = items(list, "resources");
    let subresources = |plural: &str| -> Vec<String> {
        let names = all.iter().filter_map(|r| r.get("name")?.as_str()?.strip_prefix(plural)?.strip_prefix('/'));
        names.map(str::to_owned).collect()
    };
    let whole = all.iter().filter(|r| !text(r, "/name").contains('/'));
    whole
        .map(|resource| ApiResource {
            gvk: Gvk::new(group, version, text(resource, "/kind")),
            plural: text(resource, "/name"),
            singular: text(resource, "/singularName"),
            short_names: texts(resource, "shortNames"),
            namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
            verbs: texts(resource, "verbs"),
            subresources: subresources(&text(resource, "/name")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_a_kind_that_is_not_served_is_told_what_is() {
        let resource = |(api_version, kind): (&str, &str)| ApiResource {
            gvk: Gvk::from_api_version(api_version, kind),
            plural: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: Vec::new(),
            subresources: Vec::new(),
        };
        let served = [
            ("v1", "ConfigMap"),
            ("v1", "Service"),
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.example.com/v1", "Ingress"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ];
        let kinds = Kinds::new(served.map(resource).into());
        let check = |api_version: &str, kind: &str, expected: &str| {
            let gvk = Gvk::from_api_version(api_version, kind);
            let said = kinds.unknown(gvk.to_string(), &gvk.group_kind()).to_string();
            assert!(said.contains(expected), "{said}");
        };
        let rbac = "it serves ClusterRole as rbac.authorization.k8s.io/v1: write that";
        check("rbac.authorization.k8s.io/v1beta1", "ClusterRole", rbac);
        check("extensions/v1beta1", "Ingress", "or write what the server has: Ingress of networking.k8s.io/v1");
        check("serving.knative.dev/v1", "Service", "install its CustomResourceDefinition, or");
        check("v1", "ConfgMap", "or write ConfigMap, if that is meant");
        check("kargo.akuity.io/v1", "Stage", "install its CustomResourceDefinition, or correct apiVersion and kind");
    }
}
