//! Git trees as [`object::FileTree`]s: read lazily from the object database, nothing is checked out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::objs::tree::EntryKind as GitKind;
use object::{Entry, EntryKind, ObjectId, SIZE_MAX, TreeError, TreeReader, bad_entry_name, check_length, path};

/// Decoded folders, shared by all commits of a repository: commits share most of their folders.
#[derive(Default)]
pub(crate) struct FolderCache(Mutex<Folders>);

#[derive(Default)]
struct Folders {
    by_id: HashMap<gix::ObjectId, Arc<Vec<Entry>>>,
    /// In all of them.
    entries: usize,
}

impl FolderCache {
    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: gix::ObjectId) -> Option<Arc<Vec<Entry>>> {
        self.folders().by_id.get(&id).cloned()
    }

    fn insert(&self, id: gix::ObjectId, folder: &Arc<Vec<Entry>>) {
        let mut folders = self.folders();
        if folders.entries + folder.len() > ENTRIES_MAX {
            *folders = Folders::default();
        }
        folders.entries += folder.len() + 1;
        folders.by_id.insert(id, Arc::clone(folder));
    }
}

/// More entries of folders than this are not kept: some 30 MB.
const ENTRIES_MAX: usize = 200_000;

pub(crate) struct GitTree {
    pub(crate) repository: gix::ThreadSafeRepository,
    pub(crate) root: gix::ObjectId,
    pub(crate) folders: Arc<FolderCache>,
}

fn storage(path: &str, error: impl std::fmt::Display) -> TreeError {
    TreeError::Storage { path: path.to_owned(), reason: error.to_string() }
}

fn git_id(id: &ObjectId, path: &str) -> Result<gix::ObjectId, TreeError> {
    gix::ObjectId::from_hex(id.0.as_bytes()).map_err(|error| storage(path, error))
}

/// Whoever makes objects by hand can write any name into a tree. Entries are sorted.
fn check(entries: &[Entry], path: &str) -> Result<(), TreeError> {
    let bad = |entry: &Entry, reason: &str| TreeError::BadEntry {
        path: path.to_owned(),
        name: entry.name.clone(),
        reason: reason.to_owned(),
    };
    let named = entries.iter().find_map(|entry| Some(bad(entry, bad_entry_name(&entry.name)?)));
    let twice = entries.iter().zip(entries.iter().skip(1)).find(|(entry, next)| entry.name == next.name);
    match named.or(twice.map(|(entry, _)| bad(entry, "is there twice"))) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

impl GitTree {
    fn folder(&self, id: gix::ObjectId, path: &str) -> Result<Arc<Vec<Entry>>, TreeError> {
        check_length(path)?;
        if let Some(known) = self.folders.get(id) {
            return Ok(known);
        }
        let repository = self.repository.to_thread_local();
        let tree = repository.find_tree(id).map_err(|error| storage(path, error))?;
        let mut entries = Vec::new();
        for entry in tree.iter() {
            let entry = entry.map_err(|error| storage(path, error))?;
            let kind = match entry.mode().kind() {
                GitKind::Tree => EntryKind::Folder,
                GitKind::Blob | GitKind::BlobExecutable => EntryKind::File,
                GitKind::Link => EntryKind::Symlink,
                GitKind::Commit => EntryKind::Submodule,
            };
            let id = ObjectId(entry.oid().to_hex().to_string().into());
            entries.push(Entry { name: entry.filename().to_string(), kind, id });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        check(&entries, path)?;
        let entries = Arc::new(entries);
        self.folders.insert(id, &entries);
        Ok(entries)
    }
}

impl TreeReader for GitTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let root = ObjectId(self.root.to_hex().to_string().into());
        let mut entry = Entry { name: String::new(), kind: EntryKind::Folder, id: root };
        for part in path.split('/').filter(|p| !p.is_empty()) {
            if entry.kind != EntryKind::Folder {
                return Ok(None);
            }
            let entries = self.folder(git_id(&entry.id, path)?, path)?;
            match entries.binary_search_by(|e| e.name.as_str().cmp(part)) {
                Ok(index) => entry = entries[index].clone(),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        match self.entry(path)? {
            Some(entry) if entry.kind == EntryKind::Folder => {
                Ok(Some(self.folder(git_id(&entry.id, path)?, path)?.as_ref().clone()))
            }
            _ => Ok(None),
        }
    }

    fn few(&self, path: &str, most: usize) -> Result<Option<Vec<Entry>>, TreeError> {
        match self.entry(path)? {
            Some(entry) if entry.kind == EntryKind::Folder => {
                let folder = self.folder(git_id(&entry.id, path)?, path)?;
                Ok((folder.len() <= most).then(|| folder.as_ref().clone()))
            }
            _ => Ok(None),
        }
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let Some(entry) = self.entry(path)? else { return Ok(None) };
        if !matches!(entry.kind, EntryKind::File | EntryKind::Symlink) {
            return Ok(None);
        }
        let repository = self.repository.to_thread_local();
        let id = git_id(&entry.id, path)?;
        let header = repository.find_header(id).map_err(|error| storage(path, error))?;
        if header.size() > SIZE_MAX {
            return Err(TreeError::TooLarge { path: path.to_owned() });
        }
        let mut blob = repository.find_blob(id).map_err(|error| storage(path, error))?;
        Ok(Some(blob.take_data().into()))
    }
}

impl std::fmt::Debug for GitTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitTree").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Joins for messages.
pub(crate) fn shown(paths: &[String]) -> String {
    paths.iter().map(|p| path::join("", p).unwrap_or_else(|| p.clone())).collect::<Vec<_>>().join(", ")
}
