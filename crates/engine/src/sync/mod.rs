//! A sync, step by step: what is applied, pruned and waited for, in which order (Argo CD 3.5.1's sync engine).
//!
//! [`plan_sync`] lists all tasks in order; [`SyncRun`] walks through them. Both are pure: actions go out as values, what
//! became of them comes back as values, and a run can be taken up again from the results in `status.operationState`.

mod action;
mod options;
mod order;
mod plan;
mod run;
mod step;

pub use action::{Action, Outcome, Propagation, Verb};
pub(crate) use options::is_by_server;
pub use options::{SyncOptions, by_server};
pub use plan::{Hook, SyncInput, SyncPlan, Task, Wave, plan_sync};
pub use run::{Next, SyncRun};
