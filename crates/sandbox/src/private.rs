//! Files that are for one user only: a sandbox may hold Secrets.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The modes of files and of folders.
pub(crate) const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Makes the folder, or closes one that is there to others.
///
/// # Errors
/// When it cannot be made, or belongs to somebody else.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    tighten(path, FOLDER)
}

/// Writes a file for this user only: beside, then in its place. A crash leaves the old content or the new.
///
/// # Errors
/// When the new content is not on disk; then the old one stays.
pub fn private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = create(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // half of it is of no use, and takes the room
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    put_in_place(&beside, path)
}

/// An empty file.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE).open(path)?;
    // one that was there keeps its mode
    file.set_permissions(Permissions::from_mode(FILE))?;
    Ok(file)
}

/// Renames, and sees to it that the folder remembers.
pub(crate) fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Takes away what others may do.
pub(crate) fn tighten(path: &Path, mode: u32) -> io::Result<()> {
    let has = std::fs::metadata(path)?.permissions().mode() & 0o7777;
    if has & !mode == 0 { Ok(()) } else { std::fs::set_permissions(path, Permissions::from_mode(has & mode)) }
}
