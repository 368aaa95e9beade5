//! The server from outside: its router, on a sandbox, with accounts.

mod house;
mod rights;
mod stream;
