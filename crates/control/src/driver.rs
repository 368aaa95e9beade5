//! One loop for keys of all kinds: each at most once in work, as many at once as there are turns.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Ids, after};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::panics::caught;
use crate::queue::{Depth, Queue, Request, merge};
use crate::turns::with_turn;

/// Waits between attempts at something that does not work, doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(180);

/// When to look again if nothing else asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    At(Timestamp),
    /// Something could not be done: after a while, longer each time.
    Retry,
    /// It is [parked](Queue::park) until somebody has answered.
    Parked,
}

/// What is done for a key whenever it is its turn.
pub(crate) trait Work: Send + Sync + 'static {
    type Key: Clone + Ord + Hash + fmt::Display + Send + Sync + 'static;

    /// Brings what the key means as far as it can come now. It may lend its turn while it waits for others.
    fn run(&self, key: &Self::Key, ask: Request) -> impl Future<Output = Next> + Send;

    /// The keys of which something is remembered here.
    fn remembered(&self) -> Vec<Self::Key>;

    /// Another process has the key now: what is remembered of it will not be true.
    fn forget(&self, key: &Self::Key);
}

/// Which keys are this process's.
pub(crate) trait Share<K>: fmt::Debug + Send + Sync {
    /// Asked each time before work on the key begins.
    fn owns(&self, key: &K) -> bool;

    /// Tells whenever other keys are.
    fn changes(&self) -> BoxStream<'static, ()> {
        stream::pending().boxed()
    }
}

/// The parts of a [`Driver`].
pub(crate) struct Parts<W: Work> {
    pub(crate) work: W,
    pub(crate) queue: Arc<Queue<W::Key>>,
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) share: Arc<dyn Share<W::Key>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

/// Works on what its queue says.
pub(crate) struct Driver<W: Work> {
    parts: Parts<W>,
    state: Mutex<State<W::Key>>,
}

struct State<K> {
    /// How often in a row a key could not be done.
    failures: HashMap<K, u32>,
    /// What was asked for while it was not ours.
    foreign: BTreeMap<K, Request>,
}

impl<W: Work> Driver<W> {
    pub(crate) fn new(parts: Parts<W>) -> Self {
        let (failures, foreign) = (HashMap::new(), BTreeMap::new());
        Self { parts, state: Mutex::new(State { failures, foreign }) }
    }

    fn state(&self) -> MutexGuard<'_, State<W::Key>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is next whenever a turn is free, until a work throws [`Killed`](crate::panics::Killed).
    pub(crate) async fn run(self: Arc<Self>) {
        let (mut working, mut shares) = (JoinSet::new(), self.parts.share.changes());
        loop {
            tokio::select! {
                (turn, key, request) = self.next() => {
                    working.spawn(Arc::clone(&self).work_on(key, request, turn));
                }
                Some(ended) = working.join_next() => if ended.is_err() {
                    return;
                },
                Some(()) = shares.next() => self.shares_changed(),
            }
        }
    }

    async fn next(&self) -> (Option<OwnedSemaphorePermit>, W::Key, Request) {
        loop {
            // before the turn: nobody waits to have one back that is held for nothing
            self.parts.queue.due().await;
            let turn = Arc::clone(&self.parts.turns).acquire_owned().await.ok();
            let Some((key, request)) = self.parts.queue.take() else { continue };
            if self.parts.share.owns(&key) {
                return (turn, key, request);
            }
            self.parts.queue.done(&key);
            let mut state = self.state();
            let known = state.foreign.get(&key).copied();
            state.foreign.insert(key, merge(known, request));
        }
    }

    /// What came to this process meanwhile is looked at anew, as deep as it was asked for; what went is forgotten.
    fn shares_changed(&self) {
        let Parts { work, queue, share, .. } = &self.parts;
        let foreign = std::mem::take(&mut self.state().foreign);
        let (ours, foreign): (Vec<_>, Vec<_>) = foreign.into_iter().partition(|(key, _)| share.owns(key));
        self.state().foreign.extend(foreign);
        ours.iter().for_each(|(key, request)| queue.add_behind(key, request.depth.max(Depth::Latest)));
        for key in work.remembered().into_iter().filter(|key| !share.owns(key)) {
            work.forget(&key);
            self.succeeded(&key);
        }
    }

    async fn work_on(self: Arc<Self>, key: W::Key, request: Request, _turn: Option<OwnedSemaphorePermit>) {
        let next = caught(&key, with_turn(Box::pin(self.parts.work.run(&key, request)))).await.unwrap_or(Next::Retry);
        self.parts.queue.done(&key);
        match next {
            Next::Nothing => self.succeeded(&key),
            Next::Parked => {}
            Next::At(time) => {
                self.succeeded(&key);
                self.parts.queue.add_at(&key, time, Depth::Live);
            }
            Next::Retry => self.parts.queue.add_at(&key, self.again_at(&key), request.depth.min(Depth::Latest)),
        }
    }

    fn succeeded(&self, key: &W::Key) {
        self.state().failures.remove(key);
    }

    fn again_at(&self, key: &W::Key) -> Timestamp {
        let failures = {
            let mut state = self.state();
            let failures = state.failures.entry(key.clone()).or_default();
            std::mem::replace(failures, failures.saturating_add(1))
        };
        let wait = RETRY_MAX.min(RETRY_FIRST * 2_u32.pow(failures.min(10)));
        after(self.parts.clock.now(), wait + self.parts.ids.jitter(wait / 10))
    }
}

#[cfg(test)]
mod tests;
