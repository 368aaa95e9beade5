//! The clusters that Applications deploy to: the control plane's own, and those of Argo CD's cluster Secrets. Each has a
//! cache, limits and an outage of its own; nobody waits for a cluster but those who deploy to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::argocd::{ClusterConfig, ClusterIdentity, ClusterSecret, Destination};
use clock::Clock;
use cluster::{Bounds, Cluster, ClusterError, LiveCache, Login, Touch, Tracker};
use engine::Permitted;
use jiff::Timestamp;
use object::{GroupKind, ResourceKey};
use tokio::sync::{OnceCell, Semaphore, broadcast};
use tokio::time::timeout;

use crate::reach::{Hand, Reader};
use crate::stores::Stores;
use crate::turns::{Lent, SOON};

/// How many may try whether an answer comes soon; more lend their turn at once: so a silent cluster costs next to nothing.
const PATIENT: usize = 16;
/// How many may wait for the own cluster without a turn: one kind that hangs stops nobody else, and a cluster that is
/// slow as a whole, without which nothing can be written down anyway, is not given more and more to do.
const OWN_LENDERS: usize = 64;
/// How many changes a listener may lag behind.
const TOUCHES: usize = 4096;

/// How the cluster of a Secret is reached.
pub trait Connector: fmt::Debug + Send + Sync {
    /// No request is made yet. Called within a tokio runtime.
    ///
    /// # Errors
    /// When what is written cannot be used.
    fn connect(&self, secret: &ClusterSecret, config: &ClusterConfig) -> Result<Cluster, ClusterError>;
}

/// Over the network, as the Secret says.
#[derive(Debug)]
pub(crate) struct BySecret(pub(crate) Arc<dyn Clock>);

impl Connector for BySecret {
    fn connect(&self, secret: &ClusterSecret, config: &ClusterConfig) -> Result<Cluster, ClusterError> {
        let tls = &config.tls_client_config;
        let login = Login {
            server: secret.server.clone(),
            token: config.bearer_token.clone(),
            username: config.username.clone(),
            password: config.password.clone(),
            certificate_data: tls.cert_data.clone(),
            key_data: tls.key_data.clone(),
            authority_data: tls.ca_data.clone(),
            insecure: tls.insecure,
            server_name: tls.server_name.clone(),
            proxy: config.proxy_url.clone(),
        };
        Cluster::log_in(&login, Arc::clone(&self.0))
    }
}

/// Why a destination cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotConnected {
    #[error("{0}")]
    Unclear(String),
    #[error(
        "cluster {server:?} is not connected: no cluster Secret has this server; add one, or correct \
         spec.destination.server"
    )]
    NoServer { server: String },
    #[error(
        "cluster {name:?} is not connected: there are no clusters with this name; add a cluster Secret, or correct \
         spec.destination.name"
    )]
    NoName { name: String },
    #[error("there are {} clusters with the same name: [{}]; say which by spec.destination.server", .servers.len(), .servers.join(" "))]
    Ambiguous { servers: Vec<String> },
    #[error("cluster {server:?} is disabled: cluster.inClusterEnabled of argocd-cm says false")]
    Disabled { server: String },
    #[error("cluster {name:?} ({server}) cannot be used: {reason}")]
    Unusable { name: String, server: String, reason: String },
    #[error("cluster {name:?} ({server}) has not answered since {since}: {error}. Nothing is done there until it does")]
    Out { name: String, server: String, since: String, error: String },
}

impl NotConnected {
    /// Whether no such cluster is known at all.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unclear(_) | Self::NoServer { .. } | Self::NoName { .. })
    }
}

impl From<NotConnected> for ClusterError {
    fn from(error: NotConnected) -> Self {
        Self::Config { message: error.to_string() }
    }
}

/// One cluster.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    secret: ClusterSecret,
    pub(crate) cluster: Reader,
    pub(crate) live: LiveCache,
    version: Arc<OnceCell<String>>,
    patience: Arc<Semaphore>,
    /// Who may lend a turn while the cluster takes its time.
    lenders: Arc<Semaphore>,
}

impl Site {
    pub(crate) fn identity(&self) -> ClusterIdentity {
        self.secret.identity()
    }

    pub(crate) fn server(&self) -> &str {
        &self.secret.server
    }

    pub(crate) fn is_own(&self) -> bool {
        self.secret.server == Destination::IN_CLUSTER_SERVER
    }

    /// The version of Kubernetes, asked once, and all API versions, each by itself and with each of its kinds.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub(crate) async fn capabilities(&self) -> Result<(String, Vec<String>), ClusterError> {
        let version = self.version.get_or_try_init(|| self.cluster.version()).await?;
        let resources = self.cluster.resources().await?;
        let names = resources.iter().map(|r| (r.gvk.api_version(), &r.gvk.kind));
        let all: std::collections::BTreeSet<String> =
            names.flat_map(|(version, kind)| [format!("{version}/{kind}"), version]).collect();
        Ok((version.clone(), all.into_iter().collect()))
    }

    /// Asks for the version of Kubernetes, whatever is known: to see whether the cluster answers.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn asked_version(&self) -> Result<(), ClusterError> {
        let version = self.cluster.version().await?;
        self.version.get_or_init(async || version).await;
        Ok(())
    }

    /// The way to write one object that may be written.
    pub(crate) fn hand<'a, T>(&'a self, permitted: &'a Permitted<T>) -> Hand<'a, T> {
        self.cluster.hand(permitted)
    }

    /// The version of Kubernetes, if it was asked before.
    pub(crate) fn known_version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    /// # Errors
    /// While nothing can be had of the cluster.
    pub(crate) fn answers(&self) -> Result<(), NotConnected> {
        let Some((since, error)) = self.live.outage() else { return Ok(()) };
        let ClusterIdentity { name, server } = self.identity();
        let since = api::meta::time::whole_seconds(since);
        Err(NotConnected::Out { name, server, since: since.to_string(), error: error.to_string() })
    }

    /// Since when all objects of these kinds in the namespaces have been watched without a break.
    pub(crate) fn watched_since<'a>(
        &self,
        kinds: impl IntoIterator<Item = &'a GroupKind>,
        namespaces: &BTreeSet<String>,
    ) -> Option<Timestamp> {
        self.live.watched_since(kinds, |namespace| namespaces.contains(namespace))
    }

    /// Why the cluster's Secret leaves the object to others; its namespace is empty where the kind has none.
    pub(crate) fn refuses(&self, object: &ResourceKey) -> Option<String> {
        let ResourceKey { kind, namespace, name, .. } = object;
        match namespace.as_str() {
            inside if self.live.bounds().contain(inside) => None,
            "" => Some(format!("cluster level {kind} {name:?} can not be managed when in namespaced mode")),
            outside => Some(format!("namespace {outside:?} for {kind} {name:?} is not managed")),
        }
    }

    /// What the cluster answers. While it takes its time, others are worked on.
    pub(crate) async fn patiently<T>(&self, turns: &Arc<Semaphore>, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        // both permits are held to the end: as long as this one waits, the next need not try whether an answer comes
        // soon, and who waits for a turn to come back is still one who has lent it
        let patience = self.patience.try_acquire();
        if patience.is_ok()
            && let Ok(answer) = timeout(SOON, &mut answer).await
        {
            return answer;
        }
        let Ok(_lends) = self.lenders.try_acquire() else { return answer.await };
        let lent = Lent::new(turns);
        let answer = answer.await;
        lent.back().await;
        answer
    }
}

/// All clusters that Applications may name, as the stores have them now.
pub(crate) struct Sites {
    /// The control plane's own.
    own: Cluster,
    stores: Stores,
    connector: Arc<dyn Connector>,
    tracker: Tracker,
    touches: broadcast::Sender<Touch>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the stores' clusters and config maps; `None`: nobody has asked yet.
    revisions: Option<(u64, u64)>,
    by_server: BTreeMap<String, Known>,
}

/// What is known of a cluster: how it is reached, or why it is not.
#[derive(Clone)]
struct Known {
    secret: ClusterSecret,
    site: Result<Arc<Site>, NotConnected>,
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sites").field("servers", &self.state().by_server.keys()).finish_non_exhaustive()
    }
}

impl Sites {
    pub(crate) fn new(own: Cluster, stores: Stores, connector: Arc<dyn Connector>, tracker: Tracker) -> Self {
        Self { own, stores, connector, tracker, touches: broadcast::Sender::new(TOUCHES), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // before what they count: what changes meanwhile is seen the next time
        let revisions = Some((self.stores.clusters.revision(), self.stores.config_maps.revision()));
        if state.revisions != revisions {
            self.update(&mut state);
            state.revisions = revisions;
        }
        state
    }

    /// What happens to live objects anywhere from now on. A receiver that lags behind must look at everything again.
    pub(crate) fn touches(&self) -> broadcast::Receiver<Touch> {
        self.touches.subscribe()
    }

    /// The cluster that a destination means, by its server or by its name.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn at(&self, to: &Destination) -> Result<Arc<Site>, NotConnected> {
        if let Some(problem) = to.problem() {
            return Err(NotConnected::Unclear(problem));
        }
        let state = self.state();
        let server = state.server(to)?;
        match state.by_server.get(&server) {
            Some(known) => known.site.clone(),
            None => Err(NotConnected::NoServer { server }),
        }
    }

    /// Whether two destinations are known to be on one cluster.
    pub(crate) fn same(&self, one: &Destination, other: &Destination) -> bool {
        let server = |to| self.at(to).map(|site| site.server().to_owned());
        matches!((server(one), server(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// The clusters that belong to the project.
    pub(crate) fn of_project(&self, project: &str) -> Vec<ClusterIdentity> {
        let state = self.state();
        let own = state.by_server.values().filter(|known| known.secret.project == project);
        own.map(|known| known.secret.identity()).collect()
    }

    /// Each cluster with what is written of it, by server.
    pub(crate) fn all(&self) -> Vec<(ClusterSecret, Result<Arc<Site>, NotConnected>)> {
        self.state().by_server.values().map(|known| (known.secret.clone(), known.site.clone())).collect()
    }

    /// How many of the destinations mean each cluster, by server.
    pub(crate) fn count<'a>(&self, all: impl Iterator<Item = &'a Destination>) -> BTreeMap<String, usize> {
        let (state, mut counts) = (self.state(), BTreeMap::new());
        for server in all.filter_map(|to| state.server(to).ok()) {
            *counts.entry(server).or_default() += 1;
        }
        counts
    }

    /// Takes what the cluster Secrets say now. A cluster that is reached as before keeps its connection and its cache.
    fn update(&self, state: &mut State) {
        let in_cluster = self.stores.settings().in_cluster;
        let mut wanted = by_server(&self.stores.clusters.all());
        wanted.entry(Destination::IN_CLUSTER_SERVER.to_owned()).or_insert_with(ClusterSecret::in_cluster);
        let before = std::mem::take(&mut state.by_server);
        let known = wanted.into_iter().map(|(server, secret)| {
            let site = match before.get(&server) {
                _ if !in_cluster && server == Destination::IN_CLUSTER_SERVER => {
                    Err(NotConnected::Disabled { server: server.clone() })
                }
                Some(Known { secret: old, site: site @ Err(NotConnected::Unusable { .. }) }) if *old == secret => {
                    site.clone()
                }
                Some(Known { secret: old, site: Ok(site) }) if same_connection(old, &secret) => {
                    Ok(Arc::new(Site { secret: secret.clone(), ..Site::clone(site) }))
                }
                _ => self.connect(&secret).map(Arc::new),
            };
            (server, Known { secret, site })
        });
        state.by_server = known.collect();
    }

    fn connect(&self, secret: &ClusterSecret) -> Result<Site, NotConnected> {
        let unusable = |reason: String| {
            tracing::warn!(cluster = secret.server, "{reason}");
            NotConnected::Unusable { name: secret.name.clone(), server: secret.server.clone(), reason }
        };
        let config = secret.config.as_ref().map_err(|error| unusable(error.to_string()))?;
        let cluster = match secret.server.as_str() {
            Destination::IN_CLUSTER_SERVER => self.own.clone(),
            _ => self
                .connector
                .connect(secret, config)
                .map_err(|error| unusable(format!("Secret {}: {error}", secret.secret)))?,
        };
        let bounds = Bounds { namespaces: secret.namespaces.clone(), cluster_scoped: secret.cluster_resources };
        let live = LiveCache::within(cluster.clone(), self.tracker.clone(), bounds, self.touches.clone());
        let own = secret.server == Destination::IN_CLUSTER_SERVER;
        let lenders = Arc::new(Semaphore::new(if own { OWN_LENDERS } else { Semaphore::MAX_PERMITS }));
        let patience = Arc::new(Semaphore::new(PATIENT));
        let cluster = Reader::from(cluster);
        Ok(Site { secret: secret.clone(), cluster, live, version: Arc::default(), patience, lenders })
    }
}

impl State {
    /// The server that a destination means, known or not.
    fn server(&self, to: &Destination) -> Result<String, NotConnected> {
        match to.server.trim_end_matches('/') {
            "" => self.server_named(&to.name),
            server => Ok(server.to_owned()),
        }
    }

    /// The own cluster answers to its first name even when a Secret gives it another one.
    fn server_named(&self, name: &str) -> Result<String, NotConnected> {
        let named = self.by_server.values().filter(|known| known.secret.name == name);
        let mut servers: Vec<String> = named.map(|known| known.secret.server.clone()).collect();
        match (servers.len(), name) {
            (0, Destination::IN_CLUSTER_NAME) => Ok(Destination::IN_CLUSTER_SERVER.to_owned()),
            (0, _) => Err(NotConnected::NoName { name: name.to_owned() }),
            (1, _) => Ok(servers.remove(0)),
            _ => Err(NotConnected::Ambiguous { servers }),
        }
    }
}

/// Of two Secrets for one server the first by name counts.
fn by_server(secrets: &[Arc<ClusterSecret>]) -> BTreeMap<String, ClusterSecret> {
    let mut clusters: BTreeMap<String, ClusterSecret> = BTreeMap::new();
    for secret in secrets {
        match clusters.get(&secret.server) {
            Some(first) => tracing::warn!(
                "Secret {}: Secret {} is for {} as well, and counts; delete one of them",
                secret.secret,
                first.secret,
                first.server
            ),
            None => drop(clusters.insert(secret.server.clone(), ClusterSecret::clone(secret))),
        }
    }
    clusters
}

/// Whether the same objects are reached in the same way.
fn same_connection(old: &ClusterSecret, new: &ClusterSecret) -> bool {
    (&old.config, &old.namespaces, old.cluster_resources) == (&new.config, &new.namespaces, new.cluster_resources)
}
