//! Argo CD's REST API plus ours, sessions, rights, the event stream and the page.
//!
//! **Absent on purpose:** reconciling. What a route does is one call of `control`.

mod error;
mod overview;
pub mod people;
mod routes;
mod selector;
mod server;
mod tls;

pub use server::{Access, Server, ServerConfig};
pub use tls::{ListenError, Listener, Transport};
