//! Repositories on the wire and on this machine's disk, by the `git` crate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::argocd::RepositoryCredentials;
use futures::future::BoxFuture;
use git::{ChartRepositoryOptions, CommitId, Credentials, GitError, Repository, Secret};
use object::FileTree;
use tokio::sync::watch;

use crate::chart_remotes::ChartRemote;
use crate::repositories::{Access, Remote, RemoteError, Remotes};

/// Git repositories and repositories of charts; copies of what is remote are kept in a folder.
#[derive(Debug, Clone)]
pub struct GitRemotes {
    repositories: git::Repositories,
    charts: git::ChartRepositories,
}

impl GitRemotes {
    /// Copies go below `cache`, which may be deleted at any time when nothing runs.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let cache = cache.into();
        let charts = git::ChartRepositories::new(cache.join("charts"));
        Self { repositories: git::Repositories::new(cache), charts }
    }

    /// What Git hosts send is unpacked there.
    #[must_use]
    pub fn unpacking_by(self, unpacker: Arc<dyn git::Unpacker>) -> Self {
        Self { repositories: self.repositories.unpacking_by(unpacker), ..self }
    }
}

impl Remotes for GitRemotes {
    fn open(&self, url: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        let repository = self.repositories.open_with(url, &credentials(access), &access.policy).map_err(failure)?;
        let changes = tokio::sync::Mutex::new(repository.changes());
        Ok(Arc::new(GitRemote { repository, changes, seen: Mutex::default() }))
    }

    fn open_chart(&self, url: &str, chart: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        let (folder, name) = match chart {
            "" => url.trim_end_matches('/').rsplit_once('/').unwrap_or((url, "")),
            name => (url, name),
        };
        let options = ChartRepositoryOptions {
            oci: access.credentials.enable_oci,
            pass_credentials: access.pass_credentials,
            // how old an answer may be is decided by those who ask
            index_age: Duration::ZERO,
            policy: access.policy.clone(),
            ..ChartRepositoryOptions::default()
        };
        let repository = self.charts.open_with(folder, &credentials(access), &options);
        let repository = repository.map_err(|error| RemoteError::Unreachable(error.to_string()))?;
        Ok(Arc::new(ChartRemote::new(repository, name, chart.is_empty())))
    }
}

fn credentials(access: &Access) -> Credentials {
    Credentials {
        known_hosts: access.known_hosts.to_string(),
        ca_pem: access.certificates.clone(),
        ..logins(&access.credentials)
    }
}

/// What a repository Secret says.
pub(crate) fn logins(own: &RepositoryCredentials) -> Credentials {
    Credentials {
        username: own.username.clone(),
        password: Secret::new(own.password.as_str()),
        bearer_token: Secret::new(own.bearer_token.as_str()),
        ssh_private_key: Secret::new(own.ssh_private_key.as_str()),
        insecure: own.insecure,
        ..Credentials::default()
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

    fn ambiguity(&self, revision: &str) -> Option<String> {
        self.repository.ambiguity(revision)
    }

    fn git(&self) -> Option<Repository> {
        Some(self.repository.clone())
    }
}

fn failure(error: GitError) -> RemoteError {
    match error {
        GitError::Revision { .. } | GitError::DefaultBranch { .. } | GitError::Deleted { .. } => {
            RemoteError::NoRevision(error.to_string())
        }
        other => RemoteError::Unreachable(other.to_string()),
    }
}
