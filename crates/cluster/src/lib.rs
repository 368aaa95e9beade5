//! A Kubernetes API as Gantline uses it: untyped objects, server-side apply with named owners of fields, watches that
//! resume, a compact cache of live objects, and stores of kinds that are read as types.
//!
//! The only crate that imports `kube`, and of it only the connection: kubeconfig, TLS and authentication. Requests and
//! watches are our own, because conflicts, list items and memory matter here.
//!
//! **Absent on purpose:** Argo CD's semantics. Whom an object belongs to is told by a function that the caller gives.

mod bounds;
mod cache;
mod connect;
mod discovery;
mod error;
mod logs;
mod objects;
mod pace;
mod request;
mod store;
mod watch;

pub use bounds::Bounds;
pub use cache::{LiveCache, Touch, Tracker};
pub use connect::{Cluster, Limits, Login, Target};
pub use discovery::ApiResource;
pub use error::{Cause, ClusterError, FieldConflict};
pub use kube::client::Body;
pub use logs::LogOptions;
pub use objects::{ApplyOptions, DeleteOptions, Patch, PatchOptions, Propagation};
pub use store::{Change, Store, Unreadable};
pub use watch::{Scope, WatchEvent, WatchStream};
