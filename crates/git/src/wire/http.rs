//! One server and what is asked of it.

use std::io::Write;

use failpoint::Point;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::packet::Packets;
use super::protocol::{Advertisement, Report, fetch_request, push_request, storage, take_pack};
use crate::client::{Ask, Client, Clients, NoAnswer};
use crate::limits::Limit;
use crate::ref_update::RefUpdate;
use crate::{CommitId, Credentials, GitError, Limits, Place, Policy, PushError};

/// A connection-less view of one repository on a server.
#[derive(Debug, Clone)]
pub(crate) struct HttpRemote {
    url: Url,
    shown: String,
    client: Client,
    authorization: Option<String>,
    limits: Limits,
}

impl HttpRemote {
    /// # Errors
    /// When credentials would go over plain HTTP to another machine, or a certificate cannot be read.
    pub(crate) fn new(
        clients: &Clients,
        place: &Place,
        url: &Url,
        credentials: &Credentials,
        policy: &Policy,
    ) -> Result<Self, GitError> {
        let shown = place.to_string();
        let authorization = credentials.authorization();
        if authorization.is_some() && url.scheme() == "http" && !place.is_loopback() {
            let reason = "credentials are not sent over plain http: use https://".to_owned();
            return Err(GitError::Address { url: shown, reason });
        }
        let client = Client::new(clients, url, credentials, policy)
            .map_err(|reason| GitError::Address { url: shown.clone(), reason })?;
        Ok(Self { url: url.clone(), shown, client, authorization, limits: policy.limits.clone() })
    }

    fn address(&self, tail: &str) -> Result<Url, GitError> {
        let text = format!("{}/{tail}", self.url.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|error| GitError::Address { url: self.shown.clone(), reason: error.to_string() })
    }

    fn post(&self, service: &str, body: Vec<u8>) -> Result<Ask<'_>, GitError> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_str(&format!("application/x-{service}-request"));
        headers.extend(kind.ok().map(|kind| (CONTENT_TYPE, kind)));
        let ask = Ask::get(self.address(service)?, self.authorization.as_deref());
        Ok(Ask { method: Method::POST, headers, body, confidential: service == "git-receive-pack", ..ask })
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Response, GitError> {
        let answer = self.client.send(ask).await.map_err(|error| self.unreachable(&error))?;
        let (url, status) = (self.shown.clone(), answer.response.status());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let reason = match (&self.authorization, answer.trusted) {
                    (Some(_), true) => status.to_string(),
                    (Some(_), false) => format!("{status} of another server, to which it redirects without them"),
                    (None, _) => format!("{status}, and no Secret matches the address"),
                };
                Err(GitError::Unauthorized { url, reason })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(GitError::NotFound { url, reason: status.to_string() }),
            status if status.is_success() => Ok(answer.response),
            status => Err(GitError::Unreachable { url, reason: status.to_string() }),
        }
    }

    fn unreachable(&self, error: &NoAnswer) -> GitError {
        let reason = object::without_credentials(&error.to_string()).into_owned();
        GitError::Unreachable { url: self.shown.clone(), reason }
    }

    /// The next part of an answer of which `read` bytes were read before.
    async fn chunk(
        &self,
        answer: &mut Response,
        read: &mut u64,
        limit: Limit,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, GitError> {
        let chunk = answer.chunk().await.map_err(|error| self.unreachable(&error.into()))?;
        *read += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        limit.check(*read).map_err(|reason| GitError::Limit { url: self.shown.clone(), reason })?;
        Ok(chunk)
    }

    /// The references of the repository. `service` is `git-upload-pack` or `git-receive-pack`.
    pub(crate) async fn advertise(&self, service: &str) -> Result<Advertisement, GitError> {
        let url = self.address(&format!("info/refs?service={service}"))?;
        let mut answer = self.send(Ask::get(url, self.authorization.as_deref())).await?;
        let (mut packets, mut found, mut ended) = (Packets::default(), Advertisement::default(), false);
        let (mut read, limit) = (0, self.limits.advertisement());
        while let Some(chunk) = self.chunk(&mut answer, &mut read, limit).await? {
            packets.feed(chunk.as_ref());
            while !ended && let Some(packet) = packets.next(&self.shown)? {
                ended = found.take(&self.shown, &packet)?;
            }
        }
        let incomplete = |reason: &str| GitError::Incomplete { url: self.shown.clone(), reason: reason.to_owned() };
        match (ended, packets.is_empty()) {
            (true, true) => Ok(found),
            (true, false) => Err(incomplete("its answer goes on behind the end")),
            (false, _) => Err(incomplete("its answer was cut")),
        }
    }

    /// Asks for everything that `wants` reach and `haves` do not, and writes the pack to `out`.
    pub(crate) async fn fetch(
        &self,
        wants: &[CommitId],
        haves: &[CommitId],
        mut out: impl Write,
    ) -> Result<(), GitError> {
        let mut answer = self.send(self.post("git-upload-pack", fetch_request(wants, haves))?).await?;
        let (mut packets, mut read, limit) = (Packets::default(), 0, self.limits.pack());
        while let Some(chunk) = self.chunk(&mut answer, &mut read, limit).await? {
            packets.feed(chunk.as_ref());
            while let Some(packet) = packets.next(&self.shown)? {
                take_pack(&self.shown, packet, &mut out)?;
            }
        }
        out.flush().map_err(|error| storage(&self.shown, &error))
    }

    /// Moves references, all or none: the server itself compares, so a branch that moved is refused by it.
    pub(crate) async fn push(&self, updates: &[RefUpdate], pack: &[u8]) -> Result<(), PushError> {
        self.advertise("git-receive-pack").await?.expect(&self.shown, updates)?;
        failpoint::before(Point::PushSend);
        let mut answer = self.send(self.post("git-receive-pack", push_request(updates, pack))?).await?;
        failpoint::after(Point::PushSend);
        let (mut packets, mut report) = (Packets::default(), Report::default());
        let (mut read, limit) = (0, self.limits.advertisement());
        failpoint::before(Point::PushAnswer);
        while let Some(chunk) = self.chunk(&mut answer, &mut read, limit).await? {
            packets.feed(chunk.as_ref());
            while let Some(packet) = packets.next(&self.shown)? {
                report.take(packet);
            }
        }
        failpoint::after(Point::PushAnswer);
        report.judge(&self.shown, updates)
    }
}
