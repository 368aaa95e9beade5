//! How many Applications are worked on at once, not counting those that only wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Who waits longer than this for somebody outside lends the turn.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// A turn that somebody else has meanwhile.
#[derive(Debug)]
pub(crate) struct Lent(Option<Arc<Semaphore>>);

impl Lent {
    pub(crate) fn new(turns: &Arc<Semaphore>) -> Self {
        turns.add_permits(1);
        Self(Some(Arc::clone(turns)))
    }

    /// Takes it back as soon as one is free.
    pub(crate) async fn back(mut self) {
        if let Some(turns) = self.0.take() {
            take(turns).await;
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
        let lent = Lent::new(&turns);
        let other = turns.acquire().await.unwrap();
        let back = tokio::spawn(lent.back());
        drop(other);
        back.await.unwrap();
        assert_eq!(turns.available_permits(), 0);
        drop(Lent::new(&turns));
        tokio::task::yield_now().await;
        assert_eq!(turns.available_permits(), 0);
        drop(own);
        assert_eq!(turns.available_permits(), 1);
    }
}
