//! Repositories as the loops use them: one fetch for all who ask at the same time, a poll with jitter, and a memory of
//! since when one cannot be reached.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::argocd::{ApplicationSource, RepositoryCredentials};
use clock::{Clock, Ids};
use futures::future::BoxFuture;
use jiff::Timestamp;
use object::FileTree;

use crate::facts::{Fact, Facts};
use crate::metrics::Metrics;
use crate::panics::caught;
use crate::readers::Place;
use crate::stores::Stores;

/// What a remote repository has to be able to do.
pub trait Remote: Send + Sync + fmt::Debug {
    /// Asks for branches and tags and fetches what is new. Whether any of them moved.
    fn fetch(&self) -> BoxFuture<'_, Result<bool, RemoteError>>;
    /// The commit that a branch, tag, version constraint or (short) commit id means, as of the last fetch.
    ///
    /// # Errors
    /// When there is none.
    fn resolve<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Result<String, RemoteError>>;
    /// The files of a commit.
    ///
    /// # Errors
    /// When the commit is not here.
    fn tree<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<FileTree, RemoteError>>;
    /// Ends when the repository may have changed; never for repositories that cannot tell.
    fn changed(&self) -> BoxFuture<'_, ()>;
    /// What else a revision could mean, as of the last fetch, in words; nothing where it is plain.
    fn ambiguity(&self, _revision: &str) -> Option<String> {
        None
    }
    /// The repository itself, for those who write to it.
    fn git(&self) -> Option<git::Repository> {
        None
    }
}

/// Opens repositories; no request is made by that.
pub trait Remotes: Send + Sync + fmt::Debug {
    /// # Errors
    /// When the address or the credentials cannot be used.
    fn open(&self, url: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError>;
    /// One chart of a Helm repository or a registry: its revisions are versions. An empty name means that the address
    /// (`oci://…`) is that of the chart.
    ///
    /// # Errors
    /// As [`Remotes::open`].
    fn open_chart(&self, url: &str, chart: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError>;
}

/// What is asked: a Git repository by its address, or one chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    url: &'a str,
    /// Empty for Git, and where the address is that of the chart itself.
    chart: &'a str,
    pass_credentials: bool,
    /// Whether the source of an Application names it, rather than a file of another repository.
    configured: bool,
}

impl<'a> Address<'a> {
    /// What a source of an Application names.
    pub fn of(source: &'a ApplicationSource) -> Self {
        let pass_credentials = source.helm.as_ref().is_some_and(|helm| helm.pass_credentials);
        Self { url: &source.repo_url, chart: &source.chart, pass_credentials, configured: true }
    }

    pub(crate) fn of_chart(url: &'a str, chart: &'a str) -> Self {
        Self { url, chart, pass_credentials: false, configured: false }
    }

    /// Whether this is a chart from a repository of charts.
    pub(crate) fn is_chart(&self) -> bool {
        !self.chart.is_empty() || self.url.starts_with("oci://")
    }
}

impl<'a> From<&'a str> for Address<'a> {
    fn from(url: &'a str) -> Self {
        Self { url, chart: "", pass_credentials: false, configured: false }
    }
}

impl<'a> From<&'a String> for Address<'a> {
    fn from(url: &'a String) -> Self {
        Self::from(url.as_str())
    }
}

/// How to get in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    pub credentials: RepositoryCredentials,
    /// Lines as in `known_hosts`; empty: none are known.
    pub known_hosts: Arc<str>,
    /// A PEM bundle to trust for this host beside the system's.
    pub certificates: String,
    /// Send the credentials of a repository of charts to other hosts, too, where the charts are there.
    pub pass_credentials: bool,
    /// Which machines may be asked, and how much they may say.
    pub policy: git::Policy,
}

/// Why a repository did not give what it was asked for: what, why, and what to do next, as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The repository did not answer, or refused.
    #[error("{0}")]
    Unreachable(String),
    /// It answered, and does not have the branch, tag or commit.
    #[error("{0}")]
    NoRevision(String),
}

/// Since when a repository cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Unavailable {
    pub since: Timestamp,
    pub error: RemoteError,
}

/// A revision as it is now.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The full commit id.
    pub commit: String,
    pub tree: FileTree,
}

/// All repositories in use. Clones share them.
#[derive(Clone)]
pub struct Repositories(Arc<Shared>);

/// Told what a repository is like now, and whether it moved or came back. Answers whether anybody still uses it.
pub(crate) type OnTold = Arc<dyn Fn(Place, Arc<dyn Remote>, bool) -> BoxFuture<'static, bool> + Send + Sync>;

struct Shared {
    remotes: Arc<dyn Remotes>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    stores: Stores,
    metrics: Arc<Metrics>,
    facts: Facts,
    poll: Duration,
    jitter: Duration,
    open: Mutex<HashMap<Key, Arc<Repository>>>,
    on_told: Mutex<Option<OnTold>>,
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repositories").field("remotes", &self.0.remotes).finish_non_exhaustive()
    }
}

/// What is open: each spelling of an address for itself, because it is asked with its own credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    url: String,
    chart: String,
    pass_credentials: bool,
    configured: bool,
    project: String,
}

struct Repository {
    url: String,
    place: Place,
    remote: Arc<dyn Remote>,
    access: Access,
    fetched: Mutex<Fetched>,
    /// One asks at a time.
    asking: tokio::sync::Mutex<()>,
    poller: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Drop for Repository {
    fn drop(&mut self) {
        if let Some(poller) = self.poller.get_mut().unwrap_or_else(PoisonError::into_inner) {
            poller.abort();
        }
    }
}

#[derive(Default)]
struct Fetched {
    /// When the last fetch that succeeded was started.
    at: Option<Timestamp>,
    /// When the last one that failed had failed, and since when they fail.
    failed: Option<(Timestamp, Unavailable)>,
}

impl Fetched {
    /// What was answered at `fresh` or later; `None`: it has to be asked.
    fn since(&self, fresh: Timestamp) -> Option<Result<(), Unavailable>> {
        match &self.failed {
            None => self.at.filter(|at| *at >= fresh).map(|_| Ok(())),
            Some((at, unavailable)) => (*at >= fresh).then(|| Err(unavailable.clone())),
        }
    }
}

impl Repositories {
    #[expect(clippy::too_many_arguments, reason = "the parts of one controller, put together once")]
    pub(crate) fn new(
        remotes: Arc<dyn Remotes>,
        clock: Arc<dyn Clock>,
        ids: Ids,
        stores: Stores,
        metrics: Arc<Metrics>,
        facts: Facts,
        poll: Duration,
        jitter: Duration,
    ) -> Self {
        let (open, on_told) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { remotes, clock, ids, stores, metrics, facts, poll, jitter, open, on_told }))
    }

    pub(crate) fn on_told(&self, tell: OnTold) {
        *lock(&self.0.on_told) = Some(tell);
    }

    async fn told(&self, repository: &Repository, news: bool) -> bool {
        let tell = lock(&self.0.on_told).clone();
        match tell {
            Some(tell) => tell(repository.place.clone(), Arc::clone(&repository.remote), news).await,
            None => true,
        }
    }

    /// The revision as the repository told it at `fresh` or later; asks it if it was not asked since.
    ///
    /// # Errors
    /// When the repository cannot be reached, or has no such revision.
    pub async fn resolve<'a>(
        &self,
        at: impl Into<Address<'a>>,
        project: &str,
        revision: &str,
        fresh: Timestamp,
    ) -> Result<Resolved, Unavailable> {
        let repository = self.repository(at.into(), project)?;
        self.fetch(&repository, fresh).await?;
        let now = self.0.clock.now();
        let missing = |error| Unavailable { since: now, error };
        let commit = repository.remote.resolve(revision).await.map_err(missing)?;
        let tree = repository.remote.tree(&commit).await.map_err(missing)?;
        Ok(Resolved { commit, tree })
    }

    /// Whether [`Repositories::resolve`] would ask the repository first: then it is asked now, by somebody else, who drops
    /// what `then` gives when it has answered or failed. `then` is told the address, and gives nothing where nothing
    /// more has to be asked.
    pub(crate) fn asks_first<'a, T: Send + 'static>(
        &self,
        at: impl Into<Address<'a>>,
        project: &str,
        fresh: Timestamp,
        then: impl FnOnce(&str) -> Option<T>,
    ) -> bool {
        // what cannot even be opened is said by whoever resolves it
        let Ok(repository) = self.repository(at.into(), project) else { return false };
        if lock(&repository.fetched).since(fresh).is_some() {
            return false;
        }
        if let Some(then) = then(&repository.url) {
            let repositories = self.clone();
            tokio::spawn(async move {
                // dropped at the end, whichever it is
                let _then = then;
                // the answer is kept with the repository
                let _ = repositories.fetch(&repository, fresh).await;
            });
        }
        true
    }

    /// The files of a commit that was resolved before, maybe by another replica: only then the repository is asked.
    ///
    /// # Errors
    /// When the commit is nowhere any more, or the repository cannot be reached.
    pub async fn tree<'a>(
        &self,
        at: impl Into<Address<'a>>,
        project: &str,
        commit: &str,
    ) -> Result<FileTree, Unavailable> {
        let since = self.0.clock.now();
        let failed = |error| Unavailable { since, error };
        let repository = self.repository(at.into(), project)?;
        if let Ok(tree) = repository.remote.tree(commit).await {
            return Ok(tree);
        }
        // a chart has no commits to look for
        let found = repository.remote.resolve(commit).await.map_err(failed)?;
        repository.remote.tree(&found).await.map_err(failed)
    }

    /// What else the revision of a repository that was asked could mean.
    pub(crate) fn ambiguity<'a>(&self, at: impl Into<Address<'a>>, project: &str, revision: &str) -> Option<String> {
        self.repository(at.into(), project).ok()?.remote.ambiguity(revision)
    }

    /// The repository to write to, with the credentials that the project has for it.
    ///
    /// # Errors
    /// When the address or the credentials cannot be used, or the repository is not Git.
    pub fn git<'a>(&self, at: impl Into<Address<'a>>, project: &str) -> Result<git::Repository, Unavailable> {
        let at = at.into();
        let error = || RemoteError::Unreachable(format!("{} is no Git repository", at.url));
        let since = self.0.clock.now();
        self.repository(at, project)?.remote.git().ok_or_else(|| Unavailable { since, error: error() })
    }

    /// Something was pushed to the repository: looks at it now and wakes who uses it.
    pub async fn pushed(&self, url: &str, project: &str) {
        let Ok(repository) = self.repository(url.into(), project) else { return };
        if let Err(error) = self.fetch(&repository, self.0.clock.now()).await {
            tracing::debug!(%error, "not fetched after a push");
        }
        self.told(&repository, true).await;
    }

    /// The oldest answer that is still good enough when nobody asked in particular.
    pub(crate) fn recent(&self) -> Timestamp {
        let age = jiff::SignedDuration::try_from(self.0.poll + self.0.jitter * 2).unwrap_or_default();
        self.0.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN)
    }

    fn repository(&self, at: Address<'_>, project: &str) -> Result<Arc<Repository>, Unavailable> {
        let Address { url, chart, pass_credentials, .. } = at;
        let (access, configured) = (self.access(at, project), self.is_configured(at, project));
        let (chart_name, project_name) = (chart.to_owned(), project.to_owned());
        let key = Key { url: url.to_owned(), chart: chart_name, pass_credentials, configured, project: project_name };
        let mut open = lock(&self.0.open);
        if let Some(known) = open.get(&key).filter(|known| known.access == access) {
            return Ok(Arc::clone(known));
        }
        let since = self.0.clock.now();
        let remotes = &self.0.remotes;
        let opened = if at.is_chart() { remotes.open_chart(url, chart, &access) } else { remotes.open(url, &access) };
        let remote = opened.map_err(|error| Unavailable { since, error })?;
        let (url, place) = (url.to_owned(), Place::new(url, project));
        let (fetched, asking, poller) = Default::default();
        let repository = Arc::new(Repository { url, place, remote, access, fetched, asking, poller });
        let task = tokio::spawn(poll(Arc::downgrade(&self.0), Arc::downgrade(&repository), key.clone()));
        *lock(&repository.poller) = Some(task.abort_handle());
        open.insert(key, Arc::clone(&repository));
        Ok(repository)
    }

    fn access(&self, at: Address<'_>, project: &str) -> Access {
        let stores = &self.0.stores;
        let credentials =
            stores.credentials().find(at.url, project).map(|secret| secret.credentials.clone()).unwrap_or_default();
        let host = host_of(at.url);
        let certificates = stores.certificates().get(host).cloned().unwrap_or_default();
        let pass_credentials = at.pass_credentials;
        let permitted = stores.private_hosts();
        let reach = match self.is_configured(at, project) {
            true => git::Reach::Configured(permitted),
            false => git::Reach::Found(permitted),
        };
        let policy = git::Policy { reach, limits: stores.git_limits() };
        Access { credentials, known_hosts: stores.known_hosts(), certificates, pass_credentials, policy }
    }

    /// Whether somebody who may decide about machines named this one: the Application, a Secret, or a rule of the
    /// project without wildcards in the host.
    fn is_configured(&self, at: Address<'_>, project: &str) -> bool {
        at.configured
            || self.0.stores.credentials().knows_host(at.url, project)
            || self.0.stores.project(project).is_ok_and(|project| project.spec.names_host(at.url))
    }

    /// Whether somebody uses the repository. Whoever asks it first tells all others what is new.
    async fn fetch(&self, repository: &Repository, fresh: Timestamp) -> Result<bool, Unavailable> {
        if let Some(answer) = lock(&repository.fetched).since(fresh) {
            return answer.map(|()| true);
        }
        let _asking = repository.asking.lock().await;
        if let Some(answer) = lock(&repository.fetched).since(fresh) {
            return answer.map(|()| true);
        }
        let started = self.0.clock.now();
        self.0.metrics.fetches.inc();
        match repository.remote.fetch().await {
            Ok(moved) => {
                let news = self.answered(repository, started, moved);
                Ok(self.told(repository, news).await || !news)
            }
            Err(error) => Err(self.failed(repository, started, error)),
        }
    }

    /// Whether others have to hear of it.
    fn answered(&self, repository: &Repository, started: Timestamp, moved: bool) -> bool {
        let mut fetched = lock(&repository.fetched);
        // nobody can know anything older than the first answer
        let first = fetched.at.replace(started).is_none();
        let recovered = fetched.failed.take();
        drop(fetched);
        if let Some((_, was)) = &recovered {
            let url = repository.url.clone();
            self.0.facts.tell(&Fact::RepositoryBack { url, lost_since: was.since });
        }
        (moved && !first) || recovered.is_some()
    }

    fn failed(&self, repository: &Repository, started: Timestamp, error: RemoteError) -> Unavailable {
        self.0.metrics.fetch_errors.inc();
        let mut fetched = lock(&repository.fetched);
        let before = fetched.failed.as_ref().map(|(_, was)| was.since);
        let unavailable = Unavailable { since: before.unwrap_or(started), error };
        // when it was told, not when it was asked: it may have taken longer than an answer is good for
        fetched.failed = Some((self.0.clock.now(), unavailable.clone()));
        drop(fetched);
        if before.is_none() {
            let (url, because) = (repository.url.clone(), unavailable.to_string());
            self.0.facts.tell(&Fact::RepositoryLost { url, because });
        }
        unavailable
    }
}

/// Asks the repository from time to time, and at once when it tells that it changed, until nobody uses it.
async fn poll(shared: std::sync::Weak<Shared>, repository: std::sync::Weak<Repository>, key: Key) {
    loop {
        let Some((repositories, current)) = shared.upgrade().zip(repository.upgrade()) else { return };
        let (clock, remote) = (Arc::clone(&repositories.clock), Arc::clone(&current.remote));
        let wait = repositories.poll + repositories.ids.jitter(repositories.jitter);
        drop((repositories, current));
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = remote.changed() => {}
        }
        let Some((repositories, current)) = shared.upgrade().zip(repository.upgrade()) else { return };
        let repositories = Repositories(repositories);
        let fetched = caught(&current.url, repositories.fetch(&current, clock.now())).await;
        if fetched == Some(Ok(false)) {
            lock(&repositories.0.open).remove(&key);
            return;
        }
    }
}

/// The host in any form of address; empty for local ones.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    rest.split(':').next().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GitRemotes;
    use clock::ManualClock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use test_support::{GitRepo, SilentHost, WebServer, git_answer};

    /// Counts what is opened.
    #[derive(Debug)]
    struct Opened(GitRemotes, AtomicUsize);

    impl Remotes for Opened {
        fn open(&self, url: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.open(url, access)
        }

        fn open_chart(&self, url: &str, _: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
            self.open(url, access)
        }
    }

    /// With credentials for one of them: what has other credentials is another repository, and stays open beside it.
    #[tokio::test]
    async fn two_spellings_do_not_close_each_other() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (host, cache) = (SilentHost::start(), tempfile::tempdir().unwrap());
        let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "repo-creds"}},
            "stringData": {"url": host.url("/a/"), "username": "ann", "password": "secret"}});
        let secret = object::LiveObject::new(secret).unwrap();
        let mut stores = Stores::holding("argocd", [], []);
        stores.repositories = cluster::Store::holding([secret]);
        let opened = Arc::new(Opened(GitRemotes::new(cache.path()), AtomicUsize::new(0)));
        let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
        let facts = Facts::new(clock.clone(), Vec::new());
        let (remotes, metrics) = (Arc::clone(&opened) as Arc<dyn Remotes>, Arc::default());
        let minute = Duration::from_secs(60);
        let all = Repositories::new(remotes, clock, Ids::seeded(1), stores, metrics, facts, minute, minute);
        let open = |path: &str| all.repository(host.url(path).as_str().into(), "default").unwrap();
        let (one, other) = (open("/a/b"), open("/a/b.git"));
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&one, &open("/a/b")));
            assert!(Arc::ptr_eq(&other, &open("/a/b.git")));
        }
        assert_eq!(opened.1.load(Ordering::SeqCst), 2);
    }

    /// Another replica has compared it; this one has not been told of it yet, and learns from it who wrote it.
    #[tokio::test]
    async fn a_commit_that_is_not_here_yet_is_asked_for() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (repo, cache) = (GitRepo::with_files(&[("a", "1")]), tempfile::tempdir().unwrap());
        let path = repo.path();
        let host = WebServer::start(move |request| git_answer(&path, request));
        let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
        let facts = Facts::new(clock.clone(), Vec::new());
        let (remotes, hour) = (Arc::new(GitRemotes::new(cache.path())), Duration::from_secs(3600));
        let permitted = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "argocd-cmd-params-cm", "namespace": "argocd"},
            "data": {git::PRIVATE_HOSTS: "*"}});
        let mut stores = Stores::holding("argocd", [], []);
        stores.config_maps = cluster::Store::holding([object::LiveObject::new(permitted).unwrap()]);
        let all = Repositories::new(remotes, clock, Ids::seeded(1), stores, Arc::default(), facts, hour, hour);
        let url = format!("{}/repo.git", host.url());
        let first = all.resolve(&url, "default", "main", Timestamp::UNIX_EPOCH).await.unwrap();
        let second = repo.commit("dana", &[("a", Some("2"))], "Second").await.to_string();
        let tree = all.tree(&url, "default", &second).await.unwrap();
        assert_eq!(tree.read("a").unwrap().unwrap().to_vec(), b"2");
        assert!(all.tree(&url, "default", &first.commit).await.is_ok());
        assert!(all.tree(&url, "default", &"ab".repeat(20)).await.is_err());
    }

    #[test]
    fn hosts_are_found_in_every_form() {
        for (url, host) in [
            ("https://user@git.example.com:8443/a/b.git", "git.example.com"),
            ("git@github.com:org/repo.git", "github.com"),
            ("ssh://git@h:22/x", "h"),
            ("file:///srv/repo", ""),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
