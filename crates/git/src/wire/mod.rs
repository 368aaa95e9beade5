//! The smart protocol of Git over HTTP and ssh: what a server has, packs from it, and packs to it. Protocol version 0,
//! which every server speaks and which fits one request and one answer.

mod http;
pub(crate) mod known_hosts;
mod pack;
pub(crate) mod packet;
pub(crate) mod protocol;
mod ssh;

use std::io::Write;

pub(crate) use pack::write as write_pack;

use crate::client::Clients;
use crate::ref_update::RefUpdate;
use crate::wire::http::HttpRemote;
use crate::wire::protocol::Advertisement;
use crate::wire::ssh::SshRemote;
use crate::{CommitId, Credentials, GitError, Place, Policy, PushError};

/// A connection-less view of one repository on a server.
#[derive(Debug, Clone)]
pub(crate) enum Remote {
    Http(HttpRemote),
    Ssh(SshRemote),
}

impl Remote {
    /// Nothing for a place on this machine.
    ///
    /// # Errors
    /// When the credentials cannot be used with the place.
    pub(crate) fn new(
        clients: &Clients,
        place: &Place,
        credentials: &Credentials,
        policy: &Policy,
    ) -> Result<Option<Self>, GitError> {
        Ok(match place {
            Place::Local(_) => None,
            Place::Http(url) => Some(Self::Http(HttpRemote::new(clients, place, url, credentials, policy)?)),
            Place::Ssh { .. } => Some(Self::Ssh(SshRemote::new(place, credentials, policy)?)),
        })
    }

    /// The references of the repository. `service` is `git-upload-pack` or `git-receive-pack`.
    pub(crate) async fn advertise(&self, service: &str) -> Result<Advertisement, GitError> {
        match self {
            Self::Http(remote) => remote.advertise(service).await,
            Self::Ssh(remote) => remote.advertise(service).await,
        }
    }

    /// Asks for everything that `wants` reach and `haves` do not, and writes the pack to `out`.
    pub(crate) async fn fetch(&self, wants: &[CommitId], haves: &[CommitId], out: impl Write) -> Result<(), GitError> {
        match self {
            Self::Http(remote) => remote.fetch(wants, haves, out).await,
            Self::Ssh(remote) => remote.fetch(wants, haves, out).await,
        }
    }

    /// Moves references, all or none: the server itself compares, so a branch that moved is refused by it.
    pub(crate) async fn push(&self, updates: &[RefUpdate], pack: &[u8]) -> Result<(), PushError> {
        match self {
            Self::Http(remote) => remote.push(updates, pack).await,
            Self::Ssh(remote) => remote.push(updates, pack).await,
        }
    }
}
