//! Unpacking what Git hosts send, apart from the controller: in processes of the same program that have no credentials
//! and no environment, with limits on memory and time.
//!
//! One waits for the next pack, so that a small fetch costs no start of a process.

use std::fmt;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use git::{Incoming, Refused, Unpacker};
use tokio::sync::{Semaphore, oneshot};

use super::confine;
use super::ended::Loss;
use super::process::{self, EndOnDrop, Ending, Pipes, Process};
use super::wire::{Frame, Kind, send};

/// How many packs are unpacked at once: each may take as much memory as one may.
const AT_ONCE: usize = 2;
/// One that has used more of a processor is replaced: memory that was once used is not given back.
const SPENT: Duration = Duration::from_secs(1);

/// What the allocator takes ahead of need would be counted as used, and be free to use whatever the limit says.
const AS_IT_IS_USED: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// The processes that unpack for a controller.
pub struct Unpackers {
    idle: Mutex<Option<Resident>>,
    room: Semaphore,
    starter: mpsc::Sender<oneshot::Sender<io::Result<Resident>>>,
}

impl fmt::Debug for Unpackers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpackers").finish_non_exhaustive()
    }
}

/// One that may be asked more than once.
struct Resident {
    process: Arc<Process>,
    pipes: Pipes,
}

impl Resident {
    /// Blocks until the pack is unpacked, or the process is gone.
    fn ask(&mut self, incoming: &Incoming) -> io::Result<Result<(), Refused>> {
        send(&mut self.pipes.to, Kind::Order, incoming, &[])?;
        let frame = Frame::read(&mut self.pipes.from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match frame.kind {
            Kind::Done => frame.head(),
            _ => Err(io::Error::other("it says what only others say")),
        }
    }
}

impl Unpackers {
    /// `command` starts a process that does [`unpack`].
    pub fn new(command: Vec<String>) -> Self {
        Self { idle: Mutex::default(), room: Semaphore::new(AT_ONCE), starter: starter(command) }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Resident>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn resident(&self) -> io::Result<Resident> {
        if let Some(idle) = self.idle().take() {
            return Ok(idle);
        }
        let gone = || io::Error::other("the thread that starts processes is gone");
        let (reply, started) = oneshot::channel();
        self.starter.send(reply).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    async fn unpacked(&self, incoming: Incoming) -> Result<(), Refused> {
        match self.attempt(&incoming).await {
            // maybe it was gone before it was asked
            Err(Lost::Outside(_)) => self.attempt(&incoming).await.map_err(Refused::from),
            said => said.map_err(Refused::from),
        }
    }

    async fn attempt(&self, incoming: &Incoming) -> Result<(), Lost> {
        let mut resident = self.resident().await.map_err(|error| {
            Refused::Broken(format!("no process to unpack in can be started: {error}; it is tried again by itself"))
        })?;
        let (guard, order) = (EndOnDrop::new(&resident.process), incoming.clone());
        let asked = tokio::task::spawn_blocking(move || match resident.ask(&order) {
            Ok(said) => (Ok(said), resident),
            Err(error) => (Err(Lost::of(&resident.process.ended(), &error, &order)), resident),
        });
        let (said, resident) = asked.await.map_err(|error| Refused::Broken(error.to_string()))?;
        if said.is_ok() && guard.processor_time().is_some_and(|used| used < SPENT) {
            guard.keep();
            *self.idle() = Some(resident);
        } else {
            // waiting for the end of a process is not for the threads that answer
            drop(tokio::task::spawn_blocking(move || drop(resident)));
        }
        Ok(said??)
    }
}

/// Why there is no answer, or which one there is.
enum Lost {
    /// Somebody ended the process: the pack is not to blame.
    Outside(String),
    Refused(Refused),
}

impl Lost {
    fn of(ending: &Ending, error: &io::Error, incoming: &Incoming) -> Self {
        match Loss::of(ending) {
            Loss::Memory => Self::Refused(Refused::Limit(incoming.limits.over_memory())),
            Loss::Outside(how) => Self::Outside(how),
            Loss::Crash(how) => {
                Self::Refused(Refused::Broken(format!("the process that unpacked failed from within: {how} ({error})")))
            }
        }
    }
}

impl From<Refused> for Lost {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Lost> for Refused {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Refused(refused) => refused,
            Lost::Outside(how) => Self::Broken(format!(
                "the process that unpacked was killed from outside, twice ({how}): the machine may lack memory; it is tried \
                 again"
            )),
        }
    }
}

impl Unpacker for Unpackers {
    fn room(&self) -> BoxFuture<'_, Box<dyn Send + '_>> {
        async move { Box::new(self.room.acquire().await) as Box<dyn Send + '_> }.boxed()
    }

    fn unpack(&self, incoming: Incoming) -> BoxFuture<'_, Result<(), Refused>> {
        self.unpacked(incoming).boxed()
    }
}

/// One thread starts all and lives as long as these: a process ends with the thread that started it.
fn starter(command: Vec<String>) -> mpsc::Sender<oneshot::Sender<io::Result<Resident>>> {
    let (sender, orders) = mpsc::channel::<oneshot::Sender<io::Result<Resident>>>();
    std::thread::spawn(move || {
        for reply in orders {
            let _ = reply
                .send(process::start(&command, &[AS_IT_IS_USED]).map(|(process, pipes)| Resident { process, pipes }));
        }
    });
    sender
}

/// The process itself: unpacks what it is told to on standard input, until that is closed.
///
/// # Errors
/// When the other side of the pipe speaks another protocol.
pub fn unpack() -> io::Result<()> {
    serve(&mut io::stdin().lock(), &mut io::stdout().lock())
}

fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    while let Some(frame) = Frame::read(from)? {
        let incoming: Incoming = frame.head()?;
        send(to, Kind::Done, &unpacked(&incoming), &[])?;
    }
    Ok(())
}

/// A defect costs the pack, not the process.
fn unpacked(incoming: &Incoming) -> Result<(), Refused> {
    confine::bound(incoming.limits.memory).map_err(Refused::Broken)?;
    let failed = |_| Err(Refused::Broken("unpacking failed from within; please report it".to_owned()));
    panic::catch_unwind(AssertUnwindSafe(|| incoming.unpack())).unwrap_or_else(failed)
}
