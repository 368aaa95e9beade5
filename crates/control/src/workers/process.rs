//! One worker process as the controller sees it.

use std::fmt;
use std::io::{self, BufReader, BufWriter, Read};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes that are kept of what a worker says at its end.
const LAST_WORDS: u64 = 4096;

/// The process itself, which may be ended while somebody waits for its answer. It ends with the last owner.
pub(crate) struct Process {
    id: u32,
    child: Mutex<Child>,
    stderr: Mutex<Option<ChildStderr>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) status: Option<ExitStatus>,
    /// The end of what it said on standard error.
    pub(crate) said: String,
}

/// The pipes to a process.
pub(crate) struct Pipes {
    pub(crate) to: BufWriter<ChildStdin>,
    pub(crate) from: BufReader<ChildStdout>,
}

/// Starts a program with nothing but `environment` in its environment, and three pipes. It ends with the thread that calls this, where the
/// program asks for that.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start(command: &[String], environment: &[(&str, &str)]) -> io::Result<(Arc<Process>, Pipes)> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    apart(&mut command);
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let process = Arc::new(Process { id: child.id(), child: Mutex::new(child), stderr: Mutex::new(stderr) });
    let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(io::Error::other("it has no pipes")) };
    Ok((process, Pipes { to: BufWriter::new(stdin), from: BufReader::new(stdout) }))
}

/// Signals for the controller's terminal do not reach the workers: it ends them itself.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

impl Process {
    /// Tells it to end, whatever it does, without waiting.
    pub(crate) fn kill(&self) {
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// Ends it now, and waits until it is gone.
    fn end(&self) -> Ending {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let status = child.wait().ok();
        let mut said = Vec::new();
        if let Some(stderr) = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = stderr.take(LAST_WORDS).read_to_end(&mut said);
        }
        Ending { status, said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// Waits for a process that closed its pipes, or is about to, and tells how it ended by itself.
    pub(crate) fn ended(&self) -> Ending {
        let closed = || self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        for _ in 0..100 {
            if !matches!(closed(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.end()
    }

    /// Gives way to everything else on this machine.
    pub(crate) fn step_back(&self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, setpriority_pgrp};
            let id = i32::try_from(self.id).ok().and_then(Pid::from_raw);
            if let Some(Err(error)) = id.map(|id| setpriority_pgrp(Some(id), PRIORITY)) {
                tracing::debug!(%error, "a slow render keeps its priority");
            }
        }
    }

    /// What it used of a processor since its start; `None` where the system does not tell.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id)).ok()?;
        // the name of the program may hold anything, and ends with the last parenthesis
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * MILLISECONDS_A_TICK))
    }
}

/// The lowest of the system.
#[cfg(unix)]
const PRIORITY: i32 = 19;

/// Linux counts a hundred a second for programs, whatever it does inside (`USER_HZ`).
const MILLISECONDS_A_TICK: u64 = 10;

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends a process unless it is kept.
pub(crate) struct EndOnDrop(Option<Arc<Process>>);

impl EndOnDrop {
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        Self(Some(Arc::clone(process)))
    }

    pub(crate) fn keep(mut self) {
        self.0 = None;
    }

    pub(crate) fn processor_time(&self) -> Option<Duration> {
        self.0.as_ref()?.processor_time()
    }

    pub(crate) fn step_back(&self) {
        self.0.iter().for_each(|process| process.step_back());
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(|process| process.kill());
    }
}
