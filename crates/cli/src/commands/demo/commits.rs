//! What people and CI commit to the demo's repositories.

use std::path::PathBuf;
use std::sync::Arc;

use clock::Clock;
use git::{Credentials, Edit, Repositories, Repository, Signature, Write};

use super::stage::{REPOSITORY, SERVICE};
use crate::failure::Failure;

/// The demo's bare repositories, and a clone of each.
pub(super) struct Commits {
    pub(super) repositories: PathBuf,
    /// Where the clones are; two processes do not share one.
    pub(super) cache: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
}

impl Commits {
    pub(super) fn repository(&self, name: &str) -> Result<Repository, Failure> {
        let url = format!("file://{}", self.repositories.join(format!("{name}.git")).display());
        Ok(Repositories::new(self.cache.clone()).open(&url, &Credentials::default())?)
    }

    /// Commits to `main` as somebody; gives the commit.
    pub(super) async fn commit(
        &self,
        repository: &str,
        author: &str,
        message: &str,
        edits: Vec<Edit>,
    ) -> Result<String, Failure> {
        let repository = self.repository(repository)?;
        repository.refresh().await?;
        let base = repository.head_of("main").await?;
        let time = self.clock.now();
        let who = Signature { name: author.to_owned(), email: format!("{author}@acme.example"), time };
        let write = Write {
            sign: None,
            branch: "main".into(),
            base,
            merge: None,
            edits,
            tag: None,
            message: message.to_owned(),
            author: who.clone(),
            committer: who,
        };
        Ok(repository.commit_and_push(write).await?.to_string())
    }

    /// What CI does after a build: another tag on the line that begins with `key`.
    pub(super) async fn write_tag(
        &self,
        repository: &str,
        path: &str,
        key: &str,
        tag: &str,
        message: &str,
    ) -> Result<String, Failure> {
        let text = self.file(repository, "main", path).await?;
        let line = text.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_default();
        let old = line.split_whitespace().nth(1).unwrap_or_default().trim_matches('"');
        let new = text.replace(line, &line.replace(old, tag));
        self.commit(repository, "dana", message, vec![(path.to_owned(), Some(new.into_bytes()))]).await
    }

    /// A file as it is now at the head of a branch or tag.
    pub(super) async fn file(&self, repository: &str, revision: &str, path: &str) -> Result<String, Failure> {
        let repository = self.repository(repository)?;
        repository.refresh().await?;
        let tree = repository.tree(repository.resolve(revision).await?).await?;
        let bytes = tree.read(path)?.ok_or_else(|| Failure::new(format!("{path} is not in the repository")))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Another version of the service for dev, as CI writes it; gives the commit.
    pub(super) async fn deliver(&self, tag: &str) -> Result<String, Failure> {
        self.write_tag(REPOSITORY, &overlay("dev"), "newTag:", tag, &format!("ci: {SERVICE} {tag}")).await
    }
}

/// The file that says which version an environment of the service runs.
pub(super) fn overlay(environment: &str) -> String {
    format!("apps/{SERVICE}/overlays/{environment}/kustomization.yaml")
}
