//! Where the sandbox's nodes get their images from, and a registry that holds some.

mod http;
mod image;
mod shelf;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object::ImageRef;
use serde_json::Value;

pub use image::{CRASH_LABEL, Image, MANIFEST, NOT_READY_LABEL, digest_of};
use shelf::{Manifest, Shelf};

/// What a node has after it pulled an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledImage {
    /// `sha256:...` of the manifest.
    pub digest: String,
    /// Bytes of the manifest, the configuration and all layers.
    pub size: u64,
    /// Labels of the image's configuration.
    pub labels: BTreeMap<String, String>,
}

/// Why an image cannot be pulled; the texts are those of containerd 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    )]
    NotFound { image: String },
    /// The tag resolves, and a layer is not there.
    #[error("failed to pull and unpack image \"{image}\": failed to copy: {layer}: not found")]
    Incomplete { image: String, layer: String },
    #[error("couldn't parse image name \"{image}\": invalid reference format")]
    Invalid { image: String },
    #[error("failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {why}")]
    Unreachable { image: String, why: String },
}

/// An answer that takes its time.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<PulledImage, ImageError>> + Send + 'a>>;

/// Whoever nodes ask for images.
pub trait ImageSource: Send + Sync + fmt::Debug {
    /// Looks up `image` as a container names it.
    fn resolve<'a>(&'a self, image: &'a str) -> Resolving<'a>;
}

/// Gives every image that is asked for: a digest made of its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyImage;

impl ImageSource for AnyImage {
    fn resolve<'a>(&'a self, image: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let reference: ImageRef = image.parse().map_err(|_| ImageError::Invalid { image: image.to_owned() })?;
            let digest = reference.digest.map_or_else(|| digest_of(image.as_bytes()), |digest| digest.to_string());
            Ok(PulledImage { digest, size: 4096, labels: BTreeMap::new() })
        })
    }
}

/// Why a registry cannot keep its content.
#[derive(Debug, thiserror::Error)]
#[error("the registry's folder {path}: {source}: give another folder, or make this one readable and writable")]
pub struct RegistryError {
    path: PathBuf,
    source: std::io::Error,
}

/// An OCI registry in memory, or in a folder. Clones share it.
#[derive(Debug, Clone)]
pub struct Registry {
    shelf: Arc<Mutex<Shelf>>,
    hosts: Arc<Vec<String>>,
}

impl Registry {
    /// `hosts`: the names that nodes know it by, such as `ghcr.io`; `*` stands for all.
    pub fn in_memory(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::with(Shelf::default(), hosts)
    }

    /// The same with its content in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn open(folder: &Path, hosts: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, RegistryError> {
        let shelf = Shelf::open(folder).map_err(|source| RegistryError { path: folder.to_owned(), source })?;
        Ok(Self::with(shelf, hosts))
    }

    fn with(shelf: Shelf, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { shelf: Arc::new(Mutex::new(shelf)), hosts: Arc::new(hosts.into_iter().map(Into::into).collect()) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds a small image (one layer, one configuration with `labels`) and tags it; the same arguments always give
    /// the same digest. The answer is the manifest's digest.
    pub fn push_image(&self, repository: &str, tag: &str, labels: &BTreeMap<String, String>) -> String {
        self.push(repository, tag, Image::build(repository, tag, labels), true)
    }

    /// As [`Registry::push_image`], but its layer never arrives: the tag has a digest, and nobody can pull it.
    pub fn push_image_without_layer(&self, repository: &str, tag: &str) -> String {
        self.push(repository, tag, Image::build(repository, tag, &BTreeMap::new()), false)
    }

    fn push(&self, repository: &str, tag: &str, image: Image, with_layer: bool) -> String {
        let mut shelf = self.shelf();
        let digest = digest_of(&image.manifest);
        let manifest = Manifest { media_type: MANIFEST.to_owned(), body: image.manifest };
        let layer = if with_layer { shelf.put_blob(&image.layer).map(drop) } else { Ok(()) };
        let config = layer.and_then(|()| shelf.put_blob(&image.config));
        if let Err(error) = config.and_then(|_| shelf.put_manifest(repository, Some(tag), manifest)) {
            tracing::error!(%error, repository, tag, "the image is not in the registry: its folder cannot be written");
        }
        digest
    }

    /// Takes a tag away; the image stays reachable by its digest. Whether it was there.
    pub fn delete_tag(&self, repository: &str, tag: &str) -> bool {
        self.shelf().delete_tag(repository, tag).unwrap_or_else(|error| {
            tracing::error!(%error, repository, tag, "the tag stays: the registry's folder cannot be written");
            false
        })
    }

    /// The tags of a repository, sorted.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.shelf().tags(repository).unwrap_or_default()
    }

    /// The digest behind a tag or digest.
    pub fn digest(&self, repository: &str, reference: &str) -> Option<String> {
        self.shelf().manifest(repository, reference).map(|(digest, _)| digest)
    }

    /// The registry's HTTP interface (OCI distribution 1.1): `/v2/...`.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    fn stands_for(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == "*" || known == host)
    }

    fn pulled(&self, image: &str) -> Result<PulledImage, ImageError> {
        let reference: ImageRef = image.parse().map_err(|_| ImageError::Invalid { image: image.to_owned() })?;
        let (host, repository) = reference.registry_and_repository();
        let digest = reference.digest.as_ref().map(ToString::to_string);
        let wanted = digest.or_else(|| reference.tag.clone()).unwrap_or_else(|| "latest".to_owned());
        let canonical = canonical(&host, &repository, &wanted);
        if !self.stands_for(&host) {
            let why = format!(
                "failed to do request: Head \"https://{host}/v2/{repository}/manifests/{wanted}\": dial tcp: lookup {host}: no such host"
            );
            return Err(ImageError::Unreachable { image: canonical, why });
        }
        let shelf = self.shelf();
        let found = shelf.manifest(&repository, &wanted);
        let (digest, manifest) = found.ok_or_else(|| ImageError::NotFound { image: canonical.clone() })?;
        let parsed: Value = serde_json::from_slice(&manifest.body).unwrap_or_default();
        let layers = parsed["layers"].as_array().into_iter().flatten().filter_map(|layer| layer["digest"].as_str());
        if let Some(layer) = layers.into_iter().find(|layer| shelf.blob(layer).is_none()) {
            return Err(ImageError::Incomplete { image: canonical, layer: layer.to_owned() });
        }
        let config = parsed["config"]["digest"].as_str().and_then(|digest| shelf.blob(digest)).unwrap_or_default();
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        let labels = serde_json::from_value(config["config"]["Labels"].clone()).unwrap_or_default();
        let layers = parsed["layers"].as_array().into_iter().flatten().filter_map(|layer| layer["size"].as_u64());
        let size = layers.sum::<u64>() + parsed["config"]["size"].as_u64().unwrap_or(0) + manifest.body.len() as u64;
        Ok(PulledImage { digest, size, labels })
    }
}

/// The full name by which a runtime speaks of an image.
fn canonical(host: &str, repository: &str, wanted: &str) -> String {
    let separator = if wanted.contains(':') { '@' } else { ':' };
    format!("{host}/{repository}{separator}{wanted}")
}

impl ImageSource for Registry {
    fn resolve<'a>(&'a self, image: &'a str) -> Resolving<'a> {
        Box::pin(async move { self.pulled(image) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nodes_get_what_was_pushed_and_runtime_words_for_the_rest() {
        let registry = Registry::in_memory(["ghcr.io"]);
        let labels = BTreeMap::from([(CRASH_LABEL.to_owned(), "1".to_owned())]);
        let digest = registry.push_image("shop/web", "1.0", &labels);
        let check = async |image: &str, expected: Result<&str, &str>| {
            let found = registry.resolve(image).await;
            assert_eq!(
                found.map(|image| image.digest).map_err(|error| error.to_string()),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{image}"
            );
        };
        check("ghcr.io/shop/web:1.0", Ok(&digest)).await;
        check(&format!("ghcr.io/shop/web@{digest}"), Ok(&digest)).await;
        check(&format!("ghcr.io/shop/web:gone@{digest}"), Ok(&digest)).await;
        let missing = "rpc error: code = NotFound desc = failed to pull and unpack image \"ghcr.io/shop/web:2.0\": failed to resolve reference \"ghcr.io/shop/web:2.0\": ghcr.io/shop/web:2.0: not found";
        check("ghcr.io/shop/web:2.0", Err(missing)).await;
        let elsewhere = registry.resolve("nginx").await.unwrap_err().to_string();
        assert!(
            elsewhere.contains("docker.io/library/nginx:latest") && elsewhere.contains("no such host"),
            "{elsewhere}"
        );
        assert!(matches!(registry.resolve("UPPER:::").await, Err(ImageError::Invalid { .. })));
        assert_eq!(registry.resolve("ghcr.io/shop/web:1.0").await.unwrap().labels, labels);
        assert!(registry.delete_tag("shop/web", "1.0") && !registry.delete_tag("shop/web", "1.0"));
        check(&format!("ghcr.io/shop/web@{digest}"), Ok(&digest)).await;
    }
}
