//! What is kept of before, put together once for all that ask within a moment: not each page is a look at every Event, object
//! and commit that there is.

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

/// What the promotions among the commits of a branch tell.
#[derive(Debug, Clone)]
pub(super) enum Told {
    All(Arc<Vec<TimelineEntry>>),
    BeingRead,
    ToRead,
}

/// A repository and a revision.
type Branch = (String, String);

#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(super) whole: Lately<Placed>,
    pub(super) events: Lately<Arc<TimelineEntry>>,
    /// Up to which commit what was told, or is being read.
    commits: Mutex<HashMap<Branch, (git::CommitId, Told)>>,
}

impl Past {
    /// Whoever is told to read it does, and keeps it.
    pub(super) fn told_until(&self, branch: &Branch, head: git::CommitId) -> Told {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        match commits.get(branch) {
            Some((known, told)) if *known == head => told.clone(),
            _ => {
                commits.insert(branch.clone(), (head, Told::BeingRead));
                Told::ToRead
            }
        }
    }

    /// `None`: it could not be read, and may be tried again.
    pub(super) fn keep(
        &self,
        branch: Branch,
        head: git::CommitId,
        told: Option<Arc<Vec<TimelineEntry>>>,
    ) -> Option<Arc<Vec<TimelineEntry>>> {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let known = commits.get_mut(&branch).filter(|(known, _)| *known == head);
        match (&told, known) {
            (Some(told), Some((_, known))) => *known = Told::All(Arc::clone(told)),
            (None, Some(_)) => drop(commits.remove(&branch)),
            // another commit is its last one by now, or nobody wants it any more
            (_, None) => {}
        }
        told
    }

    /// Forgets what no environment is written to any more.
    pub(super) fn only(&self, is_wanted: impl Fn(&Branch) -> bool) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).retain(|branch, _| is_wanted(branch));
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

    use git::CommitId;

    use super::*;

    #[test]
    fn a_branch_is_read_once_for_each_last_commit() {
        let commit = |digit: &str| digit.repeat(40).parse::<CommitId>().unwrap();
        let (past, branch) = (Past::default(), ("repository".to_owned(), "main".to_owned()));
        let asked = |head| past.told_until(&branch, commit(head));
        assert!(matches!(asked("a"), Told::ToRead));
        assert!(matches!(asked("a"), Told::BeingRead), "however long it takes");
        past.keep(branch.clone(), commit("a"), None);
        assert!(matches!(asked("a"), Told::ToRead), "it could not be read");
        past.keep(branch.clone(), commit("a"), Some(Arc::default()));
        assert!(matches!(asked("a"), Told::All(_)));
        assert!(matches!(asked("b"), Told::ToRead));
        past.keep(branch.clone(), commit("a"), Some(Arc::default()));
        assert!(matches!(asked("b"), Told::BeingRead), "what comes late is of before");
        past.only(|_| false);
        past.keep(branch.clone(), commit("b"), Some(Arc::default()));
        assert!(past.commits.lock().unwrap().is_empty(), "nobody wants it");
    }

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
