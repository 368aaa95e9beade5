//! Charts from Helm repositories (an `index.yaml` beside packed charts) and from OCI registries.
//!
//! What is fetched is checked against its digest and kept by it; an index is kept and asked for again only when it
//! changed. The folder of the cache may be deleted at any time.

pub(crate) mod address;
mod artifacts;
mod error;
pub(crate) mod index;
mod index_cache;
mod index_json;
mod oci;
mod version;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use url::Url;

use address::Address;
pub(crate) use address::is_loopback;
use artifacts::{Artifacts, sha256};
use index_cache::{IndexCache, Indexed};
use oci::Registry;
use web::Web;
pub(crate) use web::is_exposed;

use crate::client::Clients;
use crate::{Credentials, Policy};

pub use error::ChartError;
pub use version::ChartVersion;

/// The largest `index.yaml`, in bytes.
pub const INDEX_MAX: u64 = 64 << 20;
/// The largest packed chart, in bytes.
pub const CHART_MAX: u64 = 32 << 20;

/// Opens chart repositories, with one cache for all. Clones share it.
#[derive(Debug, Clone)]
pub struct ChartRepositories {
    artifacts: Artifacts,
    indexes: IndexCache,
    clients: Clients,
}

/// How a chart repository is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRepositoryOptions {
    /// The address has no scheme and is a registry: `enableOCI` of Argo CD.
    pub oci: bool,
    /// Credentials are sent to the host of the charts as well where that is another one.
    pub pass_credentials: bool,
    /// Registries are asked by plain HTTP; those on loopback always are.
    pub plain_http: bool,
    /// An index is used without asking while it is younger; with [`Duration::MAX`] also one of an earlier process.
    pub index_age: Duration,
    pub policy: Policy,
}

impl Default for ChartRepositoryOptions {
    fn default() -> Self {
        Self {
            oci: false,
            pass_credentials: false,
            plain_http: false,
            index_age: Duration::from_secs(180),
            policy: Policy::default(),
        }
    }
}

/// One repository of charts.
#[derive(Debug, Clone)]
pub struct ChartRepository {
    artifacts: Artifacts,
    clients: Clients,
    credentials: Credentials,
    options: ChartRepositoryOptions,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Index(IndexRepository),
    Registry(Registry),
}

/// Packed charts with an `index.yaml`.
#[derive(Debug, Clone)]
struct IndexRepository {
    web: Web,
    url: Url,
    authorization: Option<String>,
    index: Indexed,
}

impl ChartRepositories {
    /// `cache` is a folder that is made when needed and may be deleted.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let cache = cache.into();
        Self { artifacts: Artifacts::new(&cache), indexes: IndexCache::new(&cache), clients: Clients::default() }
    }

    /// Opens a repository: `https://…` with an `index.yaml`, or `oci://…`. Nothing is asked yet.
    ///
    /// # Errors
    /// When the address is not understood, or the credentials must not go there.
    pub fn open(&self, url: &str, credentials: &Credentials) -> Result<ChartRepository, ChartError> {
        self.open_with(url, credentials, &ChartRepositoryOptions::default())
    }

    /// As [`ChartRepositories::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        &self,
        url: &str,
        credentials: &Credentials,
        options: &ChartRepositoryOptions,
    ) -> Result<ChartRepository, ChartError> {
        let address = Address::parse(url, options.oci, options.plain_http)?;
        let shown = address.to_string();
        let kind = match address {
            Address::Index(url) => {
                let web = Web::new(
                    &self.clients,
                    shown,
                    url.clone(),
                    credentials,
                    options.pass_credentials,
                    &options.policy,
                )?;
                let authorization = credentials.authorization();
                let index = self.indexes.of(&url, authorization.as_deref(), options.index_age);
                Kind::Index(IndexRepository { web, url, authorization, index })
            }
            Address::Oci { registry, path, plain } => Kind::Registry(Registry::new(
                &self.clients,
                shown,
                &registry,
                &path,
                plain,
                credentials,
                &options.policy,
            )?),
        };
        let (artifacts, clients) = (self.artifacts.clone(), self.clients.clone());
        Ok(ChartRepository { artifacts, clients, credentials: credentials.clone(), options: options.clone(), kind })
    }
}

impl ChartRepository {
    /// Asks for the index now if the copy is not young enough. A registry has none.
    ///
    /// # Errors
    /// When the repository is not there.
    pub async fn refresh(&self) -> Result<(), ChartError> {
        match &self.kind {
            Kind::Index(IndexRepository { web, url, authorization, index }) => {
                index.refresh(web, url, authorization.as_deref()).await
            }
            Kind::Registry(_) => Ok(()),
        }
    }

    /// All versions of `chart`, the newest first. A registry tells neither digests nor URLs here.
    ///
    /// # Errors
    /// When the repository does not know the chart, or is not there.
    pub async fn versions(&self, chart: &str) -> Result<Vec<ChartVersion>, ChartError> {
        match &self.kind {
            Kind::Index(IndexRepository { web, url, authorization, index }) => {
                index.versions(web, url, authorization.as_deref(), chart).await
            }
            Kind::Registry(registry) => registry.versions(chart).await,
        }
    }

    /// The version of `chart` that is meant by a version or a constraint (empty: the newest release). For a registry,
    /// the digests come with it.
    ///
    /// # Errors
    /// When no version fulfils it; else as [`ChartRepository::versions`].
    pub async fn resolve(&self, chart: &str, constraint: &str) -> Result<ChartVersion, ChartError> {
        if let Kind::Registry(registry) = &self.kind {
            return registry.resolve(chart, constraint).await;
        }
        let versions = self.versions(chart).await?;
        let picked = version::pick(&versions, chart, constraint)?;
        picked.cloned().ok_or_else(|| ChartError::NoVersion {
            url: self.url().to_owned(),
            chart: chart.to_owned(),
            constraint: constraint.to_owned(),
            known: version::known(&versions),
        })
    }

    /// The packed chart, as it was published. Where a digest is known, the bytes have it.
    ///
    /// # Errors
    /// When the chart cannot be fetched, is larger than [`CHART_MAX`], or does not have its digest.
    pub async fn pull(&self, version: &ChartVersion) -> Result<Arc<[u8]>, ChartError> {
        if let Some(bytes) = version.digest.as_deref().and_then(|digest| self.artifacts.get(digest)) {
            return Ok(bytes);
        }
        let bytes = match &self.kind {
            Kind::Index(index) => self.download(index, version).await?,
            Kind::Registry(registry) => registry.pull(version).await?,
        };
        if let Some(expected) = &version.digest {
            self.verify(&version.name(), expected, &bytes)?;
        }
        self.artifacts.put(&bytes)?;
        Ok(bytes.into())
    }

    /// The address, without credentials.
    pub fn url(&self) -> &str {
        match &self.kind {
            Kind::Index(index) => index.web.shown(),
            Kind::Registry(registry) => registry.web.shown(),
        }
    }

    async fn download(&self, index: &IndexRepository, version: &ChartVersion) -> Result<Vec<u8>, ChartError> {
        let what = version.name();
        let reference = version.urls.first();
        let reference = reference.ok_or_else(|| index.web.malformed(&what, "the index names no URL for it"))?;
        if reference.starts_with("oci://") {
            return self.download_from_registry(reference, version).await;
        }
        let url = address::resolve(&index.url, reference).map_err(|error| index.web.malformed(&what, error))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/gzip,application/octet-stream"));
        let answer = index.web.get(&url, &headers, index.authorization.as_deref()).await?;
        index.web.body(index.web.checked(answer, &what)?, &what, CHART_MAX).await
    }

    /// An index may name registries as the places of its charts. They see credentials only where that was asked for.
    async fn download_from_registry(&self, reference: &str, version: &ChartVersion) -> Result<Vec<u8>, ChartError> {
        let (repository, tag) = split_reference(reference);
        let Address::Oci { registry, path, plain } = Address::parse(repository, true, self.options.plain_http)? else {
            return Err(ChartError::Address { url: reference.to_owned(), reason: "no registry".to_owned() });
        };
        let nobody = Credentials { ca_pem: self.credentials.ca_pem.clone(), ..Credentials::default() };
        let nobody = Credentials { insecure: self.credentials.insecure, ..nobody };
        let credentials = if self.options.pass_credentials { &self.credentials } else { &nobody };
        let shown = format!("oci://{registry}/{path}");
        let policy = self.options.policy.found();
        let registry = Registry::new(&self.clients, shown, &registry, &path, plain, credentials, &policy)?;
        let wanted = tag.map_or_else(|| version.version.clone(), |tag| tag.replace('_', "+"));
        let found = registry.resolve("", &wanted).await?;
        registry.pull(&found).await
    }

    fn verify(&self, what: &str, expected: &str, bytes: &[u8]) -> Result<(), ChartError> {
        let found = sha256(bytes);
        if found == expected {
            return Ok(());
        }
        let (url, what, expected) = (self.url().to_owned(), what.to_owned(), expected.to_owned());
        Err(ChartError::Digest { url, what, expected, found })
    }
}

/// An address in a registry, and the tag or digest behind it.
fn split_reference(reference: &str) -> (&str, Option<&str>) {
    if let Some((repository, digest)) = reference.split_once('@') {
        return (repository, Some(digest));
    }
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (reference, None),
    }
}
