//! What happens to operations.

use std::fmt;

use api::argocd::OperationPhase;
use object::ResourceKey;

use crate::compare::Compared;

/// True once the draft that it came with is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Started {
        by: String,
        revision: String,
    },
    Ended {
        phase: OperationPhase,
        message: String,
        revision: String,
        pruned: Vec<ResourceKey>,
    },
    /// The change is about to be taken back. `by` are field managers, as far as the object tells.
    SelfHealed {
        object: ResourceKey,
        by: Vec<String>,
        did: Meddling,
        revision: String,
    },
}

/// What somebody did to a live object behind Git's back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meddling {
    Deleted,
    Added,
    /// The paths of the fields.
    Changed(Vec<String>),
}

impl Fact {
    /// Who changed what of an object that is not as it should be.
    pub(super) fn heal(object: &Compared, revision: &str) -> Self {
        let owners = object.differences.iter().filter_map(|difference| difference.owner.as_ref());
        let mut by: Vec<String> = owners.map(|owner| owner.manager.clone()).collect();
        by.sort_unstable();
        by.dedup();
        let fields: Vec<String> = object.differences.iter().map(|difference| difference.path.clone()).collect();
        let did = match &object.live {
            None => Meddling::Deleted,
            Some(_) if fields.is_empty() => Meddling::Added,
            Some(_) => Meddling::Changed(fields),
        };
        Self::SelfHealed { object: object.key.clone(), by, did, revision: revision.to_owned() }
    }
}

impl fmt::Display for Meddling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("deleted it"),
            Self::Added => f.write_str("added it"),
            Self::Changed(fields) => write!(f, "changed {}", fields.join(", ")),
        }
    }
}
