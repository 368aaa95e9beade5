//! One server and what is asked of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::packet::{self, Packet, Packets};
use crate::{CommitId, Credentials, GitError, Place, PushError};

/// A connection-less view of one repository on a server.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    url: Url,
    shown: String,
    client: reqwest::Client,
    authorization: Option<String>,
}

/// What a server says it has.
#[derive(Debug, Default)]
pub(crate) struct Advertisement {
    /// Full reference names to commits; annotated tags peeled.
    pub(crate) refs: BTreeMap<String, CommitId>,
    /// The objects to ask for: as `refs`, tags not peeled.
    pub(crate) wants: BTreeMap<String, CommitId>,
}

const CONNECT: Duration = Duration::from_secs(10);
/// No byte for this long: the server is gone.
const SILENCE: Duration = Duration::from_secs(30);

impl Remote {
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
            let Packet::Line(line) = packet else { continue };
            let line = line.split(|b| *b == 0).next().unwrap_or_default();
            let text = String::from_utf8_lossy(line);
            let Some((id, name)) = text.trim_end().split_once(' ') else { continue };
            let Ok(id) = id.parse::<CommitId>() else { continue };
            match name.strip_suffix("^{}") {
                Some("capabilities") => {}
                Some(tag) => {
                    found.refs.insert(tag.to_owned(), id);
                }
                None => {
                    found.refs.insert(name.to_owned(), id);
                    found.wants.insert(name.to_owned(), id);
                }
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
        let mut body = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            let capabilities = if index == 0 { " side-band-64k ofs-delta no-progress agent=git/gantline" } else { "" };
            packet::line(&mut body, format!("want {want}{capabilities}\n"));
        }
        packet::flush(&mut body);
        for have in haves {
            packet::line(&mut body, format!("have {have}\n"));
        }
        packet::line(&mut body, "done\n");
        let request = self.client.post(self.address("git-upload-pack"));
        let request = request.header(CONTENT_TYPE, "application/x-git-upload-pack-request").body(body);
        let mut stream = self.send(request).await?.bytes_stream();
        let mut packets = Packets::default();
        let storage = |error: std::io::Error| GitError::Storage { url: self.shown.clone(), reason: error.to_string() };
        while let Some(chunk) = stream.next().await {
            packets.feed(&chunk.map_err(|error| self.unreachable(&error))?);
            while let Some(packet) = packets.next(&self.shown)? {
                match packet {
                    Packet::Line(line) => match line.split_first() {
                        Some((1, data)) => out.write_all(data).map_err(storage)?,
                        Some((3, text)) => {
                            let reason = String::from_utf8_lossy(text).trim().to_owned();
                            return Err(GitError::Unreachable { url: self.shown.clone(), reason });
                        }
                        // progress, and the lines that acknowledge what we have
                        _ => {}
                    },
                    Packet::Flush => {}
                }
            }
        }
        out.flush().map_err(storage)
    }

    /// Moves a branch from `old` to `new`: the server itself compares, so a branch that moved is refused by it.
    pub(crate) async fn push(&self, branch: &str, old: CommitId, new: CommitId, pack: &[u8]) -> Result<(), PushError> {
        let name = format!("refs/heads/{branch}");
        let found = self.advertise("git-receive-pack").await?.refs.get(&name).copied();
        if found != Some(old) {
            let found = found.map_or_else(|| "no such branch".to_owned(), |id| id.to_string());
            return Err(PushError::Stale { branch: branch.to_owned(), expected: old.to_string(), found });
        }
        let mut body = Vec::new();
        packet::line(&mut body, format!("{old} {new} {name}\0 report-status side-band-64k agent=git/gantline"));
        packet::flush(&mut body);
        body.extend_from_slice(pack);
        let request = self.client.post(self.address("git-receive-pack"));
        let request = request.header(CONTENT_TYPE, "application/x-git-receive-pack-request").body(body);
        let answer = self.send(request).await?.bytes().await.map_err(|error| GitError::from_wire(self, &error))?;
        self.judge(branch, old, &answer)
    }

    fn judge(&self, branch: &str, old: CommitId, answer: &[u8]) -> Result<(), PushError> {
        let (mut packets, mut report, mut said) = (Packets::default(), Packets::default(), String::new());
        packets.feed(answer);
        let mut bytes = Vec::new();
        while let Some(packet) = packets.next(&self.shown)? {
            if let Packet::Line(line) = packet {
                match line.split_first() {
                    Some((1, data)) => bytes.extend_from_slice(data),
                    Some((2 | 3, text)) => said.push_str(&String::from_utf8_lossy(text)),
                    _ => {}
                }
            }
        }
        report.feed(&bytes);
        while let Some(packet) = report.next(&self.shown)? {
            let Packet::Line(line) = packet else { continue };
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if text.starts_with("ok ") {
                return Ok(());
            }
            if let Some(reason) = text.strip_prefix("ng ") {
                return Err(self.refusal(branch, old, reason, &said));
            }
            if let Some(reason) = text.strip_prefix("unpack ").filter(|r| *r != "ok") {
                return Err(self.refusal(branch, old, reason, &said));
            }
        }
        Err(self.refusal(branch, old, "the server gave no report", &said))
    }

    fn refusal(&self, branch: &str, old: CommitId, reason: &str, said: &str) -> PushError {
        let reason = reason.split_once(' ').map_or(reason, |(_, rest)| rest);
        let lost = [
            "fetch first",
            "non-fast-forward",
            "failed to update ref",
            "incorrect old value",
            "cannot lock ref",
            "stale info",
            "atomic transaction failed",
        ];
        if lost.iter().any(|text| reason.contains(text)) {
            return PushError::Stale { branch: branch.to_owned(), expected: old.to_string(), found: reason.to_owned() };
        }
        let words: Vec<&str> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let message = if words.is_empty() { reason.to_owned() } else { format!("{reason} ({})", words.join("; ")) };
        PushError::Declined { url: self.shown.clone(), branch: branch.to_owned(), message }
    }
}

impl GitError {
    fn from_wire(remote: &Remote, error: &reqwest::Error) -> Self {
        remote.unreachable(error)
    }
}
