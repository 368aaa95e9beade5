//! What tests of several crates share: repositories, and the way to the shared corpora.

mod git_repo;
mod shared;

pub use git_repo::GitRepo;
pub use shared::shared;
