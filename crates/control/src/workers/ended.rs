//! Why a job has no answer.

use std::time::Duration;

use super::process::Ending;

/// Each names the Application and its source, the limit, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    #[error(
        "{name}: the render took longer than {} s and was ended: look for a loop, range or include without an end; a \
         source that needs longer gets it by gantline serve --render-timeout", limit.as_secs_f64()
    )]
    TooLong { name: String, limit: Duration },
    #[error(
        "{name}: the render took more than {} MiB of memory and was ended: look for texts or lists that grow without \
         an end; a source that needs more gets it by gantline serve --render-memory", limit >> 20
    )]
    TooLarge { name: String, limit: u64 },
    #[error(
        "{name}: the process that rendered was killed from outside, twice ({how}): the machine may lack memory; it is \
         tried again later, or at once by a hard refresh"
    )]
    Killed { name: String, how: String },
    #[error("{name}: the renderer failed from within ({how}); please report it with the source")]
    Crashed { name: String, how: String },
    #[error("{name}: no process to render in can be started: {reason}; it is tried again by itself")]
    NotStarted { name: String, reason: String },
    #[error("{name}: {reason}")]
    Failed { name: String, reason: String },
}

/// Why a worker went away in the middle of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loss {
    Memory,
    /// Somebody ended it: the job is not to blame.
    Outside(String),
    Crash(String),
}

impl Loss {
    pub(crate) fn of(ending: &Ending) -> Self {
        let status = ending.status.map_or_else(|| "it was gone".to_owned(), |status| status.to_string());
        let said = ending.said.trim();
        if said.contains("memory allocation of") {
            Self::Memory
        } else if ending.status.is_none_or(|status| is_ended_by_others(&status)) {
            Self::Outside(status)
        } else {
            let last = said.lines().last().unwrap_or_default();
            Self::Crash(format!("{status} {last}").trim().to_owned())
        }
    }
}

#[cfg(unix)]
fn is_ended_by_others(status: &std::process::ExitStatus) -> bool {
    use rustix::process::Signal;
    let signals = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP].map(Signal::as_raw);
    std::os::unix::process::ExitStatusExt::signal(status).is_some_and(|signal| signals.contains(&signal))
}

#[cfg(not(unix))]
fn is_ended_by_others(_status: &std::process::ExitStatus) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ran_out_of_memory_is_not_taken_for_one_that_was_killed() {
        let ending = |said: &str| Ending { status: None, said: said.to_owned() };
        assert_eq!(Loss::of(&ending("memory allocation of 512 bytes failed\n")), Loss::Memory);
        assert_eq!(Loss::of(&ending("")), Loss::Outside("it was gone".to_owned()));
    }
}
