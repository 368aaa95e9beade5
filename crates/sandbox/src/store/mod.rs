//! A versioned store with one writer: what is there, what it was like at earlier versions, and what changed since.

mod ahead;
mod journal;
mod legacy;
mod lock;
mod record;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use ahead::{Ahead, Batch, Outcome};
use journal::Journal;
pub use replay::{Dropped, OnDamage};

/// `deployments.apps`, namespace (empty for cluster-wide kinds), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) storage: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(storage: &str, namespace: &str, name: &str) -> Self {
        Self { storage: storage.into(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn is_in(&self, storage: &str, namespace: &str) -> bool {
        &*self.storage == storage && (namespace.is_empty() || self.namespace == namespace)
    }
}

/// One write: `previous` is absent for a creation, `current` for a deletion (then `last` is the final state).
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    /// By the sandbox's clock.
    pub(crate) at: Timestamp,
    pub(crate) key: Key,
    pub(crate) previous: Option<Arc<Value>>,
    pub(crate) current: Option<Arc<Value>>,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the sandbox's store {path}: {source}: give another folder, or make this one readable and writable")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "the sandbox in {folder} is in use by {}, which holds the lock {lock}: end that first, or give another folder",
        process(*holder)
    )]
    InUse { folder: PathBuf, lock: PathBuf, holder: Option<u32> },
    #[error(
        "the sandbox's store {path} is damaged at byte {at}: {why}; nothing was changed: put a good copy back, or start once with --recover, which keeps what is whole and lists what is not"
    )]
    Damaged { path: PathBuf, at: u64, why: String },
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

/// A write that is not on disk, and so never was.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the sandbox's store {path} cannot be written: {source}: nothing of this write was kept; make room, then repeat it"
)]
pub(crate) struct NotStored {
    path: PathBuf,
    source: Arc<std::io::Error>,
}

#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    /// Tells those who wait for their batch.
    settled: Condvar,
    revisions: watch::Sender<u64>,
    /// Only whoever writes a batch takes it.
    journal: Option<Mutex<Journal>>,
    dropped: Vec<Dropped>,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    log: VecDeque<Change>,
    /// Changes up to here are forgotten.
    floor: u64,
    /// Where there is a journal: what nobody may see before it is in there.
    ahead: Option<Ahead>,
}

/// So many changes are remembered for watches and continued lists.
const WINDOW: usize = 20_000;
/// Where versions begin, so that nobody mistakes them for counters of something.
const FIRST: u64 = 1000;

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self::with(journal::State::default(), None, Vec::new())
    }

    fn with(state: journal::State, journal: Option<Journal>, dropped: Vec<Dropped>) -> Self {
        let journal::State { objects, revision } = state;
        let ahead = journal.is_some().then(|| Ahead::at(revision));
        let state = State { objects, revision, log: VecDeque::new(), floor: revision, ahead };
        let (settled, revisions) = (Condvar::new(), watch::Sender::new(revision));
        Self { state: Mutex::new(state), settled, revisions, journal: journal.map(Mutex::new), dropped }
    }

    /// Opens the store kept in `folder`, or begins one there.
    ///
    /// # Errors
    /// When the folder cannot be read or written, another process has it, or its journal is damaged.
    pub(crate) fn open(folder: &Path, on_damage: OnDamage) -> Result<Self, StoreError> {
        let (journal, state, dropped) = Journal::open(folder, on_damage)?;
        Ok(Self::with(state, Some(journal), dropped))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a write takes as long as the disk does.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.journal.is_some()
    }

    /// The time that the clock had reached at most when this was last written.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        let journal = self.journal.as_ref()?;
        journal.lock().unwrap_or_else(PoisonError::into_inner).reached()
    }

    /// What a recovery could not keep.
    pub(crate) fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// Reads, decides and writes without anybody in between. Returns when what was written, and what it was decided on,
    /// is on disk; nobody sees it before.
    ///
    /// # Errors
    /// Those of `work`, and [`NotStored`]: then nothing was written.
    pub(crate) fn transact<T, E: From<NotStored>>(
        &self,
        clock: &dyn Clock,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.state();
        let before = state.revision;
        let result = work(&mut Transaction { state: &mut state, clock });
        match state.ahead.as_ref().map(Ahead::newest) {
            Some(Some(outcome)) => self.settle(state, &outcome)?,
            Some(None) => {}
            None => self.tell(state, before),
        }
        result
    }

    /// Notes that the clock will not have passed `time` before the next note.
    ///
    /// # Errors
    /// When that is not on disk.
    pub(crate) fn note_time(&self, time: Timestamp) -> Result<(), NotStored> {
        let mut state = self.state();
        let Some(ahead) = &mut state.ahead else { return Ok(()) };
        let outcome = ahead.note(time);
        self.settle(state, &outcome)
    }

    fn tell(&self, state: MutexGuard<'_, State>, before: u64) {
        let after = state.revision;
        drop(state);
        if after != before {
            self.revisions.send_replace(after);
        }
    }

    /// Waits until the batch is written, or writes the next one: whoever comes while nobody writes, writes for all.
    fn settle<'s>(&'s self, mut state: MutexGuard<'s, State>, outcome: &Outcome) -> Result<(), NotStored> {
        loop {
            if let Some(result) = outcome.get() {
                return result.clone();
            }
            let busy = state.ahead.as_ref().is_some_and(Ahead::is_written);
            state = if busy {
                self.settled.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.write_batch(state);
                self.state()
            };
        }
    }

    fn write_batch(&self, mut state: MutexGuard<'_, State>) {
        let (Some(journal), Some(ahead)) = (&self.journal, &mut state.ahead) else { return };
        let batch = ahead.begin();
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let whole =
            journal.is_spent().then(|| journal::State { objects: state.objects.clone(), revision: state.revision });
        drop(state);
        let renewed = whole.map_or(Ok(()), |whole| journal.renew(&whole));
        let written = renewed.and_then(|()| journal.append(&batch.records()));
        let path = journal.path().to_owned();
        drop(journal);
        let written = written.map_err(|source| NotStored { path, source: Arc::new(source) });
        let mut state = self.state();
        let before = state.revision;
        state.conclude(batch, written);
        self.tell(state, before);
        self.settled.notify_all();
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.state().objects.get(key).cloned()
    }

    /// All objects of a storage, in one namespace or in all, and the version that this is the state of.
    pub(crate) fn list(&self, storage: &str, namespace: &str) -> (Vec<Arc<Value>>, u64) {
        let state = self.state();
        (state.list(storage, namespace), state.revision)
    }

    /// The same at an earlier version; `None` when that is forgotten.
    pub(crate) fn list_at(&self, storage: &str, namespace: &str, revision: u64) -> Option<Vec<Arc<Value>>> {
        let state = self.state();
        if revision < state.floor {
            return None;
        }
        let mut past: BTreeMap<&Key, Option<&Arc<Value>>> = BTreeMap::new();
        for change in state.log.iter().rev().take_while(|change| change.revision > revision) {
            past.insert(&change.key, change.previous.as_ref());
        }
        let mut all: BTreeMap<&Key, &Arc<Value>> = state.range(storage, namespace).collect();
        for (key, value) in past.into_iter().filter(|(key, _)| key.is_in(storage, namespace)) {
            match value {
                Some(value) => drop(all.insert(key, value)),
                None => drop(all.remove(key)),
            }
        }
        Some(all.into_values().cloned().collect())
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state().revision
    }

    /// Tells of new versions.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    /// The changes after `revision`, oldest first, up to `limit`; `None` when some of them are forgotten.
    pub(crate) fn changes(&self, revision: u64, limit: usize) -> Option<Vec<Change>> {
        let state = self.state();
        if revision < state.floor {
            return None;
        }
        let start = state.log.partition_point(|change| change.revision <= revision);
        Some(state.log.iter().skip(start).take(limit).cloned().collect())
    }

    /// Forgets all changes up to now: watches from earlier versions end with 410.
    pub(crate) fn compact(&self) {
        let mut state = self.state();
        state.floor = state.revision;
        state.log.clear();
    }
}

impl State {
    fn range<'s>(
        &'s self,
        storage: &str,
        namespace: &str,
    ) -> impl Iterator<Item = (&'s Key, &'s Arc<Value>)> + use<'s> {
        let start = Key::new(storage, namespace, "");
        let (storage, namespace) = (Arc::clone(&start.storage), namespace.to_owned());
        let all = namespace.is_empty();
        self.objects
            .range(start..)
            .take_while(move |(key, _)| key.storage == storage && (all || key.namespace == namespace))
    }

    fn list(&self, storage: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.range(storage, namespace).map(|(_, value)| Arc::clone(value)).collect()
    }

    fn next_revision(&self) -> u64 {
        self.ahead.as_ref().map_or(self.revision, Ahead::revision) + 1
    }

    /// Lets everybody see the change: now, or when it is on disk.
    fn decide(&mut self, change: Change) {
        match &mut self.ahead {
            Some(ahead) => ahead.add(change),
            None => self.publish(change),
        }
    }

    fn publish(&mut self, change: Change) {
        self.revision = change.revision;
        match &change.current {
            Some(value) => drop(self.objects.insert(change.key.clone(), Arc::clone(value))),
            None => drop(self.objects.remove(&change.key)),
        }
        self.log.push_back(change);
        let forgotten = if self.log.len() > WINDOW { self.log.pop_front() } else { None };
        self.floor = forgotten.map_or(self.floor, |oldest| oldest.revision);
    }

    /// A batch is on disk, or never was.
    fn conclude(&mut self, batch: Batch, written: Result<(), NotStored>) {
        let Some(ahead) = &mut self.ahead else { return };
        match written {
            Ok(()) => ahead.end(batch).into_iter().for_each(|change| self.publish(change)),
            Err(error) => ahead.fail(batch, self.revision, &error),
        }
    }
}

/// The store while one caller has it alone.
#[derive(Debug)]
pub(crate) struct Transaction<'s> {
    state: &'s mut State,
    /// Read at each write: a journal must not say less than the objects in it do.
    clock: &'s dyn Clock,
}

impl Transaction<'_> {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        match self.state.ahead.as_ref().and_then(|ahead| ahead.get(key)) {
            Some(decided) => decided.cloned(),
            None => self.state.objects.get(key).cloned(),
        }
    }

    pub(crate) fn list(&self, storage: &str, namespace: &str) -> Vec<Arc<Value>> {
        let state = &*self.state;
        let Some(ahead) = state.ahead.as_ref().filter(|ahead| !ahead.is_empty()) else {
            return state.list(storage, namespace);
        };
        let mut all: BTreeMap<&Key, &Arc<Value>> = state.range(storage, namespace).collect();
        for (key, decided) in ahead.decided().filter(|(key, _)| key.is_in(storage, namespace)) {
            match decided {
                Some(value) => drop(all.insert(key, value)),
                None => drop(all.remove(key)),
            }
        }
        all.into_values().cloned().collect()
    }

    /// Stores the object with the next version and gives it back with that version in its metadata.
    pub(crate) fn put(&mut self, key: Key, mut value: Value) -> Arc<Value> {
        let previous = self.get(&key);
        let revision = self.state.next_revision();
        value["metadata"]["resourceVersion"] = json!(revision.to_string());
        let value = Arc::new(value);
        let current = Some(Arc::clone(&value));
        self.state.decide(Change { revision, at: self.clock.now(), key, previous, current });
        value
    }

    /// Removes the object; gives its last state with the version of the removal.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let mut last = (*self.get(key)?).clone();
        let revision = self.state.next_revision();
        last["metadata"]["resourceVersion"] = json!(revision.to_string());
        let last = Arc::new(last);
        let previous = Some(Arc::clone(&last));
        self.state.decide(Change { revision, at: self.clock.now(), key: key.clone(), previous, current: None });
        Some(last)
    }
}
