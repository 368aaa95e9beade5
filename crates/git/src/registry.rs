//! Which digest a tag means, asked of the registry (OCI distribution, version 1.1).

use std::collections::BTreeMap;
use std::time::Duration;

use object::{ImageDigest, ImageRef};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::Credentials;
use crate::challenge::{Challenge, token, token_url};
use crate::charts::is_loopback;

/// Why a registry gave no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("{image} does not exist in the registry {registry}: was it pushed?")]
    NotFound { image: String, registry: String },
    #[error("the registry {registry} does not let us see {image}: {reason}: give it credentials")]
    Unauthorized { image: String, registry: String, reason: String },
    #[error("the registry {registry} cannot be asked about {image}: {reason}")]
    Unreachable { image: String, registry: String, reason: String },
}

/// Asks registries. Plain HTTP on loopback, HTTPS elsewhere, as other clients do.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    client: reqwest::Client,
    overrides: BTreeMap<String, String>,
    credentials: BTreeMap<String, Credentials>,
}

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

impl RegistryClient {
    /// `overrides` maps registry hosts to base URLs that answer for them: mirrors, or the demo's registry. `*` answers
    /// for every host.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(overrides: BTreeMap<String, String>) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(20))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, overrides, credentials: BTreeMap::new() })
    }

    /// Credentials for one registry host.
    #[must_use]
    pub fn with_credentials(mut self, host: &str, credentials: Credentials) -> Self {
        self.credentials.insert(host.to_owned(), credentials);
        self
    }

    /// The digest of `image`'s tag (`latest` without one). An image with a digest is answered without asking.
    ///
    /// # Errors
    /// When the registry does not know it, does not tell, or is not there.
    pub async fn resolve(&self, image: &ImageRef) -> Result<ImageDigest, RegistryError> {
        if let Some(digest) = &image.digest {
            return Ok(digest.clone());
        }
        let (registry, repository) = image.registry_and_repository();
        let tag = image.tag.as_deref().unwrap_or("latest");
        let ask = Ask { client: self, image: image.to_string(), registry: registry.clone() };
        let url = format!("{}/v2/{repository}/manifests/{tag}", self.base(&registry));
        let head = ask.request(Method::HEAD, &url, &repository).await?;
        if let Some(digest) = digest_header(&head) {
            return Ok(digest);
        }
        // a registry that does not tell it in the header: it is the hash of the manifest
        let body = ask.request(Method::GET, &url, &repository).await?.bytes().await.map_err(|e| ask.unreachable(&e))?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
        digest.parse().map_err(|_| ask.unreachable(&"the manifest has no digest"))
    }

    fn base(&self, registry: &str) -> String {
        if let Some(url) = self.overrides.get(registry).or_else(|| self.overrides.get("*")) {
            return url.trim_end_matches('/').to_owned();
        }
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        format!("{}://{host}", if is_loopback(host) { "http" } else { "https" })
    }
}

struct Ask<'a> {
    client: &'a RegistryClient,
    image: String,
    registry: String,
}

impl Ask<'_> {
    async fn request(&self, method: Method, url: &str, repository: &str) -> Result<Response, RegistryError> {
        let credentials = self.client.credentials.get(&self.registry);
        let plain = credentials.and_then(Credentials::authorization);
        let answer = self.send(method.clone(), url, plain.clone()).await?;
        let answer = if answer.status() == StatusCode::UNAUTHORIZED {
            match self.token(Challenge::of(answer.headers()), repository, plain).await? {
                Some(token) => self.send(method, url, Some(format!("Bearer {token}"))).await?,
                None => answer,
            }
        } else {
            answer
        };
        let (image, registry) = (self.image.clone(), self.registry.clone());
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { image, registry }),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(RegistryError::Unauthorized { image, registry, reason: status.to_string() })
            }
            status => Err(self.unreachable(&status)),
        }
    }

    async fn send(&self, method: Method, url: &str, authorization: Option<String>) -> Result<Response, RegistryError> {
        let mut request = self.client.client.request(method, url).header(ACCEPT, MANIFESTS);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// The token that a Bearer challenge asks for.
    async fn token(
        &self,
        challenge: Option<Challenge>,
        repository: &str,
        basic: Option<String>,
    ) -> Result<Option<String>, RegistryError> {
        let Some(Challenge::Bearer { realm, service }) = challenge else { return Ok(None) };
        let mut request = self.client.client.get(token_url(&realm, service.as_deref(), repository));
        if let Some(value) = basic {
            request = request.header(AUTHORIZATION, value);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let answer: serde_json::Value = answer.json().await.map_err(|error| self.unreachable(&error))?;
        Ok(token(&answer).map(str::to_owned))
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> RegistryError {
        RegistryError::Unreachable {
            image: self.image.clone(),
            registry: self.registry.clone(),
            reason: error.to_string(),
        }
    }
}

fn digest_header(answer: &Response) -> Option<ImageDigest> {
    answer.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}
