//! How many Applications are worked on at once, not counting those that only wait.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Who waits longer than this for somebody outside lends the turn.
pub(crate) const SOON: Duration = Duration::from_millis(100);

tokio::task_local! {
    /// Whether this task has a turn that it may lend.
    static HOLDS: Cell<bool>;
}

/// Does what a turn was taken for.
pub(crate) async fn with_turn<T>(work: impl Future<Output = T>) -> T {
    HOLDS.scope(Cell::new(true), work).await
}

/// A turn that somebody else has meanwhile. Who has none, as who answers people, or has lent it already, lends nothing.
#[derive(Debug)]
pub(crate) struct Lent(Option<Arc<Semaphore>>);

impl Lent {
    pub(crate) fn new(turns: &Arc<Semaphore>) -> Self {
        let held = HOLDS.try_with(|holds| holds.replace(false)).unwrap_or_default();
        Self(held.then(|| {
            turns.add_permits(1);
            Arc::clone(turns)
        }))
    }

    /// Takes it back as soon as one is free.
    pub(crate) async fn back(mut self) {
        if let Some(turns) = self.0.take() {
            take(turns).await;
            // it was lent by this task
            let _ = HOLDS.try_with(|holds| holds.set(true));
        }
    }
}

async fn take(turns: Arc<Semaphore>) {
    if let Ok(turn) = turns.acquire().await {
        turn.forget();
    }
}

impl Drop for Lent {
    /// Whoever lent it went away: there is one turn less, not one more.
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            tokio::spawn(take(turns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_that_were_lent_come_back() {
        let turns = Arc::new(Semaphore::new(1));
        let own = turns.acquire().await.unwrap();
        let other = with_turn(async {
            let lent = Lent::new(&turns);
            let other = turns.acquire().await.unwrap();
            assert_eq!(turns.available_permits(), 0);
            // it was lent already
            Lent::new(&turns).back().await;
            assert_eq!(turns.available_permits(), 0);
            drop(other);
            lent.back().await;
            assert_eq!(turns.available_permits(), 0);
            drop(Lent::new(&turns));
        });
        other.await;
        tokio::task::yield_now().await;
        assert_eq!(turns.available_permits(), 0);
        drop(own);
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_has_no_turn_lends_none() {
        let turns = Arc::new(Semaphore::new(1));
        let lent = Lent::new(&turns);
        assert_eq!(turns.available_permits(), 1);
        lent.back().await;
        assert_eq!(turns.available_permits(), 1);
    }
}
