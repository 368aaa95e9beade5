//! A chart's folder as a packed chart.

use std::io::{self, Write as _};
use std::sync::Arc;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use object::FileTree;

use super::budget::Budget;
use super::error::HelmError;
use super::load::{folder_files, load};

/// The chart in `folder`, packed: the name of the file and its bytes. What `.helmignore` names stays out, the rest goes in
/// as it is; the same files give the same bytes.
///
/// # Errors
/// When the chart cannot be loaded.
pub fn pack(tree: &FileTree, folder: &str) -> Result<(String, Vec<u8>), HelmError> {
    let chart = load(tree, folder)?;
    let files = folder_files(tree, folder, &mut Budget::default())?;
    let files: Vec<(String, Arc<[u8]>)> = files.into_iter().map(|file| (file.name, file.data)).collect();
    let bytes = packed_files(chart.name(), &files)
        .map_err(|error| HelmError::new(format!("the chart cannot be packed: {error}")).about(folder))?;
    Ok((format!("{}-{}.tgz", chart.name(), chart.metadata.version), bytes))
}

/// An archive of files below a folder.
pub(crate) fn packed_files(folder: &str, files: &[(String, Arc<[u8]>)]) -> io::Result<Vec<u8>> {
    let zipped: GzEncoder<Vec<u8>> = GzBuilder::new().comment("Helm").write(Vec::new(), Compression::default());
    let mut archive = tar::Builder::new(zipped);
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        archive.append_data(&mut header, format!("{folder}/{name}"), data.as_ref())?;
    }
    let mut zipped = archive.into_inner()?;
    zipped.flush()?;
    zipped.finish()
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;
    use crate::helm::unpack;

    #[test]
    fn a_packed_chart_is_the_same_chart() {
        let long = format!("templates/{}.yaml", "x".repeat(150));
        let tree = MemoryTree::default()
            .file("c/Chart.yaml", "apiVersion: v2\nname: kid\nversion: 1.0.0+b # comment\n")
            .file("c/.helmignore", "*.txt\n")
            .file("c/a.txt", "")
            .file(&format!("c/{long}"), "a: 1")
            .tree();
        let (name, bytes) = pack(&tree, "c").unwrap();
        assert_eq!(name, "kid-1.0.0+b.tgz");
        assert_eq!(pack(&tree, "c").unwrap().1, bytes);
        let unpacked = unpack(&bytes).unwrap();
        assert_eq!(unpacked.read(&long).unwrap().as_deref(), Some(b"a: 1".as_slice()));
        assert!(unpacked.read("a.txt").unwrap().is_none());
        assert_eq!(load(&unpacked, "").unwrap().metadata.version, "1.0.0+b");
        assert!(pack(&tree, "d").is_err());
    }
}
