//! What tests of several crates share: repositories, and the way to the shared corpora.

mod git_repo;
mod shared;
mod web_server;

pub use git_repo::GitRepo;
pub use shared::shared;
pub use web_server::{Answer, Request, WebServer};
