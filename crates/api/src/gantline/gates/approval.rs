//! `approval`: people say yes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{GatePlace, Shape};

/// `approval: { group: team-leads }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalGate {
    /// One approval by a member of this group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Several groups, each with its own number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ApprovalGroup>,
    /// Who wrote the change, or asked for its promotion, does not count.
    pub not_author: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalGroup {
    pub name: String,
    pub min: usize,
}

impl Default for ApprovalGate {
    fn default() -> Self {
        Self { group: String::new(), groups: Vec::new(), not_author: true }
    }
}

impl Default for ApprovalGroup {
    fn default() -> Self {
        Self { name: String::new(), min: 1 }
    }
}

/// How many members of a group must approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum<'a> {
    pub group: &'a str,
    pub min: usize,
}

impl ApprovalGate {
    /// What must come together.
    pub fn needed(&self) -> impl Iterator<Item = Quorum<'_>> {
        let single = (!self.group.is_empty()).then_some(Quorum { group: &self.group, min: 1 });
        single.into_iter().chain(self.groups.iter().map(|group| Quorum { group: &group.name, min: group.min }))
    }
}

impl Shape for ApprovalGate {
    const ABOUT: &'static str = "Enough members of each group have approved.";
    const EXAMPLE: &'static str = "approval: { group: team-leads }";

    fn schema() -> Value {
        let group = json!({"type": "object", "properties": {
            "name": {"type": "string"}, "min": {"type": "integer"},
        }});
        json!({"type": "object", "properties": {
            "group": {"type": "string"}, "groups": {"type": "array", "items": group}, "notAuthor": {"type": "boolean"},
        }})
    }

    fn problems(&self, _: &GatePlace<'_>) -> Vec<String> {
        if self.needed().next().is_none() { vec!["approval needs a group".to_owned()] } else { Vec::new() }
    }
}
