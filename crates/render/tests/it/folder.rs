//! A folder on disk as a tree of files.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use object::{Entry, EntryKind, FileTree, ObjectId, SIZE_MAX, TreeError, TreeReader};

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn tree(root: impl Into<PathBuf>) -> FileTree {
        FileTree::new(Arc::new(Self(root.into())))
    }

    fn storage(path: &str, error: &std::io::Error) -> TreeError {
        TreeError::Storage { path: path.to_owned(), reason: error.to_string() }
    }
}

impl TreeReader for Folder {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let metadata = match fs::symlink_metadata(self.0.join(path)) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(Self::storage(path, &error)),
        };
        let kind = match () {
            () if metadata.is_symlink() => EntryKind::Symlink,
            () if metadata.is_dir() => EntryKind::Folder,
            () => EntryKind::File,
        };
        let name = object::path::file_name(path).to_owned();
        Ok(Some(Entry { name, kind, id: ObjectId(format!("{path}:{}", metadata.len()).into()) }))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.0.join(path)).map_err(|e| Self::storage(path, &e))? {
            let name = entry.map_err(|e| Self::storage(path, &e))?.file_name().to_string_lossy().into_owned();
            let full = if path.is_empty() { name } else { format!("{path}/{name}") };
            entries.extend(self.entry(&full)?);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let full = self.0.join(path);
        if fs::metadata(&full).is_ok_and(|m| m.len() > SIZE_MAX) {
            return Err(TreeError::TooLarge { path: path.to_owned() });
        }
        let read = match fs::read_link(&full) {
            Ok(target) => Ok(target.to_string_lossy().into_owned().into_bytes()),
            Err(_) => fs::read(&full),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Self::storage(path, &error)),
        }
    }
}
