//! Trying a password: slow on purpose, so on a lane of its own that leaves the threads of others alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// So many wait for their turn; each waits for at most so many others.
const WAITING: usize = 256;

/// The lane. Half of the cores at most try passwords at a time, and at least one.
#[derive(Debug)]
pub(crate) struct Passwords {
    waiting: Semaphore,
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { waiting: Semaphore::new(WAITING), turns: Arc::new(Semaphore::new((cores / 2).max(1))) }
    }
}

/// The right to try one password now.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _waited: SemaphorePermit<'a>,
    turn: OwnedSemaphorePermit,
}

impl Passwords {
    /// None when too many wait already.
    pub(crate) async fn turn(&self) -> Option<Turn<'_>> {
        let waited = self.waiting.try_acquire().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        Some(Turn { _waited: waited, turn })
    }
}

impl Turn<'_> {
    /// Whether the password is that of the hash. One that is no hash takes as long as `nobody`'s.
    pub(crate) async fn matches(self, password: String, hash: Option<String>, nobody: String) -> bool {
        let Self { _waited, turn } = self;
        let tried = tokio::task::spawn_blocking(move || {
            // until it is done, also when nobody waits for the answer any more
            let _turn = turn;
            hash.and_then(|hash| bcrypt::verify(&password, &hash).ok()).unwrap_or_else(|| {
                let _ = bcrypt::verify(&password, &nobody);
                false
            })
        });
        tried.await.unwrap_or(false)
    }
}
