//! Requests to one chart repository: who sees the credentials, how redirects are followed, how much is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::ChartError;
use super::address::is_loopback;
use crate::Credentials;

const CONNECT: Duration = Duration::from_secs(10);
/// No byte for this long: the server is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// For one file, however slowly it trickles.
const WHOLE: Duration = Duration::from_secs(300);
const REDIRECTS_MAX: usize = 10;

/// HTTP clients by what they trust: making one takes longer than a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<Trust, Client>>>);

type Trust = (String, bool);

impl Clients {
    fn client(&self, credentials: &Credentials) -> Result<Client, String> {
        let trust = (credentials.ca_pem.clone(), credentials.insecure);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&trust) {
            return Ok(client.clone());
        }
        let client = build(credentials).map_err(|error| error.to_string())?;
        known.insert(trust, client.clone());
        Ok(client)
    }
}

fn build(credentials: &Credentials) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .timeout(WHOLE)
        .user_agent("gantline")
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(credentials.insecure);
    if !credentials.ca_pem.is_empty() {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(credentials.ca_pem.as_bytes())?);
    }
    builder.build()
}

/// One repository as a web server.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    client: Client,
    /// Of the repository, for messages.
    shown: String,
    /// Credentials go there.
    home: Url,
    /// Credentials go to other hosts, too (`--pass-credentials`).
    everywhere: bool,
}

impl Web {
    /// # Errors
    /// When the certificates cannot be read, or credentials would go over plain HTTP to another machine.
    pub(crate) fn new(
        clients: &Clients,
        shown: String,
        home: Url,
        credentials: &Credentials,
        everywhere: bool,
    ) -> Result<Self, ChartError> {
        let bad = |reason: String| ChartError::Address { url: shown.clone(), reason };
        if credentials.authorization().is_some() && !credentials.insecure && is_exposed(&home) {
            return Err(bad(
                "credentials are not sent over plain http, unless certificates are not checked either".into()
            ));
        }
        let client = clients.client(credentials).map_err(bad)?;
        Ok(Self { client, shown, home, everywhere })
    }

    /// Gets `url`, with `authorization` where it may be seen: by the repository's host, and by others on the first
    /// request if that was asked for. A redirect to another host never carries it.
    ///
    /// # Errors
    /// When there is no answer, or redirects lead nowhere.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&str>,
    ) -> Result<Response, ChartError> {
        let mut url = url.clone();
        for hop in 0..=REDIRECTS_MAX {
            let mut request = self.client.get(url.clone()).headers(headers.clone());
            let trusted = same_origin(&url, &self.home) || (self.everywhere && hop == 0 && !is_exposed(&url));
            if let Some(value) = authorization.filter(|_| trusted) {
                request = request.header(AUTHORIZATION, value);
            }
            let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                return Ok(answer);
            }
            url = self.redirected(&url, &answer)?;
        }
        Err(self.broken(format!("more than {REDIRECTS_MAX} redirects")))
    }

    fn redirected(&self, from: &Url, answer: &Response) -> Result<Url, ChartError> {
        let target = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok()).and_then(|v| from.join(v).ok());
        let Some(target) = target else { return Err(self.broken("a redirect without a target".to_owned())) };
        if !matches!(target.scheme(), "http" | "https") || (from.scheme() == "https" && target.scheme() == "http") {
            return Err(self.broken(format!("it redirects from {} to {}", from.scheme(), target.scheme())));
        }
        Ok(target)
    }

    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// What its status says about `what`.
    pub(crate) fn checked(&self, answer: Response, what: &str) -> Result<Response, ChartError> {
        let (url, status) = (self.shown.clone(), answer.status());
        match status {
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ChartError::Unauthorized { url, reason: status.to_string() })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(ChartError::NotFound { url, what: what.to_owned() }),
            status => Err(ChartError::Unreachable { url, reason: format!("{what}: {status}") }),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// When it ends early or is larger than `limit` bytes.
    pub(crate) async fn body(&self, answer: Response, what: &str, limit: u64) -> Result<Vec<u8>, ChartError> {
        let too_large = || ChartError::TooLarge { url: self.shown.clone(), what: what.to_owned(), limit };
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut stream = answer.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.unreachable(&error))?;
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ChartError {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason = cause.to_string();
            source = cause.source();
        }
        self.broken(reason)
    }

    pub(crate) fn broken(&self, reason: String) -> ChartError {
        ChartError::Unreachable { url: self.shown.clone(), reason }
    }

    pub(crate) fn malformed(&self, what: &str, reason: impl std::fmt::Display) -> ChartError {
        ChartError::Malformed { url: self.shown.clone(), what: what.to_owned(), reason: reason.to_string() }
    }

    /// The server that hands out tokens: it sees the credentials as well.
    pub(crate) fn at(&self, home: &Url) -> Self {
        Self { home: home.clone(), everywhere: false, ..self.clone() }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

/// Whether others on the way can read what is sent there.
pub(crate) fn is_exposed(url: &Url) -> bool {
    url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default())
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}
