//! The worker processes: two lanes, so that nobody waits behind what is slow.
//!
//! Every job starts in the fast lane. One that has used [`SLOW_AFTER`] of a processor leaves it: it goes on with the
//! lowest priority if the slow lane has room, else it is ended and waits for its turn there. Next time it starts there.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use super::ended::{Ended, Loss};
use super::figures::Figures;
use super::job::{Answer, Job};
use super::process::EndOnDrop;
use super::worker::{Said, Worker};

/// Processor time after which a job is slow. Charts of hundreds of objects take a tenth of it.
const SLOW_AFTER: Duration = Duration::from_millis(100);
/// A worker is replaced after so many jobs: memory that was once used is not given back.
const JOBS_MAX: usize = 500;
/// A worker that had nothing to do for one to two of these ends.
const IDLE: Duration = Duration::from_secs(30);
/// More names of slow jobs than these are not kept.
const NAMES_MAX: usize = 10_000;

/// What a [`Pool`] is made of.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// A program and its arguments that end in [`work`](super::work).
    pub command: Vec<String>,
    /// For one job; it is ended then.
    pub time: Duration,
    /// Bytes of memory that the command gives a worker: for messages.
    pub memory: u64,
    /// Processes of the fast lane.
    pub fast: usize,
    /// Processes of the slow lane.
    pub slow: usize,
}

/// Worker processes, at most as many as both lanes have room for. Clones share them; they end with the last one.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: PoolOptions,
    fast: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// Names of jobs that were slow the last time.
    known_slow: Mutex<BTreeSet<String>>,
    starter: mpsc::Sender<oneshot::Sender<io::Result<Worker>>>,
    figures: Figures,
    told: std::sync::Once,
}

#[derive(Debug)]
struct Idle {
    worker: Worker,
    /// It has been seen idle before.
    seen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Fast,
    Slow,
}

/// The right to keep one process busy.
struct Turn {
    lane: Lane,
    /// Held, never looked at.
    _room: Option<OwnedSemaphorePermit>,
}

/// How one attempt ended.
enum Attempt {
    Over(Result<Answer, Ended>),
    /// It is slow, and the slow lane is full.
    Evicted,
    /// Its worker was ended by somebody else.
    Lost(String),
}

type Talk = JoinHandle<(io::Result<Said>, Worker)>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Nothing is started before there is a job. Needs a tokio runtime.
    pub fn new(options: PoolOptions) -> Self {
        let inner = Arc::new(Inner {
            fast: Arc::new(Semaphore::new(options.fast.max(1))),
            slow: Arc::new(Semaphore::new(options.slow.max(1))),
            idle: Mutex::default(),
            known_slow: Mutex::default(),
            starter: starter(options.command.clone()),
            figures: Figures::default(),
            told: std::sync::Once::new(),
            options,
        });
        tokio::spawn(shrink(Arc::downgrade(&inner)));
        Self(inner)
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// Does a job. `slow` hears when it leaves the fast lane.
    pub(crate) async fn run(self, job: Job, slow: oneshot::Sender<()>) -> Result<Answer, Ended> {
        let mut slowness = Slowness::new(&self.0, &job.name, slow);
        let ended = self.0.run(&Arc::new(job), &mut slowness).await;
        self.0.figures.job(&ended);
        ended
    }
}

/// What is told and remembered of a job that is slow.
struct Slowness<'a> {
    pool: &'a Inner,
    name: String,
    tell: Option<oneshot::Sender<()>>,
}

impl<'a> Slowness<'a> {
    fn new(pool: &'a Inner, name: &str, tell: oneshot::Sender<()>) -> Self {
        Self { pool, name: name.to_owned(), tell: Some(tell) }
    }

    fn begin(&mut self) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(());
            self.pool.figures.slow.inc();
        }
    }

    fn is_known(&self) -> bool {
        lock(&self.pool.known_slow).contains(&self.name)
    }

    fn remember(&self, slow: bool) {
        let mut known = lock(&self.pool.known_slow);
        if !slow {
            known.remove(&self.name);
        } else if known.len() < NAMES_MAX {
            known.insert(self.name.clone());
        }
    }
}

impl Drop for Slowness<'_> {
    fn drop(&mut self) {
        if self.tell.is_none() {
            self.pool.figures.slow.dec();
        }
    }
}

impl Inner {
    async fn run(&self, job: &Arc<Job>, slowness: &mut Slowness<'_>) -> Result<Answer, Ended> {
        let mut lane = if slowness.is_known() { Lane::Slow } else { Lane::Fast };
        let mut lost = false;
        loop {
            if lane == Lane::Slow {
                slowness.begin();
            }
            let turn = self.turn(lane).await;
            match self.attempt(job, turn, slowness).await {
                Attempt::Over(ended) => return ended,
                Attempt::Evicted => lane = Lane::Slow,
                Attempt::Lost(how) if lost => return Err(Ended::Killed { name: job.name.clone(), how }),
                Attempt::Lost(_) => lost = true,
            }
        }
    }

    async fn turn(&self, lane: Lane) -> Turn {
        let room = match lane {
            Lane::Fast => Arc::clone(&self.fast).acquire_owned().await,
            Lane::Slow => Arc::clone(&self.slow).acquire_owned().await,
        };
        Turn { lane, _room: room.ok() }
    }

    async fn attempt(&self, job: &Arc<Job>, mut turn: Turn, slowness: &mut Slowness<'_>) -> Attempt {
        let name = job.name.clone();
        let mut worker = match self.worker().await {
            Ok(worker) => worker,
            Err(error) => return Attempt::Over(Err(Ended::NotStarted { name, reason: error.to_string() })),
        };
        // whoever gives up the job, by a limit or by going away, ends the process with it
        let process = EndOnDrop::new(&worker.process);
        let own = Arc::clone(job);
        let mut talk: Talk = tokio::task::spawn_blocking(move || (worker.converse(&own), worker));
        let watched = self.watch(&mut talk, &process, &mut turn, slowness);
        let Ok(watched) = timeout(self.options.time, watched).await else {
            self.figures.kill("time");
            slowness.remember(true);
            return Attempt::Over(Err(Ended::TooLong { name, limit: self.options.time }));
        };
        let Some(watched) = watched else {
            self.figures.kill("room");
            return Attempt::Evicted;
        };
        match watched {
            (Ok(said), worker) => {
                process.keep();
                self.give_back(worker, turn.lane);
                Attempt::Over(said.map_err(|reason| Ended::Failed { name, reason }))
            }
            (Err(error), worker) => self.lost(worker, &error, name).await,
        }
    }

    /// Follows a job to its end; `None` when it has to leave for want of room in the slow lane.
    async fn watch(
        &self,
        talk: &mut Talk,
        process: &EndOnDrop,
        turn: &mut Turn,
        slowness: &mut Slowness<'_>,
    ) -> Option<(io::Result<Said>, Worker)> {
        if turn.lane == Lane::Slow {
            process.step_back();
        } else if let Ok(ended) = timeout(SLOW_AFTER, &mut *talk).await {
            // nearly all of them: nobody asks the system for what they used
            return ended.ok();
        }
        let before = process.processor_time().unwrap_or_default();
        // a system that does not tell counts as if it had computed all the time
        let used = |process: &EndOnDrop| process.processor_time().map_or(SLOW_AFTER, |now| now.saturating_sub(before));
        while turn.lane == Lane::Fast {
            if let Ok(ended) = timeout(SLOW_AFTER, &mut *talk).await {
                return ended.ok();
            }
            if used(process) >= SLOW_AFTER {
                slowness.remember(true);
                let room = Arc::clone(&self.slow).try_acquire_owned().ok()?;
                *turn = Turn { lane: Lane::Slow, _room: Some(room) };
                process.step_back();
                slowness.begin();
            }
        }
        let ended = talk.await.ok();
        slowness.remember(used(process) >= SLOW_AFTER);
        ended
    }

    async fn worker(&self) -> io::Result<Worker> {
        if let Some(idle) = lock(&self.idle).pop() {
            return Ok(idle.worker);
        }
        let gone = || io::Error::other("the thread that starts workers is gone");
        let (reply, started) = oneshot::channel();
        self.starter.send(reply).map_err(|_| gone())?;
        let mut worker = started.await.map_err(|_| gone())??;
        worker.count_in(&self.figures.processes);
        Ok(worker)
    }

    fn give_back(&self, worker: Worker, lane: Lane) {
        self.tell_what_is_missing(&worker);
        if lane == Lane::Fast && worker.jobs < JOBS_MAX {
            lock(&self.idle).push(Idle { worker, seen: false });
        } else {
            // it has used much, and its priority cannot be raised again
            end_apart(worker);
        }
    }

    async fn lost(&self, worker: Worker, error: &io::Error, name: String) -> Attempt {
        let process = Arc::clone(&worker.process);
        let was_ready = worker.confinement.is_some();
        let ending = tokio::task::spawn_blocking(move || process.ended()).await;
        end_apart(worker);
        let Ok(ending) = ending else { return Attempt::Lost(error.to_string()) };
        match Loss::of(&ending) {
            Loss::Memory => {
                self.figures.kill("memory");
                Attempt::Over(Err(Ended::TooLarge { name, limit: self.options.memory }))
            }
            Loss::Outside(how) => Attempt::Lost(how),
            Loss::Crash(reason) if !was_ready => Attempt::Over(Err(Ended::NotStarted { name, reason })),
            Loss::Crash(how) => Attempt::Over(Err(Ended::Crashed { name, how })),
        }
    }

    fn tell_what_is_missing(&self, worker: &Worker) {
        self.told.call_once(|| match worker.confinement.as_ref().map(|c| c.missing.join("; ")) {
            Some(missing) if !missing.is_empty() => {
                tracing::warn!(%missing, "render workers are less confined than they should be");
            }
            _ => tracing::info!("render workers are confined: no files, no network, limits on memory and time"),
        });
    }
}

/// Waiting for the end of a process is not for the threads that answer.
fn end_apart(worker: Worker) {
    drop(tokio::task::spawn_blocking(move || drop(worker)));
}

/// One thread starts all workers and lives as long as the pool: a worker ends with the thread that started it.
fn starter(command: Vec<String>) -> mpsc::Sender<oneshot::Sender<io::Result<Worker>>> {
    let (sender, orders) = mpsc::channel::<oneshot::Sender<io::Result<Worker>>>();
    std::thread::spawn(move || {
        for reply in orders {
            let _ = reply.send(Worker::start(&command));
        }
    });
    sender
}

/// Ends workers that have had nothing to do for a while.
async fn shrink(pool: Weak<Inner>) {
    let mut ticks = interval(IDLE);
    loop {
        ticks.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let unused: Vec<Idle> =
            lock(&pool.idle).extract_if(.., |idle| std::mem::replace(&mut idle.seen, true)).collect();
        unused.into_iter().for_each(|idle| end_apart(idle.worker));
    }
}
