//! Argo CD's REST API plus ours, sessions, rights, the event stream and the page.
//!
//! **Absent on purpose:** reconciling. What a route does is one call of `control`.

mod asker;
mod certificate;
mod connections;
mod error;
mod input;
mod listener;
mod overview;
pub mod people;
mod proxies;
mod rights;
mod routes;
mod server;
mod stores;
mod streams;
mod suggest;
mod tls;
mod veil;
mod views;

pub use connections::Limits;
pub use listener::Listener;
pub use proxies::Network;
pub use routes::openapi;
pub use server::{Access, Server, ServerConfig};
pub use tls::{ListenError, Transport};
