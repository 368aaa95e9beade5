//! Packed charts: gzip around tar.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use object::{FileTree, MemoryTree, path};

use super::budget::Budget;
use super::chart::File;
use super::error::HelmError;

/// Whether `bytes` look like gzip.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 0x08])
}

/// The files of a packed chart as a tree with the chart at its root, within the limits of [`load`](super::load).
///
/// # Errors
/// When it is no archive, a path leaves it, or it is larger than the limits.
pub fn unpack(bytes: &[u8]) -> Result<FileTree, HelmError> {
    if !is_gzip(bytes) {
        return Err(HelmError::new("this is no gzipped chart archive"));
    }
    let files = files(bytes, &mut Budget::default())?;
    let tree = files.iter().fold(MemoryTree::default(), |tree, file| tree.file(&file.name, &file.data));
    Ok(tree.tree())
}

/// The files of an archive, without the folder that they are in (Helm 4.2, `LoadArchiveFiles`). Links are read as
/// empty files, as Helm does: nothing outside of the archive is ever looked at.
///
/// # Errors
/// When it is no archive, a path leaves it, or it is larger than the limits.
pub(crate) fn files(bytes: &[u8], budget: &mut Budget) -> Result<Vec<File>, HelmError> {
    // twice: headers do not count as content
    let limited = MultiGzDecoder::new(bytes).take(2 * budget.bytes + 4096);
    let mut archive = tar::Archive::new(limited);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(|e| unreadable(&e))? {
        let mut entry = entry.map_err(|e| unreadable(&e))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || name.ends_with('/') || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let inner = inner_path(&name)?;
        check_size(&name, entry.size(), budget)?;
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(|e| unreadable(&e))?;
        budget.take(data.len())?;
        files.push(File { name: inner, data: without_bom(data.into()) });
    }
    if files.is_empty() { Err(HelmError::new("the chart archive holds no files")) } else { Ok(files) }
}

fn unreadable(error: &io::Error) -> HelmError {
    HelmError::new(format!("not a readable chart archive: {error}"))
        .hint("a packed chart is made with helm package: a .tgz with one folder in it")
}

fn check_size(name: &str, size: u64, budget: &Budget) -> Result<(), HelmError> {
    if size > budget.file {
        return Err(HelmError::new(format!("{name} in the chart archive is larger than {} bytes", budget.file)));
    }
    if size > budget.bytes { Err(Budget::exceeded()) } else { Ok(()) }
}

/// The path below the chart's folder.
fn inner_path(name: &str) -> Result<String, HelmError> {
    let outside =
        || HelmError::new(format!("the chart archive holds {name:?}, which is outside of the chart's folder"));
    let slashed = name.replace('\\', "/");
    let (first, rest) = slashed.split_once('/').unwrap_or((&slashed, ""));
    if rest.starts_with('/') || first == "Chart.yaml" {
        return Err(outside());
    }
    let clean = path::join("", rest).ok_or_else(outside)?;
    let is_drive = matches!(clean.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
    if clean.is_empty() || clean.starts_with("..") || is_drive { Err(outside()) } else { Ok(clean) }
}

/// The content behind a byte order mark.
pub(crate) fn without_bom(data: Arc<[u8]>) -> Arc<[u8]> {
    data.strip_prefix(b"\xef\xbb\xbf").map(Arc::from).unwrap_or(data)
}
