//! What is kept of before, put together for all that ask at the same time: a page costs what is on it, and not a look at every
//! Event, object and commit that there is.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Placed, TimelineEntry};

/// So long it is good enough. What this process tells is there at once all the same; this is of what others told.
const FRESH: Duration = Duration::from_secs(1);

/// What the promotions among the commits of a branch tell, and up to which one.
type Told = (git::CommitId, Arc<Vec<TimelineEntry>>);

/// By repository and revision.
type Commits = HashMap<(String, String), Told>;

#[derive(Debug, Default)]
pub(crate) struct Past {
    known: tokio::sync::Mutex<Option<(Instant, Arc<Vec<Placed>>)>>,
    commits: Mutex<Commits>,
}

impl Past {
    /// As it was a moment ago, else as `gather` finds it. Whoever asks meanwhile waits for the same.
    pub(super) async fn get<F>(&self, now: impl Fn() -> Instant, gather: impl FnOnce() -> F) -> Arc<Vec<Placed>>
    where
        F: Future<Output = Vec<Placed>>,
    {
        let mut known = self.known.lock().await;
        if let Some((_, all)) = known.as_ref().filter(|(at, _)| now().duration_since(*at) < FRESH) {
            return Arc::clone(all);
        }
        let all = Arc::new(gather().await);
        *known = Some((now(), Arc::clone(&all)));
        all
    }

    /// What the commits of a branch told, if this is still its last one.
    pub(super) fn told_until(&self, branch: &(String, String), head: git::CommitId) -> Option<Arc<Vec<TimelineEntry>>> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.get(branch).filter(|(known, _)| *known == head).map(|(_, told)| Arc::clone(told))
    }

    pub(super) fn keep(&self, branch: (String, String), head: git::CommitId, told: Arc<Vec<TimelineEntry>>) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).insert(branch, (head, told));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn however_many_ask_it_is_gathered_once_a_second() {
        let (past, gathered, now) = (Past::default(), Cell::new(0), Cell::new(Instant::now()));
        let gather = || async {
            gathered.set(gathered.get() + 1);
            tokio::task::yield_now().await;
            Vec::new()
        };
        let ask = || past.get(|| now.get(), gather);
        tokio::join!(ask(), ask(), ask());
        assert_eq!(gathered.get(), 1);
        now.set(now.get() + FRESH);
        tokio::join!(ask(), ask());
        assert_eq!(gathered.get(), 2);
    }
}
