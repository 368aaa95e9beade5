//! Who is known to belong to the groups that gates ask. Others may, whom only their login tells of.

use std::collections::{BTreeMap, BTreeSet};

/// Accounts that may log in, by the groups of a Pipeline's gates; nothing is known of a group that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Those who count for every group.
    pub admins: BTreeSet<String>,
}

impl Members {
    /// Of a group, admins too; `None`: nobody has looked.
    pub(crate) fn of(&self, group: &str) -> Option<BTreeSet<&str>> {
        let own = self.groups.get(group)?;
        Some(own.iter().chain(&self.admins).map(String::as_str).collect())
    }
}
