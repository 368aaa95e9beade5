//! Repositories and artifacts on the wire: fetch, read trees, commit without a work tree, push with compare-and-swap,
//! revert; image digests from registries; charts from Helm repositories and registries.
//!
//! Objects are gix's. The smart protocol is spoken here: gix 0.90 cannot push, refuses credentials on loopback HTTP, and
//! starts the `ssh` program; none of that fits. Nothing is ever forked.
//!
//! **Absent on purpose:** Kubernetes.

mod challenge;
mod charts;
mod client;
mod commit;
mod credentials;
mod error;
#[cfg(test)]
mod fuzz;
mod incoming;
mod limits;
mod local;
mod measure;
mod objects;
mod parts;
mod place;
mod policy;
mod ref_update;
mod references;
mod registry;
mod repositories;
pub mod revision;
mod tree;
mod version;
mod wire;

pub use charts::{
    CHART_MAX, ChartError, ChartRepositories, ChartRepository, ChartRepositoryOptions, ChartVersion, INDEX_MAX,
};
pub use commit::{CommitId, CommitInfo, Signature, Trailers};
pub use credentials::{Credentials, Secret};
pub use error::{GitError, PushError};
pub use incoming::{Incoming, Refused, Unpacker};
pub use limits::Limits;
pub use local::{create_bare, create_reference};
pub use place::Place;
pub use policy::{PRIVATE_HOSTS, Permitted, Policy, Reach};
pub use registry::{RegistryClient, RegistryError};
pub use repositories::{Edit, Repositories, Repository, Sign, SignWith, Write};
pub use version::is_constraint;
