//! What was decided and is not on disk yet. Writers see it, readers do not.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::Value;

use super::record::Record;
use super::{Change, Key, NotStored};

/// What became of a batch, for all whose writes are in it.
pub(super) type Outcome = Arc<OnceLock<Result<(), NotStored>>>;

/// Writes that go to disk together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: Vec<Change>,
    time: Option<Timestamp>,
    outcome: Outcome,
}

#[derive(Debug)]
pub(super) struct Ahead {
    /// The newest decisions, each with its version.
    decided: BTreeMap<Key, (u64, Option<Arc<Value>>)>,
    revision: u64,
    /// The batch that grows.
    next: Batch,
    /// Of the batch that is being written.
    written: Option<Outcome>,
}

impl Batch {
    pub(super) fn records(&self) -> Vec<Record> {
        self.changes.iter().map(Record::of).chain(self.time.map(Record::Time)).collect()
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.time.is_none()
    }
}

impl Ahead {
    pub(super) fn at(revision: u64) -> Self {
        Self { decided: BTreeMap::new(), revision, next: Batch::default(), written: None }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decided.is_empty()
    }

    /// `Some(None)` where the object is to go.
    pub(super) fn get(&self, key: &Key) -> Option<Option<&Arc<Value>>> {
        self.decided.get(key).map(|(_, value)| value.as_ref())
    }

    pub(super) fn decided(&self) -> impl Iterator<Item = (&Key, Option<&Arc<Value>>)> {
        self.decided.iter().map(|(key, (_, value))| (key, value.as_ref()))
    }

    pub(super) fn add(&mut self, change: Change) {
        self.revision = change.revision;
        self.decided.insert(change.key.clone(), (change.revision, change.current.clone()));
        self.next.changes.push(change);
    }

    pub(super) fn note(&mut self, time: Timestamp) -> Outcome {
        self.next.time = Some(time);
        Arc::clone(&self.next.outcome)
    }

    /// What has to be on disk before anybody is told what was decided on it.
    pub(super) fn newest(&self) -> Option<Outcome> {
        if self.next.is_empty() { self.written.clone() } else { Some(Arc::clone(&self.next.outcome)) }
    }

    pub(super) fn is_written(&self) -> bool {
        self.written.is_some()
    }

    /// The batch that is to be written now; another one grows meanwhile.
    pub(super) fn begin(&mut self) -> Batch {
        let batch = std::mem::take(&mut self.next);
        self.written = Some(Arc::clone(&batch.outcome));
        batch
    }

    /// The changes that are on disk now.
    pub(super) fn end(&mut self, batch: Batch) -> Vec<Change> {
        self.written = None;
        for change in &batch.changes {
            if self.decided.get(&change.key).is_some_and(|(revision, _)| *revision == change.revision) {
                self.decided.remove(&change.key);
            }
        }
        // nobody else sets it
        let _ = batch.outcome.set(Ok(()));
        batch.changes
    }

    /// Takes back all decisions, to that version: those that came later were made on what never was.
    pub(super) fn fail(&mut self, batch: Batch, revision: u64, error: &NotStored) {
        for outcome in [batch.outcome, std::mem::take(&mut self.next).outcome] {
            let _ = outcome.set(Err(error.clone()));
        }
        *self = Self::at(revision);
    }
}
