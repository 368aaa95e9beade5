//! Desired against live: compare, plan a sync, step through it, health, resource tree, automated sync, explanations.
//!
//! **Absent on purpose:** clients, clocks, files, the environment. Time is an argument.

mod annotations;
mod apply;
pub mod automated;
mod claims;
mod compare;
mod conditions;
mod desired;
mod explain;
mod fields;
mod health;
mod ignore;
mod images;
mod live;
mod namespace;
pub mod operation;
mod permit;
mod scope;
pub mod status;
mod stay;
pub mod sync;
mod tracking;
mod tree;
pub mod windows;

pub use annotations::{
    HookDeletePolicy, asks_before_deletion, has_sync_option, hook_delete_policies, hook_phases, is_hook, is_kept,
    is_skipped, sync_wave,
};
pub use apply::{LAST_APPLIED, client_side, merge_patch, migrated, with_last_applied};
pub use claims::{Claims, Owner};
pub use compare::{
    Change, CompareOptions, Compared, Comparison, DryRun, Foreseen, InSyncMarks, Prediction, compare, needs_dry_run,
};
pub use conditions::set_conditions;
pub use desired::{CompleteSet, DesiredSet, Incomplete, Targets, targets};
pub use explain::{ExplainInput, Explanation, Reason, Topic, explain};
pub use fields::{FieldDiff, FieldOwner, FieldPath, Step};
pub use health::{HealthInput, HealthOf, aggregate, health, health_by_rule, health_or, waiting_problem};
pub use ignore::UnsupportedExpression;
pub use images::{ContainerImage, NamedImage, RunningImage, all_images, images, pod_image_ids, pod_labels, selects};
pub use live::LiveState;
pub use namespace::Keepers;
pub use permit::{Denied, Permits, Permitted, Removal};
pub use scope::Scopes;
pub use stay::{Held, Other, Stay};
pub use sync::plan_sync;
pub use tracking::{MarkError, Tracking, TrackingId, TrackingIdError, truncated_label};
pub use tree::{ResourceNode, ResourceTree, tree};
