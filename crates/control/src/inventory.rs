//! What people wrote into the control plane's namespace, as types, kept current by watches: Applications, projects,
//! repository Secrets and settings.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::argocd::{
    APPLICATION_KIND, AppProject, Application, CredentialStore, OperationPhase, Refresh, RepositorySecret,
    SECRET_TYPE_LABEL, Settings,
};
use cluster::{Cluster, Scope, WatchEvent, WatchStream};
use object::{GroupKind, LiveObject, ResourceKey};
use serde_json::Value;
use tokio::sync::watch;

use crate::queue::Depth;

/// An Application's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl AppKey {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    pub fn of(app: &Application) -> Self {
        Self::new(&app.metadata.namespace, &app.metadata.name)
    }

    pub(crate) fn resource_key(&self) -> ResourceKey {
        ResourceKey::new(GROUP, APPLICATION_KIND, &*self.namespace, &*self.name)
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

const GROUP: &str = "argoproj.io";

/// What happened to an Application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AppChange {
    /// Reconcile it to this depth.
    Wake(AppKey, Depth),
    Gone(AppKey),
    /// A project, a repository Secret or a setting changed: what depends on it is not told apart.
    Everything,
}

/// Shared, current and typed. Clones share it.
#[derive(Clone, Default)]
pub struct Inventory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: watch::Sender<u8>,
}

#[derive(Default)]
struct State {
    applications: BTreeMap<AppKey, Arc<Application>>,
    /// Applications that do not have the shape of their kind, and why.
    misshapen: BTreeMap<AppKey, String>,
    projects: BTreeMap<String, Arc<AppProject>>,
    secrets: HashMap<String, LiveObject>,
    credentials: Arc<CredentialStore>,
    settings: Arc<Settings>,
    /// Data of `argocd-ssh-known-hosts-cm` and `argocd-tls-certs-cm`.
    known_hosts: Arc<str>,
    certificates: Arc<BTreeMap<String, String>>,
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").field("applications", &self.state().applications.len()).finish_non_exhaustive()
    }
}

impl Inventory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn application(&self, key: &AppKey) -> Option<Arc<Application>> {
        self.state().applications.get(key).cloned()
    }

    /// All Applications by namespace and name.
    pub fn applications(&self) -> Vec<Arc<Application>> {
        self.state().applications.values().cloned().collect()
    }

    /// Applications that cannot be read as such, with the reason.
    pub fn misshapen(&self) -> Vec<(AppKey, String)> {
        self.state().misshapen.iter().map(|(key, reason)| (key.clone(), reason.clone())).collect()
    }

    /// The project; `default` exists even when nobody wrote it.
    pub fn project(&self, name: &str, namespace: &str) -> Option<Arc<AppProject>> {
        let known = self.state().projects.get(name).cloned();
        known.or_else(|| (name == "default").then(|| Arc::new(AppProject::default_project(namespace))))
    }

    pub fn credentials(&self) -> Arc<CredentialStore> {
        Arc::clone(&self.state().credentials)
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.state().settings)
    }

    /// The lines of `argocd-ssh-known-hosts-cm`.
    pub fn known_hosts(&self) -> Arc<str> {
        Arc::clone(&self.state().known_hosts)
    }

    /// PEM certificates by host of `argocd-tls-certs-cm`.
    pub fn certificates(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&self.state().certificates)
    }

    /// Takes an Application from the answer to our own write, so that it is not news when the watch tells of it.
    pub(crate) fn note(&self, object: &LiveObject) -> Option<Arc<Application>> {
        let app = Arc::new(Application::from_value(object.value().clone()).ok()?);
        let key = AppKey::of(&app);
        let mut state = self.state();
        let newer = state.applications.get(&key).is_none_or(|known| version(known) < version(&app));
        if newer {
            state.applications.insert(key, Arc::clone(&app));
        }
        Some(app)
    }

    /// Returns when everything was listed once.
    pub(crate) async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        // the sender lives as long as `self`
        let _ = ready.wait_for(|count| *count >= KINDS).await;
    }
}

fn version(app: &Application) -> u128 {
    app.metadata.resource_version.parse().unwrap_or_default()
}

/// How many watches must have listed before decisions are taken.
const KINDS: u8 = 4;

/// Keeps the inventory current and tells of changes, for as long as it is polled.
pub(crate) async fn follow(
    inventory: Inventory,
    cluster: Cluster,
    namespace: String,
    changed: impl Fn(AppChange) + Send + Sync,
) {
    let scope = |group: &str, kind: &str| Scope::namespaced(GroupKind::new(group, kind), namespace.as_str());
    let secrets = scope("", "Secret").with_labels(SECRET_TYPE_LABEL);
    let (inventory, changed) = (&inventory, &changed);
    tokio::join!(
        inventory
            .drive(cluster.watch(scope(GROUP, APPLICATION_KIND)), |event| inventory.applications_event(event, changed)),
        inventory.drive(cluster.watch(scope(GROUP, "AppProject")), |event| inventory.projects_event(event, changed)),
        inventory.drive(cluster.watch(secrets), |event| inventory.secrets_event(event, changed)),
        inventory.drive(cluster.watch(scope("", "ConfigMap")), |event| inventory.settings_event(event, changed)),
    );
}

/// What a watch told, without its connection's ups and downs.
enum Told {
    All(Vec<LiveObject>),
    One(LiveObject),
    Gone(LiveObject),
}

impl Inventory {
    async fn drive(&self, mut events: WatchStream, apply: impl Fn(Told)) {
        let mut listed = false;
        while let Some(event) = events.recv().await {
            match event {
                WatchEvent::Listed(all) => apply(Told::All(all)),
                WatchEvent::Applied(object) => apply(Told::One(object)),
                WatchEvent::Deleted(object) => apply(Told::Gone(object)),
                WatchEvent::Lost(error) => {
                    tracing::warn!(%error, "the control plane's own objects may be old");
                    // a kind that is not installed has no objects
                    if !matches!(error, cluster::ClusterError::UnknownKind { .. }) {
                        continue;
                    }
                }
                WatchEvent::Resumed => continue,
            }
            if !std::mem::replace(&mut listed, true) {
                self.0.ready.send_modify(|count| *count += 1);
            }
        }
    }

    fn applications_event(&self, told: Told, changed: &impl Fn(AppChange)) {
        let changes = {
            let mut state = self.state();
            match told {
                Told::All(all) => {
                    let keys: Vec<AppKey> = all.iter().map(|o| AppKey::new(o.namespace(), o.name())).collect();
                    let gone: Vec<AppKey> = state.applications.keys().filter(|k| !keys.contains(k)).cloned().collect();
                    let mut changes: Vec<AppChange> = gone.into_iter().map(|key| state.forget(key)).collect();
                    changes.extend(all.into_iter().filter_map(|object| state.take_application(object)));
                    changes
                }
                Told::One(object) => state.take_application(object).into_iter().collect(),
                Told::Gone(object) => vec![state.forget(AppKey::new(object.namespace(), object.name()))],
            }
        };
        changes.into_iter().for_each(changed);
    }

    fn projects_event(&self, told: Told, changed: &impl Fn(AppChange)) {
        {
            let mut state = self.state();
            let typed = |object: LiveObject| {
                let name = object.name().to_owned();
                match AppProject::from_value(object.into_value()) {
                    Ok(project) => Some((name, Arc::new(project))),
                    Err(error) => {
                        tracing::warn!(%error, "project not used");
                        None
                    }
                }
            };
            match told {
                Told::All(all) => state.projects = all.into_iter().filter_map(typed).collect(),
                Told::One(object) => state.projects.extend(typed(object)),
                Told::Gone(object) => drop(state.projects.remove(object.name())),
            }
        }
        changed(AppChange::Everything);
    }

    fn secrets_event(&self, told: Told, changed: &impl Fn(AppChange)) {
        {
            let mut state = self.state();
            let named = |object: LiveObject| (object.name().to_owned(), object);
            match told {
                Told::All(all) => state.secrets = all.into_iter().map(named).collect(),
                Told::One(object) => state.secrets.extend([named(object)]),
                Told::Gone(object) => drop(state.secrets.remove(object.name())),
            }
            let credentials = state.secrets.values().filter_map(|secret| {
                RepositorySecret::from_secret(secret).unwrap_or_else(|error| {
                    tracing::warn!(%error, "repository Secret not used");
                    None
                })
            });
            state.credentials = Arc::new(CredentialStore::new(credentials.collect::<Vec<_>>()));
        }
        changed(AppChange::Everything);
    }

    fn settings_event(&self, told: Told, changed: &impl Fn(AppChange)) {
        let (objects, gone) = match told {
            Told::All(all) => (all, false),
            Told::One(object) => (vec![object], false),
            Told::Gone(object) => (vec![object], true),
        };
        let mut any = false;
        for object in objects {
            let data = if gone { BTreeMap::new() } else { texts(object.value().get("data")) };
            any |= self.state().take_settings(object.name(), data);
        }
        if any {
            changed(AppChange::Everything);
        }
    }
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

impl State {
    fn forget(&mut self, key: AppKey) -> AppChange {
        self.applications.remove(&key);
        self.misshapen.remove(&key);
        AppChange::Gone(key)
    }

    fn take_application(&mut self, object: LiveObject) -> Option<AppChange> {
        let key = AppKey::new(object.namespace(), object.name());
        let app = match Application::from_value(object.into_value()) {
            Ok(app) => Arc::new(app),
            Err(error) => {
                tracing::warn!(%error, "Application not used");
                self.misshapen.insert(key, error.to_string());
                return None;
            }
        };
        self.misshapen.remove(&key);
        let old = self.applications.get(&key);
        if old.is_some_and(|old| old.metadata.uid == app.metadata.uid && version(old) >= version(&app)) {
            return None;
        }
        let depth = depth_of(old.map(|old| &**old), &app);
        self.applications.insert(key.clone(), app);
        depth.map(|depth| AppChange::Wake(key, depth))
    }

    /// Whether the map is one that matters and says something new.
    fn take_settings(&mut self, name: &str, data: BTreeMap<String, String>) -> bool {
        match name {
            "argocd-cm" => {
                let (settings, problems) = Settings::from_config_map(&data);
                for problem in problems {
                    tracing::warn!("{problem}");
                }
                let new = *self.settings != settings;
                self.settings = Arc::new(settings);
                new
            }
            "argocd-ssh-known-hosts-cm" => {
                self.known_hosts = data.get("ssh_known_hosts").map_or("", String::as_str).into();
                true
            }
            "argocd-tls-certs-cm" => {
                self.certificates = Arc::new(data);
                true
            }
            _ => false,
        }
    }
}

/// What a change to an Application asks for; `None` for changes of status alone, which are mostly our own.
fn depth_of(old: Option<&Application>, new: &Application) -> Option<Depth> {
    let Some(old) = old.filter(|old| old.metadata.uid == new.metadata.uid) else { return Some(Depth::Latest) };
    let refresh = match new.requested_refresh() {
        Some(Refresh::Hard) => Some(Depth::Hard),
        Some(Refresh::Normal) => Some(Depth::Forced),
        None => None,
    };
    let terminating = new.status.operation_state.as_ref().is_some_and(|s| s.phase == OperationPhase::Terminating);
    let spec = match () {
        () if old.spec.all_sources() != new.spec.all_sources() => Some(Depth::Forced),
        () if old.spec != new.spec || old.metadata.finalizers != new.metadata.finalizers => Some(Depth::Latest),
        () if new.metadata.deletion_timestamp != old.metadata.deletion_timestamp => Some(Depth::Live),
        () if new.operation != old.operation && new.operation.is_some() => Some(Depth::Live),
        () if terminating => Some(Depth::Live),
        () if old.skips_reconcile() != new.skips_reconcile() => Some(Depth::Latest),
        () => None,
    };
    refresh.filter(|_| new.requested_refresh() != old.requested_refresh()).max(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn app(version: u32, change: Value) -> Application {
        let mut value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"source": {"repoURL": "r", "path": "p"}}});
        for (pointer, new) in change.as_object().unwrap() {
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            let target = value.pointer_mut(parent).unwrap();
            target[last] = new.clone();
        }
        Application::from_value(value).unwrap()
    }

    fn check(change: Value, expected: Option<Depth>) {
        let new = app(2, change.clone());
        assert_eq!(depth_of(Some(&app(1, json!({}))), &new), expected, "{change}");
        assert_eq!(depth_of(Some(&new), &new.clone()), None, "{change}");
    }

    #[test]
    fn changes_ask_for_as_much_as_they_need() {
        let refresh = |kind: &str| json!({"/metadata/annotations": {"argocd.argoproj.io/refresh": kind}});
        check(refresh("normal"), Some(Depth::Forced));
        check(refresh("hard"), Some(Depth::Hard));
        check(json!({"/spec/source/path": "q"}), Some(Depth::Forced));
        check(json!({"/spec/project": "x"}), Some(Depth::Latest));
        check(json!({"/operation": {"sync": {}}}), Some(Depth::Live));
        check(json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}), Some(Depth::Live));
        check(json!({"/status": {"sync": {"status": "Synced"}}}), None);
        assert_eq!(depth_of(None, &app(1, json!({}))), Some(Depth::Latest));
    }
}
