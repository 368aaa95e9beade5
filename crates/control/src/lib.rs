//! The loops: everything that happens, happens here.
//!
//! `reconcile.rs` tells the story of one Application from its commit to its status.
//!
//! **Absent on purpose:** HTTP serving, terminal output; databases. The Kubernetes API and Git are the only state: what
//! is kept in memory may be dropped at any time.

mod answers;
mod chart_remotes;
mod charts;
mod clusters;
mod config;
mod context;
mod controller;
mod default_project;
mod deletion;
mod driver;
mod events;
mod execute;
mod facts;
mod git_remotes;
mod grounds;
mod history;
mod ledger;
mod ledgers;
mod left_out;
mod live;
mod memory;
mod metrics;
mod namespaces;
mod overrides;
mod owned;
mod panics;
mod patience;
mod pipelines;
mod proven;
mod queue;
mod reach;
mod readers;
mod reconcile;
mod records;
mod repositories;
pub mod requests;
mod served;
mod shares;
mod sites;
mod source;
mod status;
mod stays;
mod stores;
mod sync;
mod timeline;
mod touched;
mod turns;
mod unread;
mod view;
mod voices;
mod wake;
mod walls;
pub mod workers;

pub use clusters::{ConnectedCluster, ConnectionState, ConnectionStatus};
pub use config::{AtStep, ControllerConfig};
pub use controller::Controller;
pub use git_remotes::GitRemotes;
pub use history::{History, Mark, Wanted};
pub use ledger::LEDGER_SECRETS;
pub use metrics::Metrics;
pub use repositories::{Access, Address, Remote, RemoteError, Remotes, Repositories, Resolved, Unavailable};
pub use shares::Replica;
pub use sites::Connector;
pub use source::to_render;
pub use stores::{ACCOUNTS_SECRET, AppKey, CONFIG_MAPS, NoProject, SESSIONS_SECRET, Stores};
pub use timeline::{Timeline, TimelineEntry, TimelineKind};
pub use touched::{Touched, Touches};
pub use unread::{AllUnread, CANNOT_BE_READ, Unread};
pub use view::{Against, FieldChange, ManagedResource, ResourceChange};
pub use voices::{Heard, Line, Pick, Silent};
