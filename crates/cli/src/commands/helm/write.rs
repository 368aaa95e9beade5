//! Files and folders that are there as a whole or not at all.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Writes a file in the place of what was there.
///
/// # Errors
/// When its folder cannot be written; then what was there stays.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files(&[(path.to_owned(), bytes)])
}

/// Writes files in the place of what was there, once there is room for all of them.
///
/// # Errors
/// As [`file`].
pub(crate) fn files(files: &[(PathBuf, &[u8])]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let drafted = files
        .iter()
        .try_for_each(|(path, bytes)| std::fs::write(draft(path), bytes).map_err(|error| failed(path, error)));
    let written = drafted.and_then(|()| {
        files.iter().try_for_each(|(path, _)| std::fs::rename(draft(path), path).map_err(|error| failed(path, error)))
    });
    if written.is_err() {
        for (path, _) in files {
            let _ = std::fs::remove_file(draft(path));
        }
    }
    written
}

/// Makes a folder that `fill` writes.
///
/// # Errors
/// When it cannot be written; then nothing stays.
pub(crate) fn folder(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    let draft = draft(path);
    let written = fill(&draft).and_then(|()| std::fs::rename(&draft, path).map_err(failed));
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&draft);
    }
    written
}

/// A name beside the path that nobody else uses.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let outer = tempfile::tempdir().unwrap();
        let at = |name: &str| outer.path().join(name);
        file(&at("a"), b"old").unwrap();
        let failure = files(&[(at("a"), b"new"), (at("none/b"), b"new")]).unwrap_err();
        assert!(failure.message.contains("none/b"), "{}", failure.message);
        assert_eq!(std::fs::read(at("a")).unwrap(), b"old");
        let fill = |draft: &Path| {
            std::fs::create_dir(draft)?;
            std::fs::write(draft.join("x"), "")?;
            Err(Failure::new("no"))
        };
        assert!(folder(&at("b"), fill).is_err());
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
    }
}
