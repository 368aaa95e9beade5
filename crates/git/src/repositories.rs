//! Repositories by address: one copy each, however many ask for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use failpoint::Point;
use object::FileTree;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::client::Clients;
use crate::incoming::{Incoming, Room, StopOnDrop, Unpacker};
use crate::objects::Objects;
use crate::ref_update::RefUpdate;
use crate::references::References;
use crate::version::{highest, next};
use crate::wire::{Remote, write_pack};
use crate::{CommitId, CommitInfo, Credentials, GitError, Limits, Place, Policy, PushError, Reach, Signature, local};

/// All repositories of a process.
#[derive(Clone)]
pub struct Repositories {
    cache: PathBuf,
    clients: Clients,
    /// Unpacks elsewhere; without one this process does it.
    unpacker: Option<Arc<dyn Unpacker>>,
    open: Arc<Mutex<HashMap<Key, Repository>>>,
}

type Key = (Place, Credentials, Policy);

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repositories").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// One repository. Clones share it. Nothing is read before the first question.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Refs {
    seen: Option<Arc<References>>,
    /// By us since the last fetch began: it may not have seen them.
    pushed: Vec<RefUpdate>,
}

impl Refs {
    fn push(&mut self, updates: Vec<RefUpdate>) {
        if let Some(refs) = self.seen.as_mut() {
            let refs = Arc::make_mut(refs);
            updates.iter().for_each(|update| refs.moved(update.name.clone(), update.new));
        }
        self.pushed.extend(updates);
    }

    /// Those of a fetch that has ended. What was advertised before we pushed is not taken back.
    fn fetched(&mut self, mut refs: References) -> Arc<References> {
        if let Some(seen) = &self.seen {
            refs = refs.after(seen.known());
        }
        for update in std::mem::take(&mut self.pushed) {
            if refs.names.get(&update.name) == update.old.as_ref() {
                refs.moved(update.name, update.new);
            }
        }
        Arc::clone(self.seen.insert(Arc::new(refs)))
    }
}

struct Inner {
    /// Where the copies of all repositories are.
    cache: PathBuf,
    place: Place,
    shown: String,
    path: PathBuf,
    remote: Option<Remote>,
    limits: Limits,
    unpacker: Option<Arc<dyn Unpacker>>,
    objects: OnceLock<Arc<Objects>>,
    /// The references as last seen: who only reads them waits for nobody who fetches.
    refs: Mutex<Refs>,
    /// Held by the one who fetches.
    fetching: AsyncMutex<()>,
    changes: OnceLock<watch::Receiver<u64>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", self.inner.shown)
    }
}

/// A path with its new content, or nothing to delete it.
pub type Edit = (String, Option<Vec<u8>>);

/// A commit to make: `edits` are paths with their new content, or nothing to delete them.
#[derive(Debug, Clone)]
pub struct Write {
    pub branch: String,
    /// What the branch must be at, and the parent of the commit.
    pub base: CommitId,
    /// A commit that is merged before the edits: the second parent.
    pub merge: Option<CommitId>,
    pub edits: Vec<Edit>,
    /// A new tag for the commit.
    pub tag: Option<String>,
    pub message: String,
    /// Adds a line to the message, from what only the commit itself knows.
    pub sign: Option<Sign>,
    pub author: Signature,
    pub committer: Signature,
}

/// The last line of a commit's message, made from the ids of its parents and of its tree.
#[derive(Clone)]
pub struct Sign(pub Arc<SignWith>);

/// From the ids of the parents and of the tree to the line.
pub type SignWith = dyn Fn(&[String], &str) -> String + Send + Sync;

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sign")
    }
}

/// Longest time for one fetch or push as a whole.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a repository on this machine is looked at for pushes.
const GLANCE: Duration = Duration::from_millis(200);

impl Repositories {
    /// Copies of remote repositories go below `cache`.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into(), clients: Clients::default(), unpacker: None, open: Arc::default() }
    }

    /// What is sent from now on is unpacked there.
    #[must_use]
    pub fn unpacking_by(self, unpacker: Arc<dyn Unpacker>) -> Self {
        Self { unpacker: Some(unpacker), ..self }
    }

    /// # Errors
    /// When the address is not understood, or its credentials may not be used with it.
    pub fn open(&self, url: &str, credentials: &Credentials) -> Result<Repository, GitError> {
        self.open_with(url, credentials, &Policy::default())
    }

    /// # Errors
    /// As [`Repositories::open`], and for a folder of this machine that nobody configured.
    pub fn open_with(&self, url: &str, credentials: &Credentials, policy: &Policy) -> Result<Repository, GitError> {
        let place = Place::parse(url)?;
        if let (Place::Local(_), Reach::Found(_)) = (&place, &policy.reach) {
            let reason = "a file of a repository may not name a folder of this machine".to_owned();
            return Err(GitError::Address { url: place.to_string(), reason });
        }
        let key = (place, credentials.clone(), policy.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&key) {
            return Ok(known.clone());
        }
        let repository = self.make(&key.0, credentials, policy)?;
        open.insert(key, repository.clone());
        Ok(repository)
    }

    fn make(&self, place: &Place, credentials: &Credentials, policy: &Policy) -> Result<Repository, GitError> {
        let shown = place.to_string();
        let remote = Remote::new(&self.clients, place, credentials, policy)?;
        let key = hex::encode(Sha256::digest(place.identity().as_bytes()));
        let path = match place {
            Place::Local(path) => path.clone(),
            Place::Http(_) | Place::Ssh { .. } => self.cache.join(format!("{}.git", &key[..24])),
        };
        let inner = Inner {
            cache: self.cache.clone(),
            place: place.clone(),
            shown,
            path,
            remote,
            limits: policy.limits.clone(),
            unpacker: self.unpacker.clone(),
            objects: OnceLock::new(),
            refs: Mutex::default(),
            fetching: AsyncMutex::default(),
            changes: OnceLock::new(),
        };
        Ok(Repository { inner: Arc::new(inner) })
    }
}

impl Repository {
    /// The address, without credentials.
    pub fn url(&self) -> &str {
        &self.inner.shown
    }

    /// Whether the repository is on this machine, so that pushes are noticed at once.
    pub fn is_local(&self) -> bool {
        matches!(self.inner.place, Place::Local(_))
    }

    fn objects(&self) -> Result<Arc<Objects>, GitError> {
        if let Some(objects) = self.inner.objects.get() {
            return Ok(Arc::clone(objects));
        }
        if self.inner.remote.is_some() {
            local::make_mirror(&self.inner.shown, &self.inner.path)?;
        }
        let objects = Arc::new(Objects::open(&self.inner.shown, &self.inner.path)?);
        if self.is_local() {
            objects.outside(&self.inner.path, &self.inner.cache)?;
        }
        Ok(Arc::clone(self.inner.objects.get_or_init(|| objects)))
    }

    /// Runs blocking work on the objects beside the async threads.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let this = self.clone();
        let shown = self.inner.shown.clone();
        tokio::task::spawn_blocking(move || work(this.objects()?.as_ref()))
            .await
            .unwrap_or_else(|error| Err(GitError::Storage { url: shown, reason: error.to_string() }))
    }

    /// Looks at the references again; fetches what is new. Callers that come at the same time share the work.
    ///
    /// # Errors
    /// When the repository is gone, refuses, or cannot be reached. What was known stays known.
    pub async fn refresh(&self) -> Result<Arc<BTreeMap<String, CommitId>>, GitError> {
        let _fetching = self.inner.fetching.lock().await;
        self.known().pushed.clear();
        let refs = match &self.inner.remote {
            None => self.with_existing(Objects::references).await?,
            Some(remote) => {
                let timeout = GitError::Timeout { url: self.inner.shown.clone(), seconds: PATIENCE.as_secs() };
                tokio::time::timeout(PATIENCE, self.fetch(remote)).await.map_err(|_| timeout)??
            }
        };
        Ok(Arc::clone(&self.known().fetched(refs).names))
    }

    fn known(&self) -> MutexGuard<'_, Refs> {
        self.inner.refs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Repository::with`], but a local repository that was deleted is an error even when it was open.
    async fn with_existing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let (path, cache) = (self.inner.path.clone(), self.inner.cache.clone());
        let gone = GitError::NotFound { url: self.inner.shown.clone(), reason: "the folder is gone".into() };
        let look = move |objects: &Objects| {
            if !path.exists() {
                return Err(gone);
            }
            objects.outside(&path, &cache)?;
            work(objects)
        };
        self.with(look).await
    }

    async fn fetch(&self, remote: &Remote) -> Result<References, GitError> {
        failpoint::before(Point::Resolve);
        let advertised = remote.advertise("git-upload-pack").await?;
        failpoint::after(Point::Resolve);
        let (wanted, have): (Vec<CommitId>, Vec<CommitId>) = {
            let all: Vec<CommitId> =
                advertised.wants.iter().filter(|(n, _)| is_fetched(n)).map(|(_, id)| *id).collect();
            self.with(move |objects| {
                let missing = all.iter().copied().filter(|id| objects.git().find_object(id.0).is_err());
                let mut missing: Vec<CommitId> = missing.collect();
                missing.sort_unstable();
                missing.dedup();
                let mut have: Vec<CommitId> = objects.copied()?.into_values().collect();
                have.dedup();
                Ok((missing, have))
            })
            .await?
        };
        if !wanted.is_empty() {
            failpoint::before(Point::Fetch);
            self.receive(remote, &wanted, &have).await?;
            failpoint::after(Point::Fetch);
        }
        let head = advertised.head();
        let names: BTreeMap<String, CommitId> = advertised.refs.into_iter().filter(|(n, _)| is_fetched(n)).collect();
        let refs = References::new(names.clone(), head);
        let url = self.inner.shown.clone();
        let before =
            self.with(move |objects| write_refs(objects, &names).map_err(|reason| GitError::Storage { url, reason }));
        Ok(refs.after(before.await?.keys()))
    }

    async fn receive(&self, remote: &Remote, wanted: &[CommitId], have: &[CommitId]) -> Result<(), GitError> {
        let storage =
            |error: std::io::Error| GitError::Storage { url: self.inner.shown.clone(), reason: error.to_string() };
        let room = Room::make(&self.inner.path).map_err(storage)?;
        let incoming = Incoming {
            url: self.inner.shown.clone(),
            repository: self.inner.path.clone(),
            folder: room.0.clone(),
            limits: self.inner.limits.clone(),
        };
        let file = std::fs::File::create(incoming.pack()).map_err(storage)?;
        remote.fetch(wanted, have, std::io::BufWriter::new(file)).await?;
        self.unpack(&incoming).await?;
        incoming.take_in().map_err(storage)?;
        drop(room);
        let wanted = wanted.to_vec();
        self.with(move |objects| {
            let missing = wanted.iter().find(|id| objects.git().find_object(id.0).is_err());
            let reason = |id| format!("the pack lacks {id}, which was asked for");
            missing.map_or(Ok(()), |id| Err(GitError::Incomplete { url: objects.url.clone(), reason: reason(id) }))
        })
        .await
    }

    /// Measures the pack and makes its index. Whoever does not wait for it any more ends it.
    async fn unpack(&self, incoming: &Incoming) -> Result<(), GitError> {
        let (late, patience) = (self.inner.limits.seconds(), Duration::from_secs(self.inner.limits.seconds));
        // waiting for others is not its time
        let _room = match &self.inner.unpacker {
            Some(apart) => Some(apart.room().await),
            None => None,
        };
        let unpacked = async {
            match &self.inner.unpacker {
                Some(apart) => apart.unpack(incoming.clone()).await.map_err(|refused| refused.of(&incoming.url)),
                None => self.unpack_here(incoming.clone()).await,
            }
        };
        match tokio::time::timeout(patience, unpacked).await {
            Ok(unpacked) => unpacked,
            Err(_) => Err(self.over(late.check(patience.as_secs() + 1).err().unwrap_or_default())),
        }
    }

    async fn unpack_here(&self, incoming: Incoming) -> Result<(), GitError> {
        let stop = StopOnDrop::default();
        let stopped = Arc::clone(&stop.0);
        let work = move |objects: &Objects| {
            incoming.unpack_beside(objects, &stopped).map_err(|refused| refused.of(&objects.url))
        };
        self.with(work).await
    }

    fn over(&self, reason: String) -> GitError {
        GitError::Limit { url: self.inner.shown.clone(), reason }
    }

    /// The references as last seen; looks once if that never happened.
    async fn refs(&self) -> Result<Arc<References>, GitError> {
        if let Some(refs) = self.known().seen.clone() {
            return Ok(refs);
        }
        self.refresh().await?;
        Ok(self.known().seen.clone().unwrap_or_default())
    }

    /// The commit that a revision means, among the references as last seen: a full commit id as it is, `HEAD` or
    /// nothing, the highest tag that fits a version constraint, a branch, a tag, a full reference name, or at least
    /// seven digits of a commit id.
    ///
    /// # Errors
    /// When there is no such revision: the error names what there is. HEAD and a branch that was deleted are never
    /// guessed.
    pub async fn resolve(&self, revision: &str) -> Result<CommitId, GitError> {
        if let Ok(id) = revision.parse::<CommitId>() {
            if self.with(move |objects| Ok(objects.has(id))).await? {
                return Ok(id);
            }
            self.refresh().await?;
            let missing = {
                let refs = self.refs().await?;
                self.unknown(revision, &refs)
            };
            return if self.with(move |objects| Ok(objects.has(id))).await? { Ok(id) } else { Err(missing) };
        }
        let refs = self.refs().await?;
        if let Some(id) = refs.commit(&self.inner.shown, revision)? {
            return Ok(id);
        }
        let digits = revision.len() >= 7 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        if digits && let Some(id) = self.abbreviated(revision).await? {
            return Ok(id);
        }
        Err(self.unknown(revision, &refs))
    }

    async fn abbreviated(&self, digits: &str) -> Result<Option<CommitId>, GitError> {
        let digits = digits.to_owned();
        self.with(move |objects| {
            let git = objects.git();
            let found = git.rev_parse_single(digits.as_str()).ok().map(|id| CommitId(id.detach()));
            Ok(found.filter(|id| objects.has(*id)))
        })
        .await
    }

    fn unknown(&self, revision: &str, refs: &References) -> GitError {
        GitError::Revision { url: self.inner.shown.clone(), revision: revision.to_owned(), known: refs.shown() }
    }

    /// What else the revision could mean, as last seen, in words.
    pub fn ambiguity(&self, revision: &str) -> Option<String> {
        self.known().seen.as_ref()?.ambiguity(revision)
    }

    /// The commit that a branch is at, as last seen.
    ///
    /// # Errors
    /// When there is no such branch.
    pub async fn head_of(&self, branch: &str) -> Result<CommitId, GitError> {
        let refs = self.refs().await?;
        refs.names.get(&format!("refs/heads/{branch}")).copied().ok_or_else(|| self.unknown(branch, &refs))
    }

    /// The branch that a revision follows, if it follows one.
    ///
    /// # Errors
    /// When the references cannot be read, HEAD leads nowhere, or it is not known which branch it is.
    pub async fn branch_of(&self, revision: &str) -> Result<Option<String>, GitError> {
        self.refs().await?.branch_of(&self.inner.shown, revision)
    }

    /// # Errors
    /// When the commit is not there.
    pub async fn tree(&self, commit: CommitId) -> Result<FileTree, GitError> {
        self.with(move |objects| objects.tree(commit)).await
    }

    /// Commits that `from` reaches and `until` does not, newest first.
    ///
    /// # Errors
    /// When a commit is not there.
    pub async fn log(
        &self,
        from: CommitId,
        until: Option<CommitId>,
        limit: usize,
    ) -> Result<Vec<CommitInfo>, GitError> {
        self.with(move |objects| objects.log(from, until, limit)).await
    }

    /// The commits of the branch (as last seen) that carry the trailer, the newest first, looking back to `since`.
    ///
    /// # Errors
    /// When the branch is not there.
    pub async fn with_trailer(
        &self,
        branch: &str,
        key: &str,
        value: &str,
        since: Option<CommitId>,
    ) -> Result<Vec<CommitInfo>, GitError> {
        let head = self.head_of(branch).await?;
        let (key, value) = (key.to_owned(), value.to_owned());
        self.with(move |objects| {
            let mut commits = objects.log(head, since, 10_000)?;
            commits.retain(|commit| commit.trailers.get(&key) == Some(value.as_str()));
            Ok(commits)
        })
        .await
    }

    /// # Errors
    /// When a commit is not there.
    pub async fn changed_paths(&self, old: CommitId, new: CommitId) -> Result<Vec<String>, GitError> {
        self.with(move |objects| objects.changed_paths(old, new)).await
    }

    /// What to write on top of `head` so that what `commit` changed is as before it.
    ///
    /// # Errors
    /// When later commits changed the same lines.
    pub async fn revert_edits(&self, commit: CommitId, head: CommitId) -> Result<Vec<Edit>, GitError> {
        self.with(move |objects| objects.revert_edits(commit, head)).await
    }

    /// The files of `ours` with what `theirs` changed since they parted.
    ///
    /// # Errors
    /// [`GitError::MergeConflict`] when both changed the same lines.
    pub async fn merged(&self, ours: CommitId, theirs: CommitId) -> Result<FileTree, GitError> {
        self.with(move |objects| objects.tree_at(objects.merge(ours, theirs)?)).await
    }

    /// The highest tag that fits a version constraint, as last seen, and the commit it names.
    ///
    /// # Errors
    /// When the references cannot be read.
    pub async fn highest_tag(&self, constraint: &str) -> Result<Option<(String, CommitId)>, GitError> {
        let refs = self.refs().await?;
        let tag = highest(constraint, refs.tags());
        Ok(tag.and_then(|tag| Some((tag.to_owned(), *refs.names.get(&format!("refs/tags/{tag}"))?))))
    }

    /// The tag to make after [`Repository::highest_tag`]: its last number one higher. Nothing where none fits, it is a
    /// pre-release, or the next one would not fit.
    ///
    /// # Errors
    /// When the references cannot be read.
    pub async fn next_tag(&self, constraint: &str) -> Result<Option<String>, GitError> {
        let refs = self.refs().await?;
        let tags: Vec<&str> = refs.tags().collect();
        Ok(next(constraint, &tags))
    }

    /// Whether `commit` is `head` or one of the commits before it.
    ///
    /// # Errors
    /// When the repository cannot be opened.
    pub async fn holds(&self, head: CommitId, commit: CommitId) -> Result<bool, GitError> {
        self.with(move |objects| {
            let git = objects.git();
            let base = git.merge_base(head.0, commit.0).ok().flatten();
            Ok(base.is_some_and(|base| base.detach() == commit.0))
        })
        .await
    }

    /// Makes the commit, moves the branch to it and names it by the tag, if the branch is still at `write.base` and
    /// there is no such tag: all or nothing. Then and only then it is Ok.
    ///
    /// # Errors
    /// [`PushError::Stale`] when the branch moved or the tag is taken, [`PushError::Declined`] when the other side does
    /// not want it.
    pub async fn commit_and_push(&self, write: Write) -> Result<CommitId, PushError> {
        let (base, branch, tag) = (write.base, write.branch.clone(), write.tag.clone());
        failpoint::before(Point::Build);
        let commit = self.with(move |objects| objects.commit(&write)).await?;
        failpoint::after(Point::Build);
        let mut updates = vec![RefUpdate::branch(&branch, base, commit)];
        updates.extend(tag.map(|tag| RefUpdate::tag(&tag, commit)));
        match &self.inner.remote {
            None => {
                let this = self.clone();
                let moved = updates.clone();
                let pushed = tokio::task::spawn_blocking(move || {
                    local::push(this.objects()?.as_ref(), &this.inner.path, &moved)
                });
                pushed
                    .await
                    .map_err(|e| GitError::Storage { url: self.inner.shown.clone(), reason: e.to_string() })??;
            }
            Some(remote) => {
                let url = self.inner.shown.clone();
                let pack = self
                    .with(move |objects| {
                        write_pack(&objects.new_objects(base, commit)?)
                            .map_err(|reason| GitError::Storage { url, reason })
                    })
                    .await?;
                let timeout = GitError::Timeout { url: self.inner.shown.clone(), seconds: PATIENCE.as_secs() };
                tokio::time::timeout(PATIENCE, remote.push(&updates, &pack)).await.map_err(|_| timeout)??;
            }
        }
        // our own push needs no fetch to be seen
        self.known().push(updates);
        Ok(commit)
    }

    /// Ticks when the references of a local repository were written. Remote repositories never tick: they are polled
    /// by whoever wants to know. One look costs a few system calls, and only happens while somebody listens.
    pub fn changes(&self) -> watch::Receiver<u64> {
        let start = || {
            let (sender, receiver) = watch::channel(0);
            if let Place::Local(path) = &self.inner.place {
                tokio::spawn(glance(path.clone(), sender));
            }
            receiver
        };
        self.inner.changes.get_or_init(start).clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "the disk changes in real time, whatever the clock of the product shows")]
async fn glance(path: PathBuf, sender: watch::Sender<u64>) {
    let mut seen = local::fingerprint(&path);
    while !sender.is_closed() {
        tokio::time::sleep(GLANCE).await;
        let now = local::fingerprint(&path);
        if now != seen {
            seen = now;
            sender.send_modify(|count| *count += 1);
        }
    }
}

/// Branches, tags and HEAD: not the pull requests of a host, which are many.
pub(crate) fn is_fetched(name: &str) -> bool {
    name == "HEAD" || name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

/// Makes the references of the copy equal to those of the server.
/// What it had before.
fn write_refs(objects: &Objects, refs: &BTreeMap<String, CommitId>) -> Result<BTreeMap<String, CommitId>, String> {
    use gix::refs::Target;
    use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
    let old = objects.copied().map_err(|e| e.to_string())?;
    let mut edits = Vec::new();
    for (name, id) in refs.iter().filter(|(n, _)| *n != "HEAD") {
        if old.get(name) != Some(id) {
            let log = LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "fetch".into() };
            let change = Change::Update { log, expected: PreviousValue::Any, new: Target::Object(id.0) };
            edits.push(RefEdit {
                change,
                name: name.as_str().try_into().map_err(|e| format!("{name}: {e}"))?,
                deref: false,
            });
        }
    }
    for name in old.keys().filter(|n| !refs.contains_key(*n) && n.starts_with("refs/")) {
        let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
        edits.push(RefEdit {
            change,
            name: name.as_str().try_into().map_err(|e| format!("{name}: {e}"))?,
            deref: false,
        });
    }
    let who = gix::actor::SignatureRef { name: "gantline".into(), email: "".into(), time: "0 +0000" };
    objects.git().edit_references_as(edits, Some(who)).map_err(|e| e.to_string())?;
    Ok(old)
}
