//! Files and folders that are there as a whole or not at all.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Writes a file in the place of what was there.
///
/// # Errors
/// When its folder cannot be written; then what was there stays.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft(path);
    let written = std::fs::write(&draft, bytes).and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        Failure::new(format!("{}: {error}", path.display()))
    })
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
