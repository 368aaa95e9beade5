//! The one who asks.

use std::hash::{DefaultHasher, Hash, Hasher};

use api::gantline::Environment;
use promotion::Judge;

use super::session::Claims;
use crate::rights::Rights;

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) user: String,
    /// None with `--core`.
    pub(crate) session: Option<Claims>,
    pub(crate) rights: Rights,
}

impl Identity {
    /// Who uses the API in process, with the rights of the kubeconfig.
    pub(crate) fn core(user: &str) -> Self {
        Self { user: user.to_owned(), session: None, rights: Rights::everything() }
    }

    /// Another user has another one, and so have other rights.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.user, &self.rights).hash(&mut hasher);
        hasher.finish()
    }

    /// The groups of the environments' gates that this user counts for.
    pub(crate) fn gate_groups(&self, environments: &[Environment]) -> Vec<String> {
        groups_of(environments).into_iter().filter(|group| self.rights.belongs_to(group)).collect()
    }
}

/// The groups that the gates of environments name.
pub(crate) fn groups_of(environments: &[Environment]) -> Vec<String> {
    let gates = environments.iter().flat_map(|environment| &environment.gates);
    let mut groups: Vec<String> = gates.flat_map(Judge::groups).map(|group| group.name).collect();
    groups.sort();
    groups.dedup();
    groups
}
