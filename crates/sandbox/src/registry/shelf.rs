//! What a registry holds: blobs, manifests and tags, in memory and, where a folder is given, there as well.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::image::digest_of;
use crate::private::{private_file, private_folder};

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

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Repository {
    /// By digest.
    manifests: BTreeMap<String, Manifest>,
    /// Tag to digest.
    tags: BTreeMap<String, String>,
}

type Repositories = BTreeMap<String, Repository>;

/// The file of the repositories: what is damaged is not taken for what was pushed.
#[derive(Debug, Serialize, Deserialize)]
struct Index<'i> {
    /// The digest of the rest, as it is written.
    checksum: String,
    #[serde(borrow)]
    repositories: &'i RawValue,
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    blobs: BTreeMap<String, Vec<u8>>,
    repositories: Repositories,
    /// Uploads that have begun, by their id.
    uploads: BTreeMap<u64, Vec<u8>>,
    next_upload: u64,
    folder: Option<PathBuf>,
}

const INDEX: &str = "index.json";

impl Shelf {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        private_folder(folder)?;
        let blobs = read_blobs(&folder.join("blobs"))?;
        let index = folder.join(INDEX);
        let repositories = if index.exists() { read_index(&index)? } else { BTreeMap::new() };
        Ok(Self { blobs, repositories, folder: Some(folder.to_owned()), ..Self::default() })
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.blobs.get(digest).cloned()
    }

    /// # Errors
    /// When it is not on disk; then it is not there at all. So for all that changes something.
    pub(crate) fn put_blob(&mut self, bytes: &[u8]) -> io::Result<String> {
        let digest = digest_of(bytes);
        if self.blobs.contains_key(&digest) {
            return Ok(digest);
        }
        if let Some(folder) = &self.folder {
            private_file(&folder.join("blobs").join(file_of(&digest)), bytes)?;
        }
        self.blobs.insert(digest.clone(), bytes.to_owned());
        Ok(digest)
    }

    /// The manifest behind a tag or a digest, with its digest.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Manifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        Some((digest.to_owned(), repository.manifests.get(digest)?.clone()))
    }

    /// The manifest's digest.
    pub(crate) fn put_manifest(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        manifest: Manifest,
    ) -> io::Result<String> {
        let digest = digest_of(&manifest.body);
        self.change(|repositories| {
            let entry = repositories.entry(repository.to_owned()).or_default();
            entry.manifests.insert(digest.clone(), manifest);
            if let Some(tag) = tag {
                entry.tags.insert(tag.to_owned(), digest.clone());
            }
            digest
        })
    }

    pub(crate) fn delete_tag(&mut self, repository: &str, tag: &str) -> io::Result<bool> {
        self.change(|all| all.get_mut(repository).and_then(|repository| repository.tags.remove(tag)).is_some())
    }

    /// Takes a manifest away together with the tags that lead to it.
    pub(crate) fn delete_manifest(&mut self, repository: &str, digest: &str) -> io::Result<bool> {
        self.change(|all| {
            let Some(repository) = all.get_mut(repository) else { return false };
            repository.tags.retain(|_, to| to != digest);
            repository.manifests.remove(digest).is_some()
        })
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

    /// What is not on disk has not happened.
    fn change<T>(&mut self, change: impl FnOnce(&mut Repositories) -> T) -> io::Result<T> {
        let mut repositories = self.repositories.clone();
        let result = change(&mut repositories);
        if let Some(folder) = &self.folder {
            write_index(&folder.join(INDEX), &repositories)?;
        }
        self.repositories = repositories;
        Ok(result)
    }
}

fn file_of(digest: &str) -> String {
    digest.replace(':', "-")
}

fn read_blobs(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    std::fs::create_dir_all(folder)?;
    let mut blobs = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // what a crash left half written
        if path.extension().is_some() {
            std::fs::remove_file(&path)?;
            continue;
        }
        let bytes = std::fs::read(&path)?;
        let digest = digest_of(&bytes);
        if path.file_name().is_none_or(|name| name != file_of(&digest).as_str()) {
            return Err(damaged(&path, "delete it, and push its image again"));
        }
        blobs.insert(digest, bytes);
    }
    Ok(blobs)
}

fn read_index(path: &Path) -> io::Result<Repositories> {
    let bytes = std::fs::read(path)?;
    let Ok(index) = serde_json::from_slice::<Index<'_>>(&bytes) else {
        // as it was before it had a checksum
        return serde_json::from_slice(&bytes).map_err(|_| damaged(path, "delete it, and push its images again"));
    };
    if digest_of(index.repositories.get().as_bytes()) != index.checksum {
        return Err(damaged(path, "delete it, and push its images again"));
    }
    Ok(serde_json::from_str(index.repositories.get())?)
}

fn write_index(path: &Path, repositories: &Repositories) -> io::Result<()> {
    let repositories = serde_json::value::to_raw_value(repositories)?;
    let checksum = digest_of(repositories.get().as_bytes());
    private_file(path, &serde_json::to_vec(&Index { checksum, repositories: &repositories })?)
}

fn damaged(path: &Path, remedy: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {remedy}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn filled() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(folder.path()).unwrap();
        shelf.put_blob(b"layer").unwrap();
        let manifest = Manifest { media_type: "json".to_owned(), body: b"{}".to_vec() };
        shelf.put_manifest("shop/web", Some("1.0"), manifest).unwrap();
        (folder, shelf)
    }

    #[test]
    fn flipped_bytes_are_reported() {
        let (folder, _) = filled();
        let files = [folder.path().join(INDEX), folder.path().join("blobs").join(file_of(&digest_of(b"layer")))];
        for file in files {
            let whole = std::fs::read(&file).unwrap();
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x01;
                std::fs::write(&file, &bytes).unwrap();
                let error = Shelf::open(folder.path()).unwrap_err().to_string();
                assert!(error.contains(&file.display().to_string()) && error.contains("again"), "byte {at}: {error}");
            }
            std::fs::write(&file, &whole).unwrap();
        }
        assert_eq!(Shelf::open(folder.path()).unwrap().tags("shop/web"), Some(vec!["1.0".to_owned()]));
    }

    #[test]
    fn what_is_not_on_disk_was_not_pushed() {
        let (folder, mut shelf) = filled();
        let away = folder.path().with_extension("away");
        std::fs::rename(folder.path(), &away).unwrap();
        let manifest = Manifest { media_type: "json".to_owned(), body: b"{ }".to_vec() };
        assert!(shelf.put_blob(b"other").is_err() && shelf.blob(&digest_of(b"other")).is_none());
        assert!(shelf.put_manifest("shop/web", Some("2.0"), manifest).is_err());
        assert!(shelf.delete_tag("shop/web", "1.0").is_err());
        assert!(shelf.delete_manifest("shop/web", &digest_of(b"{}")).is_err());
        assert_eq!(shelf.tags("shop/web"), Some(vec!["1.0".to_owned()]));
        std::fs::rename(&away, folder.path()).unwrap();
        assert!(shelf.delete_tag("shop/web", "1.0").unwrap());
        assert_eq!(Shelf::open(folder.path()).unwrap().tags("shop/web"), Some(Vec::new()));
    }

    #[test]
    fn a_shelf_is_for_one_user_and_survives_a_crash() {
        let (folder, _) = filled();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join(INDEX))), (0o700, 0o600));
        std::fs::write(folder.path().join("blobs/sha256-half.new"), "ha").unwrap();
        // and one of before checksums is read
        let old = r#"{"shop/web":{"manifests":{},"tags":{"0.9":"sha256:x"}}}"#;
        std::fs::write(folder.path().join(INDEX), old).unwrap();
        assert_eq!(Shelf::open(folder.path()).unwrap().tags("shop/web"), Some(vec!["0.9".to_owned()]));
    }
}
