//! The server from outside: its router, on a sandbox, with accounts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod arrivals;
mod browsers;
mod canary;
mod clusters;
mod connections;
mod hostile;
mod house;
mod logins;
mod matrix;
mod offers;
mod overrides;
mod page;
mod refusals;
mod releases;
mod rights;
mod sessions;
mod stream;
mod timeline;
mod voices;
