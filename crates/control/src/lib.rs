//! The loops: everything that happens, happens here.
//!
//! `reconcile.rs` tells the story of one Application from its commit to its status.
//!
//! **Absent on purpose:** HTTP serving, terminal output; databases. The Kubernetes API and Git are the only state: what
//! is kept in memory may be dropped at any time.

mod events;
mod inventory;
mod metrics;
mod queue;
mod repositories;
mod status;
mod timeline;

pub use inventory::{AppKey, Inventory};
pub use metrics::Metrics;
pub use repositories::{Access, Remote, RemoteError, Remotes, Repositories, Resolved, Unavailable};
pub use timeline::{Timeline, TimelineEntry, TimelineKind};
