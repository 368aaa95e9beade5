//! One server and what is asked of it.

use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::packet::{Packet, Packets};
use super::protocol::{Advertisement, Report, fetch_request, push_request, storage, take_pack};
use crate::ref_update::RefUpdate;
use crate::{CommitId, Credentials, GitError, Place, PushError};

/// A connection-less view of one repository on a server.
#[derive(Debug, Clone)]
pub(crate) struct HttpRemote {
    url: Url,
    shown: String,
    client: reqwest::Client,
    authorization: Option<String>,
}

const CONNECT: Duration = Duration::from_secs(10);
/// No byte for this long: the server is gone.
const SILENCE: Duration = Duration::from_secs(30);

impl HttpRemote {
    /// # Errors
    /// When credentials would go over plain HTTP to another machine, or a certificate cannot be read.
    pub(crate) fn new(place: &Place, url: &Url, credentials: &Credentials) -> Result<Self, GitError> {
        let shown = place.to_string();
        let authorization = credentials.authorization();
        if authorization.is_some() && url.scheme() == "http" && !place.is_loopback() {
            let reason = "credentials are not sent over plain http: use https://".to_owned();
            return Err(GitError::Address { url: shown, reason });
        }
        let broken =
            |error: &dyn std::fmt::Display| GitError::Address { url: shown.clone(), reason: error.to_string() };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent("git/gantline")
            .tls_danger_accept_invalid_certs(credentials.insecure);
        if !credentials.ca_pem.is_empty() {
            let roots = reqwest::Certificate::from_pem_bundle(credentials.ca_pem.as_bytes()).map_err(|e| broken(&e))?;
            builder = builder.tls_certs_merge(roots);
        }
        let client = builder.build().map_err(|e| broken(&e))?;
        Ok(Self { url: url.clone(), shown, client, authorization })
    }

    fn address(&self, tail: &str) -> String {
        format!("{}/{tail}", self.url.as_str().trim_end_matches('/'))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, GitError> {
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (url, status) = (self.shown.clone(), answer.status());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let reason = if self.authorization.is_some() {
                    status.to_string()
                } else {
                    format!("{status}, and no Secret matches the address")
                };
                Err(GitError::Unauthorized { url, reason })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(GitError::NotFound { url, reason: status.to_string() }),
            status if status.is_success() => Ok(answer),
            status => Err(GitError::Unreachable { url, reason: status.to_string() }),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> GitError {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason = cause.to_string();
            source = cause.source();
        }
        let reason = object::without_credentials(&reason).into_owned();
        GitError::Unreachable { url: self.shown.clone(), reason }
    }

    /// The references of the repository. `service` is `git-upload-pack` or `git-receive-pack`.
    pub(crate) async fn advertise(&self, service: &str) -> Result<Advertisement, GitError> {
        let request = self.client.get(self.address(&format!("info/refs?service={service}")));
        let body = self.send(request).await?.bytes().await.map_err(|error| self.unreachable(&error))?;
        let mut packets = Packets::default();
        packets.feed(&body);
        let mut found = Advertisement::default();
        while let Some(packet) = packets.next(&self.shown)? {
            if let Packet::Line(line) = packet {
                found.add(&line);
            }
        }
        Ok(found)
    }

    /// Asks for everything that `wants` reach and `haves` do not, and writes the pack to `out`.
    pub(crate) async fn fetch(
        &self,
        wants: &[CommitId],
        haves: &[CommitId],
        mut out: impl Write,
    ) -> Result<(), GitError> {
        let body = fetch_request(wants, haves);
        let request = self.client.post(self.address("git-upload-pack"));
        let request = request.header(CONTENT_TYPE, "application/x-git-upload-pack-request").body(body);
        let mut stream = self.send(request).await?.bytes_stream();
        let mut packets = Packets::default();
        while let Some(chunk) = stream.next().await {
            packets.feed(&chunk.map_err(|error| self.unreachable(&error))?);
            while let Some(packet) = packets.next(&self.shown)? {
                take_pack(&self.shown, packet, &mut out)?;
            }
        }
        out.flush().map_err(|error| storage(&self.shown, &error))
    }

    /// Moves references, all or none: the server itself compares, so a branch that moved is refused by it.
    pub(crate) async fn push(&self, updates: &[RefUpdate], pack: &[u8]) -> Result<(), PushError> {
        self.advertise("git-receive-pack").await?.expect(&self.shown, updates)?;
        let body = push_request(updates, pack);
        let request = self.client.post(self.address("git-receive-pack"));
        let request = request.header(CONTENT_TYPE, "application/x-git-receive-pack-request").body(body);
        let answer = self.send(request).await?.bytes().await.map_err(|error| GitError::from_wire(self, &error))?;
        let (mut packets, mut report) = (Packets::default(), Report::default());
        packets.feed(&answer);
        while let Some(packet) = packets.next(&self.shown)? {
            report.take(packet);
        }
        report.judge(&self.shown, updates)
    }
}

impl GitError {
    fn from_wire(remote: &HttpRemote, error: &reqwest::Error) -> Self {
        remote.unreachable(error)
    }
}
