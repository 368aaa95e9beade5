//! Git trees as [`object::FileTree`]s: read lazily from the object database, nothing is checked out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gix::objs::tree::EntryKind as GitKind;
use object::{Entry, EntryKind, ObjectId, SIZE_MAX, TreeError, TreeReader, path};

/// Decoded folders by object id, shared by all commits of a repository: commits share most of their folders.
pub(crate) type FolderCache = Mutex<HashMap<gix::ObjectId, Arc<Vec<Entry>>>>;

/// More folders than this are not kept.
const FOLDERS_MAX: usize = 20_000;

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

impl GitTree {
    fn folder(&self, id: gix::ObjectId, path: &str) -> Result<Arc<Vec<Entry>>, TreeError> {
        if let Some(known) = self.folders.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(known));
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
        let entries = Arc::new(entries);
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if folders.len() >= FOLDERS_MAX {
            folders.clear();
        }
        folders.insert(id, Arc::clone(&entries));
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
