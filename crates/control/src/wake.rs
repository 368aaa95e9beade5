//! Whom news concerns: the only map from what happened to what is looked at again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use api::argocd::{
    AppProject, AppProjectSpec, Application, ClusterSecret, Destination, ManagedNamespaceMetadata, OperationPhase,
    RepositorySecret, ResourceStatus, Settings, SyncStatusCode, normalize_git_url,
};
use api::gantline::{Pipeline, Promotion, Release};
use api::{ConfigMap, Secret};
use cluster::Change;

use crate::ledgers::differing;
use crate::live::namespaces_of;
use crate::queue::Depth;
use crate::repositories::host_of;
use crate::stores::{AppKey, CERTIFICATES, KNOWN_HOSTS, SETTINGS, Stores, Told};

/// What is worked on, each at most once at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Application(AppKey),
    Pipeline {
        namespace: Arc<str>,
        name: Arc<str>,
    },
    /// The commit of a Promotion. Who works on its Pipeline makes it.
    Promotion {
        pipeline: Box<Key>,
        name: Arc<str>,
    },
}

impl Key {
    pub(crate) fn pipeline(namespace: &str, name: &str) -> Self {
        Self::Pipeline { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    /// `application/argocd/web`: stable, and the same in every process.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(key) => write!(f, "application/{key}"),
            Self::Pipeline { namespace, name } => write!(f, "pipeline/{namespace}/{name}"),
            Self::Promotion { pipeline, name } => write!(f, "{pipeline}/promotion/{name}"),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(crate) enum News {
    Application(Change<Application>),
    Project(Change<AppProject>),
    Repository(Change<RepositorySecret>),
    Cluster(Change<ClusterSecret>),
    ConfigMap(Change<ConfigMap>),
    Pipeline(Change<Pipeline>),
    Ledger(Change<Secret>),
    Release(Change<Release>),
    Promotion(Change<Promotion>),
    /// Live objects changed that belong to these Applications, by their instance names.
    Touched {
        owners: Vec<Arc<str>>,
    },
    /// Live objects changed, and it is not known which.
    Missed,
    /// A branch moved, and these read what differs.
    Moved {
        readers: Vec<AppKey>,
    },
    /// A repository told something, and these may use it.
    Told {
        unproven: Vec<AppKey>,
    },
    /// The key that seals records is there.
    Sealed,
    /// Somebody answered what these Pipelines asked.
    Answered {
        pipelines: BTreeSet<Arc<str>>,
    },
}

macro_rules! told {
    ($($kind:ty as $news:ident,)*) => {
        $(impl Told<$kind> for News {
            fn told(change: Change<$kind>) -> Self {
                Self::$news(change)
            }
        })*
    };
}

told! {
    Application as Application,
    AppProject as Project,
    RepositorySecret as Repository,
    ClusterSecret as Cluster,
    ConfigMap as ConfigMap,
    Secret as Ledger,
    Pipeline as Pipeline,
    Release as Release,
    Promotion as Promotion,
}

impl News {
    /// Whether what it wakes goes before what may concern everybody.
    pub(crate) fn is_urgent(&self) -> bool {
        match self {
            Self::Application(_) | Self::Pipeline(_) | Self::Release(_) | Self::Promotion(_) | Self::Ledger(_) => true,
            Self::Touched { .. } | Self::Moved { .. } | Self::Answered { .. } => true,
            Self::Project(_) | Self::Repository(_) | Self::Cluster(_) | Self::ConfigMap(_) => false,
            Self::Missed | Self::Told { .. } | Self::Sealed => false,
        }
    }
}

/// Who has to be looked at again, and how deep.
pub(crate) fn woken(news: &News, stores: &Stores) -> Vec<(Key, Depth)> {
    match news {
        News::Application(change) => of_application(change, stores),
        News::Project(change) => of_project(change, stores),
        News::Repository(change) => of_repository(change, stores),
        News::ConfigMap(change) => of_config_map(change, stores),
        News::Pipeline(change) => vec![pipeline(stores, &change.key.name)],
        News::Ledger(change) => of_ledgers(change, stores),
        News::Release(change) => of_pipelines(stores, sides(change).map(|release| &*release.spec.pipeline)),
        News::Promotion(change) => of_pipelines(stores, sides(change).map(|promotion| &*promotion.spec.pipeline)),
        News::Cluster(change) => of_cluster(change, stores),
        News::Touched { owners } => owners.iter().flat_map(|owner| of_touched(owner, stores)).collect(),
        News::Missed => at_depth(stores.applications.all(), Depth::Live),
        News::Moved { readers } => readers.iter().map(latest_of).collect(),
        News::Told { unproven } => unproven.iter().map(latest_of).collect(),
        News::Sealed => stores.pipelines.all().iter().map(|it| pipeline(stores, &it.metadata.name)).collect(),
        News::Answered { pipelines } => of_pipelines(stores, pipelines.iter().map(|name| &**name)),
    }
}

/// The Application that objects belong to, and the Pipelines that look at its pods.
fn of_touched(owner: &str, stores: &Stores) -> Vec<(Key, Depth)> {
    let key = AppKey::of_instance(owner, stores.namespace());
    let pipelines = deployed_by(&key, stores);
    std::iter::once((Key::Application(key), Depth::Live)).chain(pipelines).collect()
}

/// The Pipelines whose environments the Application deploys.
fn deployed_by(app: &AppKey, stores: &Stores) -> Vec<(Key, Depth)> {
    stores.deployed_by(app).iter().map(|it| pipeline(stores, &it.metadata.name)).collect()
}

/// The Applications that deploy to a cluster, by its name or its server, as it was and as it is.
fn of_cluster(change: &Change<ClusterSecret>, stores: &Stores) -> Vec<(Key, Depth)> {
    let names = sides(change).flat_map(|cluster| [&*cluster.server, &*cluster.name]);
    latest(names.flat_map(|name| stores.applications.by(&Application::BY_CLUSTER, name)))
}

fn latest_of(key: &AppKey) -> (Key, Depth) {
    (Key::Application(key.clone()), Depth::Latest)
}

/// Each once.
fn at_depth(apps: impl IntoIterator<Item = Arc<Application>>, depth: Depth) -> Vec<(Key, Depth)> {
    let keys: BTreeSet<AppKey> = apps.into_iter().map(|app| AppKey::of(&app)).collect();
    keys.into_iter().map(|key| (Key::Application(key), depth)).collect()
}

fn latest(apps: impl IntoIterator<Item = Arc<Application>>) -> Vec<(Key, Depth)> {
    at_depth(apps, Depth::Latest)
}

fn pipeline(stores: &Stores, name: &str) -> (Key, Depth) {
    (Key::pipeline(stores.namespace(), name), Depth::Live)
}

/// The Pipelines whose entries differ.
fn changed(change: &Change<Secret>) -> BTreeSet<String> {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let differs = |name: &&String| {
        let [was, is] = [old, new].map(|side| side.and_then(|secret| secret.data.get(*name)));
        was != is
    };
    sides(change).flat_map(|secret| secret.data.keys()).filter(differs).cloned().collect()
}

/// Those Pipelines, and those with images of which they quarantine others now.
fn of_ledgers(change: &Change<Secret>, stores: &Stores) -> Vec<(Key, Depth)> {
    let entry = |side: Option<&Arc<Secret>>, name: &String| side.and_then(|secret| secret.data.get(name)).cloned();
    let mut concerned = changed(change);
    for name in concerned.clone() {
        let [old, new] = [change.old.as_ref(), change.new.as_ref()].map(|side| entry(side, &name));
        for repository in differing(&name, [old.as_ref(), new.as_ref()]) {
            let users = stores.pipelines.by(&Pipeline::BY_IMAGE, &repository);
            concerned.extend(users.iter().map(|pipeline| pipeline.metadata.name.clone()));
        }
    }
    of_pipelines(stores, concerned.iter().map(|name| &**name))
}

fn of_pipelines<'a>(stores: &Stores, names: impl Iterator<Item = &'a str>) -> Vec<(Key, Depth)> {
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().map(|name| pipeline(stores, name)).collect()
}

/// As it was and as it is.
fn sides<K>(change: &Change<K>) -> impl Iterator<Item = &K> {
    [change.old.as_deref(), change.new.as_deref()].into_iter().flatten()
}

/// The Application itself, and the Pipelines whose environments it deploys.
fn of_application(change: &Change<Application>, stores: &Stores) -> Vec<(Key, Depth)> {
    let key = AppKey::new(&change.key.namespace, &change.key.name);
    let depth = match &change.new {
        // that it is gone is found out by looking
        None => Some(Depth::Live),
        // also in what we wrote ourselves: what somebody else wrote just before came with it, and is not told again
        Some(new) => depth_of(change.old.as_deref(), new),
    };
    let own = depth.map(|depth| (Key::Application(key.clone()), depth));
    let others = neighbours(change, stores).into_iter().chain(sharers(change, stores));
    let others = others.filter(|(other, _)| *other != Key::Application(key.clone()));
    own.into_iter().chain(others).chain(deployed_by(&key, stores)).chain(of_images(change, stores)).collect()
}

/// The Pipelines of whose images the Application has others now, or has them elsewhere: it may be where their environments
/// are.
fn of_images(change: &Change<Application>, stores: &Stores) -> Vec<(Key, Depth)> {
    if stores.pipelines.is_empty() {
        return Vec::new();
    }
    let images = sides(change).flat_map(|app| Application::BY_IMAGE.values(app));
    let found: Vec<Arc<Pipeline>> = images.flat_map(|image| stores.pipelines.by(&Pipeline::BY_IMAGE, &image)).collect();
    let has = |app: &Option<Arc<Application>>| {
        app.as_deref().map(|app| (app.status.summary.images.clone(), namespaces_of(app)))
    };
    if found.is_empty() || has(&change.old) == has(&change.new) {
        return Vec::new();
    }
    of_pipelines(stores, found.iter().map(|pipeline| &*pipeline.metadata.name))
}

/// Those who keep another value of the same label on the same namespace: who decides may be another one now.
fn neighbours(change: &Change<Application>, stores: &Stores) -> Vec<(Key, Depth)> {
    let kept = |app: &Option<Arc<Application>>| {
        let app = app.as_ref().filter(|app| app.metadata.deletion_timestamp.is_none())?;
        Some((app.spec.destination.clone(), app.spec.kept_namespace_metadata()?.clone()))
    };
    let (old, new) = (kept(&change.old), kept(&change.new));
    if old == new {
        return Vec::new();
    }
    let disputed = |(to, kept): (Destination, ManagedNamespaceMetadata)| {
        let mut all = stores.applications.by(&Application::BY_KEPT_NAMESPACE, &to.namespace);
        all.retain(|other| other.spec.kept_namespace_metadata().is_some_and(|other| !other.agrees_with(&kept)));
        all
    };
    at_depth(old.into_iter().chain(new).flat_map(disputed), Depth::Live)
}

/// Those who have objects that the Application had as well and does not want any more, on the same cluster: nothing else
/// tells them, as its marks stay on what it leaves to others. A look through the statuses there, which only giving up costs.
fn sharers(change: &Change<Application>, stores: &Stores) -> Vec<(Key, Depth)> {
    let Some(old) = &change.old else { return Vec::new() };
    let given_up = given_up(old, change.new.as_deref());
    if given_up.is_empty() {
        return Vec::new();
    }
    let shares = |other: &Arc<Application>| {
        let mut shared = other.status.resources.iter().filter(|resource| given_up.contains(&identity(resource)));
        // many may keep labels of one namespace, and most of them lose nothing
        shared.any(|it| it.kind != "Namespace" || it.status == Some(SyncStatusCode::OutOfSync))
    };
    let names = names_of_cluster(&old.spec.destination, stores);
    let near = names.iter().flat_map(|name| stores.applications.by(&Application::BY_CLUSTER, name));
    at_depth(near.filter(shares), Depth::Live)
}

/// What an Application wanted where it was and does not want there any more.
fn given_up<'a>(old: &'a Application, new: Option<&Application>) -> BTreeSet<[&'a str; 4]> {
    let stays = new.filter(|new| new.spec.destination.cluster() == old.spec.destination.cluster());
    // nearly always
    if stays.is_some_and(|new| wanted_by(new).eq(wanted_by(old))) {
        return BTreeSet::new();
    }
    let kept: BTreeSet<[&str; 4]> = stays.into_iter().flat_map(wanted_by).collect();
    wanted_by(old).filter(|object| !kept.contains(object)).collect()
}

fn wanted_by(app: &Application) -> impl Iterator<Item = [&str; 4]> {
    app.status.resources.iter().filter(|resource| resource.is_wanted()).map(identity)
}

/// Which object it is: a new version of its kind is no other one.
fn identity(resource: &ResourceStatus) -> [&str; 4] {
    [&resource.name, &resource.namespace, &resource.kind, &resource.group]
}

/// All that destinations may call the cluster of one.
fn names_of_cluster(to: &Destination, stores: &Stores) -> BTreeSet<String> {
    let own = (Destination::IN_CLUSTER_SERVER.to_owned(), Destination::IN_CLUSTER_NAME.to_owned());
    let known = stores.clusters.all().into_iter().map(|cluster| (cluster.server.clone(), cluster.name.clone()));
    let known: Vec<(String, String)> = std::iter::once(own).chain(known).collect();
    let said = [to.server.trim_end_matches('/'), &*to.name].map(str::to_owned);
    let is_said = |(server, name): &&(String, String)| server == &said[0] || name == &said[1] && !name.is_empty();
    let servers: BTreeSet<&String> = known.iter().filter(is_said).map(|(server, _)| server).collect();
    let same = known.iter().filter(|(server, _)| servers.contains(server));
    let names = same.flat_map(|(server, name)| [server.clone(), name.clone()]);
    names.chain(said.clone()).filter(|name| !name.is_empty()).collect()
}

/// What a project permits its Applications; who may use them is the server's business.
fn of_project(change: &Change<AppProject>, stores: &Stores) -> Vec<(Key, Depth)> {
    let permits = |project: Option<&Arc<AppProject>>| {
        project.map(|project| AppProjectSpec { roles: Vec::new(), description: String::new(), ..project.spec.clone() })
    };
    if permits(change.old.as_ref()) == permits(change.new.as_ref()) {
        return Vec::new();
    }
    latest(stores.applications.by(&Application::BY_PROJECT, &change.key.name))
}

/// The Applications that use the repository, or one of those whose addresses begin so.
fn of_repository(change: &Change<RepositorySecret>, stores: &Stores) -> Vec<(Key, Depth)> {
    let used = sides(change).flat_map(|secret| {
        let address = normalize_git_url(&secret.url);
        match secret.template {
            true => stores.applications.beginning(&Application::BY_REPOSITORY, &address),
            false => stores.applications.by(&Application::BY_REPOSITORY, &address),
        }
    });
    latest(used)
}

fn of_config_map(change: &Change<ConfigMap>, stores: &Stores) -> Vec<(Key, Depth)> {
    let empty = ConfigMap::default();
    let (old, new) = (change.old.as_deref().unwrap_or(&empty), change.new.as_deref().unwrap_or(&empty));
    match change.key.name.as_str() {
        SETTINGS if Settings::from_config_map(&old.data).0 != Settings::from_config_map(&new.data).0 => {
            latest(stores.applications.all())
        }
        KNOWN_HOSTS if old.data != new.data => on_hosts(stores, |url| url.contains('@') || url.starts_with("ssh://")),
        CERTIFICATES => on_hosts(stores, |url| {
            let host = host_of(url);
            old.data.get(host) != new.data.get(host)
        }),
        _ => Vec::new(),
    }
}

/// The Applications with a source at such an address.
fn on_hosts(stores: &Stores, is: impl Fn(&str) -> bool) -> Vec<(Key, Depth)> {
    let all = stores.applications.all().into_iter();
    latest(all.filter(|app| app.spec.all_sources().iter().any(|source| is(&source.repo_url))))
}

/// What a change to an Application asks for; `None` for changes of status alone, which are mostly our own.
fn depth_of(old: Option<&Application>, new: &Application) -> Option<Depth> {
    let refresh = new.requested_refresh().map(Depth::from);
    // what was asked for while nobody was here to hear it still is
    let Some(old) = old.filter(|old| old.metadata.uid == new.metadata.uid) else {
        return refresh.max(Some(Depth::Latest));
    };
    let terminating = new.status.operation_state.as_ref().is_some_and(|s| s.phase == OperationPhase::Terminating);
    let spec = match () {
        () if old.spec.all_sources() != new.spec.all_sources() => Some(Depth::Forced),
        () if old.spec != new.spec || old.metadata.finalizers != new.metadata.finalizers => Some(Depth::Latest),
        () if new.metadata.deletion_timestamp != old.metadata.deletion_timestamp => Some(Depth::Live),
        () if new.operation != old.operation && new.operation.is_some() => Some(Depth::Live),
        () if terminating || new.deletion_approved_at() != old.deletion_approved_at() => Some(Depth::Live),
        () if old.skips_reconcile() != new.skips_reconcile() => Some(Depth::Latest),
        () => None,
    };
    refresh.filter(|_| new.requested_refresh() != old.requested_refresh()).max(spec)
}

#[cfg(test)]
mod tests;
