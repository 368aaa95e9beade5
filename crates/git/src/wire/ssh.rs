//! Git over ssh: one connection for each thing asked, with a key from a Secret and hosts known by their lines.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use russh::keys::{
    Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key,
};
use russh::{Channel, ChannelMsg, Preferred};
use tokio::net::TcpStream;

use super::known_hosts::{self, Verdict};
use super::packet::{Packet, Packets};
use super::protocol::{Advertisement, Report, fetch_request, push_request, storage, take_pack};
use crate::client::resolve;
use crate::limits::Limit;
use crate::ref_update::RefUpdate;
use crate::{CommitId, Credentials, GitError, Place, Policy, PushError};

const CONNECT: Duration = Duration::from_secs(10);
/// No byte for this long: the server is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// One repository on a server that speaks ssh.
#[derive(Clone)]
pub(crate) struct SshRemote {
    shown: String,
    user: String,
    host: String,
    port: u16,
    path: String,
    key: Option<Arc<PrivateKey>>,
    known_hosts: Arc<str>,
    insecure: bool,
    policy: Policy,
}

impl fmt::Debug for SshRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshRemote({})", self.shown)
    }
}

impl SshRemote {
    /// # Errors
    /// When the place is not reached by ssh, or the key cannot be read.
    pub(crate) fn new(place: &Place, credentials: &Credentials, policy: &Policy) -> Result<Self, GitError> {
        let shown = place.to_string();
        let Place::Ssh { user, host, port, path } = place else {
            return Err(GitError::Address { url: shown, reason: "it is not an ssh address".to_owned() });
        };
        let text = credentials.ssh_private_key.reveal();
        let key = match text.trim().is_empty() {
            true => None,
            false => Some(Arc::new(decode_secret_key(text, None).map_err(|error| GitError::Unauthorized {
                url: shown.clone(),
                reason: format!("sshPrivateKey is not an OpenSSH private key without a passphrase: {error}"),
            })?)),
        };
        Ok(Self {
            shown,
            user: user.clone(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: *port,
            path: path.clone(),
            key,
            known_hosts: credentials.known_hosts.as_str().into(),
            insecure: credentials.insecure,
            policy: policy.clone(),
        })
    }

    /// The references of the repository.
    pub(crate) async fn advertise(&self, service: &str) -> Result<Advertisement, GitError> {
        let mut session = self.open(service).await?;
        let found = session.advertisement().await?;
        // nothing more is wanted
        session.send(b"0000".to_vec()).await?;
        session.close().await;
        Ok(found)
    }

    /// Asks for everything that `wants` reach and `haves` do not, and writes the pack to `out`.
    pub(crate) async fn fetch(
        &self,
        wants: &[CommitId],
        haves: &[CommitId],
        mut out: impl Write,
    ) -> Result<(), GitError> {
        let mut session = self.open("git-upload-pack").await?;
        session.advertisement().await?;
        session.send(fetch_request(wants, haves)).await?;
        session.expect(self.policy.limits.pack());
        while let Some(packet) = session.next().await? {
            take_pack(&self.shown, packet, &mut out)?;
        }
        session.finish()?;
        out.flush().map_err(|error| storage(&self.shown, &error))
    }

    /// Moves a branch from `old` to `new`.
    pub(crate) async fn push(&self, updates: &[RefUpdate], pack: &[u8]) -> Result<(), PushError> {
        let mut session = self.open("git-receive-pack").await?;
        session.advertisement().await?.expect(&self.shown, updates)?;
        session.send(push_request(updates, pack)).await?;
        let mut report = Report::default();
        while let Some(packet) = session.next().await? {
            let last = packet == Packet::Flush;
            report.take(packet);
            if last {
                break;
            }
        }
        session.close().await;
        report.judge(&self.shown, updates)
    }

    async fn open(&self, service: &str) -> Result<Session<'_>, GitError> {
        let late = GitError::Timeout { url: self.shown.clone(), seconds: CONNECT.as_secs() };
        let handle = tokio::time::timeout(CONNECT, self.connect()).await.map_err(|_| late)??;
        let channel = handle.channel_open_session().await.map_err(|error| self.unreachable(&error))?;
        let command = format!("{service} '{}'", self.path.replace('\'', "'\\''"));
        channel.exec(true, command).await.map_err(|error| self.unreachable(&error))?;
        let (packets, said, status) = (Packets::default(), Vec::new(), None);
        let (read, limit) = (0, self.policy.limits.advertisement());
        Ok(Session { remote: self, handle, channel, packets, said, status, read, limit })
    }

    async fn connect(&self) -> Result<Handle<Host>, GitError> {
        let config = client::Config {
            inactivity_timeout: Some(SILENCE),
            preferred: self.preferred(),
            nodelay: true,
            ..client::Config::default()
        };
        let host = Host { remote: self.clone() };
        let stream = self.dial().await.map_err(|reason| GitError::Unreachable { url: self.shown.clone(), reason })?;
        let connected = client::connect_stream(Arc::new(config), stream, host).await;
        let mut handle = connected.map_err(|failure| match failure {
            Failure::Key(reason) => GitError::HostKey { url: self.shown.clone(), reason },
            Failure::Wire(error) => self.unreachable(&error),
        })?;
        self.log_in(&mut handle).await?;
        Ok(handle)
    }

    /// Connects to the address that was checked, whatever the name means a moment later.
    async fn dial(&self) -> Result<TcpStream, String> {
        let addresses = resolve(&self.policy.reach.home_zone(&self.host, self.port), &self.host, self.port).await?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn log_in(&self, handle: &mut Handle<Host>) -> Result<(), GitError> {
        let answer = match &self.key {
            None => handle.authenticate_none(&self.user).await,
            Some(key) => {
                let hash = match is_rsa(&key.algorithm()) {
                    true => handle.best_supported_rsa_hash().await.map_err(|error| self.unreachable(&error))?,
                    false => None,
                };
                // servers that do not tell understand SHA-256 since 2018
                let hash = hash.unwrap_or(Some(HashAlg::Sha256));
                handle.authenticate_publickey(&self.user, PrivateKeyWithHashAlg::new(Arc::clone(key), hash)).await
            }
        };
        if answer.map_err(|error| self.unreachable(&error))?.success() {
            return Ok(());
        }
        let reason = match &self.key {
            None => format!("{} may not log in without a key, and no Secret with sshPrivateKey matches", self.user),
            Some(key) => {
                let print = known_hosts::fingerprint(key.public_key());
                format!("the key {print} is not accepted for {}", self.user)
            }
        };
        Err(GitError::Unauthorized { url: self.shown.clone(), reason })
    }

    /// The kinds of host keys that are known first.
    fn preferred(&self) -> Preferred {
        let known = known_hosts::algorithms(&self.known_hosts, &self.host, self.port);
        let mut keys = Preferred::DEFAULT.key.to_vec();
        keys.sort_by_key(|kind| !known.iter().any(|k| k == kind || (is_rsa(k) && is_rsa(kind))));
        Preferred { key: Cow::Owned(keys), ..Preferred::DEFAULT }
    }

    fn check(&self, key: &PublicKey) -> Result<(), String> {
        if self.insecure {
            return Ok(());
        }
        let (host, map) = (&self.host, "argocd-ssh-known-hosts-cm");
        let print = known_hosts::fingerprint(key);
        match known_hosts::judge(&self.known_hosts, host, self.port, key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown => Err(format!(
                "the host {host} is not known; it shows the key {print}: compare that with what its administrator \
                 publishes, then add this line to ssh_known_hosts in the ConfigMap {map}: {}",
                known_hosts::line(host, self.port, key)
            )),
            Verdict::Other(lines) => {
                let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                Err(format!(
                    "the host {host} shows the key {print}, which is not the one that is known (line {} of \
                     ssh_known_hosts in the ConfigMap {map}): somebody may be in between; if its administrator changed \
                     the key, replace the line",
                    lines.join(", ")
                ))
            }
            Verdict::Revoked(line) => Err(format!(
                "the host {host} shows the key {print}, which is revoked by line {line} of ssh_known_hosts in the \
                 ConfigMap {map}"
            )),
        }
    }

    fn unreachable(&self, error: &russh::Error) -> GitError {
        GitError::Unreachable { url: self.shown.clone(), reason: error.to_string() }
    }
}

/// Looks at the key of the server.
#[derive(Debug)]
struct Host {
    remote: SshRemote,
}

#[derive(Debug)]
enum Failure {
    Wire(russh::Error),
    Key(String),
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self::Wire(error)
    }
}

impl client::Handler for Host {
    type Error = Failure;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.remote.check(key).map_err(Failure::Key)?;
                Ok(true)
            }
            PublicKeyOrCertificate::Certificate(_) => {
                Err(Failure::Key("the host shows a certificate, which is not understood yet".to_owned()))
            }
        }
    }
}

/// One program on the server, started for us.
struct Session<'r> {
    remote: &'r SshRemote,
    handle: Handle<Host>,
    channel: Channel<Msg>,
    packets: Packets,
    /// What it wrote to its standard error.
    said: Vec<u8>,
    status: Option<u32>,
    /// Bytes that came of what is limited now.
    read: u64,
    limit: Limit,
}

/// Bytes of its standard error that are kept.
const SAID_MAX: usize = 64 << 10;

impl Session<'_> {
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), GitError> {
        self.channel.data_bytes(bytes).await.map_err(|error| self.remote.unreachable(&error))
    }

    /// What comes from now on is something else.
    fn expect(&mut self, limit: Limit) {
        (self.read, self.limit) = (0, limit);
    }

    /// The next packet; nothing when the program ended.
    async fn next(&mut self) -> Result<Option<Packet>, GitError> {
        loop {
            if let Some(packet) = self.packets.next(&self.remote.shown)? {
                return Ok(Some(packet));
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    self.read += data.len() as u64;
                    let over = |reason| GitError::Limit { url: self.remote.shown.clone(), reason };
                    self.limit.check(self.read).map_err(over)?;
                    self.packets.feed(&data);
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = SAID_MAX.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
                Some(ChannelMsg::Failure) => return Err(self.ended("the server does not start Git")),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    async fn advertisement(&mut self) -> Result<Advertisement, GitError> {
        let mut found = Advertisement::default();
        let mut any = false;
        while let Some(packet) = self.next().await? {
            any = true;
            if found.take(&self.remote.shown, &packet)? {
                return Ok(found);
            }
        }
        let cut = || GitError::Incomplete { url: self.remote.shown.clone(), reason: "its answer was cut".to_owned() };
        Err(if any { cut() } else { self.ended("the server closed the connection") })
    }

    /// # Errors
    /// When the program failed.
    fn finish(&self) -> Result<(), GitError> {
        match self.status {
            None | Some(0) => Ok(()),
            Some(status) => Err(self.ended(&format!("Git ended with status {status}"))),
        }
    }

    /// What the server said is the best reason there is.
    fn ended(&self, otherwise: &str) -> GitError {
        let said = String::from_utf8_lossy(&self.said);
        let words: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let reason = if words.is_empty() { otherwise.to_owned() } else { words.join("; ") };
        GitError::NotFound { url: self.remote.shown.clone(), reason }
    }

    async fn close(self) {
        let _ = self.channel.eof().await;
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "en").await;
    }
}

/// With whatever hash.
fn is_rsa(kind: &Algorithm) -> bool {
    matches!(kind, Algorithm::Rsa { .. })
}
