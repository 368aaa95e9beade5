//! A pack on its way from the server into the copy: received, measured and unpacked beside the objects, then moved in
//! among them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::measure::measure;
use crate::objects::Objects;
use crate::{GitError, Limits};

/// Unpacks in another process, where a pack can take no memory of this one. Whoever does not wait any more ends it.
pub trait Unpacker: fmt::Debug + Send + Sync {
    /// Waits until there is room for one more, for as long as what is given back is kept.
    fn room(&self) -> BoxFuture<'_, Box<dyn Send + '_>>;
    fn unpack(&self, incoming: Incoming) -> BoxFuture<'_, Result<(), Refused>>;
}

/// A pack as it was received, and what is needed to unpack it. There are no credentials in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Incoming {
    /// The address, without credentials.
    pub url: String,
    /// The copy of the repository: what a pack builds on.
    pub repository: PathBuf,
    /// Holds the pack, and gets what comes of it.
    pub folder: PathBuf,
    pub limits: Limits,
}

/// Why a pack is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// Which limit, and where it is set.
    Limit(String),
    Broken(String),
}

impl Refused {
    pub(crate) fn of(self, url: &str) -> GitError {
        let url = url.to_owned();
        match self {
            Self::Limit(reason) => GitError::Limit { url, reason },
            Self::Broken(reason) => GitError::Storage { url, reason },
        }
    }
}

/// What an object takes together with what it changes is known to gix alone; so is memory that is not to be had.
fn refused(error: &gix::Error, limits: &Limits) -> Refused {
    use gix::error::{Class, ResourceExhaustionKind as Kind};
    let exhausted = error.classify().find_map(|found| match found.class() {
        Class::ResourceExhaustion(kind) => Some(kind),
        _ => None,
    });
    match exhausted {
        Some(Kind::AllocationLimit) => Refused::Limit(limits.object().over()),
        Some(_) => Refused::Limit(limits.over_memory()),
        None => broken(error),
    }
}

fn broken(error: impl fmt::Display) -> Refused {
    Refused::Broken(error.to_string())
}

const ROOM: &str = "incoming-";
/// Longer than any fetch may take.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// The folder of a pack that is on its way: gone with whoever waits for it.
pub(crate) struct Room(pub(crate) PathBuf);

impl Room {
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make(repository: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // several may fetch into one copy, each with credentials of its own
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = repository.join(format!("{ROOM}{}-{number}", std::process::id()));
        sweep(repository);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

/// Takes away what processes left that were killed while they fetched.
fn sweep(repository: &Path) {
    let is_left = |entry: &std::fs::DirEntry| {
        let age = entry.metadata().and_then(|entry| entry.modified()).map(|at| at.elapsed().unwrap_or_default());
        entry.file_name().to_string_lossy().starts_with(ROOM) && age.is_ok_and(|age| age > LEFT)
    };
    for left in std::fs::read_dir(repository).into_iter().flatten().flatten().filter(is_left) {
        let _ = std::fs::remove_dir_all(left.path());
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Tells a task on another thread that nobody waits for it.
#[derive(Default)]
pub(crate) struct StopOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Threads that unpack: each holds an object, what it is made of, and what comes out.
const THREADS: usize = 2;

impl Incoming {
    /// As it is sent.
    pub(crate) fn pack(&self) -> PathBuf {
        self.folder.join("received")
    }

    /// Measures the pack, then unpacks and indexes it: the work of an [`Unpacker`]'s process.
    ///
    /// # Errors
    /// When it is over a limit or damaged, or the copy cannot be read.
    pub fn unpack(&self) -> Result<(), Refused> {
        let objects = Objects::open(&self.url, &self.repository).map_err(broken)?;
        self.unpack_beside(&objects, &AtomicBool::new(false))
    }

    /// # Errors
    /// As [`Self::unpack`], and when `stop` was set.
    pub(crate) fn unpack_beside(&self, objects: &Objects, stop: &AtomicBool) -> Result<(), Refused> {
        let Self { limits, folder, .. } = self;
        let open = || std::fs::File::open(self.pack()).map(io::BufReader::new).map_err(broken);
        if self.pack().metadata().map_err(broken)?.len() == 0 {
            return Err(broken("the server sent no pack"));
        }
        measure(open()?, limits, stop).map_err(Refused::Limit)?;
        let options = gix_pack::bundle::write::Options {
            thread_limit: Some(THREADS),
            // deltas that change objects of before are measured here, when those are known
            alloc_limit_bytes: Some(usize::try_from(limits.object).unwrap_or(usize::MAX)),
            ..gix_pack::bundle::write::Options::default()
        };
        gix_pack::Bundle::write_to_directory(
            &mut open()?,
            Some(folder.as_path()),
            &mut gix::progress::Discard,
            stop,
            Some(objects.git().objects),
            gix::hash::Kind::Sha1,
            options,
        )
        .map_err(|error| refused(&error, limits))?;
        Ok(())
    }

    /// Moves what was unpacked in among the objects, the index last: whoever finds one finds its pack.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn take_in(&self) -> io::Result<()> {
        let to = self.repository.join("objects/pack");
        std::fs::create_dir_all(&to)?;
        let made = std::fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        let is_index = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
        let (last, first): (Vec<_>, Vec<_>) = made.into_iter().filter(|path| *path != self.pack()).partition(is_index);
        for path in first.iter().chain(&last) {
            std::fs::rename(path, to.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let copy = tempfile::tempdir().unwrap();
        let now = copy.path().metadata().unwrap().modified().unwrap();
        let old = now - 2 * LEFT;
        for (name, at) in [("incoming-7-0", old), ("incoming-7-1", now), ("objects", old)] {
            let folder = copy.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("received"), "half a pack").unwrap();
            std::fs::File::open(&folder).unwrap().set_modified(at).unwrap();
        }
        let room = Room::make(copy.path()).unwrap();
        let there = |name: &str| copy.path().join(name).exists();
        assert_eq!(["incoming-7-0", "incoming-7-1", "objects"].map(there), [false, true, true]);
        let own = room.0.clone();
        assert!(own.exists());
        drop(room);
        assert!(!own.exists());
    }
}
