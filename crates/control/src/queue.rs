//! The work queue: every key at most once in it and at most once in work, urgent ones first, some only later.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::argocd::Refresh;
use clock::Clock;
use jiff::Timestamp;
use tokio::sync::Notify;

/// How many urgent keys go before one that is not.
const IN_A_ROW: usize = 8;

/// How deep a look has to go. Requests for one key merge to the deepest.
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

impl From<Refresh> for Depth {
    fn from(refresh: Refresh) -> Self {
        match refresh {
            Refresh::Normal => Self::Forced,
            Refresh::Hard => Self::Hard,
        }
    }
}

impl Request {
    /// With what an Application asks for by itself, where that is more: who is told that it was refreshed goes by that.
    pub(crate) fn with(self, refresh: Option<Refresh>, now: Timestamp) -> Self {
        match refresh.map(Depth::from) {
            Some(depth) if depth > self.depth => Self { depth, since: now },
            _ => self,
        }
    }
}

#[derive(Debug)]
struct State<K> {
    waiting: HashMap<K, Waiting>,
    urgent: VecDeque<K>,
    normal: VecDeque<K>,
    /// How many urgent ones were taken since the last that is not.
    in_a_row: usize,
    /// In work, and what was asked for meanwhile.
    working: HashMap<K, Option<Waiting>>,
    parked: HashMap<K, Parked>,
    later: BTreeSet<(Timestamp, K)>,
    wake_at: HashMap<K, (Timestamp, Depth)>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    request: Request,
    urgent: bool,
}

impl Waiting {
    fn with(old: Option<Self>, request: Request, urgent: bool) -> Self {
        let was_urgent = old.is_some_and(|old| old.urgent);
        Self { request: merge(old.map(|old| old.request), request), urgent: urgent || was_urgent }
    }
}

/// A key that waits for answers before it goes on.
#[derive(Debug, Default)]
struct Parked {
    /// With this; `None`: it went on with it after one of the answers.
    request: Option<Request>,
    /// Whose answers are still to come.
    on: BTreeSet<String>,
}

impl<K> Default for State<K> {
    fn default() -> Self {
        let (waiting, working, parked, wake_at) = Default::default();
        let (urgent, normal, later, in_a_row) = Default::default();
        Self { waiting, urgent, normal, in_a_row, working, parked, later, wake_at }
    }
}

/// Shared by all workers and everybody who has work for them.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<K>>,
    changed: Notify,
}

impl<K: Clone + Ord + Hash> Queue<K> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look as soon as possible.
    pub(crate) fn add(&self, key: &K, depth: Depth) {
        self.state().add(key, Request { depth, since: self.clock.now() }, true);
        self.changed.notify_one();
    }

    /// As [`Queue::add`], after everything that is urgent.
    pub(crate) fn add_behind(&self, key: &K, depth: Depth) {
        self.state().add(key, Request { depth, since: self.clock.now() }, false);
        self.changed.notify_one();
    }

    /// Asks for a look at `time`, or at an earlier time that was asked for before.
    pub(crate) fn add_at(&self, key: &K, time: Timestamp, depth: Depth) {
        self.state().add_at(key, time, depth);
        self.changed.notify_one();
    }

    /// Returns when something is due.
    pub(crate) async fn due(&self) {
        loop {
            let changed = self.changed.notified();
            let wake = {
                let mut state = self.state();
                state.ripen(self.clock.now());
                if !state.waiting.is_empty() {
                    return;
                }
                state.later.first().map(|(time, _)| *time)
            };
            match wake {
                Some(time) => tokio::select! {
                    () = changed => {}
                    () = self.clock.sleep_until(time) => {}
                },
                None => changed.await,
            }
        }
    }

    /// The next key to work on, if one is due. [`Queue::done`] must follow.
    pub(crate) fn take(&self) -> Option<(K, Request)> {
        self.state().take()
    }

    /// The key is out of work. What was asked meanwhile waits as if it was asked now.
    pub(crate) fn done(&self, key: &K) {
        let mut state = self.state();
        if let Some(Some(again)) = state.working.remove(key) {
            state.add(key, again.request, again.urgent);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The key goes on with this request once somebody calls [`Queue::unpark`] for any of those it waits for. Whether
    /// nobody was to call it for this one before. Other requests for the key are served meanwhile.
    pub(crate) fn park(&self, key: &K, request: Request, on: &str) -> bool {
        let mut state = self.state();
        let parked = state.parked.entry(key.clone()).or_default();
        parked.request = Some(merge(parked.request, request));
        parked.on.insert(on.to_owned())
    }

    /// One of those the key waited for has answered: whether that is enough is for the key to find out.
    pub(crate) fn unpark(&self, key: &K, on: &str) {
        self.state().unpark(key, on);
        self.changed.notify_one();
    }

    /// One of those the key waited for has nothing to tell: it goes on without it, when something else asks for it.
    pub(crate) fn leave(&self, key: &K, on: &str) {
        let mut state = self.state();
        if let Some(parked) = state.parked.get_mut(key) {
            parked.on.remove(on);
            if parked.on.is_empty() {
                state.parked.remove(key);
            }
        }
    }

    /// What the key means is gone: nothing waits for it any more.
    pub(crate) fn forget(&self, key: &K) {
        let mut state = self.state();
        state.waiting.remove(key);
        state.parked.remove(key);
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

/// One request that asks for both.
pub(crate) fn merge(old: Option<Request>, new: Request) -> Request {
    old.map_or(new, |old| {
        let since = match old.depth.cmp(&new.depth) {
            std::cmp::Ordering::Greater => old.since,
            std::cmp::Ordering::Equal => old.since.max(new.since),
            std::cmp::Ordering::Less => new.since,
        };
        Request { depth: old.depth.max(new.depth), since }
    })
}

impl<K: Clone + Ord + Hash> State<K> {
    fn add(&mut self, key: &K, request: Request, urgent: bool) {
        if let Some(again) = self.working.get_mut(key) {
            *again = Some(Waiting::with(*again, request, urgent));
            return;
        }
        let old = self.waiting.get(key).copied();
        self.waiting.insert(key.clone(), Waiting::with(old, request, urgent));
        match (old, urgent) {
            (_, true) if !old.is_some_and(|old| old.urgent) => self.urgent.push_back(key.clone()),
            (None, false) => self.normal.push_back(key.clone()),
            _ => {}
        }
    }

    fn unpark(&mut self, key: &K, on: &str) {
        let Some(parked) = self.parked.get_mut(key) else { return };
        parked.on.remove(on);
        let request = parked.request.take();
        if parked.on.is_empty() {
            self.parked.remove(key);
        }
        if let Some(request) = request {
            self.add(key, request, request.depth >= Depth::Forced);
        }
    }

    fn add_at(&mut self, key: &K, time: Timestamp, depth: Depth) {
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

    /// The urgent ones first, but not only them.
    fn take(&mut self) -> Option<(K, Request)> {
        let patient = self.in_a_row >= IN_A_ROW;
        let urgent = if patient { None } else { self.take_urgent() };
        urgent.or_else(|| self.take_normal()).or_else(|| self.take_urgent())
    }

    fn take_urgent(&mut self) -> Option<(K, Request)> {
        let taken = next_of(&mut self.urgent, &mut self.waiting)?;
        self.in_a_row += 1;
        Some(self.begin(taken))
    }

    fn take_normal(&mut self) -> Option<(K, Request)> {
        let taken = next_of(&mut self.normal, &mut self.waiting)?;
        self.in_a_row = 0;
        Some(self.begin(taken))
    }

    fn begin(&mut self, (key, request): (K, Request)) -> (K, Request) {
        self.working.insert(key.clone(), None);
        (key, request)
    }
}

/// The first that still waits: keys stay in a list after they were taken by way of the other, or forgotten.
fn next_of<K: Hash + Eq>(list: &mut VecDeque<K>, waiting: &mut HashMap<K, Waiting>) -> Option<(K, Request)> {
    std::iter::from_fn(|| list.pop_front()).find_map(|key| {
        let Waiting { request, .. } = waiting.remove(&key)?;
        Some((key, request))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;
    use std::time::Duration;

    fn queue() -> (Queue<&'static str>, ManualClock) {
        let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
        (Queue::new(Arc::new(clock.clone())), clock)
    }

    async fn next(queue: &Queue<&'static str>) -> (&'static str, Request) {
        queue.due().await;
        queue.take().unwrap()
    }

    #[test]
    fn what_an_application_asks_for_by_itself_is_done_by_whatever_look_comes_first() {
        let (before, now) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(9).unwrap());
        let check = |depth, refresh, expected, since| {
            let request = Request { depth, since: before }.with(refresh, now);
            assert_eq!((request.depth, request.since), (expected, since), "{depth:?} {refresh:?}");
        };
        check(Depth::Live, Some(Refresh::Normal), Depth::Forced, now);
        check(Depth::Forced, Some(Refresh::Hard), Depth::Hard, now);
        check(Depth::Hard, Some(Refresh::Normal), Depth::Hard, before);
        check(Depth::Forced, Some(Refresh::Normal), Depth::Forced, before);
        check(Depth::Latest, None, Depth::Latest, before);
    }

    #[tokio::test]
    async fn requests_for_one_key_merge() {
        let (queue, _) = queue();
        queue.add_behind(&"b", Depth::Live);
        queue.add(&"a", Depth::Live);
        queue.add(&"a", Depth::Hard);
        queue.add(&"a", Depth::Latest);
        assert_eq!(queue.len(), 2);
        let (first, request) = next(&queue).await;
        assert_eq!((first, request.depth), ("a", Depth::Hard));
        assert_eq!(next(&queue).await.0, "b");
    }

    #[tokio::test]
    async fn what_is_urgent_does_not_starve_the_rest() {
        let (queue, _) = queue();
        queue.add_behind(&"timer", Depth::Latest);
        for turn in 0..=IN_A_ROW {
            queue.add(&"busy", Depth::Live);
            let (key, _) = next(&queue).await;
            assert_eq!(key, if turn < IN_A_ROW { "busy" } else { "timer" }, "turn {turn}");
            queue.done(&key);
        }
    }

    #[tokio::test]
    async fn what_went_by_the_other_list_uses_up_nobodys_place() {
        let (queue, _) = queue();
        // asked for behind the others, then at once: its place behind them is empty
        queue.add_behind(&"stale", Depth::Latest);
        queue.add(&"stale", Depth::Live);
        queue.add_behind(&"timer", Depth::Latest);
        let mut order = Vec::new();
        for _ in 0..=IN_A_ROW {
            queue.add(&"busy", Depth::Live);
            let (key, _) = next(&queue).await;
            order.push(key);
            queue.done(&key);
        }
        assert_eq!(order.pop(), Some("timer"), "{order:?}");
    }

    #[tokio::test]
    async fn what_may_wait_may_wait_also_when_it_comes_during_work() {
        let (queue, _) = queue();
        for (during, first) in [(false, "b"), (true, "a")] {
            queue.add(&"a", Depth::Live);
            assert_eq!(next(&queue).await.0, "a");
            queue.add_behind(&"a", Depth::Latest);
            if during {
                queue.add(&"a", Depth::Live);
            }
            queue.done(&"a");
            queue.add(&"b", Depth::Live);
            let ((one, _), (two, _)) = (next(&queue).await, next(&queue).await);
            assert_eq!((one, one != two), (first, true), "urgent: {during}");
            queue.done(&"a");
            queue.done(&"b");
        }
    }

    #[tokio::test]
    async fn what_comes_during_work_is_next_and_never_twice_at_once() {
        let (queue, _) = queue();
        queue.add(&"a", Depth::Live);
        next(&queue).await;
        queue.add(&"a", Depth::Forced);
        queue.add(&"a", Depth::Live);
        assert!(futures::poll!(Box::pin(next(&queue))).is_pending());
        queue.done(&"a");
        assert_eq!(next(&queue).await.1.depth, Depth::Forced);
        queue.done(&"a");
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn later_means_the_earliest_time_asked_for() {
        let (queue, clock) = queue();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        queue.add_at(&"a", at(30), Depth::Latest);
        queue.add_at(&"a", at(10), Depth::Live);
        queue.add_at(&"a", at(20), Depth::Live);
        let mut taken = Box::pin(next(&queue));
        assert!(futures::poll!(&mut taken).is_pending());
        clock.advance(Duration::from_secs(10));
        let (_, request) = taken.await;
        assert_eq!(request.depth, Depth::Latest);
        queue.done(&"a");
        clock.advance(Duration::from_secs(60));
        assert!(futures::poll!(Box::pin(next(&queue))).is_pending());
    }

    #[tokio::test]
    async fn what_is_parked_goes_on_with_the_deepest_request() {
        let (queue, _) = queue();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(queue.park(&"a", Request { depth: Depth::Forced, since: at(5) }, "slow"));
        assert!(!queue.park(&"a", Request { depth: Depth::Latest, since: at(9) }, "slow"));
        assert!(queue.park(&"a", Request { depth: Depth::Latest, since: at(9) }, "fast"));
        queue.add(&"a", Depth::Live);
        assert_eq!(next(&queue).await.1.depth, Depth::Live);
        queue.unpark(&"a", "fast");
        queue.done(&"a");
        assert_eq!(next(&queue).await.1, Request { depth: Depth::Forced, since: at(5) });
        queue.done(&"a");
        assert!(!queue.park(&"a", Request { depth: Depth::Live, since: at(9) }, "slow"));
        queue.unpark(&"a", "slow");
        assert_eq!(next(&queue).await.1.depth, Depth::Live);
        queue.done(&"a");
        queue.unpark(&"a", "slow");
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn what_is_gone_is_forgotten() {
        let (queue, clock) = queue();
        queue.add(&"a", Depth::Live);
        queue.add_at(&"a", Timestamp::from_second(1).unwrap(), Depth::Live);
        queue.forget(&"a");
        clock.advance(Duration::from_secs(5));
        assert!(futures::poll!(Box::pin(next(&queue))).is_pending());
    }
}
