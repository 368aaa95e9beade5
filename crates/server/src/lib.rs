//! Argo CD's REST API plus ours, sessions, rights, the event stream and the page.
//!
//! **Absent on purpose:** reconciling. What a route does is one call of `control`.

mod asker;
mod error;
mod input;
mod overview;
pub mod people;
mod rights;
mod routes;
mod server;
mod stores;
mod tls;
mod veil;
mod views;

pub use routes::openapi;
pub use server::{Access, Server, ServerConfig};
pub use tls::{ListenError, Listener, Transport};
