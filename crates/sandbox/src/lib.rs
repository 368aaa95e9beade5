//! A Kubernetes API in one process: a versioned store, the API's behaviour on top of it, simulated controllers and a
//! registry, on a clock that may run faster than the wall's.
//!
//! Nothing above knows this crate: it is reached as any cluster is. It is for newcomers, tests and simulation; what a
//! real API server says is never decided here.

mod admission;
mod api;
mod apply;
mod body;
mod bootstrap;
mod controllers;
mod crd;
mod defaults;
mod definition;
mod discovery;
mod door;
mod duplicates;
mod http;
mod kinds;
mod lifecycle;
mod list;
mod logs;
mod openapi;
mod patch;
mod private;
mod protobuf;
mod quantity;
mod registry;
mod request;
mod reviews;
mod rules;
mod sandbox;
mod schema;
mod selector;
mod status;
mod store;
mod subresources;
mod table;
mod tidy;
mod tls;
mod validate;
mod warnings;
mod watch;

pub use door::Door;
pub use private::{private_file, private_folder};
pub use registry::{
    AnyImage, CRASH_LABEL, Image, ImageError, ImageSource, MANIFEST, NOT_READY_LABEL, PulledImage, Registry,
    RegistryError, Resolving, digest_of,
};
pub use sandbox::{Entrance, Sandbox, SandboxError, SandboxOptions, StoreFolder};
pub use store::{Dropped, OnDamage, StoreError};
