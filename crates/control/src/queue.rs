//! The work queue: every Application at most once in it and at most once in work, urgent ones first, some only later.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::AppKey;

/// How deep a reconcile has to look. Requests for one Application merge to the deepest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Live objects changed: compare with the revision that was used last.
    #[default]
    Live,
    /// A timer or a moved branch: resolve the revision, from what the repository told lately.
    Latest,
    /// Somebody asked: ask the repository now.
    Forced,
    /// Somebody asked for everything anew: render again as well.
    Hard,
}

/// What is asked for: how deep, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) depth: Depth,
    /// When it was asked for at this depth: an answer that a repository gave after it is fresh enough.
    pub(crate) since: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<AppKey, Request>,
    urgent: VecDeque<AppKey>,
    normal: VecDeque<AppKey>,
    /// In work, and whether to go again at once.
    working: HashMap<AppKey, Option<Request>>,
    later: BTreeSet<(Timestamp, AppKey)>,
    wake_at: HashMap<AppKey, (Timestamp, Depth)>,
}

/// Shared by all workers and everybody who has work for them.
#[derive(Debug)]
pub(crate) struct Queue {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

impl Queue {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a reconcile as soon as possible.
    pub(crate) fn add(&self, key: &AppKey, depth: Depth) {
        self.state().add(key, Request { depth, since: self.clock.now() }, true);
        self.changed.notify_one();
    }

    /// As [`Queue::add`], after everything that is urgent.
    pub(crate) fn add_behind(&self, key: &AppKey, depth: Depth) {
        self.state().add(key, Request { depth, since: self.clock.now() }, false);
        self.changed.notify_one();
    }

    /// Asks for a reconcile at `time`, or at an earlier time that was asked for before.
    pub(crate) fn add_at(&self, key: &AppKey, time: Timestamp, depth: Depth) {
        self.state().add_at(key, time, depth);
        self.changed.notify_one();
    }

    /// The next Application to work on. [`Queue::done`] must follow.
    pub(crate) async fn next(&self) -> (AppKey, Request) {
        loop {
            let changed = self.changed.notified();
            let (next, wake) = {
                let mut state = self.state();
                state.ripen(self.clock.now());
                (state.take(), state.later.first().map(|(time, _)| *time))
            };
            if let Some(next) = next {
                // another worker may find more
                self.changed.notify_one();
                return next;
            }
            match wake {
                Some(time) => tokio::select! {
                    () = changed => {}
                    () = self.clock.sleep_until(time) => {}
                },
                None => changed.await,
            }
        }
    }

    /// The Application is out of work. What was asked meanwhile is next.
    pub(crate) fn done(&self, key: &AppKey) {
        let mut state = self.state();
        if let Some(Some(again)) = state.working.remove(key) {
            state.add(key, again, true);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The Application is gone: nothing waits for it any more.
    pub(crate) fn forget(&self, key: &AppKey) {
        let mut state = self.state();
        state.waiting.remove(key);
        if let Some((time, _)) = state.wake_at.remove(key) {
            state.later.remove(&(time, key.clone()));
        }
    }

    /// How many wait or are in work.
    #[cfg(test)]
    fn len(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.working.len()
    }
}

fn merge(old: Option<Request>, new: Request) -> Request {
    old.map_or(new, |old| {
        let since = match old.depth.cmp(&new.depth) {
            std::cmp::Ordering::Greater => old.since,
            std::cmp::Ordering::Equal => old.since.max(new.since),
            std::cmp::Ordering::Less => new.since,
        };
        Request { depth: old.depth.max(new.depth), since }
    })
}

impl State {
    fn add(&mut self, key: &AppKey, request: Request, urgent: bool) {
        if let Some(again) = self.working.get_mut(key) {
            *again = Some(merge(*again, request));
            return;
        }
        let old = self.waiting.get(key).copied();
        self.waiting.insert(key.clone(), merge(old, request));
        match (old, urgent) {
            (_, true) if !self.urgent.contains(key) => self.urgent.push_back(key.clone()),
            (None, false) => self.normal.push_back(key.clone()),
            _ => {}
        }
    }

    fn add_at(&mut self, key: &AppKey, time: Timestamp, depth: Depth) {
        let (time, depth) = match self.wake_at.get(key) {
            Some((earlier, known)) => {
                self.later.remove(&(*earlier, key.clone()));
                (time.min(*earlier), depth.max(*known))
            }
            None => (time, depth),
        };
        self.wake_at.insert(key.clone(), (time, depth));
        self.later.insert((time, key.clone()));
    }

    /// Moves what is due.
    fn ripen(&mut self, now: Timestamp) {
        while let Some((time, key)) = self.later.first().cloned()
            && time <= now
        {
            self.later.pop_first();
            if let Some((_, depth)) = self.wake_at.remove(&key) {
                self.add(&key, Request { depth, since: time }, false);
            }
        }
    }

    fn take(&mut self) -> Option<(AppKey, Request)> {
        // keys stay in a list after they were taken by way of the other, or forgotten
        while let Some(key) = self.urgent.pop_front().or_else(|| self.normal.pop_front()) {
            if let Some(request) = self.waiting.remove(&key) {
                self.working.insert(key.clone(), None);
                return Some((key, request));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;
    use std::time::Duration;

    fn queue() -> (Queue, ManualClock) {
        let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
        (Queue::new(Arc::new(clock.clone())), clock)
    }

    fn key(name: &str) -> AppKey {
        AppKey::new("argocd", name)
    }

    #[tokio::test]
    async fn requests_for_one_application_merge() {
        let (queue, _) = queue();
        queue.add_behind(&key("b"), Depth::Live);
        queue.add(&key("a"), Depth::Live);
        queue.add(&key("a"), Depth::Hard);
        queue.add(&key("a"), Depth::Latest);
        assert_eq!(queue.len(), 2);
        let (first, request) = queue.next().await;
        assert_eq!((first, request.depth), (key("a"), Depth::Hard));
        assert_eq!(queue.next().await.0, key("b"));
    }

    #[tokio::test]
    async fn what_comes_during_work_is_next_and_never_twice_at_once() {
        let (queue, _) = queue();
        queue.add(&key("a"), Depth::Live);
        queue.next().await;
        queue.add(&key("a"), Depth::Forced);
        queue.add(&key("a"), Depth::Live);
        assert!(futures::poll!(Box::pin(queue.next())).is_pending());
        queue.done(&key("a"));
        assert_eq!(queue.next().await.1.depth, Depth::Forced);
        queue.done(&key("a"));
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn later_means_the_earliest_time_asked_for() {
        let (queue, clock) = queue();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        queue.add_at(&key("a"), at(30), Depth::Latest);
        queue.add_at(&key("a"), at(10), Depth::Live);
        queue.add_at(&key("a"), at(20), Depth::Live);
        let mut next = Box::pin(queue.next());
        assert!(futures::poll!(&mut next).is_pending());
        clock.advance(Duration::from_secs(10));
        let (_, request) = next.await;
        assert_eq!(request.depth, Depth::Latest);
        queue.done(&key("a"));
        clock.advance(Duration::from_secs(60));
        assert!(futures::poll!(Box::pin(queue.next())).is_pending());
    }

    #[tokio::test]
    async fn what_is_gone_is_forgotten() {
        let (queue, clock) = queue();
        queue.add(&key("a"), Depth::Live);
        queue.add_at(&key("a"), Timestamp::from_second(1).unwrap(), Depth::Live);
        queue.forget(&key("a"));
        clock.advance(Duration::from_secs(5));
        assert!(futures::poll!(Box::pin(queue.next())).is_pending());
    }
}
