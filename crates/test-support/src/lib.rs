//! What tests of several crates share: repositories, and the way to the shared corpora.

mod git_host;
mod git_repo;
mod shared;
mod silent_host;
mod web_server;

pub use git_host::{git, git_answer};
pub use git_repo::GitRepo;
pub use shared::shared;
pub use silent_host::SilentHost;
pub use web_server::{Answer, Manner, Request, WebServer};
