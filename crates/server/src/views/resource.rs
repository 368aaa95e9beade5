use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::application::hide_credentials;

/// Every object that an Application wants or has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManagedResources {
    pub(crate) items: Vec<ManagedResource>,
}

/// One object, as it should be and as it is. Secret values are replaced.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedResource {
    group: String,
    kind: String,
    namespace: String,
    name: String,
    hook: bool,
    /// It differs, is missing, or is to be pruned.
    modified: bool,
    requires_pruning: bool,
    desired: Option<Value>,
    live: Option<Value>,
    fields: Vec<FieldChange>,
    /// What a sync does with it; absent where it does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ResourceChange>,
    /// Why the API server would refuse the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// What a sync does with an object, as a dry run foresees it, without what the API server writes by itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceChange {
    /// `create`, `update` or `prune`.
    action: &'static str,
    /// `null`: it is not there.
    before: Option<Value>,
    /// `null`: it is gone, or the API server would refuse it.
    after: Option<Value>,
}

/// A field that is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldChange {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Value>,
    /// The field manager who wrote it, where the object tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<String>,
}

impl From<control::ManagedResource> for ManagedResource {
    fn from(mut object: control::ManagedResource) -> Self {
        // Applications of Applications have addresses of repositories
        if object.group == "argoproj.io" {
            let changed = object.fields.iter_mut().flat_map(|field| [&mut field.desired, &mut field.live]);
            changed.chain([&mut object.desired, &mut object.live]).flatten().for_each(hide_credentials);
            let sides = object.change.iter_mut().flat_map(|change| [&mut change.before, &mut change.after]);
            sides.flatten().for_each(hide_credentials);
        }
        Self {
            group: object.group,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
            hook: object.hook,
            modified: object.modified,
            requires_pruning: object.requires_pruning,
            desired: object.desired,
            live: object.live,
            fields: object.fields.into_iter().map(FieldChange::from).collect(),
            change: object.change.map(ResourceChange::from),
            refused: object.refused,
        }
    }
}

impl From<control::ResourceChange> for ResourceChange {
    fn from(change: control::ResourceChange) -> Self {
        Self { action: change.action, before: change.before, after: change.after }
    }
}

impl From<control::FieldChange> for FieldChange {
    fn from(field: control::FieldChange) -> Self {
        Self { path: field.path, desired: field.desired, live: field.live, changed_by: field.changed_by }
    }
}
