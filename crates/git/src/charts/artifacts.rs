//! Packed charts by digest: fetched once, kept for good, checked again whenever they are read.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::ChartError;

/// A folder of files named by the hash of their content.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("artifacts") }
    }

    /// The content with this digest (`sha256:…`); `None` when it is not here or was damaged.
    pub(crate) fn get(&self, digest: &str) -> Option<Arc<[u8]>> {
        let path = self.path(digest)?;
        let bytes = std::fs::read(&path).ok()?;
        if sha256(&bytes) == digest {
            return Some(bytes.into());
        }
        let _ = std::fs::remove_file(path);
        None
    }

    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<(), ChartError> {
        match self.path(&sha256(bytes)) {
            Some(path) => write(&path, bytes),
            None => Ok(()),
        }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        let name = digest.strip_prefix("sha256:")?;
        (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())).then(|| self.folder.join(name))
    }
}

/// `sha256:…` of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Writes a file so that others see all of it or nothing.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), ChartError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let failed =
        |error: std::io::Error| ChartError::Storage { path: path.display().to_string(), reason: error.to_string() };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    let written = std::fs::File::create(&draft)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_damaged_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(folder.path());
        let digest = sha256(b"chart");
        assert_eq!(artifacts.get(&digest), None);
        artifacts.put(b"chart").unwrap();
        artifacts.put(b"chart").unwrap();
        assert_eq!(artifacts.get(&digest).as_deref(), Some(b"chart".as_slice()));
        assert_eq!(std::fs::read_dir(folder.path().join("artifacts")).unwrap().count(), 1);
        std::fs::write(artifacts.path(&digest).unwrap(), "other").unwrap();
        assert_eq!(artifacts.get(&digest), None);
        assert_eq!(artifacts.get("sha256:../../../etc/passwd"), None);
    }
}
