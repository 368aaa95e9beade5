//! References to container images and the digests that identify them.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// Why a text is not an image reference or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("{0:?} is no image digest: expected sha256: and 64 hexadecimal digits")]
    Digest(String),
    #[error("{0:?} is no image reference: expected NAME[:TAG][@sha256:DIGEST]")]
    Reference(String),
}

/// `sha256:` and 64 lower-case hexadecimal digits: what an image is, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
// in place: plans compare thousands of them
pub struct ImageDigest(ArrayString<71>);

impl ImageDigest {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits: enough to tell images apart in names and on screens.
    pub fn short(&self) -> &str {
        &self.0["sha256:".len()..][..12]
    }
}

impl FromStr for ImageDigest {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let ok = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let kept = ArrayString::from(text).ok().filter(|_| ok);
        kept.map(Self).ok_or_else(|| ImageError::Digest(text.to_owned()))
    }
}

impl TryFrom<String> for ImageDigest {
    type Error = ImageError;

    fn try_from(text: String) -> Result<Self, ImageError> {
        text.parse()
    }
}

impl From<ImageDigest> for String {
    fn from(digest: ImageDigest) -> Self {
        digest.0.as_str().to_owned()
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reference as people write it in a pod: `ghcr.io/acme/shop:1.2@sha256:…`; tag and digest are both optional.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageRef {
    /// As written, without tag and digest: `nginx` stays `nginx`.
    pub name: String,
    pub tag: Option<String>,
    pub digest: Option<ImageDigest>,
}

impl ImageRef {
    /// Registry host (with port) and repository as a client asks for them: `nginx` is `docker.io`, `library/nginx`.
    /// The first part is a host if it has a dot, a colon or a capital, or is `localhost` (the rule of the Docker reference
    /// grammar).
    pub fn registry_and_repository(&self) -> (String, String) {
        let (host, path) = parts(&self.name);
        (host.to_owned(), path)
    }

    /// Whether both name the same repository, however they are written.
    pub fn same_repository(&self, other: &str) -> bool {
        self.canonical_repository() == canonical_repository(other)
    }

    /// See [`canonical_repository`].
    pub fn canonical_repository(&self) -> String {
        canonical_repository(&self.name)
    }
}

/// One text for all spellings that reach the same repository: `nginx`, `docker.io/nginx` and
/// `INDEX.docker.io:443/library/nginx` are `docker.io/library/nginx`. `name` has neither tag nor digest.
pub fn canonical_repository(name: &str) -> String {
    let (host, path) = parts(name);
    let host = canonical(host);
    let path = path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/").to_ascii_lowercase();
    format!("{host}/{}", in_library(&host, path))
}

const DOCKER_HUB: &str = "docker.io";

/// A host as it is reached: `GHCR.io`, `ghcr.io.` and `ghcr.io:0443` are one.
fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let (name, port) = host.rsplit_once(':').unwrap_or((&host, ""));
    let (name, port) = (name.trim_end_matches('.'), port.trim_start_matches('0'));
    let name = if matches!(name, "index.docker.io" | "registry-1.docker.io") { DOCKER_HUB } else { name };
    if matches!(port, "" | "443" | "80") { name.to_owned() } else { format!("{name}:{port}") }
}

/// Registry host and repository.
fn parts(name: &str) -> (&str, String) {
    let is_host = |first: &str| {
        let upper = first.bytes().any(|byte| byte.is_ascii_uppercase());
        first.contains(['.', ':']) || first.eq_ignore_ascii_case("localhost") || upper
    };
    let (host, path) = name.split_once('/').filter(|(first, _)| is_host(first)).unwrap_or((DOCKER_HUB, name));
    (host, in_library(host, path.to_owned()))
}

/// What has no owner at Docker Hub is in its library.
fn in_library(host: &str, path: String) -> String {
    if host == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path }
}

impl FromStr for ImageRef {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // a colon before the last slash belongs to the registry's port
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let bad = name.is_empty() || name.contains(char::is_whitespace) || tag.as_deref() == Some("");
        if bad {
            return Err(ImageError::Reference(text.to_owned()));
        }
        Ok(Self { name: name.to_owned(), tag, digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_split_and_join() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, name, tag) in [
            ("nginx", "nginx", None),
            ("nginx:1.21", "nginx", Some("1.21")),
            ("localhost:5000/a/b", "localhost:5000/a/b", None),
            ("localhost:5000/a/b:x", "localhost:5000/a/b", Some("x")),
            (&format!("ghcr.io/acme/shop:1@{digest}"), "ghcr.io/acme/shop", Some("1")),
        ] {
            let image: ImageRef = text.parse().unwrap();
            assert_eq!((image.name.as_str(), image.tag.as_deref()), (name, tag), "{text}");
            assert_eq!(image.to_string(), text);
        }
        assert!("a:".parse::<ImageRef>().is_err());
        assert!("a@sha256:12".parse::<ImageRef>().is_err());
    }

    #[test]
    fn all_spellings_of_a_repository_are_one() {
        let hex = "a".repeat(64);
        let digest = format!("ghcr.io/acme/shop:v1@sha256:{hex}");
        for (image, name, same) in [
            ("nginx:1", "docker.io/library/nginx", true),
            ("docker.io/nginx:1", "nginx", true),
            ("index.docker.io/nginx:1", "library/nginx", true),
            ("Docker.IO:443/library/nginx", "nginx", true),
            ("registry-1.docker.io/acme/shop:1", "acme/shop", true),
            (&digest, "ghcr.io/acme/shop", true),
            ("GHCR.io.:0443/acme/shop:v9", "ghcr.io/acme/shop", true),
            ("ghcr.io:80/acme//shop/:v9", "ghcr.io/acme/shop", true),
            ("ghcr.io/Acme/Shop:v9", "ghcr.io/acme/shop", true),
            ("REGISTRY/acme/shop", "registry:443/acme/shop", true),
            ("localhost:05000/a:1", "localhost:5000/a", true),
            ("nginx:1", "ghcr.io/library/nginx", false),
            ("ghcr.io:8443/acme/shop", "ghcr.io/acme/shop", false),
            ("acme/nginx", "nginx", false),
            ("ghcr.io/shop", "ghcr.io/library/shop", false),
        ] {
            let parsed: ImageRef = image.parse().unwrap();
            assert_eq!(parsed.same_repository(name), same, "{image} {name}");
        }
    }
}
