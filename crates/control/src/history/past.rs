//! What is kept of before, put together for all that ask at the same time: a page costs what is on it, and not a look at every
//! Event, object and commit that there is.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Placed, TimelineEntry};

/// So long what objects keep is good enough. What this process tells is there at once all the same.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// So long Events are: they tell of what other processes did.
pub(super) const EVENTS_FRESH: Duration = Duration::from_secs(5);

/// What the promotions among the commits of a branch tell, and up to which one.
type Told = (git::CommitId, Arc<Vec<TimelineEntry>>);

/// By repository and revision.
type Commits = HashMap<(String, String), Told>;

#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(super) whole: Lately<Placed>,
    pub(super) events: Lately<Arc<TimelineEntry>>,
    commits: Mutex<Commits>,
}

impl Past {
    /// What the commits of a branch told, if this is still its last one.
    pub(super) fn told_until(&self, branch: &(String, String), head: git::CommitId) -> Option<Arc<Vec<TimelineEntry>>> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.get(branch).filter(|(known, _)| *known == head).map(|(_, told)| Arc::clone(told))
    }

    pub(super) fn keep(&self, branch: (String, String), head: git::CommitId, told: Arc<Vec<TimelineEntry>>) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).insert(branch, (head, told));
    }
}

/// What was found a moment ago, and when.
#[derive(Debug)]
pub(super) struct Lately<T>(tokio::sync::Mutex<Option<(Instant, Arc<Vec<T>>)>>);

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self(tokio::sync::Mutex::default())
    }
}

impl<T> Lately<T> {
    /// What was found not longer ago than `fresh`, else what `find` finds. Whoever asks meanwhile waits for the same.
    pub(super) async fn get<F: Future<Output = Vec<T>>>(
        &self,
        fresh: Duration,
        now: impl Fn() -> Instant,
        find: impl FnOnce() -> F,
    ) -> Arc<Vec<T>> {
        let mut known = self.0.lock().await;
        if let Some((_, all)) = known.as_ref().filter(|(at, _)| now().duration_since(*at) < fresh) {
            return Arc::clone(all);
        }
        let all = Arc::new(find().await);
        *known = Some((now(), Arc::clone(&all)));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn however_many_ask_it_is_found_once_while_that_is_fresh() {
        let (lately, found, now) = (Lately::<u8>::default(), Cell::new(0), Cell::new(Instant::now()));
        let find = || async {
            found.set(found.get() + 1);
            tokio::task::yield_now().await;
            Vec::new()
        };
        let ask = || lately.get(FRESH, || now.get(), find);
        tokio::join!(ask(), ask(), ask());
        assert_eq!(found.get(), 1);
        now.set(now.get() + FRESH);
        tokio::join!(ask(), ask());
        assert_eq!(found.get(), 2);
    }
}
