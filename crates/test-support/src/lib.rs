//! What tests of several crates share: repositories, chance, and the way to the shared corpora.

mod dice;
mod git_host;
mod git_repo;
mod shared;
mod silent_host;
mod web_server;

pub use dice::Dice;
pub use git_host::{git, git_answer};
pub use git_repo::GitRepo;
pub use shared::shared;
pub use silent_host::SilentHost;
pub use web_server::{Answer, Manner, Request, WebServer};
