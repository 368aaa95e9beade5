//! What is in an image that is an index of others (OCI image index, Docker manifest list).

use object::{ImageDigest, ImageRef};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::registry::{Question, RegistryClient, RegistryError};

/// So many manifests of one image are looked at: all its platforms and what is attested of them.
const MOST: usize = 64;
/// An index may have indexes in it, and these no more.
const LEVELS: usize = 2;

impl RegistryClient {
    /// All that is in the image with this digest, on all levels; nothing where it is no index.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`] where that is more than is looked at, or nothing that can be read; else when the registry
    /// does not tell.
    pub async fn parts(&self, image: &ImageRef) -> Result<Vec<ImageDigest>, RegistryError> {
        let Some(digest) = image.digest.clone() else { return Ok(Vec::new()) };
        let (ask, base, repository) = self.question(image)?;
        let (mut parts, mut level) = (Vec::new(), vec![digest]);
        for depth in 0.. {
            let mut indexes = Vec::new();
            for digest in level {
                let (own, nested) = read(&ask, &base, &repository, &digest).await?;
                parts.extend(own);
                indexes.extend(nested);
                if parts.len() + indexes.len() > MOST {
                    return Err(ask.unreadable(&format!("there are more than {MOST} manifests in it")));
                }
            }
            if indexes.is_empty() {
                break;
            }
            if depth == LEVELS - 1 {
                return Err(ask.unreadable(&"it is an index of indexes of indexes"));
            }
            parts.extend(indexes.iter().cloned());
            level = indexes;
        }
        parts.sort();
        parts.dedup();
        Ok(parts)
    }
}

/// The manifests and the indexes that something with this digest has, as it says.
async fn read(ask: &Question, base: &str, repository: &str, digest: &ImageDigest) -> Result<Listed, RegistryError> {
    let url = ask.url(base, repository, digest.as_str())?;
    let answer = ask.request(Method::GET, &url, repository).await?;
    let body = ask.body(answer).await?;
    let is = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
    if is != digest.as_str() {
        return Err(ask.unreachable(&format!("it gives {is} as {digest}")));
    }
    listed(&body).map_err(|why| ask.unreadable(&why))
}

type Listed = (Vec<ImageDigest>, Vec<ImageDigest>);

/// # Errors
/// When nobody can tell what it lists.
pub(crate) fn listed(body: &[u8]) -> Result<Listed, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("it is no JSON: {error}"))?;
    let (mut manifests, mut indexes) = (Vec::new(), Vec::new());
    let all = match &body["manifests"] {
        Value::Null => return Ok((manifests, indexes)),
        Value::Array(all) => all,
        _ => return Err("its manifests are no list".to_owned()),
    };
    for entry in all {
        let digest = entry["digest"].as_str().unwrap_or_default();
        let digest: ImageDigest = digest.parse().map_err(|error| format!("{error}, of what is in it"))?;
        let kind = entry["mediaType"].as_str().unwrap_or_default();
        let is_index = kind.contains("image.index") || kind.contains("manifest.list");
        if is_index { indexes.push(digest) } else { manifests.push(digest) }
    }
    Ok((manifests, indexes))
}
