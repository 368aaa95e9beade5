//! How long somebody who looks on waits for repositories and clusters. A render has a limit of its own, and what it takes
//! does not count: who waits for less than a render takes would never see what comes of it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Who has patience for less than this is not looked after any closer.
const STEP: Duration = Duration::from_millis(100);

tokio::task_local! {
    static UNCOUNTED: Uncounted;
}

/// What did not count of the time that a work took.
#[derive(Debug, Clone, Default)]
struct Uncounted(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    over: Duration,
    since: Option<Instant>,
}

impl Uncounted {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn so_far(&self) -> Duration {
        self.over + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// What comes of the work; `None` when it takes longer, not counting what is [`uncounted`].
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (began, uncounted) = (Instant::now(), Uncounted::default());
    let mut work = pin!(UNCOUNTED.scope(uncounted.clone(), work));
    let mut left = limit;
    loop {
        if let Ok(done) = timeout(left.max(STEP), work.as_mut()).await {
            return Some(done);
        }
        let all = limit + uncounted.times().so_far();
        left = all.checked_sub(began.elapsed()).filter(|left| !left.is_zero())?;
    }
}

/// Does what may take its time.
pub(crate) async fn uncounted<T>(work: impl Future<Output = T>) -> T {
    let Ok(uncounted) = UNCOUNTED.try_with(Uncounted::clone) else { return work.await };
    uncounted.times().since = Some(Instant::now());
    let done = work.await;
    let mut times = uncounted.times();
    times.over = times.so_far();
    times.since = None;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::pending;

    const LIMIT: Duration = Duration::from_millis(500);

    async fn takes(milliseconds: u64) {
        let _ = timeout(Duration::from_millis(milliseconds), pending::<()>()).await;
    }

    #[tokio::test]
    async fn a_render_does_not_use_up_the_patience_for_others() {
        let rendered = |then: u64| async move {
            takes(10).await;
            uncounted(takes(800)).await;
            takes(then).await;
        };
        let (quick, hangs, soon, late) = tokio::join!(
            within(LIMIT, takes(10)),
            within(LIMIT, takes(60_000)),
            within(LIMIT, rendered(10)),
            within(LIMIT, rendered(60_000)),
        );
        assert_eq!((quick, hangs), (Some(()), None));
        assert_eq!((soon, late), (Some(()), None), "after the render");
    }
}
