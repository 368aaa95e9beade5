//! What can go wrong with a repository, and what to do about it. Addresses never carry credentials here.

use crate::CommitId;

/// Why a repository could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitError {
    #[error("repository {url}: {reason}: write a path, file://, https:// or ssh:// URL")]
    Address { url: String, reason: String },
    #[error(
        "repository {url} does not exist or is not readable: {reason}: check the address, or the access of the repository Secret"
    )]
    NotFound { url: String, reason: String },
    #[error("repository {url} refuses the credentials ({reason}): check the repository Secret in the namespace argocd")]
    Unauthorized { url: String, reason: String },
    #[error("repository {url} cannot be reached: {reason}: the last good state stays, and it is tried again")]
    Unreachable { url: String, reason: String },
    #[error("repository {url} has no revision {revision:?}; it has {known}")]
    Revision { url: String, revision: String, known: String },
    #[error(
        "repository {url}: the default branch is gone: {reason}: set spec.source.targetRevision, or choose another default branch at the host; it has {known}"
    )]
    DefaultBranch { url: String, reason: String, known: String },
    #[error("repository {url}: the branch {branch} was deleted: {instead}")]
    Deleted { url: String, branch: String, instead: String },
    /// What was told ended too early, or is not understood: nothing can be concluded from what is missing.
    #[error(
        "repository {url} did not tell all its branches and tags: {reason}: the last good state stays, and it is tried again"
    )]
    Incomplete { url: String, reason: String },
    #[error("repository {url}: {reason}: the last good state stays")]
    Limit { url: String, reason: String },
    #[error("repository {url}: {what} {id} is not there: {reason}: run a hard refresh, the copy may be incomplete")]
    Object { url: String, what: &'static str, id: String, reason: String },
    #[error("repository {url}: {reason}")]
    Storage { url: String, reason: String },
    #[error("repository {url}: reverting {commit} conflicts with later changes of {paths}: revert by hand")]
    RevertConflict { url: String, commit: CommitId, paths: String },
    #[error("repository {url}: merging {theirs} into {ours} conflicts in {paths}: merge by hand")]
    MergeConflict { url: String, ours: CommitId, theirs: CommitId, paths: String },
    #[error("repository {url} was not heard of for {seconds} s: it is tried again")]
    Timeout { url: String, seconds: u64 },
    #[error("repository {url}: {reason}")]
    HostKey { url: String, reason: String },
}

/// Why a commit was not pushed. Whatever it says, the branch does not have the commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PushError {
    /// A branch moved, or a tag is there already.
    #[error("{name} moved meanwhile: expected {expected}, found {found}")]
    Stale { name: String, expected: String, found: String },
    #[error(
        "{url} declines the push to {name}: {message}: a protected branch needs a pull request, or a rule for the promotion account"
    )]
    Declined { url: String, name: String, message: String },
    #[error(transparent)]
    Git(#[from] GitError),
}
