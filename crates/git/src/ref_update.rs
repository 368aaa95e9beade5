//! References that a push moves or makes.

use std::collections::BTreeMap;

use crate::{CommitId, PushError};

/// One reference: what it must be at, and what it shall be at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefUpdate {
    /// In full: `refs/heads/main`.
    pub(crate) name: String,
    /// Nothing: it must not exist.
    pub(crate) old: Option<CommitId>,
    pub(crate) new: CommitId,
}

impl RefUpdate {
    pub(crate) fn branch(branch: &str, old: CommitId, new: CommitId) -> Self {
        Self { name: format!("refs/heads/{branch}"), old: Some(old), new }
    }

    pub(crate) fn tag(tag: &str, new: CommitId) -> Self {
        Self { name: format!("refs/tags/{tag}"), old: None, new }
    }

    /// For people.
    pub(crate) fn short(&self) -> &str {
        let name = self.name.strip_prefix("refs/heads/").or_else(|| self.name.strip_prefix("refs/tags/"));
        name.unwrap_or(&self.name)
    }

    /// # Errors
    /// When the reference is not where it must be.
    pub(crate) fn expect_in(&self, refs: &BTreeMap<String, CommitId>) -> Result<(), PushError> {
        let found = refs.get(&self.name).copied();
        if found == self.old { Ok(()) } else { Err(self.stale(found.as_ref().map(ToString::to_string))) }
    }

    /// Somebody was faster.
    pub(crate) fn stale(&self, found: Option<String>) -> PushError {
        let shown = |at: Option<String>| at.unwrap_or_else(|| "nothing".to_owned());
        let expected = shown(self.old.as_ref().map(ToString::to_string));
        PushError::Stale { name: self.short().to_owned(), expected, found: shown(found) }
    }
}
