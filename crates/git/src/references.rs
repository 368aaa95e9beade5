//! What a repository has, and what a revision means among it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::revision::{Seen, version_of};
use crate::version::{highest, is_constraint};
use crate::{CommitId, GitError};

const BRANCHES: &str = "refs/heads/";
pub(crate) const TAGS: &str = "refs/tags/";

/// Where HEAD leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Head {
    /// To nothing that is there: servers do not name a default branch that was deleted.
    #[default]
    Nowhere,
    /// To a branch, by its full name, whether it is there or not.
    Branch(String),
    /// To a commit: no branch is checked out.
    Detached(CommitId),
    /// To a commit of a branch that the server does not name.
    Unnamed(CommitId),
}

/// All branches and tags of a repository at one moment, and its HEAD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// Full names to commits, annotated tags peeled; and `HEAD` where it leads to a commit.
    pub(crate) names: Arc<BTreeMap<String, CommitId>>,
    head: Head,
    /// Branches that were there when this process looked before.
    gone: BTreeSet<String>,
}

impl References {
    pub(crate) fn new(names: BTreeMap<String, CommitId>, head: Head) -> Self {
        let mut new = Self { names: Arc::new(names), head, gone: BTreeSet::new() };
        new.name_head();
        new
    }

    /// Notes which branches are not there any more that `earlier` names.
    pub(crate) fn after<'n>(mut self, earlier: impl Iterator<Item = &'n String>) -> Self {
        let deleted = earlier.filter(|name| name.starts_with(BRANCHES) && !self.names.contains_key(*name));
        self.gone = deleted.cloned().collect();
        self
    }

    /// Branches that are there, and those that once were.
    pub(crate) fn known(&self) -> impl Iterator<Item = &String> {
        self.names.keys().chain(&self.gone)
    }

    /// We moved it ourselves.
    pub(crate) fn moved(&mut self, name: String, to: CommitId) {
        self.gone.remove(&name);
        Arc::make_mut(&mut self.names).insert(name, to);
        self.name_head();
    }

    /// `HEAD` is a name as others are, for whoever compares what was seen.
    fn name_head(&mut self) {
        let names = Arc::make_mut(&mut self.names);
        let at = match &self.head {
            Head::Nowhere => None,
            Head::Branch(name) => names.get(name).copied(),
            Head::Detached(id) | Head::Unnamed(id) => Some(*id),
        };
        match at {
            Some(id) => names.insert("HEAD".to_owned(), id),
            None => names.remove("HEAD"),
        };
    }

    fn branch(&self, name: &str) -> Option<CommitId> {
        self.names.get(&format!("{BRANCHES}{name}")).copied()
    }

    fn tag(&self, name: &str) -> Option<CommitId> {
        self.names.get(&format!("{TAGS}{name}")).copied()
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.keys().filter_map(|name| name.strip_prefix(TAGS))
    }

    /// The commit that a name means, as Argo CD 3.5 has it: nothing means `HEAD`; the highest tag that fits a version
    /// constraint; a full name; a branch; a tag. `None`: it is none of these.
    ///
    /// # Errors
    /// When HEAD leads nowhere, or a branch of this name was deleted and only a tag is left of it: neither is guessed.
    pub(crate) fn commit(&self, url: &str, revision: &str) -> Result<Option<CommitId>, GitError> {
        if matches!(revision, "" | "HEAD") {
            return self.head(url).map(Some);
        }
        // a branch that is called as the tag is, is not meant (Argo CD takes whichever is listed first)
        let fits = Seen::of(revision).constraint.then(|| version_of(revision, self.tags(), "")).flatten();
        if let Some(id) = fits.and_then(|tag| self.tag(&tag)) {
            return Ok(Some(id));
        }
        let found = self.names.get(revision).copied().or_else(|| self.branch(revision));
        if found.is_none() && self.gone.contains(&format!("{BRANCHES}{revision}")) {
            return Err(self.deleted(url, revision));
        }
        Ok(found.or_else(|| self.tag(revision)))
    }

    fn deleted(&self, url: &str, branch: &str) -> GitError {
        let instead = match self.tag(branch) {
            Some(_) => format!("write {TAGS}{branch} if the tag of this name is meant"),
            None => "set spec.source.targetRevision to a branch that is there".to_owned(),
        };
        GitError::Deleted { url: url.to_owned(), branch: branch.to_owned(), instead }
    }

    fn head(&self, url: &str) -> Result<CommitId, GitError> {
        let reason = match &self.head {
            Head::Detached(id) | Head::Unnamed(id) => return Ok(*id),
            Head::Branch(name) => match self.names.get(name) {
                Some(id) => return Ok(*id),
                None => format!("HEAD leads to {}, which is not there", name.strip_prefix(BRANCHES).unwrap_or(name)),
            },
            Head::Nowhere if self.names.is_empty() => "the repository has no commits".to_owned(),
            Head::Nowhere => "the server names no HEAD".to_owned(),
        };
        Err(GitError::DefaultBranch { url: url.to_owned(), reason, known: self.shown() })
    }

    /// The branch that a revision follows, if it follows one.
    ///
    /// # Errors
    /// When HEAD leads nowhere, or to a commit that several branches are at.
    pub(crate) fn branch_of(&self, url: &str, revision: &str) -> Result<Option<String>, GitError> {
        let short = |name: &str| name.strip_prefix(BRANCHES).map(str::to_owned);
        if !matches!(revision, "" | "HEAD") {
            let name = revision.strip_prefix(BRANCHES).unwrap_or(revision);
            return Ok(self.branch(name).map(|_| name.to_owned()));
        }
        let at = self.head(url)?;
        match &self.head {
            Head::Branch(name) => Ok(short(name)),
            Head::Unnamed(_) => {
                let there = self.names.iter().filter(|(_, id)| **id == at).filter_map(|(name, _)| short(name));
                let candidates: Vec<String> = there.collect();
                if candidates.len() < 2 {
                    return Ok(candidates.into_iter().next());
                }
                let reason = format!("the server does not say which of {} is HEAD", candidates.join(", "));
                Err(GitError::DefaultBranch { url: url.to_owned(), reason, known: self.shown() })
            }
            Head::Detached(_) | Head::Nowhere => Ok(None),
        }
    }

    /// What else a revision could mean, in words; nothing where it is plain.
    pub(crate) fn ambiguity(&self, revision: &str) -> Option<String> {
        let mut means = Vec::new();
        if matches!(revision, "" | "HEAD") {
            means.push("HEAD".to_owned());
        } else if is_constraint(revision)
            && let Some(tag) = highest(revision, self.tags())
        {
            means.push(format!("a version constraint that the tag {tag} fits"));
        }
        let name = if revision.is_empty() { "HEAD" } else { revision };
        means.extend(self.branch(name).map(|_| format!("the branch {BRANCHES}{name}")));
        means.extend(self.tag(name).map(|_| format!("the tag {TAGS}{name}")));
        let (used, others) = means.split_first().filter(|(_, others)| !others.is_empty())?;
        Some(format!(
            "the revision {name} is {used} and {}: the first is used, as Argo CD does; write the full name to be sure",
            others.join(" and ")
        ))
    }

    /// A few names, for people.
    pub(crate) fn shown(&self) -> String {
        let short = self.names.keys().filter_map(|n| n.strip_prefix(BRANCHES).or_else(|| n.strip_prefix(TAGS)));
        let names: Vec<&str> = short.take(8).collect();
        if names.is_empty() { "no branches or tags".to_owned() } else { names.join(", ") }
    }
}
