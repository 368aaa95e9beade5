//! Repositories on the wire and on this machine's disk, by the `git` crate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use git::{CommitId, Credentials, GitError, Repository, Secret};
use object::FileTree;
use tokio::sync::watch;

use crate::repositories::{Access, Remote, RemoteError, Remotes};

/// Git repositories; copies of remote ones are kept in a folder.
#[derive(Debug, Clone)]
pub struct GitRemotes(git::Repositories);

impl GitRemotes {
    /// Copies go below `cache`, which may be deleted at any time when nothing runs.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self(git::Repositories::new(cache))
    }
}

impl Remotes for GitRemotes {
    fn open(&self, url: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        let repository = self.0.open(url, &credentials(access)).map_err(failure)?;
        let changes = tokio::sync::Mutex::new(repository.changes());
        Ok(Arc::new(GitRemote { repository, changes, seen: Mutex::default() }))
    }
}

fn credentials(access: &Access) -> Credentials {
    let own = &access.credentials;
    Credentials {
        username: own.username.clone(),
        password: Secret::new(own.password.as_str()),
        bearer_token: Secret::new(own.bearer_token.as_str()),
        ssh_private_key: Secret::new(own.ssh_private_key.as_str()),
        known_hosts: access.known_hosts.to_string(),
        ca_pem: access.certificates.clone(),
        insecure: own.insecure,
    }
}

#[derive(Debug)]
struct GitRemote {
    repository: Repository,
    changes: tokio::sync::Mutex<watch::Receiver<u64>>,
    seen: Mutex<Arc<BTreeMap<String, CommitId>>>,
}

impl Remote for GitRemote {
    fn fetch(&self) -> BoxFuture<'_, Result<bool, RemoteError>> {
        Box::pin(async {
            let now = self.repository.refresh().await.map_err(failure)?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let moved = *seen != now;
            *seen = now;
            Ok(moved)
        })
    }

    fn resolve<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Result<String, RemoteError>> {
        Box::pin(async { Ok(self.repository.resolve(revision).await.map_err(failure)?.to_string()) })
    }

    fn tree<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<FileTree, RemoteError>> {
        Box::pin(async move {
            let bad = || RemoteError::NoRevision(format!("{commit:?} is no commit id"));
            let id = commit.parse::<CommitId>().map_err(|_| bad())?;
            self.repository.tree(id).await.map_err(failure)
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut changes = self.changes.lock().await;
            if changes.changed().await.is_err() {
                // a remote repository cannot tell
                futures::future::pending().await
            }
        })
    }

    fn git(&self) -> Option<Repository> {
        Some(self.repository.clone())
    }
}

fn failure(error: GitError) -> RemoteError {
    match error {
        GitError::Revision { .. } => RemoteError::NoRevision(error.to_string()),
        other => RemoteError::Unreachable(other.to_string()),
    }
}
