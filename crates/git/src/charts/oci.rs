//! Charts in OCI registries (distribution 1.1, with Helm's media types).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::semver::Version;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::artifacts::sha256;
use super::version::{self, ChartVersion};
use super::web::{Web, is_exposed};
use super::{CHART_MAX, ChartError};
use crate::challenge::{Challenge, token, token_url};
use crate::client::{Answer, Clients};
use crate::{Credentials, Policy};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// As early versions of Helm wrote it.
const OLD_CHART: &str = "application/tar+gzip";
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest, in bytes, as registries have it.
const MANIFEST_MAX: u64 = 4 << 20;
const TAGS_MAX: u64 = 16 << 20;
const TAG_PAGES_MAX: usize = 1000;
/// Manifests of an index that are looked at.
const INDEX_ENTRIES_MAX: usize = 16;

/// One folder of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) web: Web,
    base: Url,
    /// `host[:port]`
    host: String,
    path: String,
    credentials: Credentials,
    /// What the registry wanted for a repository, to be sent at once the next time.
    logins: Arc<Mutex<HashMap<String, String>>>,
}

/// What a manifest says of the packed chart.
struct Packed {
    manifest: String,
    digest: String,
    version: Option<String>,
}

impl Registry {
    pub(crate) fn new(
        clients: &Clients,
        shown: String,
        host: &str,
        path: &str,
        plain: bool,
        credentials: &Credentials,
        policy: &Policy,
    ) -> Result<Self, ChartError> {
        let scheme = if plain { "http" } else { "https" };
        let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let base = Url::parse(&format!("{scheme}://{server}/v2/"))
            .map_err(|error| ChartError::Address { url: shown.clone(), reason: error.to_string() })?;
        let web = Web::new(clients, shown, base.clone(), credentials, false, policy)?;
        let (host, path, credentials) = (host.to_owned(), path.to_owned(), credentials.clone());
        Ok(Self { web, base, host, path, credentials, logins: Arc::default() })
    }

    /// Every tag that is a version by the letter, the newest first (Helm 4.2, `Client.Tags`).
    pub(crate) async fn versions(&self, chart: &str) -> Result<Vec<ChartVersion>, ChartError> {
        let repository = self.repository(chart);
        let mut versions = Vec::new();
        let mut next = Some(self.url(&format!("{repository}/tags/list"))?);
        for _ in 0..TAG_PAGES_MAX {
            let Some(url) = next.take() else { break };
            let answer = self.get(&repository, &url, "application/json").await?;
            let answer = self.web.checked(answer, &format!("chart {chart}"))?;
            next = next_page(&url, answer.headers());
            let body = self.web.body(answer, "the list of tags", TAGS_MAX).await?;
            let tags: Value = serde_json::from_slice(&body).map_err(|e| self.web.malformed("the list of tags", e))?;
            let tags = tags.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let named = tags.map(|tag| tag.replace('_', "+")).filter(|tag| Version::is_strict(tag));
            versions.extend(named.map(|version| self.version(chart, version, None)));
        }
        version::sort(&mut versions);
        Ok(versions)
    }

    /// A version is a tag as it is written; else the newest tag that fulfils the constraint (Helm 4.2,
    /// `ValidateReference`). `sha256:…` is the manifest with this digest.
    pub(crate) async fn resolve(&self, chart: &str, constraint: &str) -> Result<ChartVersion, ChartError> {
        if constraint.starts_with("sha256:") {
            let packed = self.packed(chart, constraint).await?;
            let version = packed.version.clone().unwrap_or_else(|| constraint.to_owned());
            return Ok(self.version(chart, version, Some(packed)));
        }
        let version = if Version::parse(constraint).is_ok() {
            constraint.to_owned()
        } else {
            let versions = self.versions(chart).await?;
            let picked = version::pick(&versions, chart, constraint)?;
            let missing = || ChartError::NoVersion {
                url: self.web.shown().to_owned(),
                chart: chart.to_owned(),
                constraint: constraint.to_owned(),
                known: version::known(&versions),
            };
            picked.ok_or_else(missing)?.version.clone()
        };
        let packed = self.packed(chart, &version.replace('+', "_")).await?;
        Ok(self.version(chart, version, Some(packed)))
    }

    /// The packed chart; its bytes have the digest of the layer.
    pub(crate) async fn pull(&self, version: &ChartVersion) -> Result<Vec<u8>, ChartError> {
        let digest = match &version.digest {
            Some(digest) => digest.clone(),
            None => self.packed(&version.chart, &version.version.replace('+', "_")).await?.digest,
        };
        let repository = self.repository(&version.chart);
        let what = version.name();
        let url = self.url(&format!("{repository}/blobs/{digest}"))?;
        let answer = self.get(&repository, &url, "*/*").await?;
        let bytes = self.web.body(self.web.checked(answer, &what)?, &what, CHART_MAX).await?;
        self.verify(&what, &digest, &bytes)?;
        Ok(bytes)
    }

    fn version(&self, chart: &str, version: String, packed: Option<Packed>) -> ChartVersion {
        let url = format!("oci://{}/{}:{}", self.host, self.repository(chart), version.replace('+', "_"));
        let (manifest, digest) = packed.map(|p| (p.manifest, p.digest)).unzip();
        ChartVersion { chart: chart.to_owned(), version, digest, urls: vec![url], manifest }
    }

    /// The chart's repository; without a chart, the registry's path is one.
    fn repository(&self, chart: &str) -> String {
        match (self.path.as_str(), chart) {
            ("", chart) => chart.to_owned(),
            (path, "") => path.to_owned(),
            (path, chart) => format!("{path}/{chart}"),
        }
    }

    fn url(&self, tail: &str) -> Result<Url, ChartError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
        if !tail.chars().all(fine) || tail.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(self.web.malformed(tail, "this is no name in a registry"));
        }
        self.base.join(tail).map_err(|error| self.web.malformed(tail, error))
    }

    /// What the manifest with this tag or digest says; of an index, the first manifest of a chart.
    async fn packed(&self, chart: &str, reference: &str) -> Result<Packed, ChartError> {
        let (digest, manifest) = self.manifest(chart, reference).await?;
        let Some(entries) = manifest.get("manifests").and_then(Value::as_array) else {
            return self.chart_of(chart, reference, digest, &manifest);
        };
        for entry in entries.iter().take(INDEX_ENTRIES_MAX) {
            let kind = entry.get("artifactType").and_then(Value::as_str).unwrap_or(CONFIG);
            let Some(inner) = entry.get("digest").and_then(Value::as_str).filter(|_| kind == CONFIG) else { continue };
            let (_, inner) = self.manifest(chart, inner).await?;
            if let Ok(packed) = self.chart_of(chart, reference, digest.clone(), &inner) {
                return Ok(packed);
            }
        }
        Err(self.web.malformed(&format!("{chart}:{reference}"), "an index of images, none of which is a chart"))
    }

    fn chart_of(&self, chart: &str, reference: &str, digest: String, manifest: &Value) -> Result<Packed, ChartError> {
        let bad = |reason: String| Err(self.web.malformed(&format!("{chart}:{reference}"), reason));
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match text(manifest, "/config/mediaType") {
            Some(config) if config == CONFIG => {}
            found => return bad(format!("it is no chart: its config is {}", found.unwrap_or_default())),
        }
        let layers = manifest.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let with = |kind: &str| layers.iter().find(|l| l.get("mediaType").and_then(Value::as_str) == Some(kind));
        let Some(layer) = with(CHART).or_else(|| with(OLD_CHART)) else {
            return bad(format!("it has no layer {CHART}"));
        };
        let version = manifest.pointer("/annotations/org.opencontainers.image.version");
        match text(layer, "/digest") {
            Some(layer) if is_sha256(&layer) => Ok(Packed {
                manifest: digest,
                digest: layer,
                version: version.and_then(Value::as_str).map(str::to_owned),
            }),
            found => bad(format!("the digest {} of its layer is no sha256", found.unwrap_or_default())),
        }
    }

    /// A manifest and its digest.
    async fn manifest(&self, chart: &str, reference: &str) -> Result<(String, Value), ChartError> {
        let repository = self.repository(chart);
        let what = format!("{chart}:{reference}");
        let url = self.url(&format!("{repository}/manifests/{reference}"))?;
        let answer = self.web.checked(self.get(&repository, &url, MANIFESTS).await?, &what)?;
        let told = answer.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let bytes = self.web.body(answer, &what, MANIFEST_MAX).await?;
        let asked = is_sha256(reference).then(|| reference.to_owned());
        if let Some(expected) = asked.or(told.filter(|t| is_sha256(t))) {
            self.verify(&what, &expected, &bytes)?;
        }
        let manifest = serde_json::from_slice(&bytes).map_err(|error| self.web.malformed(&what, error))?;
        Ok((sha256(&bytes), manifest))
    }

    fn verify(&self, what: &str, expected: &str, bytes: &[u8]) -> Result<(), ChartError> {
        let found = sha256(bytes);
        if found == expected {
            return Ok(());
        }
        let (url, what, expected) = (self.web.shown().to_owned(), what.to_owned(), expected.to_owned());
        Err(ChartError::Digest { url, what, expected, found })
    }

    /// Asks, and logs in when the registry wants it.
    async fn get(&self, repository: &str, url: &Url, accept: &'static str) -> Result<Response, ChartError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let known = self.logins.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned();
        let Answer { response: answer, trusted } = self.web.ask(url, &headers, known.as_deref()).await?;
        // another server, to which this one led, is not told who we are
        if answer.status() != StatusCode::UNAUTHORIZED || !trusted {
            return Ok(answer);
        }
        let Some(login) = self.login(repository, &answer).await? else { return Ok(answer) };
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).insert(repository.to_owned(), login.clone());
        self.web.get(url, &headers, Some(&login)).await
    }

    /// The `Authorization` that the refusal asks for.
    async fn login(&self, repository: &str, refusal: &Response) -> Result<Option<String>, ChartError> {
        let own = self.credentials.authorization();
        if own.as_deref().is_some_and(|value| value.starts_with("Bearer ")) {
            return Ok(own);
        }
        let Some(Challenge::Bearer { realm, service }) = Challenge::of(refusal.headers()) else { return Ok(own) };
        if own.is_some() && is_exposed(&realm) && !self.credentials.insecure {
            return Err(self.web.malformed("the login", format!("{realm} takes credentials over plain http")));
        }
        let server = self.web.at(&realm);
        let url = token_url(&realm, service.as_deref(), repository);
        let answer = server.checked(server.get(&url, &HeaderMap::new(), own.as_deref()).await?, "the login")?;
        let body = server.body(answer, "the login", MANIFEST_MAX).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| self.web.malformed("the login", error))?;
        Ok(token(&answer).map(|token| format!("Bearer {token}")))
    }
}

fn is_sha256(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `Link: </v2/…>; rel="next"`
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let next = links.filter(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
    let target = next.filter_map(|link| link.split_once('<')?.1.split_once('>').map(|(target, _)| target)).next()?;
    url.join(target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let url = Url::parse("https://r/v2/a/tags/list").unwrap();
        for (link, next) in [
            ("</v2/a/tags/list?last=x&n=2>; rel=\"next\"", Some("https://r/v2/a/tags/list?last=x&n=2")),
            ("<https://o/x>; rel=\"prev\", <?n=1>; rel=next", Some("https://r/v2/a/tags/list?n=1")),
            ("<x>; rel=\"prev\"", None),
            ("next", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, HeaderValue::from_static(link));
            assert_eq!(next_page(&url, &headers).as_ref().map(Url::as_str), next, "{link}");
        }
    }
}
