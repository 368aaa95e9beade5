//! What a sync asks the cluster to do, and the answers.

use api::argocd::SyncPhase;
use object::{Manifest, ResourceKey};

use crate::permit::{Permitted, Removal};

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Apply,
    /// Delete and create when the kind refuses an update.
    Replace,
    Create,
    /// A plain update: for CRDs and Namespaces, whose replacement would delete what is in them.
    Update,
}

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    #[default]
    Foreground,
    Background,
    Orphan,
}

impl Propagation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

/// One thing to do. Those of one batch may be done at the same time.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Write {
        object: Permitted<Manifest>,
        verb: Verb,
        dry_run: bool,
        /// Delete and create when the object refuses the change.
        force: bool,
        /// Server-side apply (with conflicts forced) instead of the client's three-way patch.
        server_side: bool,
        validate: bool,
    },
    /// Deletes the object with this uid only; one that is gone already counts as done.
    Delete { object: Permitted<Removal>, propagation: Propagation, prune: bool },
    /// Leaves the hook's object with these finalizers.
    SetFinalizers { object: Permitted<Removal>, finalizers: Vec<String> },
    /// The wave is over; the caller waits for two seconds unless it is the last one.
    EndWave { phase: SyncPhase, wave: i64, last: bool },
}

impl Action {
    /// The object that is there after it.
    pub fn written(&self) -> Option<&ResourceKey> {
        match self {
            Self::Write { object, dry_run: false, .. } => Some(object.key()),
            Self::Write { .. } | Self::Delete { .. } | Self::SetFinalizers { .. } | Self::EndWave { .. } => None,
        }
    }

    /// Whether the cluster may look different after it.
    pub fn changes_something(&self) -> bool {
        match self {
            Self::Write { dry_run, .. } => !dry_run,
            Self::Delete { .. } | Self::SetFinalizers { .. } => true,
            Self::EndWave { .. } => false,
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With the words for the result, such as `deployment.apps/web serverside-applied`.
    Done(String),
    Failed(String),
}
