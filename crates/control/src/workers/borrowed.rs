//! The worker's side of a [`FileTree`](object::FileTree): the files stay with the controller, which is asked for them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object::{Entry, EntryKind, ObjectId, TreeError, TreeReader, path};
use serde::{Deserialize, Serialize};

use super::wire::{Frame, Kind, send};

/// What is wanted of which tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) tree: usize,
    pub(crate) path: String,
}

/// What is at a path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Near {
    /// With all that is beside it.
    All(Vec<Entry>),
    /// It is in a large folder.
    One(Option<Entry>),
}

/// The answer to [`Kind::Near`].
pub(crate) type NearAnswer = Result<Near, TreeError>;

/// The answer to [`Kind::Folder`]; `None` when it is no folder.
pub(crate) type FolderAnswer = Result<Option<Vec<Entry>>, TreeError>;

/// The answer to [`Kind::File`]: the length of each file that comes along, of which the first is the one that was asked for.
pub(crate) type FileAnswer = Result<Vec<(String, usize)>, TreeError>;

/// Both directions of the pipe.
pub(crate) struct Link<R, W> {
    pub(crate) from: R,
    pub(crate) to: W,
}

impl<R: Read, W: Write> Link<R, W> {
    fn ask(&mut self, kind: Kind, wanted: &Wanted) -> io::Result<Frame> {
        send(&mut self.to, kind, wanted, &[])?;
        let frame = Frame::read(&mut self.from)?;
        frame.filter(|frame| frame.kind == kind).ok_or_else(|| io::Error::other("the controller did not answer"))
    }
}

/// One tree of the job at hand. What was asked once is kept for the time of the job, and no longer: no file of one
/// repository is there when the next one is rendered.
pub(crate) struct Borrowed<R, W> {
    pub(crate) link: Arc<Mutex<Link<R, W>>>,
    pub(crate) tree: usize,
    pub(crate) root: ObjectId,
    pub(crate) known: Mutex<Known>,
}

/// By path.
#[derive(Debug, Default)]
pub(crate) struct Known {
    folders: HashMap<String, Option<Arc<Vec<Entry>>>>,
    /// Of large folders.
    entries: HashMap<String, Option<Entry>>,
    files: HashMap<String, Arc<[u8]>>,
}

impl Known {
    /// `None` when nobody has said what is there.
    fn near(&self, folder: &str, place: &str) -> Option<Option<Entry>> {
        let Some(entries) = self.folders.get(folder) else { return self.entries.get(place).cloned() };
        let entries = entries.as_deref().map_or(&[][..], Vec::as_slice);
        let index = entries.binary_search_by(|entry| entry.name.as_str().cmp(path::file_name(place)));
        Some(index.ok().map(|index| entries[index].clone()))
    }
}

fn failed(path: &str, error: &io::Error) -> TreeError {
    TreeError::Storage { path: path.to_owned(), reason: error.to_string() }
}

impl<R: Read, W: Write> Borrowed<R, W> {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, kind: Kind, path: &str) -> Result<Frame, TreeError> {
        let wanted = Wanted { tree: self.tree, path: path.to_owned() };
        let answer = self.link.lock().unwrap_or_else(PoisonError::into_inner).ask(kind, &wanted);
        answer.map_err(|error| failed(path, &error))
    }

    /// What is at `place` in a folder.
    fn near(&self, folder: &str, place: &str) -> Result<Option<Entry>, TreeError> {
        if let Some(known) = self.known().near(folder, place) {
            return Ok(known);
        }
        let answer = self.ask(Kind::Near, place)?.head::<NearAnswer>().map_err(|error| failed(place, &error))?;
        let mut known = self.known();
        match answer? {
            Near::All(entries) => drop(known.folders.insert(folder.to_owned(), Some(Arc::new(entries)))),
            Near::One(entry) => drop(known.entries.insert(place.to_owned(), entry)),
        }
        Ok(known.near(folder, place).flatten())
    }

    fn folder(&self, path: &str) -> Result<Option<Arc<Vec<Entry>>>, TreeError> {
        if let Some(folder) = self.known().folders.get(path) {
            return Ok(folder.clone());
        }
        let answer = self.ask(Kind::Folder, path)?.head::<FolderAnswer>().map_err(|error| failed(path, &error))?;
        let folder = answer?.map(Arc::new);
        self.known().folders.insert(path.to_owned(), folder.clone());
        Ok(folder)
    }

    fn fetch(&self, path: &str) -> Result<(), TreeError> {
        let frame = self.ask(Kind::File, path)?;
        let files = frame.head::<FileAnswer>().map_err(|error| failed(path, &error))??;
        let mut rest = frame.body.as_slice();
        for (path, length) in files {
            let short = || failed(&path, &io::ErrorKind::UnexpectedEof.into());
            let (content, others) = rest.split_at_checked(length).ok_or_else(short)?;
            self.known().files.insert(path, content.into());
            rest = others;
        }
        Ok(())
    }
}

impl<R: Read + Send, W: Write + Send> TreeReader for Borrowed<R, W> {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let mut entry = Entry { name: String::new(), kind: EntryKind::Folder, id: self.root.clone() };
        let mut above = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if entry.kind != EntryKind::Folder {
                return Ok(None);
            }
            let place = path::child(&above, part);
            let Some(found) = self.near(&above, &place)? else { return Ok(None) };
            (entry, above) = (found, place);
        }
        Ok(Some(entry))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        match self.entry(path)? {
            Some(entry) if entry.kind == EntryKind::Folder => {
                Ok(self.folder(path)?.map(|entries| entries.as_ref().clone()))
            }
            _ => Ok(None),
        }
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let entry = self.entry(path)?;
        if !entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Symlink)) {
            return Ok(None);
        }
        if !self.known().files.contains_key(path) {
            self.fetch(path)?;
        }
        Ok(self.known().files.get(path).cloned())
    }
}
