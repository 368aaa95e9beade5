//! Charts of Helm repositories and registries, by the `git` crate. The revisions of a chart are its versions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use git::{ChartError, ChartRepository, ChartVersion};
use object::FileTree;

use crate::repositories::{Remote, RemoteError};

/// Unpacked charts that are kept: what Applications run, and what they are about to run.
const TREES_KEPT: usize = 4;

/// One chart.
#[derive(Debug)]
pub(crate) struct ChartRemote {
    repository: ChartRepository,
    chart: String,
    /// Revisions are digests of manifests, not versions: the source names the artifact itself (`oci://…/chart`).
    by_digest: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the versions and constraints that were asked for mean.
    asked: BTreeMap<String, ChartVersion>,
    /// By revision, and by the digest that it had.
    trees: Vec<(ChartVersion, FileTree)>,
}

impl ChartRemote {
    pub(crate) fn new(repository: ChartRepository, chart: &str, by_digest: bool) -> Self {
        Self { repository, chart: chart.to_owned(), by_digest, seen: Mutex::default() }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revision_of(&self, version: &ChartVersion) -> String {
        let digest = version.manifest.clone().filter(|_| self.by_digest);
        digest.unwrap_or_else(|| version.version.clone())
    }

    async fn ask(&self, constraint: &str) -> Result<ChartVersion, RemoteError> {
        self.repository.resolve(&self.chart, constraint).await.map_err(failure)
    }

    /// The version that a revision was resolved to, else the one of that name.
    async fn version(&self, revision: &str) -> Result<ChartVersion, RemoteError> {
        let known = self.seen().asked.values().find(|version| self.revision_of(version) == revision).cloned();
        match known {
            Some(version) => Ok(version),
            None => self.ask(revision).await,
        }
    }

    async fn unpacked(&self, version: &ChartVersion) -> Result<FileTree, RemoteError> {
        let bytes = self.repository.pull(version).await.map_err(failure)?;
        // unpacking computes: not on the threads that answer
        let unpacked = tokio::task::spawn_blocking(move || render::helm::unpack(&bytes)).await;
        let name = format!("{} {} of {}", self.chart, version.version, self.repository.url());
        let bad = |reason: String| RemoteError::Unreachable(format!("chart {name}: {reason}"));
        unpacked.map_err(|error| bad(error.to_string()))?.map_err(|error| bad(error.to_string()))
    }
}

impl Remote for ChartRemote {
    fn fetch(&self) -> BoxFuture<'_, Result<bool, RemoteError>> {
        Box::pin(async {
            let asked: Vec<String> = self.seen().asked.keys().cloned().collect();
            let mut moved = false;
            for constraint in asked {
                let now = self.ask(&constraint).await?;
                moved |= self.seen().asked.insert(constraint, now.clone()) != Some(now);
            }
            Ok(moved)
        })
    }

    fn resolve<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Result<String, RemoteError>> {
        Box::pin(async move {
            if let Some(known) = self.seen().asked.get(revision) {
                return Ok(self.revision_of(known));
            }
            let version = self.ask(revision).await?;
            let name = self.revision_of(&version);
            self.seen().asked.insert(revision.to_owned(), version);
            Ok(name)
        })
    }

    fn tree<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Result<FileTree, RemoteError>> {
        Box::pin(async move {
            let version = self.version(revision).await?;
            if let Some((_, tree)) = self.seen().trees.iter().find(|(known, _)| *known == version) {
                return Ok(tree.clone());
            }
            let tree = self.unpacked(&version).await?;
            let mut seen = self.seen();
            if seen.trees.len() >= TREES_KEPT {
                seen.trees.remove(0);
            }
            seen.trees.push((version, tree.clone()));
            Ok(tree)
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        // a repository of charts cannot tell
        Box::pin(futures::future::pending())
    }
}

fn failure(error: ChartError) -> RemoteError {
    match error {
        ChartError::NoVersion { .. } | ChartError::Constraint { .. } | ChartError::NotFound { .. } => {
            RemoteError::NoRevision(error.to_string())
        }
        other => RemoteError::Unreachable(other.to_string()),
    }
}
