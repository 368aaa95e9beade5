//! Which digest a tag means, asked of the registry (OCI distribution, version 1.1).

use std::collections::BTreeMap;
use std::time::Duration;

use object::{ImageDigest, ImageRef};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use url::Url;

use crate::challenge::{Challenge, token, token_url};
use crate::charts::{is_exposed, is_loopback};
use crate::client::{Answer, Ask, Client, Clients, NoAnswer};
use crate::{Credentials, Policy};

/// Why a registry gave no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("{image} does not exist in the registry {registry}: was it pushed?")]
    NotFound { image: String, registry: String },
    #[error("the registry {registry} does not let us see {image}: {reason}: give it credentials")]
    Unauthorized { image: String, registry: String, reason: String },
    #[error("the registry {registry} cannot be asked about {image}: {reason}")]
    Unreachable { image: String, registry: String, reason: String },
    #[error("what the registry {registry} has for {image} is not looked at: {reason}")]
    Unreadable { image: String, registry: String, reason: String },
}

/// Asks registries. Plain HTTP on loopback, HTTPS elsewhere, as other clients do.
#[derive(Debug, Clone, Default)]
pub struct RegistryClient {
    clients: Clients,
    overrides: BTreeMap<String, String>,
    credentials: BTreeMap<String, Credentials>,
    policy: Policy,
}

/// For one answer.
const WHOLE: Duration = Duration::from_secs(20);
/// The largest manifest, and answer of a server of tokens, in bytes.
const ANSWER_MAX: usize = 4 << 20;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

impl RegistryClient {
    /// `overrides` maps registry hosts to base URLs that answer for them: mirrors, or the demo's registry. `*` answers
    /// for every host.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(overrides: BTreeMap<String, String>) -> Result<Self, String> {
        Ok(Self { overrides, ..Self::default() })
    }

    /// What may be asked; the registries themselves are those that somebody configured.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
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
        let (ask, base, repository) = self.question(image)?;
        let url = ask.url(&base, &repository, image.tag.as_deref().unwrap_or("latest"))?;
        let head = ask.request(Method::HEAD, &url, &repository).await?;
        if let Some(digest) = digest_header(&head) {
            return Ok(digest);
        }
        // a registry that does not tell it in the header: it is the hash of the manifest
        let answer = ask.request(Method::GET, &url, &repository).await?;
        let claimed = digest_header(&answer);
        let body = ask.body(answer).await?;
        if !is_manifest(&body) {
            return Err(ask.unreachable(&"what it answers is no manifest"));
        }
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
        let digest = digest.parse().map_err(|_| ask.unreachable(&"the manifest has no digest"))?;
        match claimed.filter(|claimed| *claimed != digest) {
            Some(claimed) => Err(ask.unreachable(&format!("it gives {digest} as {claimed}"))),
            None => Ok(digest),
        }
    }

    /// With where it is asked and the repository.
    pub(crate) fn question(&self, image: &ImageRef) -> Result<(Question, String, String), RegistryError> {
        let (registry, repository) = image.registry_and_repository();
        let (base, image) = (self.base(&registry), image.to_string());
        let credentials = self.credentials.get(&registry).cloned().unwrap_or_default();
        let client = Url::parse(&base).map_err(|error| error.to_string());
        let client = client.and_then(|url| Client::new(&self.clients, &url, &credentials, &self.policy));
        match client {
            Ok(client) => Ok((Question { client, credentials, image, registry }, base, repository)),
            Err(reason) => Err(RegistryError::Unreachable { image, registry, reason }),
        }
    }

    fn base(&self, registry: &str) -> String {
        if let Some(url) = self.overrides.get(registry).or_else(|| self.overrides.get("*")) {
            return url.trim_end_matches('/').to_owned();
        }
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        format!("{}://{host}", if is_loopback(host) { "http" } else { "https" })
    }
}

/// About one image.
pub(crate) struct Question {
    client: Client,
    credentials: Credentials,
    image: String,
    registry: String,
}

impl Question {
    /// Of a manifest, by its tag or digest.
    pub(crate) fn url(&self, base: &str, repository: &str, reference: &str) -> Result<Url, RegistryError> {
        let url = Url::parse(&format!("{base}/v2/{repository}/manifests/{reference}"));
        url.map_err(|error| self.unreachable(&error))
    }

    pub(crate) async fn request(&self, method: Method, url: &Url, repository: &str) -> Result<Response, RegistryError> {
        let plain = self.credentials.authorization();
        let Answer { mut response, trusted } = self.send(&self.client, method.clone(), url, plain.as_deref()).await?;
        // another server, to which this one led, is not told who we are
        if response.status() == StatusCode::UNAUTHORIZED
            && trusted
            && let Some(token) = self.token(Challenge::of(response.headers()), repository, plain.as_deref()).await?
        {
            let bearer = format!("Bearer {token}");
            response = self.send(&self.client, method, url, Some(&bearer)).await?.response;
        }
        let (image, registry) = (self.image.clone(), self.registry.clone());
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { image, registry }),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(RegistryError::Unauthorized { image, registry, reason: status.to_string() })
            }
            status => Err(self.unreachable(&status)),
        }
    }

    async fn send(
        &self,
        client: &Client,
        method: Method,
        url: &Url,
        authorization: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
        let ask = Ask { method, headers, timeout: Some(WHOLE), ..Ask::get(url.clone(), authorization) };
        client.send(ask).await.map_err(|error| self.unreachable(&error))
    }

    /// The token that a Bearer challenge asks for.
    async fn token(
        &self,
        challenge: Option<Challenge>,
        repository: &str,
        basic: Option<&str>,
    ) -> Result<Option<String>, RegistryError> {
        let Some(Challenge::Bearer { realm, service }) = challenge else { return Ok(None) };
        if basic.is_some() && is_exposed(&realm) {
            return Err(self.unreachable(&format!("{realm} takes credentials over plain http")));
        }
        let url = token_url(&realm, service.as_deref(), repository);
        let answer = self.send(&self.client.at(&realm), Method::GET, &url, basic).await?.response;
        let body = self.body(answer).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|error| self.unreachable(&error))?;
        Ok(token(&answer).map(str::to_owned))
    }

    pub(crate) async fn body(&self, mut answer: Response) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&NoAnswer::from(error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_MAX {
                return Err(self.unreadable(&format!("its answer is larger than {ANSWER_MAX} bytes")));
            }
        }
        Ok(body)
    }

    pub(crate) fn unreadable(&self, why: &dyn std::fmt::Display) -> RegistryError {
        let (image, registry, reason) = (self.image.clone(), self.registry.clone(), why.to_string());
        RegistryError::Unreadable { image, registry, reason }
    }

    pub(crate) fn unreachable(&self, error: &dyn std::fmt::Display) -> RegistryError {
        RegistryError::Unreachable {
            image: self.image.clone(),
            registry: self.registry.clone(),
            reason: error.to_string(),
        }
    }
}

/// Whether a body is a manifest or an index, of which the hash is a digest: pages of errors have hashes, too.
fn is_manifest(body: &[u8]) -> bool {
    let read: Result<serde_json::Value, _> = serde_json::from_slice(body);
    read.is_ok_and(|manifest| manifest["schemaVersion"].is_u64())
}

fn digest_header(answer: &Response) -> Option<ImageDigest> {
    answer.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}
