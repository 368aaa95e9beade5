//! What a registry holds: blobs, manifests and tags, in memory and, where a folder is given, there as well.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::image::digest_of;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    #[serde(with = "text")]
    pub(crate) body: Vec<u8>,
}

/// Manifests are JSON, so they are kept as text.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Repository {
    /// By digest.
    manifests: BTreeMap<String, Manifest>,
    /// Tag to digest.
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    blobs: BTreeMap<String, Vec<u8>>,
    repositories: BTreeMap<String, Repository>,
    /// Uploads that have begun, by their id.
    uploads: BTreeMap<u64, Vec<u8>>,
    next_upload: u64,
    folder: Option<PathBuf>,
}

const INDEX: &str = "index.json";

impl Shelf {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let blobs_folder = folder.join("blobs");
        std::fs::create_dir_all(&blobs_folder)?;
        let mut blobs = BTreeMap::new();
        for entry in std::fs::read_dir(&blobs_folder)? {
            let bytes = std::fs::read(entry?.path())?;
            blobs.insert(digest_of(&bytes), bytes);
        }
        let index = folder.join(INDEX);
        let repositories =
            if index.exists() { serde_json::from_slice(&std::fs::read(index)?)? } else { BTreeMap::new() };
        Ok(Self { blobs, repositories, folder: Some(folder.to_owned()), ..Self::default() })
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.blobs.get(digest).cloned()
    }

    pub(crate) fn put_blob(&mut self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        if self.blobs.contains_key(&digest) {
            return digest;
        }
        if let Some(folder) = &self.folder {
            let path = folder.join("blobs").join(digest.replace(':', "-"));
            keep(&path, bytes);
        }
        self.blobs.insert(digest.clone(), bytes.to_owned());
        digest
    }

    /// The manifest behind a tag or a digest, with its digest.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Manifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        Some((digest.to_owned(), repository.manifests.get(digest)?.clone()))
    }

    /// The manifest's digest.
    pub(crate) fn put_manifest(&mut self, repository: &str, tag: Option<&str>, manifest: Manifest) -> String {
        let digest = digest_of(&manifest.body);
        let entry = self.repositories.entry(repository.to_owned()).or_default();
        entry.manifests.insert(digest.clone(), manifest);
        if let Some(tag) = tag {
            entry.tags.insert(tag.to_owned(), digest.clone());
        }
        self.keep_index();
        digest
    }

    pub(crate) fn delete_tag(&mut self, repository: &str, tag: &str) -> bool {
        let gone = self.repositories.get_mut(repository).and_then(|repository| repository.tags.remove(tag)).is_some();
        self.keep_index();
        gone
    }

    /// Takes a manifest away together with the tags that lead to it.
    pub(crate) fn delete_manifest(&mut self, repository: &str, digest: &str) -> bool {
        let Some(repository) = self.repositories.get_mut(repository) else { return false };
        let gone = repository.manifests.remove(digest).is_some();
        repository.tags.retain(|_, to| to != digest);
        self.keep_index();
        gone
    }

    /// `None` when there is no such repository.
    pub(crate) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.repositories.get(repository)?.tags.keys().cloned().collect())
    }

    pub(crate) fn repositories(&self) -> Vec<String> {
        self.repositories.keys().cloned().collect()
    }

    pub(crate) fn begin_upload(&mut self) -> u64 {
        self.next_upload += 1;
        self.uploads.insert(self.next_upload, Vec::new());
        self.next_upload
    }

    /// Bytes that the upload has now; `None` when it is not known.
    pub(crate) fn append(&mut self, upload: u64, bytes: &[u8]) -> Option<usize> {
        let so_far = self.uploads.get_mut(&upload)?;
        so_far.extend_from_slice(bytes);
        Some(so_far.len())
    }

    pub(crate) fn end_upload(&mut self, upload: u64) -> Option<Vec<u8>> {
        self.uploads.remove(&upload)
    }

    fn keep_index(&self) {
        let Some(folder) = &self.folder else { return };
        match serde_json::to_vec(&self.repositories) {
            Ok(bytes) => keep(&folder.join(INDEX), &bytes),
            Err(error) => tracing::error!(%error, "the registry's index cannot be written"),
        }
    }
}

/// Writes beside and renames: a crash leaves the old content or the new.
fn keep(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        tracing::error!(%error, path = %path.display(), "the registry's content lives in memory only");
    }
}
