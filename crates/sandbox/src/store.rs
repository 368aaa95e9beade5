//! A versioned store with one writer: what is there, what it was like at earlier versions, and what changed since.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

/// `deployments.apps`, namespace (empty for cluster-wide kinds), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) storage: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(storage: &str, namespace: &str, name: &str) -> Self {
        Self { storage: storage.into(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One write: `previous` is absent for a creation, `current` for a deletion (then `last` is the final state).
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) previous: Option<Arc<Value>>,
    pub(crate) current: Option<Arc<Value>>,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox's store {path}: {source}: give another folder, or make this one readable and writable")]
pub struct StoreError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    revisions: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    log: VecDeque<Change>,
    /// Changes up to here are forgotten.
    floor: u64,
    journal: Option<Journal>,
}

/// One JSON line a write. A line that was cut off by a crash is the end.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

/// So many changes are remembered for watches and continued lists.
const WINDOW: usize = 20_000;
/// The journal is written anew when it has so many lines more than there are objects.
const SLACK: usize = 50_000;
/// Where versions begin, so that nobody mistakes them for counters of something.
const FIRST: u64 = 1000;

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self::with(BTreeMap::new(), FIRST, None)
    }

    fn with(objects: BTreeMap<Key, Arc<Value>>, revision: u64, journal: Option<Journal>) -> Self {
        let state = State { objects, revision, log: VecDeque::new(), floor: revision, journal };
        Self { state: Mutex::new(state), revisions: watch::Sender::new(revision) }
    }

    /// Opens the store kept in `folder`, or begins one there.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("objects.jsonl");
        let failed = |source| StoreError { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let (mut objects, mut revision) = (BTreeMap::new(), FIRST);
        if path.exists() {
            let lines = BufReader::new(File::open(&path).map_err(failed)?).lines();
            // what follows a line that was cut off was never acknowledged
            for line in lines.map_while(Result::ok) {
                let Some((key, value, at)) = serde_json::from_str(&line).ok().and_then(|line| read_line(&line)) else {
                    break;
                };
                revision = revision.max(at);
                match value {
                    Some(value) => drop(objects.insert(key, Arc::new(value))),
                    None => drop(objects.remove(&key)),
                }
            }
        }
        let journal = rewrite(&path, &objects, revision).map_err(failed)?;
        Ok(Self::with(objects, revision, Some(journal)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, decides and writes without anybody in between.
    pub(crate) fn transact<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let mut state = self.state();
        let before = state.revision;
        let result = work(&mut Transaction { state: &mut state });
        let after = state.revision;
        if after != before {
            if let Some(journal) = &mut state.journal {
                // an answer means that the write is on disk
                let _ = journal.file.sync_data();
            }
            drop(state);
            self.revisions.send_replace(after);
        }
        result
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
        let inside = |key: &Key| &*key.storage == storage && (namespace.is_empty() || key.namespace == namespace);
        let mut all: BTreeMap<&Key, &Arc<Value>> = state.range(storage, namespace).collect();
        for (key, value) in past.into_iter().filter(|(key, _)| inside(key)) {
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
}

/// The store while one caller has it alone.
#[derive(Debug)]
pub(crate) struct Transaction<'s> {
    state: &'s mut State,
}

impl Transaction<'_> {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.state.objects.get(key).cloned()
    }

    pub(crate) fn list(&self, storage: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.state.list(storage, namespace)
    }

    /// Stores the object with the next version and gives it back with that version in its metadata.
    pub(crate) fn put(&mut self, key: Key, mut value: Value) -> Arc<Value> {
        self.state.revision += 1;
        value["metadata"]["resourceVersion"] = json!(self.state.revision.to_string());
        let value = Arc::new(value);
        let previous = self.state.objects.insert(key.clone(), Arc::clone(&value));
        self.record(key, previous, Some(Arc::clone(&value)));
        value
    }

    /// Removes the object; gives its last state with the version of the removal.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let previous = self.state.objects.remove(key)?;
        self.state.revision += 1;
        let mut last = (*previous).clone();
        last["metadata"]["resourceVersion"] = json!(self.state.revision.to_string());
        let last = Arc::new(last);
        self.record(key.clone(), Some(Arc::clone(&last)), None);
        Some(last)
    }

    fn record(&mut self, key: Key, previous: Option<Arc<Value>>, current: Option<Arc<Value>>) {
        let state = &mut *self.state;
        let change = Change { revision: state.revision, key, previous, current };
        if let Some(journal) = &mut state.journal {
            let written = journal.append(&change);
            let full = journal.lines > state.objects.len() + SLACK;
            if written.is_err() || full {
                match rewrite(&journal.path.clone(), &state.objects, state.revision) {
                    Ok(new) => *journal = new,
                    Err(error) => {
                        tracing::error!(%error, "the sandbox's store cannot be written: it lives in memory only")
                    }
                }
            }
        }
        state.log.push_back(change);
        let forgotten = if state.log.len() > WINDOW { state.log.pop_front() } else { None };
        state.floor = forgotten.map_or(state.floor, |oldest| oldest.revision);
    }
}

impl Journal {
    fn append(&mut self, change: &Change) -> std::io::Result<()> {
        self.lines += 1;
        write_line(&mut self.file, &change.key, change.current.as_deref(), change.revision)
    }
}

fn write_line(to: &mut impl Write, key: &Key, value: Option<&Value>, revision: u64) -> std::io::Result<()> {
    let line = json!([revision, &*key.storage, key.namespace, key.name, value]);
    to.write_all(format!("{line}\n").as_bytes())
}

fn read_line(line: &Value) -> Option<(Key, Option<Value>, u64)> {
    let key = Key::new(line.get(1)?.as_str()?, line.get(2)?.as_str()?, line.get(3)?.as_str()?);
    let value = line.get(4)?;
    Some((key, (!value.is_null()).then(|| value.clone()), line.get(0)?.as_u64()?))
}

/// Writes the present state beside the journal and puts it in its place.
fn rewrite(path: &Path, objects: &BTreeMap<Key, Arc<Value>>, revision: u64) -> std::io::Result<Journal> {
    let new = path.with_extension("new");
    let mut file = std::io::BufWriter::new(File::create(&new)?);
    // the version survives when the newest object is gone
    write_line(&mut file, &Key::new("", "", ""), None, revision)?;
    for (key, value) in objects {
        let at = value["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or(revision);
        write_line(&mut file, key, Some(value), at)?;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&new, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok(Journal { path: path.to_owned(), file, lines: objects.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &Store, name: &str, text: &str) {
        let value = json!({ "metadata": { "name": name }, "data": text });
        store.transact(|t| t.put(Key::new("configmaps", "a", name), value));
    }

    fn texts(list: &[Arc<Value>]) -> Vec<String> {
        list.iter().map(|v| v["data"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn earlier_versions_can_be_listed_until_they_are_forgotten() {
        let store = Store::in_memory();
        put(&store, "x", "1");
        put(&store, "y", "1");
        let then = store.revision();
        put(&store, "x", "2");
        store.transact(|t| t.remove(&Key::new("configmaps", "a", "y")));
        put(&store, "z", "1");
        assert_eq!(texts(&store.list("configmaps", "a").0), ["2", "1"]);
        assert_eq!(texts(&store.list_at("configmaps", "", then).unwrap()), ["1", "1"]);
        let kinds: Vec<(bool, bool)> =
            store.changes(then, 10).unwrap().iter().map(|c| (c.previous.is_some(), c.current.is_some())).collect();
        assert_eq!(kinds, [(true, true), (true, false), (false, true)]);
        store.compact();
        assert!(store.list_at("configmaps", "", then).is_none() && store.changes(then, 1).is_none());
        assert_eq!(store.list("secrets", "").0.len(), 0);
    }

    #[test]
    fn a_store_is_what_was_written_before_it_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        {
            let store = Store::open(folder.path()).unwrap();
            put(&store, "x", "1");
            put(&store, "y", "1");
            put(&store, "x", "2");
            store.transact(|t| t.remove(&Key::new("configmaps", "a", "y")));
        }
        let path = folder.path().join("objects.jsonl");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("[1009,\"configmaps\",\"a\",\"torn\",{\"da");
        std::fs::write(&path, text).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(texts(&store.list("configmaps", "").0), ["2"]);
        let before = store.revision();
        assert_eq!(before, FIRST + 4);
        put(&store, "w", "9");
        assert_eq!(store.revision(), before + 1);
    }
}
