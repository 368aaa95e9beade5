//! The objects of one kind, read as its type and kept current by watches, with indexes and a stream of changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use clock::Clock;
use jiff::Timestamp;
use object::{Index, Kind, LiveObject, ResourceKey};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::{Cluster, ClusterError, Scope, WatchEvent, WatchStream};

/// An object came, changed or went. What cannot be read counts as not there.
#[derive(Debug)]
pub struct Change<K> {
    pub key: Arc<ResourceKey>,
    pub old: Option<Arc<K>>,
    pub new: Option<Arc<K>>,
}

impl<K> Clone for Change<K> {
    fn clone(&self) -> Self {
        let Self { key, old, new } = self;
        Self { key: Arc::clone(key), old: old.clone(), new: new.clone() }
    }
}

/// An object that does not have the shape of its kind.
#[derive(Debug)]
pub struct Unreadable<K> {
    pub key: Arc<ResourceKey>,
    pub uid: Box<str>,
    pub why: Arc<str>,
    /// As it was when it could be read: for showing only.
    pub last: Option<Arc<K>>,
}

/// The objects of one kind. The newer version of an object wins, whether a list, an event or a note brings it. Clones
/// share the store; the watches end with the last of them.
pub struct Store<K: Kind>(Arc<Inner<K>>);

struct Inner<K: Kind> {
    state: Mutex<State<K>>,
    ready: watch::Sender<bool>,
    /// Counts changes.
    revision: watch::Sender<u64>,
    /// Counts changes of what cannot be read.
    unread: watch::Sender<u64>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// Whether an object belongs into the store.
type Only = Box<dyn Fn(&LiveObject) -> bool + Send + Sync>;

struct State<K> {
    objects: BTreeMap<Arc<ResourceKey>, Entry<K>>,
    /// Those that cannot be read, and how often one came, changed or went.
    unread: (BTreeSet<Arc<ResourceKey>>, u64),
    /// By the name of the index and a value: where to look.
    indexes: HashMap<&'static str, BTreeMap<String, BTreeSet<Arc<ResourceKey>>>>,
    watches: Vec<Watched>,
    only: Option<Only>,
    listeners: Vec<mpsc::UnboundedSender<Change<K>>>,
}

/// One of the watches that feed a store.
struct Watched {
    scope: Scope,
    /// The newest resource version that it has delivered.
    seen: u128,
    listed: bool,
    /// Since when it runs without a break.
    since: Option<Timestamp>,
}

struct Entry<K> {
    uid: Box<str>,
    version: u128,
    /// The place of the watch that tells of it.
    watch: usize,
    is: Is<K>,
}

enum Is<K> {
    Read(Arc<K>),
    Unreadable {
        why: Arc<str>,
        /// As it was when it could be read.
        last: Option<Arc<K>>,
        /// What it says all the same.
        outline: Option<Arc<K>>,
    },
}

impl<K: Kind> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Kind> Default for Store<K> {
    /// Empty until it is told to follow a cluster.
    fn default() -> Self {
        let (objects, indexes, watches) = (BTreeMap::new(), HashMap::new(), Vec::new());
        let unread = (BTreeSet::new(), 0);
        let state = Mutex::new(State { objects, unread, indexes, watches, only: None, listeners: Vec::new() });
        let (ready, revision, unread) = (watch::Sender::new(false), watch::Sender::new(0), watch::Sender::new(0));
        Self(Arc::new(Inner { state, ready, revision, unread, tasks: Mutex::default() }))
    }
}

impl<K: Kind> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("kind", &K::group_kind()).field("objects", &self.len()).finish_non_exhaustive()
    }
}

impl<K: Kind> Drop for Inner<K> {
    fn drop(&mut self) {
        self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
    }
}

impl<K: Kind> Store<K> {
    /// These objects, without a cluster that tells of others.
    pub fn holding(objects: impl IntoIterator<Item = LiveObject>) -> Self {
        let store = Self::default();
        {
            let mut state = store.0.state();
            state.watches.push(Watched::new(Scope::from(K::group_kind())));
            state.listed(0, objects.into_iter().collect(), 0, &mut Vec::new());
            store.0.seen(&mut state, 0);
        }
        store
    }

    /// Follows the objects of all `scopes` that `only` lets in, by a watch for each. Needs a tokio runtime.
    pub fn follow(
        &self,
        cluster: &Cluster,
        scopes: impl IntoIterator<Item = Scope>,
        only: impl Fn(&LiveObject) -> bool + Send + Sync + 'static,
    ) {
        let mut state = self.0.state();
        state.only = Some(Box::new(only));
        for scope in scopes {
            let (store, number) = (Arc::downgrade(&self.0), state.watches.len());
            let events = cluster.watch(scope.clone());
            let task = tokio::spawn(drive(store, number, events, Arc::clone(cluster.clock())));
            self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
            state.watches.push(Watched::new(scope));
        }
    }

    /// Returns when everything was listed once. A kind that is not installed has no objects.
    pub async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        // the sender lives as long as `self`
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Since when all watches run without a break; `None` while one of them does not.
    pub fn since(&self) -> Option<Timestamp> {
        let state = self.0.state();
        let since: Option<Vec<Timestamp>> = state.watches.iter().map(|watched| watched.since).collect();
        since?.into_iter().max()
    }

    /// The object as it is now; `None` also for one that cannot be read.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.0.state().objects.get(&key::<K>(namespace, name))?.read()
    }

    /// Whether there is such an object, readable or not.
    pub fn exists(&self, namespace: &str, name: &str) -> bool {
        self.0.state().objects.contains_key(&key::<K>(namespace, name))
    }

    /// Why an object that exists cannot be read.
    pub fn why_unreadable(&self, namespace: &str, name: &str) -> Option<Arc<str>> {
        self.0.state().objects.get(&key::<K>(namespace, name))?.unreadable().map(|(why, _)| why)
    }

    /// By namespace and name.
    pub fn unreadable(&self) -> Vec<Unreadable<K>> {
        let state = self.0.state();
        let unreadable = state.unread.0.iter().filter_map(|key| {
            let entry = state.objects.get(key)?;
            let (why, last) = entry.unreadable()?;
            Some(Unreadable { key: Arc::clone(key), uid: entry.uid.clone(), why, last })
        });
        unreadable.collect()
    }

    /// Counts changes of what [`Store::unreadable`] gives.
    pub fn unreadable_revisions(&self) -> watch::Receiver<u64> {
        self.0.unread.subscribe()
    }

    /// Those that the index has under the value, by namespace and name.
    pub fn by(&self, index: &Index<K>, value: &str) -> Vec<Arc<K>> {
        let state = self.0.state();
        let keys = state.indexes.get(index.name()).and_then(|values| values.get(value)).into_iter().flatten();
        keys.filter_map(|key| state.objects.get(key)?.read()).collect()
    }

    /// As [`Store::by`], for what has to hold also while an object cannot be read: by what it says all the same, else as it was.
    pub fn holding_by(&self, index: &Index<K>, value: &str) -> Vec<Arc<K>> {
        let is = |object: &Arc<K>| index.values(object).iter().any(|known| known == value);
        self.by(index, value).into_iter().chain(self.outlines().filter(is)).collect()
    }

    /// As [`Store::all`], for what has to hold also while an object cannot be read.
    pub fn all_holding(&self) -> Vec<Arc<K>> {
        self.all().into_iter().chain(self.outlines()).collect()
    }

    /// Of those that cannot be read.
    fn outlines(&self) -> impl Iterator<Item = Arc<K>> + use<K> {
        let state = self.0.state();
        let unread = state.unread.0.iter().filter_map(|key| state.objects.get(key)?.outline());
        unread.collect::<Vec<_>>().into_iter()
    }

    /// Those that the index has under a value that begins so.
    pub fn beginning(&self, index: &Index<K>, prefix: &str) -> Vec<Arc<K>> {
        let state = self.0.state();
        let values = state.indexes.get(index.name()).into_iter();
        let values = values.flat_map(|values| values.range(prefix.to_owned()..));
        let keys: BTreeSet<_> = values.take_while(|(value, _)| value.starts_with(prefix)).flat_map(|v| v.1).collect();
        keys.into_iter().filter_map(|key| state.objects.get(key)?.read()).collect()
    }

    /// All that can be read, by namespace and name.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.0.state().objects.values().filter_map(Entry::read).collect()
    }

    /// How many there are, readable or not.
    pub fn len(&self) -> usize {
        self.0.state().objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks the cluster for an object that no watch told of yet: who has just written one finds it. A server that does not
    /// answer leaves the store as it is.
    pub async fn look_for(&self, cluster: &Cluster, namespace: &str, name: &str) {
        // other names are nobody's, and would be another path
        let named = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        let told = || self.0.state().watches.iter().any(|it| it.may_tell_of(namespace, name));
        if self.exists(namespace, name) || !named(namespace) || !name.split('.').all(named) || !told() {
            return;
        }
        if let Ok(Some(object)) = cluster.get(&key::<K>(namespace, name)).await {
            self.note(object);
        }
    }

    /// Takes an object from the answer to our own write, so that what was written is seen before the watch tells. Gives
    /// the newest state that is known of it; `None` when that cannot be read.
    pub fn note(&self, object: LiveObject) -> Option<Arc<K>> {
        let mut state = self.0.state();
        // what the watch is past was told by the watch, maybe as deleted since
        let told_by = state.watches.iter().position(|watched| watched.covers(&object));
        let told_by = told_by.filter(|number| state.watches[*number].seen < object.version());
        let key = object.key();
        if let Some(number) = told_by.filter(|_| state.lets_in(&object)) {
            self.0.tell(&mut state, |state, changes| state.put(number, object, changes));
            return state.objects.get(&key)?.read();
        }
        match state.objects.get(&key).filter(|known| known.uid.as_ref() == object.uid()) {
            Some(known) => known.read(),
            None => K::read(object).ok().map(Arc::new),
        }
    }

    /// What there is, as if it came now, and every change after it, in order; none is lost, so that who does not listen
    /// any more has to drop it.
    pub fn changes(&self) -> mpsc::UnboundedReceiver<Change<K>> {
        let (sender, changes) = mpsc::unbounded_channel();
        let mut state = self.0.state();
        for (key, entry) in &state.objects {
            // the receiver is here
            let _ = sender.send(Change { key: Arc::clone(key), old: None, new: entry.read() });
        }
        state.listeners.push(sender);
        changes
    }

    /// Counts changes: for those who only want to know that there was one.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// How many changes there were.
    pub fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }
}

fn key<K: Kind>(namespace: &str, name: &str) -> ResourceKey {
    let kind = K::group_kind();
    ResourceKey::new(kind.group, kind.kind, namespace, name)
}

/// Feeds one watch into the store for as long as the store lives.
async fn drive<K: Kind>(store: Weak<Inner<K>>, number: usize, mut events: WatchStream, clock: Arc<dyn Clock>) {
    while let Some(event) = events.recv().await {
        let Some(store) = store.upgrade() else { return };
        store.take(number, event, clock.now());
    }
}

impl<K: Kind> Inner<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, number: usize, event: WatchEvent, now: Timestamp) {
        let mut state = self.state();
        match event {
            WatchEvent::Listed { objects, at } => {
                state.watches[number].since = Some(now);
                self.tell(&mut state, |state, changes| state.listed(number, objects, at, changes));
            }
            WatchEvent::Applied(object) => {
                self.tell(&mut state, |state, changes| state.applied(number, object, changes));
            }
            WatchEvent::Deleted(object) => {
                self.tell(&mut state, |state, changes| state.deleted(number, &object, changes));
            }
            WatchEvent::Lost(error) => return self.lost(&mut state, number, &error),
            WatchEvent::Resumed => state.watches[number].since = Some(now),
        }
        self.seen(&mut state, number);
    }

    fn lost(&self, state: &mut State<K>, number: usize, error: &ClusterError) {
        let scope = &state.watches[number].scope;
        tracing::warn!(kind = %scope.kind, namespace = scope.namespace, %error, "what is known of it may be old");
        state.watches[number].since = None;
        if matches!(error, ClusterError::UnknownKind { .. }) {
            self.seen(state, number);
        }
    }

    fn seen(&self, state: &mut State<K>, number: usize) {
        state.watches[number].listed = true;
        if state.watches.iter().all(|watched| watched.listed) {
            self.ready.send_replace(true);
        }
    }

    /// Tells of the changes while nobody else can make some, so that everybody hears of them in their order.
    fn tell(&self, state: &mut State<K>, change: impl FnOnce(&mut State<K>, &mut Vec<Change<K>>)) {
        let mut changes = Vec::new();
        change(state, &mut changes);
        if changes.is_empty() {
            return;
        }
        for change in changes {
            state.listeners.retain(|listener| listener.send(change.clone()).is_ok());
        }
        self.revision.send_modify(|count| *count += 1);
        let unread = state.unread.1;
        self.unread.send_if_modified(|count| std::mem::replace(count, unread) != unread);
    }
}

impl Watched {
    fn new(scope: Scope) -> Self {
        Self { scope, seen: 0, listed: false, since: None }
    }

    /// Whether the watch tells of such an object; labels are not looked at.
    fn covers(&self, object: &LiveObject) -> bool {
        self.may_tell_of(object.namespace(), object.name())
    }

    fn may_tell_of(&self, namespace: &str, name: &str) -> bool {
        let scope = &self.scope;
        let here = scope.namespace.is_empty() || scope.namespace == namespace;
        here && scope.fields.strip_prefix("metadata.name=").is_none_or(|known| known == name)
    }
}

impl<K> Entry<K> {
    fn read(&self) -> Option<Arc<K>> {
        match &self.is {
            Is::Read(object) => Some(Arc::clone(object)),
            Is::Unreadable { .. } => None,
        }
    }

    fn unreadable(&self) -> Option<(Arc<str>, Option<Arc<K>>)> {
        match &self.is {
            Is::Read(_) => None,
            Is::Unreadable { why, last, .. } => Some((Arc::clone(why), last.clone())),
        }
    }

    fn outline(&self) -> Option<Arc<K>> {
        match &self.is {
            Is::Read(_) => None,
            Is::Unreadable { outline, last, .. } => outline.clone().or_else(|| last.clone()),
        }
    }

    fn last(&self) -> Option<Arc<K>> {
        self.read().or_else(|| self.unreadable()?.1)
    }
}

impl<K: Kind> State<K> {
    fn lets_in(&self, object: &LiveObject) -> bool {
        self.only.as_ref().is_none_or(|only| only(object))
    }

    /// Takes everything that one watch can see; what it does not see any more is gone, unless it came after the list.
    fn listed(&mut self, watch: usize, mut all: Vec<LiveObject>, at: u128, changes: &mut Vec<Change<K>>) {
        if 0 < at && at < self.watches[watch].seen {
            self.go_back(watch);
        }
        all.retain(|object| self.lets_in(object));
        let present: HashSet<ResourceKey> = all.iter().map(|object| object.key()).collect();
        let in_time = |entry: &Entry<K>| at == 0 || entry.version <= at;
        let is_gone =
            |key: &ResourceKey, entry: &Entry<K>| entry.watch == watch && in_time(entry) && !present.contains(key);
        let gone = self.objects.iter().filter(|(key, entry)| is_gone(key, entry));
        let gone: Vec<Arc<ResourceKey>> = gone.map(|(key, _)| Arc::clone(key)).collect();
        gone.into_iter().for_each(|key| self.replace(key, None, changes));
        for object in all {
            self.applied(watch, object, changes);
        }
        self.see(watch, at);
    }

    /// The server was restored to an earlier time: what is known of later never was, and every version is newer.
    fn go_back(&mut self, watch: usize) {
        self.watches[watch].seen = 0;
        self.objects.values_mut().filter(|entry| entry.watch == watch).for_each(|entry| entry.version = 0);
    }

    fn applied(&mut self, watch: usize, object: LiveObject, changes: &mut Vec<Change<K>>) {
        self.see(watch, object.version());
        if self.lets_in(&object) {
            self.put(watch, object, changes);
        }
    }

    fn deleted(&mut self, watch: usize, object: &LiveObject, changes: &mut Vec<Change<K>>) {
        self.see(watch, object.version());
        let known = self.objects.get_key_value(&object.key());
        // a namesake that came since stays
        if let Some((key, _)) = known.filter(|(_, known)| known.uid.as_ref() == object.uid()) {
            let key = Arc::clone(key);
            self.replace(key, None, changes);
        }
    }

    fn see(&mut self, watch: usize, version: u128) {
        let seen = &mut self.watches[watch].seen;
        *seen = (*seen).max(version);
    }

    /// Takes the object in unless it is known in this version or a later one.
    fn put(&mut self, watch: usize, object: LiveObject, changes: &mut Vec<Change<K>>) {
        let (key, uid, version) = (object.key(), Box::from(object.uid()), object.version());
        let known = self.objects.get_key_value(&key);
        if known.is_some_and(|(_, known)| version > 0 && known.version >= version) {
            return;
        }
        let last = known.filter(|(_, known)| known.uid == uid).and_then(|(_, known)| known.last());
        let key = known.map_or_else(|| Arc::new(key), |(key, _)| Arc::clone(key));
        let is = match K::read_or_outline(object) {
            Ok(object) => Is::Read(Arc::new(object)),
            Err((why, outline)) => {
                tracing::warn!(object = %key, why, "not used");
                Is::Unreadable { why: why.into(), last, outline: outline.map(Arc::from) }
            }
        };
        self.replace(key, Some(Entry { uid, version, watch, is }), changes);
    }

    fn replace(&mut self, key: Arc<ResourceKey>, entry: Option<Entry<K>>, changes: &mut Vec<Change<K>>) {
        let new = entry.as_ref().and_then(Entry::read);
        let (unread, count) = &mut self.unread;
        if entry.is_some() && new.is_none() {
            unread.insert(Arc::clone(&key));
            *count += 1;
        } else if unread.remove(&key) {
            *count += 1;
        }
        let known = match entry {
            Some(entry) => self.objects.insert(Arc::clone(&key), entry),
            None => self.objects.remove(&key),
        };
        let old = known.and_then(|known| known.read());
        self.index(&key, old.as_deref(), new.as_deref());
        changes.push(Change { key, old, new });
    }

    fn index(&mut self, key: &Arc<ResourceKey>, old: Option<&K>, new: Option<&K>) {
        for index in K::INDEXES {
            let values = self.indexes.entry(index.name()).or_default();
            for value in old.into_iter().flat_map(|old| index.values(old)) {
                if let Some(keys) = values.get_mut(&value) {
                    keys.remove(key);
                    if keys.is_empty() {
                        values.remove(&value);
                    }
                }
            }
            for value in new.into_iter().flat_map(|new| index.values(new)) {
                values.entry(value).or_default().insert(Arc::clone(key));
            }
        }
    }
}

#[cfg(test)]
mod tests;
