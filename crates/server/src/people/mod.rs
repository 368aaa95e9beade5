//! People: local accounts, sessions, and what each may do.

pub mod accounts;
pub(crate) mod directory;
pub(crate) mod ended;
pub(crate) mod identity;
pub(crate) mod passwords;
pub mod session;
pub(crate) mod throttle;
mod token;

pub(crate) use identity::Identity;
