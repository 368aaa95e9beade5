//! The file that makes writes last. It only grows at its end, and is replaced by a shorter one when it has grown long.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use failpoint::Point;
use jiff::Timestamp;
use serde_json::Value;

use super::lock::Lock;
use super::record::{FORMAT, Record};
use super::replay::{Dropped, OnDamage, Replayed, replay};
use super::{FIRST, Key, StoreError, legacy};
use crate::private;

/// It is written anew when it has so many records more than there are objects.
const SLACK: usize = 50_000;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Box<dyn Medium>,
    /// So many bytes are on disk for certain.
    length: u64,
    records: usize,
    /// So many records make it too long.
    limit: usize,
    reached: Option<Timestamp>,
    health: Health,
    _lock: Lock,
}

/// What is known of the file behind the last record that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// The last write failed; what it left was cut off.
    Failing,
    /// Nobody can tell what is on disk: the kernel forgets what it could not write. Only a new file helps.
    Suspect,
}

/// What a journal needs of its file.
pub(super) trait Medium: std::fmt::Debug + Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length).and_then(|()| self.sync_data())
    }
}

/// The objects at a version.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    pub(super) revision: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), revision: FIRST }
    }
}

/// A journal, what it said, and what of it is lost.
pub(super) type Opened = (Journal, State, Vec<Dropped>);

impl Journal {
    /// Opens the journal of a folder, or begins one.
    ///
    /// # Errors
    /// When another process has it, it is damaged, or cannot be read or written.
    pub(super) fn open(folder: &Path, on_damage: OnDamage) -> Result<Opened, StoreError> {
        let failed = |source| StoreError::Io { path: folder.to_owned(), source };
        private::private_folder(folder).map_err(failed)?;
        let lock = Lock::take(folder)?;
        let path = folder.join("objects.journal");
        if path.exists() {
            return Self::open_file(path, lock, on_damage);
        }
        let old = folder.join("objects.jsonl");
        let (state, reached, dropped) = if old.exists() { legacy::read(&old, on_damage)? } else { Default::default() };
        let journal = Self::begin(path, lock, &state, reached)?;
        if !dropped.is_empty() {
            keep_aside(&old)?;
        }
        if old.exists() {
            std::fs::remove_file(&old).map_err(|source| StoreError::Io { path: old, source })?;
        }
        Ok((journal, state, dropped))
    }

    fn open_file(path: PathBuf, lock: Lock, on_damage: OnDamage) -> Result<Opened, StoreError> {
        let failed = |source| StoreError::Io { path: path.clone(), source };
        private::tighten(&path, private::FILE).map_err(failed)?;
        let bytes = std::fs::read(&path).map_err(failed)?;
        let replayed = replay(&bytes, on_damage).map_err(|damage| StoreError::Damaged {
            path: path.clone(),
            at: damage.at,
            why: damage.why,
        })?;
        let torn = bytes.len() - replayed.whole;
        let unended = bytes.get(..replayed.whole).is_some_and(|whole| !whole.ends_with(b"\n"));
        let Replayed { objects, revision, reached, records, whole, dropped, .. } = replayed;
        let state = State { objects, revision };
        if !dropped.is_empty() {
            keep_aside(&path)?;
            return Ok((Self::begin(path, lock, &state, reached)?, state, dropped));
        }
        let mut file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        if torn > 0 {
            tracing::info!(path = %path.display(), bytes = torn, "the last write was cut off by a crash, before anybody was told of it");
            file.cut(whole as u64).map_err(failed)?;
        }
        if unended {
            file.append(b"\n").and_then(|()| file.sync()).map_err(failed)?;
        }
        let length = (whole + usize::from(unended)) as u64;
        let limit = state.objects.len() + SLACK;
        let file = Box::new(file);
        let health = Health::Sound;
        let journal = Self { path, file, length, records, limit, reached, health, _lock: lock };
        Ok((journal, state, dropped))
    }

    fn begin(path: PathBuf, lock: Lock, state: &State, reached: Option<Timestamp>) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let (file, length) = write_anew(&path, state, reached).map_err(io::Error::from).map_err(failed)?;
        let (records, limit) = (state.objects.len() + 1, state.objects.len() + SLACK);
        Ok(Self { path, file: Box::new(file), length, records, limit, reached, health: Health::Sound, _lock: lock })
    }

    /// Puts something between it and its file.
    #[cfg(test)]
    pub(super) fn wrap(&mut self, wrap: impl FnOnce(Box<dyn Medium>) -> Box<dyn Medium>) {
        let path = self.path.clone();
        let file = std::mem::replace(&mut self.file, Box::new(File::open(path).unwrap()));
        self.file = wrap(file);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The time that the sandbox's clock had reached at most.
    pub(super) fn reached(&self) -> Option<Timestamp> {
        self.reached
    }

    /// Whether a new file is needed, because this one is long or cannot be trusted.
    pub(super) fn is_spent(&self) -> bool {
        self.records > self.limit || self.health == Health::Suspect
    }

    /// Puts a file in the place of this one that holds the state and no history.
    ///
    /// # Errors
    /// When the present one cannot be trusted, and there is no other.
    pub(super) fn renew(&mut self, state: &State) -> io::Result<()> {
        match write_anew(&self.path, state, self.reached) {
            Ok((file, length)) => {
                (self.file, self.length, self.health) = (Box::new(file), length, Health::Sound);
                (self.records, self.limit) = (state.objects.len() + 1, state.objects.len() + SLACK);
                Ok(())
            }
            Err(Unwritten::Untouched(error)) if self.health != Health::Suspect => {
                tracing::warn!(%error, path = %self.path.display(), "the store could not be made shorter: it goes on growing");
                self.limit = self.records + SLACK;
                Ok(())
            }
            Err(Unwritten::Untouched(error) | Unwritten::Unclear(error)) => {
                self.health = Health::Suspect;
                Err(error)
            }
        }
    }

    /// Makes the records last. When that fails, it is as if they had never been there.
    ///
    /// # Errors
    /// When they are not on disk.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(records.len() * 2048);
        records.iter().try_for_each(|record| record.write(&mut bytes))?;
        failpoint::before(Point::Journal);
        if let Err(error) = self.file.append(&bytes) {
            self.fail(Health::Failing, &error);
            return Err(error);
        }
        if let Err(error) = self.file.sync() {
            self.fail(Health::Suspect, &error);
            return Err(error);
        }
        failpoint::after(Point::Journal);
        if self.health == Health::Failing {
            tracing::info!(path = %self.path.display(), "the sandbox's store can be written again");
        }
        self.health = Health::Sound;
        self.length += bytes.len() as u64;
        self.records += records.len();
        self.reached = records.iter().fold(self.reached, reached);
        Ok(())
    }

    fn fail(&mut self, health: Health, error: &io::Error) {
        if self.health == Health::Sound {
            tracing::error!(%error, path = %self.path.display(), "the sandbox's store cannot be written: writes are refused until it can");
        }
        self.health = if self.file.cut(self.length).is_ok() { health } else { Health::Suspect };
    }
}

fn reached(before: Option<Timestamp>, record: &Record) -> Option<Timestamp> {
    match record {
        Record::Time(time) => Some(*time),
        Record::Put { at, .. } | Record::Gone { at, .. } => before.max(Some(*at)),
        Record::Head { .. } => before,
    }
}

/// Why a new file is not in place.
enum Unwritten {
    /// The old one is there as before.
    Untouched(io::Error),
    /// Nobody can tell which of them is there after a crash.
    Unclear(io::Error),
}

/// Writes the state beside the journal, and puts it in its place once it is on disk.
fn write_anew(path: &Path, state: &State, reached: Option<Timestamp>) -> Result<(File, u64), Unwritten> {
    let new = path.with_extension("new");
    let length = write_whole(&new, state, reached).map_err(|error| {
        // half of it is of no use, and takes the room
        let _ = std::fs::remove_file(&new);
        Unwritten::Untouched(error)
    })?;
    private::put_in_place(&new, path).map_err(Unwritten::Unclear)?;
    let file = OpenOptions::new().append(true).open(path).map_err(Unwritten::Unclear)?;
    Ok((file, length))
}

fn write_whole(new: &Path, state: &State, reached: Option<Timestamp>) -> io::Result<u64> {
    let mut file = private::create(new)?;
    let (objects, revision) = (state.objects.len(), state.revision);
    let mut bytes = Vec::new();
    Record::Head { format: FORMAT, revision, objects, reached }.write(&mut bytes)?;
    let mut length = 0;
    for (key, value) in &state.objects {
        let version = value["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        let (key, value, at) = (key.clone(), Arc::clone(value), reached.unwrap_or(Timestamp::UNIX_EPOCH));
        Record::Put { revision: version.unwrap_or(revision), at, key, value }.write(&mut bytes)?;
        if bytes.len() > 1 << 20 {
            file.write_all(&bytes)?;
            length += bytes.len() as u64;
            bytes.clear();
        }
    }
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(length + bytes.len() as u64)
}

impl From<Unwritten> for io::Error {
    fn from(unwritten: Unwritten) -> Self {
        let (Unwritten::Untouched(error) | Unwritten::Unclear(error)) = unwritten;
        error
    }
}

/// Keeps a copy of a damaged file, under a name that is free.
fn keep_aside(path: &Path) -> Result<(), StoreError> {
    let names = (1..).map(|number: u32| path.with_extension(format!("damaged-{number}")));
    let Some(copy) = names.into_iter().find(|copy| !copy.exists()) else { return Ok(()) };
    let copied = std::fs::copy(path, &copy).and_then(|_| File::open(&copy)?.sync_all());
    copied.map_err(|source| StoreError::Io { path: copy, source })
}
