//! A folder of this machine as a file tree.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::{Entry, EntryKind, FileTree, ObjectId, SIZE_MAX, TreeError, TreeReader};

use crate::failure::Failure;

/// The tree of the repository (or the folder itself) that holds `path`, and `path` inside of it. As with Git, the root
/// is the nearest folder above that has a `.git`.
///
/// # Errors
/// When `path` does not exist.
pub(crate) fn tree_around(path: &Path) -> Result<(FileTree, String), Failure> {
    let full = fs::canonicalize(path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())).hint("give a folder that exists"))?;
    let root = full.ancestors().find(|a| a.join(".git").exists()).unwrap_or(&full).to_owned();
    let inside = full.strip_prefix(&root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
    Ok((FileTree::new(Arc::new(Folder { root })), inside))
}

struct Folder {
    root: PathBuf,
}

impl Folder {
    fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

fn failed(path: &str, error: &std::io::Error) -> TreeError {
    TreeError::Storage { path: path.to_owned(), reason: error.to_string() }
}

fn entry_of(name: String, metadata: &fs::Metadata) -> Entry {
    use std::os::unix::fs::MetadataExt;
    let kind = match metadata.file_type() {
        t if t.is_symlink() => EntryKind::Symlink,
        t if t.is_dir() => EntryKind::Folder,
        _ => EntryKind::File,
    };
    let id = format!("{}-{}-{}.{}", metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
    Entry { name, kind, id: ObjectId(id.into()) }
}

impl TreeReader for Folder {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        match fs::symlink_metadata(self.place(path)) {
            Ok(metadata) => Ok(Some(entry_of(object::path::file_name(path).to_owned(), &metadata))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(failed(path, &error)),
        }
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let place = self.place(path);
        if !place.is_dir() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&place).map_err(|e| failed(path, &e))? {
            let entry = entry.map_err(|e| failed(path, &e))?;
            let metadata = entry.metadata().map_err(|e| failed(path, &e))?;
            entries.push(entry_of(entry.file_name().to_string_lossy().into_owned(), &metadata));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let place = self.place(path);
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.file_type().is_symlink() => {
                let target = fs::read_link(&place).map_err(|e| failed(path, &e))?;
                Ok(Some(target.to_string_lossy().as_bytes().into()))
            }
            Ok(metadata) if metadata.len() > SIZE_MAX => Err(TreeError::TooLarge { path: path.to_owned() }),
            Ok(metadata) if metadata.is_file() => {
                fs::read(&place).map(|b| Some(b.into())).map_err(|e| failed(path, &e))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, &error)),
        }
    }
}
