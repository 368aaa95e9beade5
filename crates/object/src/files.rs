//! Immutable file trees that note what was read of them.
//!
//! A render sees a repository only through a [`FileTree`]. Every path it asks for, found or not, and every folder it
//! lists is recorded with its object id. The record ([`ReadSet`]) is the cache key: a render is still valid for another
//! commit as long as every entry has the same id there.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::path;

/// What identifies the content of a file or folder: a Git object id, or any other content hash, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub Arc<str>);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    File,
    Folder,
    Symlink,
    /// A Git submodule: its content is not part of this tree.
    Submodule,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
    pub id: ObjectId,
}

/// The largest file that is read, in bytes: as much as Argo CD takes of a whole directory of manifests.
pub const SIZE_MAX: u64 = 10 << 20;

/// Bytes of the longest path: as Linux.
const PATH_MAX: usize = 4096;

/// # Errors
/// For a path that only folders without end make. A few small objects of Git name more paths than anybody can visit.
pub fn check_length(path: &str) -> Result<(), TreeError> {
    match path.len() > PATH_MAX {
        true => Err(TreeError::TooDeep { path: path.chars().take(80).collect() }),
        false => Ok(()),
    }
}

/// Why a tree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TreeError {
    #[error("{path}: the symbolic link points to {target}, outside of the repository: links may only point inside")]
    LinkLeaves { path: String, target: String },
    #[error("{path}: more than {limit} symbolic links on the way: remove the loop")]
    TooManyLinks { path: String, limit: usize },
    #[error("{path}: the path leaves the repository")]
    Leaves { path: String },
    #[error(
        "{path}…: the path has more than {PATH_MAX} bytes: no file system holds it, so put fewer folders in each other"
    )]
    TooDeep { path: String },
    #[error("{path}: more than {limit} files and folders differ: that is not looked at one by one")]
    TooMany { path: String, limit: usize },
    #[error(
        "{path}: the folder has an entry {name:?}, which {reason}: no Git makes such a tree, so nothing of it is believed; \
         commit the files anew"
    )]
    BadEntry { path: String, name: String, reason: String },
    #[error("{path}: the file has more than {} MiB: manifests and values are smaller", SIZE_MAX >> 20)]
    TooLarge { path: String },
    #[error("{path}: {reason}")]
    Storage { path: String, reason: String },
}

impl TreeError {
    /// The path that could not be read.
    pub fn path(&self) -> &str {
        match self {
            Self::LinkLeaves { path, .. }
            | Self::TooManyLinks { path, .. }
            | Self::Leaves { path }
            | Self::TooDeep { path }
            | Self::TooMany { path, .. }
            | Self::BadEntry { path, .. }
            | Self::TooLarge { path }
            | Self::Storage { path, .. } => path,
        }
    }
}

/// Why `name` cannot be that of an entry of a folder: it would be read as another place.
pub fn bad_entry_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is a way and no name"),
        name if name.contains(['/', '\0']) => Some("is more than a name"),
        name if name.eq_ignore_ascii_case(".git") => Some("belongs to Git itself"),
        _ => None,
    }
}

/// Where the bytes come from: Git objects, a folder on disk, memory. Paths are as in [`crate::path`]; links are not
/// followed. Content never changes under a reader.
pub trait TreeReader: Send + Sync {
    /// The entry at `path`; `None` when there is none. The root is a folder.
    ///
    /// # Errors
    /// When the storage fails.
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError>;
    /// The entries of the folder at `path`, sorted by name; `None` when it is no folder.
    ///
    /// # Errors
    /// When the storage fails.
    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError>;
    /// As [`TreeReader::list`], but `None` for a folder of more than `most` entries, too.
    ///
    /// # Errors
    /// When the storage fails.
    fn few(&self, path: &str, most: usize) -> Result<Option<Vec<Entry>>, TreeError> {
        Ok(self.list(path)?.filter(|entries| entries.len() <= most))
    }
    /// The bytes of the file (or the target text of the link) at `path`; `None` when there is none.
    ///
    /// # Errors
    /// When the storage fails, or the file is larger than [`SIZE_MAX`].
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError>;
}

/// Everything a computation looked at: path to object id, `None` for what was absent. Paths are after links were followed
/// (the links themselves are entries too).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSet(pub BTreeMap<Arc<str>, Option<ObjectId>>);

impl ReadSet {
    /// Whether everything that was read is the same in `tree`. Nothing is recorded there.
    pub fn holds_in(&self, tree: &FileTree) -> bool {
        self.0.iter().all(|(path, id)| match tree.reader.entry(path) {
            Ok(entry) => entry.map(|e| e.id) == *id,
            Err(_) => false,
        })
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|path| &**path)
    }

    pub fn extend(&mut self, other: ReadSet) {
        self.0.extend(other.0);
    }
}

/// An immutable tree of files. Clones share the bytes and the record of reads.
#[derive(Clone)]
pub struct FileTree {
    reader: Arc<dyn TreeReader>,
    reads: Arc<Mutex<ReadSet>>,
    /// Paths that were seen to be folders, with no link on the way.
    folders: Arc<Mutex<HashSet<String>>>,
}

impl fmt::Debug for FileTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTree").finish_non_exhaustive()
    }
}

const LINKS_MAX: usize = 40;

impl FileTree {
    pub fn new(reader: Arc<dyn TreeReader>) -> Self {
        Self { reader, reads: Arc::default(), folders: Arc::default() }
    }

    /// Where the bytes come from; what is read there is not recorded.
    pub fn reader(&self) -> &Arc<dyn TreeReader> {
        &self.reader
    }

    /// The same files with an empty record of reads.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self::new(Arc::clone(&self.reader))
    }

    /// What was read so far.
    pub fn reads(&self) -> ReadSet {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what was read of the same files by way of another tree.
    pub fn record(&self, reads: &ReadSet) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).extend(reads.clone());
    }

    fn note(&self, path: &str, id: Option<ObjectId>) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).0.insert(path.into(), id);
    }

    /// `path` with every symbolic link on the way replaced by what it points to.
    ///
    /// # Errors
    /// When a link leaves the tree or loops, or the storage fails.
    pub fn resolve(&self, wanted: &str) -> Result<String, TreeError> {
        Ok(self.follow(wanted)?.0)
    }

    /// A resolved path with what is there.
    fn follow(&self, wanted: &str) -> Result<(String, Option<Entry>), TreeError> {
        let mut todo: Vec<String> = wanted.split('/').rev().filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let (mut done, mut found) = (String::new(), None);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            let next = path::join(&done, &part).ok_or_else(|| TreeError::Leaves { path: wanted.to_owned() })?;
            if !todo.is_empty() && self.is_known_folder(&next) {
                done = next;
                continue;
            }
            match self.reader.entry(&next)? {
                Some(entry) if entry.kind == EntryKind::Symlink => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(TreeError::TooManyLinks { path: wanted.to_owned(), limit: LINKS_MAX });
                    }
                    todo.extend(self.target(&done, next, entry.id)?.split('/').rev().map(str::to_owned));
                    todo.retain(|part| !part.is_empty());
                    done.clear();
                }
                entry => (done, found) = (next, entry),
            }
            if found.as_ref().is_some_and(|entry| entry.kind == EntryKind::Folder) {
                self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(done.clone());
            }
        }
        if done.is_empty() {
            found = self.reader.entry("")?;
        }
        Ok((done, found))
    }

    fn is_known_folder(&self, path: &str) -> bool {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Where the link at `place`, which lies in `folder`, points to.
    fn target(&self, folder: &str, place: String, id: ObjectId) -> Result<String, TreeError> {
        self.note(&place, Some(id));
        let bytes = self.reader.read(&place)?.unwrap_or_default();
        let target = String::from_utf8_lossy(&bytes).into_owned();
        let inside = if target.starts_with('/') { None } else { path::join(folder, &target) };
        inside.ok_or(TreeError::LinkLeaves { path: place, target })
    }

    /// The entry at `path`, links followed; `None` when there is none. Recorded either way.
    ///
    /// # Errors
    /// As [`FileTree::resolve`].
    pub fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        Ok(self.look(path)?.1)
    }

    /// The resolved path and the entry there, which is recorded.
    fn look(&self, path: &str) -> Result<(String, Option<Entry>), TreeError> {
        let (path, entry) = self.follow(path)?;
        self.note(&path, entry.as_ref().map(|e| e.id.clone()));
        Ok((path, entry))
    }

    /// # Errors
    /// As [`FileTree::resolve`].
    pub fn is_file(&self, path: &str) -> Result<bool, TreeError> {
        Ok(self.entry(path)?.is_some_and(|e| e.kind == EntryKind::File))
    }

    /// # Errors
    /// As [`FileTree::resolve`].
    pub fn is_folder(&self, path: &str) -> Result<bool, TreeError> {
        Ok(self.entry(path)?.is_some_and(|e| e.kind == EntryKind::Folder))
    }

    /// The entries of a folder, sorted by name; `None` when it is no folder. Recorded.
    ///
    /// # Errors
    /// As [`FileTree::resolve`].
    pub fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        match self.look(path)? {
            (path, Some(entry)) if entry.kind == EntryKind::Folder => self.reader.list(&path),
            _ => Ok(None),
        }
    }

    /// The bytes of a file; `None` when there is no file. Recorded.
    ///
    /// # Errors
    /// As [`FileTree::resolve`].
    pub fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        match self.look(path)? {
            (path, Some(entry)) if entry.kind == EntryKind::File => self.reader.read(&path),
            _ => Ok(None),
        }
    }

    /// The same tree with one file replaced or added: what a planned edit is proven on. The record starts empty.
    #[must_use]
    pub fn with_file(&self, path: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::new(Arc::new(Overlay { below: Arc::clone(&self.reader), path: path.to_owned(), bytes: bytes.into() }))
    }

    /// The same tree with others in it, each at the path of a folder that is not there. The record starts empty.
    #[must_use]
    pub fn with_mounts(&self, mounts: impl IntoIterator<Item = (String, FileTree)>) -> Self {
        let mounts = mounts.into_iter().map(|(path, tree)| (path, tree.reader)).collect();
        Self::new(Arc::new(Mounts { below: Arc::clone(&self.reader), mounts }))
    }
}

struct Mounts {
    below: Arc<dyn TreeReader>,
    mounts: Vec<(String, Arc<dyn TreeReader>)>,
}

impl Mounts {
    /// The tree that holds a path, and the path there.
    fn holder<'a>(&'a self, path: &'a str) -> (&'a dyn TreeReader, &'a str) {
        let inside = self.mounts.iter().find_map(|(mount, reader)| {
            let rest = path.strip_prefix(mount.as_str())?;
            let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
            Some((reader.as_ref(), rest))
        });
        inside.unwrap_or((self.below.as_ref(), path))
    }
}

impl TreeReader for Mounts {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let (reader, inside) = self.holder(path);
        reader.entry(inside)
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let (reader, inside) = self.holder(path);
        reader.list(inside)
    }

    fn few(&self, path: &str, most: usize) -> Result<Option<Vec<Entry>>, TreeError> {
        let (reader, inside) = self.holder(path);
        reader.few(inside, most)
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let (reader, inside) = self.holder(path);
        reader.read(inside)
    }
}

struct Overlay {
    below: Arc<dyn TreeReader>,
    path: String,
    bytes: Arc<[u8]>,
}

impl Overlay {
    fn own_entry(&self) -> Entry {
        Entry { name: path::file_name(&self.path).to_owned(), kind: EntryKind::File, id: content_id(&self.bytes) }
    }

    /// What of the edited path lies below a folder: `b/c` of `a/b/c` below `a`.
    fn below(&self, folder: &str) -> Option<&str> {
        let rest = self.path.strip_prefix(folder)?;
        if folder.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// A folder above the edited file is another folder now, or is there only now.
    fn folder_above(&self, path: &str, before: Option<Entry>) -> Entry {
        let name = path::file_name(path).to_owned();
        let before = before.map_or_else(String::new, |entry| entry.id.to_string());
        let id = content_id(format!("{before} {} {}", self.path, self.own_entry().id).as_bytes());
        Entry { name, kind: EntryKind::Folder, id }
    }
}

impl TreeReader for Overlay {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        if path == self.path {
            return Ok(Some(self.own_entry()));
        }
        let entry = self.below.entry(path)?;
        Ok(if self.below(path).is_some() { Some(self.folder_above(path, entry)) } else { entry })
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let entries = self.below.list(path)?;
        let Some(next) = self.below(path).and_then(|rest| rest.split('/').next()) else { return Ok(entries) };
        let mut entries = entries.unwrap_or_default();
        entries.retain(|e| e.name != next);
        entries.extend(self.entry(&path::child(path, next))?);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        if path == self.path { Ok(Some(Arc::clone(&self.bytes))) } else { self.below.read(path) }
    }
}

fn content_id(bytes: &[u8]) -> ObjectId {
    ObjectId(hex::encode(Sha256::digest(bytes)).into())
}

/// A tree in memory: path to content. Content that starts as a link is made with [`MemoryTree::link`].
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, MemoryFile>,
}

#[derive(Debug, Clone)]
struct MemoryFile {
    kind: EntryKind,
    id: ObjectId,
    bytes: Arc<[u8]>,
}

impl MemoryTree {
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.with(path, EntryKind::File, content.as_ref())
    }

    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.with(path, EntryKind::Symlink, target.as_bytes())
    }

    /// What Git has of another repository: its commit, and no files.
    #[must_use]
    pub fn submodule(self, path: &str) -> Self {
        self.with(path, EntryKind::Submodule, path.as_bytes())
    }

    fn with(mut self, path: &str, kind: EntryKind, bytes: &[u8]) -> Self {
        self.files.insert(path.to_owned(), MemoryFile { kind, id: content_id(bytes), bytes: bytes.into() });
        self
    }

    pub fn tree(self) -> FileTree {
        FileTree::new(Arc::new(self))
    }

    fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a str, &'a MemoryFile)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let start = prefix.clone();
        self.files
            .range(start..)
            .take_while(move |(p, _)| p.starts_with(&prefix))
            .map(move |(p, f)| (&p[if folder.is_empty() { 0 } else { folder.len() + 1 }..], f))
    }
}

impl TreeReader for MemoryTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let name = path::file_name(path).to_owned();
        if let Some(file) = self.files.get(path) {
            return Ok(Some(Entry { name, kind: file.kind, id: file.id.clone() }));
        }
        let mut hash = Sha256::new();
        let mut any = path.is_empty();
        for (p, file) in self.below(path) {
            any = true;
            hash.update(p.as_bytes());
            hash.update([0]);
            hash.update(file.id.0.as_bytes());
        }
        let id = ObjectId(hex::encode(hash.finalize()).into());
        Ok(any.then_some(Entry { name, kind: EntryKind::Folder, id }))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        if self.entry(path)?.is_none_or(|e| e.kind != EntryKind::Folder) {
            return Ok(None);
        }
        let mut names: Vec<&str> = self.below(path).map(|(p, _)| p.split('/').next().unwrap_or(p)).collect();
        names.dedup();
        let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let entries: Result<Vec<Option<Entry>>, TreeError> = names.iter().map(|n| self.entry(&full(n))).collect();
        let mut entries: Vec<Entry> = entries?.into_iter().flatten().collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        Ok(Some(entries))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let file = self.files.get(path).filter(|file| file.kind != EntryKind::Submodule);
        Ok(file.map(|file| Arc::clone(&file.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> FileTree {
        MemoryTree::default()
            .file("a/x.yaml", "x")
            .file("a/b/y.yaml", "y")
            .link("l", "a/b")
            .link("out", "../../etc/passwd")
            .link("loop", "loop")
            .tree()
    }

    #[test]
    fn reads_and_absences_are_recorded() {
        let tree = tree();
        assert!(tree.read("a/x.yaml").unwrap().is_some());
        assert!(tree.read("a/none").unwrap().is_none());
        assert_eq!(tree.read("l/y.yaml").unwrap().unwrap().as_ref(), b"y");
        let reads = tree.reads();
        assert_eq!(reads.paths().collect::<Vec<_>>(), ["a/b/y.yaml", "a/none", "a/x.yaml", "l"]);
        assert!(reads.holds_in(&tree));
        assert!(!reads.holds_in(&tree.with_file("a/x.yaml", *b"z")));
        assert!(!reads.holds_in(&tree.with_file("a/none", *b"z")));
        assert!(reads.holds_in(&tree.with_file("a/other", *b"z")));
    }

    #[test]
    fn every_folder_above_an_edited_file_shows_the_edit() {
        let tree = tree();
        for path in ["a/b/y.yaml", "a/b/new.yaml", "a/new/z.yaml", "new/deep/z.yaml"] {
            let edited = tree.with_file(path, *b"edited");
            assert_eq!(edited.read(path).unwrap().as_deref(), Some(&b"edited"[..]), "{path}");
            let parts: Vec<&str> = path.split('/').collect();
            for length in 0..parts.len() {
                let (folder, part) = (parts[..length].join("/"), parts[length]);
                let listed = edited.list(&folder).unwrap().unwrap().into_iter().find(|e| e.name == part);
                assert_eq!(listed, edited.entry(&path::child(&folder, part)).unwrap(), "{path}: {folder}");
                assert_ne!(listed, tree.entry(&path::child(&folder, part)).unwrap(), "{path}: {folder}");
            }
        }
        let id = |path: &str| tree.with_file(path, *b"edited").entry("a").unwrap().unwrap().id;
        assert_ne!(id("a/x.yaml"), id("a/z.yaml"), "the same content under another name is another folder");
    }

    #[test]
    fn links_stay_inside() {
        let tree = tree();
        assert!(matches!(tree.read("out"), Err(TreeError::LinkLeaves { .. })));
        assert!(matches!(tree.read("loop"), Err(TreeError::TooManyLinks { .. })));
        assert!(matches!(tree.read("../x"), Err(TreeError::Leaves { .. })));
    }

    #[test]
    fn folders_list_sorted() {
        let names = |p: &str| tree().list(p).unwrap().unwrap().into_iter().map(|e| e.name).collect::<Vec<_>>();
        assert_eq!(names(""), ["a", "l", "loop", "out"]);
        assert_eq!(names("a"), ["b", "x.yaml"]);
        assert_eq!(tree().list("a/x.yaml").unwrap(), None);
    }
}
