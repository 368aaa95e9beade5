//! Requests to one chart repository: who sees the credentials, how redirects are followed, how much is read.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use url::Url;

use super::ChartError;
use super::address::is_loopback;
use crate::client::{Answer, Ask, Client, Clients, NoAnswer};
use crate::{Credentials, Policy};

/// For one file, however slowly it trickles.
const WHOLE: Duration = Duration::from_secs(300);

/// One repository as a web server.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    client: Client,
    /// Of the repository, for messages.
    shown: String,
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
        policy: &Policy,
    ) -> Result<Self, ChartError> {
        let bad = |reason: String| ChartError::Address { url: shown.clone(), reason };
        if credentials.authorization().is_some() && !credentials.insecure && is_exposed(&home) {
            return Err(bad(
                "credentials are not sent over plain http, unless certificates are not checked either".into()
            ));
        }
        let client = Client::new(clients, &home, credentials, policy).map_err(bad)?;
        Ok(Self { client, shown, everywhere })
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
        Ok(self.ask(url, headers, authorization).await?.response)
    }

    /// As [`Web::get`], with whether the one who answered may see credentials.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&str>,
    ) -> Result<Answer, ChartError> {
        let everywhere = self.everywhere && !is_exposed(url);
        let (headers, timeout) = (headers.clone(), Some(WHOLE));
        let ask = Ask { headers, timeout, everywhere, ..Ask::get(url.clone(), authorization) };
        self.client.send(ask).await.map_err(|error| self.broken(error.to_string()))
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
            let chunk = chunk.map_err(|error| self.unreachable(error))?;
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> ChartError {
        self.broken(NoAnswer::from(error).to_string())
    }

    pub(crate) fn broken(&self, reason: String) -> ChartError {
        ChartError::Unreachable { url: self.shown.clone(), reason }
    }

    pub(crate) fn malformed(&self, what: &str, reason: impl std::fmt::Display) -> ChartError {
        ChartError::Malformed { url: self.shown.clone(), what: what.to_owned(), reason: reason.to_string() }
    }

    /// The server that hands out tokens: it sees the credentials as well.
    pub(crate) fn at(&self, home: &Url) -> Self {
        Self { client: self.client.at(home), everywhere: false, ..self.clone() }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

/// Whether others on the way can read what is sent there.
pub(crate) fn is_exposed(url: &Url) -> bool {
    url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default())
}
