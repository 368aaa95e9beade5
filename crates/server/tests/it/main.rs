//! The server from outside: its router, on a sandbox, with accounts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod clusters;
mod house;
mod offers;
mod refusals;
mod releases;
mod rights;
mod stream;
mod voices;
