//! A folder of this machine as a file tree.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::{Entry, EntryKind, FileTree, ObjectId, SIZE_MAX, TreeError, TreeReader};
use render::Problem;
use render::helm::HelmError;

use crate::failure::Failure;

/// A folder of this machine in the repository that holds it.
pub(crate) struct Place {
    pub(crate) tree: FileTree,
    /// The folder, as a path in the tree.
    pub(crate) folder: String,
    /// The root of the tree on this machine.
    pub(crate) root: PathBuf,
}

impl Place {
    /// As with Git, the root is the nearest folder above that has a `.git`; outside of a repository every file of the
    /// machine can be used, as with kustomize and helm.
    ///
    /// # Errors
    /// When `path` does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let full = fs::canonicalize(path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())).hint("give a folder that exists"))?;
        let root = full.ancestors().find(|a| a.join(".git").exists()).or(full.ancestors().last());
        let root = root.unwrap_or(&full).to_owned();
        let folder = full.strip_prefix(&root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        Ok(Self { tree: FileTree::new(Arc::new(Folder { root: root.clone() })), folder, root })
    }

    /// A file of this machine as a path in the tree.
    ///
    /// # Errors
    /// When it does not exist or lies outside.
    pub(crate) fn file(&self, path: &Path) -> Result<String, Failure> {
        let full = fs::canonicalize(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        let inner = full.strip_prefix(&self.root).map_err(|_| {
            let outside = format!("{} is outside of {}", path.display(), self.root.display());
            Failure::new(outside).hint("give a file of the same repository")
        })?;
        Ok(inner.to_string_lossy().into_owned())
    }

    /// A value file as a path in the tree: as an Application of the folder names it, else as a path of this machine.
    ///
    /// # Errors
    /// When it is in neither place, or outside.
    pub(crate) fn value_file(&self, named: &Path) -> Result<String, Failure> {
        let text = named.to_string_lossy();
        let base = if text.starts_with('/') { "" } else { &self.folder };
        let ours = object::path::join(base, text.trim_start_matches('/'));
        if let Some(path) = ours.filter(|path| self.root.join(path).is_file()) {
            return Ok(path);
        }
        self.file(named).map_err(|failure| {
            let folder = if base.is_empty() { "the root of the repository" } else { base };
            Failure { message: format!("{}; nor is it in {folder}", failure.message), ..failure }
        })
    }

    /// The problem with its path as people in the current folder write it.
    pub(crate) fn shown(&self, problem: &Problem) -> Problem {
        let file = if problem.file.is_empty() { String::new() } else { self.path(&problem.file) };
        Problem { file, ..problem.clone() }
    }

    /// The problem as the end of a command.
    pub(crate) fn failure(&self, problem: &Problem) -> Failure {
        let shown = self.shown(problem);
        let failure = Failure::new(Problem { hint: String::new(), ..shown.clone() });
        if shown.hint.is_empty() { failure } else { failure.hint(shown.hint) }
    }

    /// What is wrong with a chart, as the end of a command.
    pub(crate) fn chart_failure(&self, error: HelmError) -> Failure {
        self.failure(&error.into_problem())
    }

    /// A path of the tree as seen from the current folder; in full when that is far away.
    pub(crate) fn path(&self, path: &str) -> String {
        let shown = render::remote::shown(path);
        if shown != path {
            return shown;
        }
        let full = self.root.join(path);
        let here = std::env::current_dir().unwrap_or_default();
        let text = |path: &Path| path.to_string_lossy().trim_start_matches('/').to_owned();
        let near = object::path::relative(&text(&here), &text(&full));
        if near.starts_with("../../../..") { full.to_string_lossy().into_owned() } else { near }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_files_are_named_as_in_an_application() {
        let outer = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = outer.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a: b").unwrap();
        };
        ["charts/shop/Chart.yaml", "charts/shop/values-prod.yaml", "values.yaml", "elsewhere.yaml"]
            .iter()
            .for_each(|path| write(path));
        fs::create_dir(outer.path().join(".git")).unwrap();
        let place = Place::open(&outer.path().join("charts/shop")).unwrap();
        let found = |name: &str| place.value_file(Path::new(name)).map_err(|failure| failure.message);
        assert_eq!(found("values-prod.yaml").as_deref(), Ok("charts/shop/values-prod.yaml"));
        assert_eq!(found("../../values.yaml").as_deref(), Ok("values.yaml"));
        assert_eq!(found("/values.yaml").as_deref(), Ok("values.yaml"));
        let of_the_machine = outer.path().join("elsewhere.yaml").display().to_string();
        assert_eq!(found(&of_the_machine).as_deref(), Ok("elsewhere.yaml"));
        let absent = found("values-dev.yaml").unwrap_err();
        assert!(absent.contains("values-dev.yaml") && absent.contains("nor is it in charts/shop"), "{absent}");
    }

    #[test]
    fn a_folder_outside_of_git_may_use_its_neighbours() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("overlay")).unwrap();
        fs::write(outer.path().join("base.yaml"), "a: b").unwrap();
        let place = Place::open(&outer.path().join("overlay")).unwrap();
        let above = object::path::join(&place.folder, "../base.yaml").unwrap();
        assert_eq!(place.tree.read(&above).unwrap().as_deref(), Some("a: b".as_bytes()));
        fs::create_dir(outer.path().join(".git")).unwrap();
        let place = Place::open(&outer.path().join("overlay")).unwrap();
        assert_eq!(place.folder, "overlay");
    }
}
