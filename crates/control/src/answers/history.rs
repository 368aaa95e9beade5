//! The history of a repository, and which of its commits made something else of what is looked at.

use std::collections::HashMap;

use git::{CommitId, CommitInfo, GitError, Repository};
use object::{FileTree, MemoryTree};

/// Something that the files of a commit say.
pub(super) trait Look {
    type Seen: PartialEq;

    /// `None`: that cannot be told.
    async fn at(&mut self, tree: &FileTree, commit: CommitId) -> Option<Self::Seen>;
}

pub(super) struct History {
    repository: Repository,
    trees: HashMap<CommitId, FileTree>,
    /// What merging alone gives, where it does.
    merges: HashMap<CommitId, Option<FileTree>>,
}

impl History {
    pub(super) fn new(repository: Repository) -> Self {
        Self { repository, trees: HashMap::new(), merges: HashMap::new() }
    }

    /// As [`Repository::log`].
    pub(super) async fn log(
        &self,
        from: CommitId,
        until: Option<CommitId>,
        most: usize,
    ) -> Result<Vec<CommitInfo>, GitError> {
        self.repository.log(from, until, most).await
    }

    /// `None`: it is not there.
    pub(super) async fn tree(&mut self, commit: CommitId) -> Option<FileTree> {
        if let Some(known) = self.trees.get(&commit) {
            return Some(known.clone());
        }
        let tree = self.repository.tree(commit).await.ok()?;
        self.trees.insert(commit, tree.clone());
        Some(tree)
    }

    pub(super) async fn seen<L: Look>(&mut self, commit: CommitId, look: &mut L) -> Option<L::Seen> {
        let tree = self.tree(commit).await?;
        look.at(&tree, commit).await
    }

    /// Whether a commit made something else of it than what it was made of had; where that cannot be told it counts.
    pub(super) async fn changed<L: Look>(&mut self, commit: &CommitInfo, look: &mut L) -> bool {
        let Some(here) = self.seen(commit.id, look).await else { return true };
        let Some((first, others)) = commit.parents.split_first() else {
            return look.at(&MemoryTree::default().tree(), commit.id).await != Some(here);
        };
        if self.seen(*first, look).await.as_ref() != Some(&here) {
            return true;
        }
        for other in others {
            if self.seen(*other, look).await.as_ref() != Some(&here) {
                // to keep one side is what a merge does; who merges may also have chosen it
                return !self.comes_of_merging(commit, &here, look).await;
            }
        }
        false
    }

    /// Whether the two sides give that without anybody's help.
    async fn comes_of_merging<L: Look>(&mut self, commit: &CommitInfo, here: &L::Seen, look: &mut L) -> bool {
        match self.merged(commit).await {
            Some(tree) => look.at(&tree, commit.id).await.as_ref() == Some(here),
            None => false,
        }
    }

    async fn merged(&mut self, commit: &CommitInfo) -> Option<FileTree> {
        let [ours, theirs] = commit.parents[..] else { return None };
        if let Some(known) = self.merges.get(&commit.id) {
            return known.clone();
        }
        let merged = self.repository.merged(ours, theirs).await.ok();
        self.merges.insert(commit.id, merged.clone());
        merged
    }

    /// What of the files that a commit took away, or made something else, is now at `path`.
    pub(super) async fn moved_to(&mut self, commit: &CommitInfo, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let Some(tree) = self.tree(commit.id).await else { return found };
        let Some(here) = tree.reader().entry(path).ok().flatten() else { return found };
        for parent in &commit.parents {
            let Some(before) = self.tree(*parent).await else { continue };
            let at = |path: &str| before.reader().entry(path).ok().flatten();
            if at(path).is_none() {
                let changed = self.repository.changed_paths(*parent, commit.id).await.unwrap_or_default();
                found.extend(changed.into_iter().filter(|other| at(other).is_some_and(|entry| entry.id == here.id)));
            }
        }
        found
    }
}
