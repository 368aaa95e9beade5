//! One process at a time writes into a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::StoreError;

/// Held until it is dropped, or its process ends, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

const NAME: &str = "lock";

impl Lock {
    /// # Errors
    /// When another process holds it, or the file system knows no locks.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(NAME);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(crate::private::FILE);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::InUse { folder: folder.to_owned(), lock: path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // for messages only; of one length, so that it fits on a disk that is full
        if let Err(error) = file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0) {
            tracing::debug!(%error, "the lock does not say who holds it");
        }
        Ok(Self { _file: file })
    }
}
