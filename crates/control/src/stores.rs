//! What people wrote into the control plane's namespaces, as types, kept current by watches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use api::argocd::{
    APPLICATION_KIND, AppProject, Application, ClusterSecret, CredentialStore, Policy, RepositorySecret,
    SECRET_TYPE_LABEL, Settings,
};
use api::gantline::{Pipeline, Promotion, Release};
use api::{ConfigMap, Secret};
use cluster::{Change, Cluster, Scope, Store};
use object::{Kind, ResourceKey};
use promotion::{Elsewhere, Ledger};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::ledger::LEDGER_LABEL;
use crate::ledgers::Ledgers;
use crate::namespaces::{ApplicationNamespaces, PARAMETERS};
use crate::touched::Touches;
use crate::unread::{AllUnread, Unread};

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

    /// From what people say: `web` is in the control plane's namespace, `team/web` in `team`.
    pub fn said(text: &str, control_namespace: &str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or((control_namespace, text));
        Self::new(namespace, name)
    }

    /// From what objects are marked with: `web` is in the control plane's namespace, `team_web` in `team`.
    pub(crate) fn of_instance(instance: &str, control_namespace: &str) -> Self {
        let (namespace, name) = instance.split_once('_').unwrap_or((control_namespace, instance));
        Self::new(namespace, name)
    }

    /// What people call it, so that [`AppKey::said`] reads it back.
    pub fn text(&self, control_namespace: &str) -> String {
        if *self.namespace == *control_namespace { self.name.to_string() } else { self.to_string() }
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

pub(crate) const SETTINGS: &str = "argocd-cm";
const POLICY: &str = "argocd-rbac-cm";
pub(crate) const KNOWN_HOSTS: &str = "argocd-ssh-known-hosts-cm";
pub(crate) const CERTIFICATES: &str = "argocd-tls-certs-cm";

/// The config maps that are read; others in the namespace are not ours.
pub const CONFIG_MAPS: [&str; 5] = [SETTINGS, POLICY, KNOWN_HOSTS, CERTIFICATES, PARAMETERS];

/// Argo CD's Secret of accounts and of the key that signs sessions.
pub const ACCOUNTS_SECRET: &str = "argocd-secret";
/// Ours: the ids of sessions that were ended before they expired, with the second of their expiry.
pub const SESSIONS_SECRET: &str = "gantline-sessions";

/// A watched kind is a row: its store, its type, which of its objects in the control plane's namespace are followed, and
/// whether its changes are told (`wake.rs` says to whom).
macro_rules! kinds {
    ($($(#[$doc:meta])* $store:ident: $kind:ident $(from $objects:expr)? $(=> $told:ident)?;)*) => {
        /// Every kind that is watched in the control plane. Clones share the stores.
        #[derive(Debug, Clone)]
        pub struct Stores {
            $($(#[$doc])* pub $store: Store<$kind>,)*
            namespace: Arc<str>,
            config: Arc<Derived<Config>>,
            read_ledgers: Arc<Ledgers>,
            credentials: Arc<Derived<Arc<CredentialStore>>>,
            following: Option<Arc<AbortOnDropHandle<()>>>,
        }

        impl Stores {
            fn empty(namespace: &str) -> Self {
                let (config, read_ledgers, credentials, following) = Default::default();
                Self { $($store: Store::default(),)* namespace: namespace.into(), config, read_ledgers, credentials, following }
            }

            fn follow_own_namespace(&self, cluster: &Cluster) {
                $($(self.$store.follow(cluster, $objects(self.scope::<$kind>()), |_| true);)?)*
            }

            /// Returns when everything was listed once.
            pub async fn ready(&self) {
                tokio::join!($(self.$store.ready(),)*);
            }

            /// All that cannot be read, and the config maps of which a part cannot.
            pub fn unread(&self) -> AllUnread {
                let mut all = self.unread_parts();
                $(all.extend(self.$store.unreadable().into_iter().map(|it| {
                    (ResourceKey::clone(&it.key), Unread { uid: it.uid, why: it.why.to_string() })
                }));)*
                all
            }

            /// Counts changes of what cannot be read, by kind.
            pub(crate) fn unreadable_revisions(&self) -> Vec<watch::Receiver<u64>> {
                vec![$(self.$store.unreadable_revisions(),)*]
            }

            /// Hears of all that is told, each kind by a task of its own.
            pub(crate) fn listen<N>(&self, tasks: &mut JoinSet<()>, hear: impl Fn(N) + Clone + Send + 'static)
            where
                N: 'static $($(+ $told<$kind>)?)*,
            {
                $($(tasks.spawn(hear_each(self.$store.clone(), hear.clone(), <N as $told<$kind>>::told));)?)*
            }
        }
    };
}

/// What a change of a kind is told as.
pub(crate) trait Told<K> {
    fn told(change: Change<K>) -> Self;
}

kinds! {
    /// Followed where the parameters say.
    applications: Application => Told;
    projects: AppProject from all => Told;
    pipelines: Pipeline from all => Told;
    releases: Release from all => Told;
    promotions: Promotion from all => Told;
    /// The Secrets of repositories, and those that begin their addresses.
    repositories: RepositorySecret from labelled("in (repository,repo-creds)") => Told;
    clusters: ClusterSecret from labelled("= cluster") => Told;
    /// [`CONFIG_MAPS`].
    config_maps: ConfigMap from named(&CONFIG_MAPS) => Told;
    /// [`ACCOUNTS_SECRET`] and [`SESSIONS_SECRET`].
    secrets: Secret from named(&[ACCOUNTS_SECRET, SESSIONS_SECRET]);
    /// [`LEDGER_SECRETS`](crate::LEDGER_SECRETS).
    ledgers: Secret from ledgers => Told;
}

fn all(own: Scope) -> Vec<Scope> {
    vec![own]
}

/// Secrets of one purpose.
fn labelled(is: &str) -> impl Fn(Scope) -> Vec<Scope> {
    move |own| vec![own.with_labels(format!("{SECRET_TYPE_LABEL} {is}"))]
}

fn ledgers(own: Scope) -> Vec<Scope> {
    vec![own.with_labels(LEDGER_LABEL.to_owned())]
}

fn named(names: &[&str]) -> impl Fn(Scope) -> Vec<Scope> {
    let one = |own: &Scope, name: &&str| own.clone().with_fields(format!("metadata.name={name}"));
    move |own| names.iter().map(|name| one(&own, name)).collect()
}

async fn hear_each<K: Kind, N>(store: Store<K>, hear: impl Fn(N) + Send, told: fn(Change<K>) -> N) {
    let mut changes = store.changes();
    while let Some(change) = changes.recv().await {
        hear(told(change));
    }
}

/// A part of a config map that does not say what it seems to.
#[derive(Debug)]
struct Slip {
    map: &'static str,
    text: String,
}

/// What the config maps say.
#[derive(Debug, Clone)]
struct Config {
    settings: Arc<Settings>,
    health_scripts: Arc<lua::Scripts>,
    policy: Arc<Policy>,
    known_hosts: Arc<str>,
    certificates: Arc<BTreeMap<String, String>>,
    private_hosts: git::Permitted,
    git_limits: git::Limits,
    slips: Arc<[Slip]>,
}

/// A value that is made from a store, and again once that has changed.
#[derive(Debug)]
struct Derived<T>(Mutex<Option<(u64, T)>>);

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Derived<T> {
    fn of<K: Kind>(&self, store: &Store<K>, make: impl FnOnce() -> T) -> T {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // before the value: what changes meanwhile is seen the next time
        let revision = store.revision();
        match &*made {
            Some((at, value)) if *at == revision => value.clone(),
            _ => made.insert((revision, make())).1.clone(),
        }
    }
}

impl Stores {
    /// Follows the cluster for as long as somebody has the stores. Needs a tokio runtime.
    pub(crate) fn follow(cluster: &Cluster, namespace: &str) -> Self {
        let mut stores = Self::empty(namespace);
        stores.follow_own_namespace(cluster);
        let (applications, config_maps) = (stores.applications.clone(), stores.config_maps.clone());
        let following = follow_applications(cluster.clone(), namespace.into(), applications, config_maps);
        stores.following = Some(Arc::new(AbortOnDropHandle::new(tokio::spawn(following))));
        stores
    }

    /// These objects, without a cluster that tells of others.
    #[cfg(test)]
    pub(crate) fn holding(
        namespace: &str,
        applications: impl IntoIterator<Item = object::LiveObject>,
        pipelines: impl IntoIterator<Item = object::LiveObject>,
    ) -> Self {
        let (applications, pipelines) = (Store::holding(applications), Store::holding(pipelines));
        Self { applications, pipelines, ..Self::empty(namespace) }
    }

    /// The control plane's own.
    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn scope<K: Kind>(&self) -> Scope {
        Scope::namespaced(K::group_kind(), &*self.namespace)
    }

    /// What changes of what people look at; at first, everything.
    pub fn touches(&self) -> Touches {
        Touches::of(self)
    }

    pub fn application(&self, key: &AppKey) -> Option<Arc<Application>> {
        self.applications.get(&key.namespace, &key.name)
    }

    /// The Application that an environment of a Pipeline names: it is always in the control plane's own namespace.
    pub(crate) fn of_environment(&self, name: &str) -> AppKey {
        AppKey::new(&self.namespace, name)
    }

    /// Whether anything of an Application was let in past gates.
    pub(crate) fn has_let_in(&self, application: &str) -> bool {
        !self.read_ledgers.with_let_in(self, application, |_| true).is_empty()
    }

    /// The Pipelines past whose gates that was when it had other images than these.
    pub(crate) fn let_in_before(&self, application: &str, images: &str) -> Vec<String> {
        self.read_ledgers.with_let_in(self, application, |overrides| overrides.is_over(application, images))
    }

    /// The ledger of a Pipeline, or why it cannot be read; `None`: it has none.
    pub(crate) fn ledger_of(&self, pipeline: &str) -> Option<Result<Arc<Ledger>, String>> {
        self.read_ledgers.of(self, pipeline)
    }

    /// Bytes of all entries in the Secret that has that of a Pipeline.
    pub(crate) fn ledger_bytes(&self, pipeline: &str) -> usize {
        self.read_ledgers.bytes(self, pipeline)
    }

    /// What other Pipelines quarantined of the repositories of one and of its releases.
    pub(crate) fn quarantined_elsewhere(
        &self,
        pipeline: &Pipeline,
        releases: &[Arc<Release>],
    ) -> Arc<[Arc<Elsewhere>]> {
        let own = pipeline.spec.images.iter().map(|image| image.name.as_str());
        let before = releases.iter().flat_map(|release| &release.spec.images).map(|image| image.name.as_str());
        let names: BTreeSet<&str> = own.chain(before).collect();
        self.read_ledgers.elsewhere(self, &pipeline.metadata.name, names)
    }

    /// The Pipelines whose environments the Application deploys.
    pub(crate) fn deployed_by(&self, app: &AppKey) -> Vec<Arc<Pipeline>> {
        let named = self.pipelines.by(&Pipeline::BY_APPLICATION, &app.name);
        if self.of_environment(&app.name) == *app { named } else { Vec::new() }
    }

    /// The same, and those that cannot be read: their gates hold.
    pub(crate) fn guarded_by(&self, app: &AppKey) -> Vec<Arc<Pipeline>> {
        let named = self.pipelines.holding_by(&Pipeline::BY_APPLICATION, &app.name);
        if self.of_environment(&app.name) == *app { named } else { Vec::new() }
    }

    /// The project as it is in the cluster, `default` too.
    ///
    /// # Errors
    /// When there is none that can be used.
    pub fn project(&self, name: &str) -> Result<Arc<AppProject>, NoProject> {
        let project = name.to_owned();
        match self.projects.get(&self.namespace, name) {
            Some(known) => Ok(known),
            None => match self.projects.why_unreadable(&self.namespace, name) {
                Some(why) => Err(NoProject::Unreadable { project, why }),
                None => Err(NoProject::Missing { project }),
            },
        }
    }

    pub fn credentials(&self) -> Arc<CredentialStore> {
        let secrets = || self.repositories.all().into_iter().map(|secret| (*secret).clone());
        self.credentials.of(&self.repositories, || Arc::new(CredentialStore::new(secrets())))
    }

    fn config(&self) -> Config {
        self.config.of(&self.config_maps, || {
            let data = |name: &str| {
                let map = self.config_maps.get(&self.namespace, name);
                map.map_or_else(BTreeMap::new, |map| map.data.clone())
            };
            let slip = |map, text| Slip { map, text };
            let (settings, problems) = Settings::from_config_map(&data(SETTINGS));
            let mut slips: Vec<Slip> = problems.iter().map(|problem| slip(SETTINGS, problem.to_string())).collect();
            let health_scripts = lua::Scripts::new(&settings.health_scripts);
            slips.extend(
                health_scripts.problems().map(|(script, why)| slip(SETTINGS, format!("{}: {why}", script.key))),
            );
            let (policy, problems) = Policy::from_config_map(&data(POLICY));
            slips.extend(problems.iter().map(|problem| slip(POLICY, format!("{POLICY}: {problem}"))));
            let parameters = data(PARAMETERS);
            let parameter = |key: &str| parameters.get(key).map(String::as_str);
            let (git_limits, problems) = git::Limits::read(parameter);
            slips.extend(problems.iter().map(|problem| slip(PARAMETERS, format!("{PARAMETERS}: {problem}"))));
            slips.iter().for_each(|slip| tracing::warn!("{}", slip.text));
            Config {
                settings: Arc::new(settings),
                health_scripts: Arc::new(health_scripts),
                policy: Arc::new(policy),
                known_hosts: data(KNOWN_HOSTS).get("ssh_known_hosts").map_or("", String::as_str).into(),
                certificates: Arc::new(data(CERTIFICATES)),
                private_hosts: git::Permitted::new(parameter(git::PRIVATE_HOSTS).unwrap_or_default()),
                git_limits,
                slips: slips.into(),
            }
        })
    }

    pub fn settings(&self) -> Arc<Settings> {
        self.config().settings
    }

    /// What people say of how well the objects of some kinds do.
    pub fn health_scripts(&self) -> Arc<lua::Scripts> {
        self.config().health_scripts
    }

    /// Who may do what.
    pub fn policy(&self) -> Arc<Policy> {
        self.config().policy
    }

    /// What config maps and projects do not say as it seems, and what cannot be read at all, for those who can mend it.
    pub fn slips(&self) -> Vec<String> {
        let of_projects = self.projects.all().into_iter().flat_map(|project| project.slips());
        let config = self.config();
        let of_maps = config.slips.iter().map(|slip| slip.text.clone());
        let unread = self.unread().into_iter().filter(|(_, one)| !one.is_part());
        let unread = unread.map(|(key, one)| format!("{} {} cannot be read: {}", key.kind, key.name, one.why));
        of_maps.chain(of_projects).chain(unread).collect()
    }

    fn unread_parts(&self) -> AllUnread {
        let mut parts = AllUnread::new();
        for Slip { map, text } in &*self.config().slips {
            let key = ResourceKey::new("", "ConfigMap", &*self.namespace, *map);
            parts.entry(key).or_insert_with(Unread::part).add(text);
        }
        parts
    }

    /// The lines of `argocd-ssh-known-hosts-cm`.
    pub fn known_hosts(&self) -> Arc<str> {
        self.config().known_hosts
    }

    /// PEM certificates by host of `argocd-tls-certs-cm`.
    pub fn certificates(&self) -> Arc<BTreeMap<String, String>> {
        self.config().certificates
    }

    /// Private addresses that files of repositories may name, of `argocd-cmd-params-cm`.
    pub(crate) fn private_hosts(&self) -> git::Permitted {
        self.config().private_hosts
    }

    /// How much repositories may send, of `argocd-cmd-params-cm`.
    pub(crate) fn git_limits(&self) -> git::Limits {
        self.config().git_limits
    }

    /// One of the control plane's own Secrets; empty while there is none.
    pub fn secret(&self, name: &str) -> Arc<Secret> {
        self.secrets.get(&self.namespace, name).unwrap_or_default()
    }

    pub fn pipeline(&self, name: &str) -> Option<Arc<Pipeline>> {
        self.pipelines.get(&self.namespace, name)
    }

    pub fn release(&self, name: &str) -> Option<Arc<Release>> {
        self.releases.get(&self.namespace, name)
    }

    /// Of one Pipeline or of all, the newest first.
    pub fn releases(&self, pipeline: Option<&str>) -> Vec<Arc<Release>> {
        let all = || self.releases.all();
        let mut releases = pipeline.map_or_else(all, |name| self.releases.by(&Release::BY_PIPELINE, name));
        releases.sort_by_key(|release| std::cmp::Reverse(release.metadata.creation_timestamp));
        releases
    }

    pub fn promotion(&self, name: &str) -> Option<Arc<Promotion>> {
        self.promotions.get(&self.namespace, name)
    }

    /// Of one Pipeline or of all, the newest first.
    pub fn promotions(&self, pipeline: Option<&str>) -> Vec<Arc<Promotion>> {
        let all = || self.promotions.all();
        let mut promotions = pipeline.map_or_else(all, |name| self.promotions.by(&Promotion::BY_PIPELINE, name));
        promotions.sort_by_key(|promotion| std::cmp::Reverse(promotion.metadata.creation_timestamp));
        promotions
    }
}

/// Why an Application has no project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProject {
    #[error("Application referencing project {project} which does not exist: nothing is permitted without it")]
    Missing { project: String },
    #[error("Application referencing project {project} which cannot be read: {why}")]
    Unreadable { project: String, why: Arc<str> },
}

/// Applications are followed where the parameters say at the start. Says so when they say something else later.
async fn follow_applications(
    cluster: Cluster,
    own: Arc<str>,
    applications: Store<Application>,
    config_maps: Store<ConfigMap>,
) {
    config_maps.ready().await;
    let read = || ApplicationNamespaces::read(&own, config_maps.get(&own, PARAMETERS).as_deref());
    let (mut known, mut revisions) = (read(), config_maps.revisions());
    let held = known.clone();
    let scopes = known.scopes(&Application::group_kind());
    applications.follow(&cluster, scopes, move |object| held.hold(object.namespace()));
    while revisions.changed().await.is_ok() {
        let now = read();
        if now != known {
            tracing::warn!("application.namespaces of {PARAMETERS} changed: restart for it to hold");
            known = now;
        }
    }
}
