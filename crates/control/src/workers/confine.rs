//! What a worker gives up before it renders anything: limits of the system, and on Linux a filter of system calls.

use serde::{Deserialize, Serialize};

/// How far a process is confined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// What this system does not give, each with the reason.
    pub(crate) missing: Vec<String>,
}

/// Confines this process for ever.
pub(crate) fn confine(memory: u64) -> Confinement {
    let mut missing = Vec::new();
    let mut note = |what: &str, outcome: Result<(), String>| {
        if let Err(why) = outcome {
            missing.push(format!("{what}: {why}"));
        }
    };
    note("end with the controller", end_with_parent());
    note("limits", limits(memory));
    note("filter of system calls", filter::install());
    Confinement { missing }
}

/// Bounds a process that needs files, from now on and for one job: it ends with the controller where the system knows how,
/// and takes no more writable memory than that.
///
/// # Errors
/// When the system does not give the limit.
#[cfg(unix)]
pub(crate) fn bound(memory: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let _ = end_with_parent();
    let set = |resource, current| {
        let limit = Rlimit { current: Some(current), ..getrlimit(resource) };
        setrlimit(resource, limit).map_err(|error| format!("{resource:?}: {error}"))
    };
    set(Resource::Core, 0)?;
    set(Resource::Data, memory)
}

#[cfg(not(unix))]
pub(crate) fn bound(_memory: u64) -> Result<(), String> {
    Err("this system has no limits of memory".to_owned())
}

/// Nobody is left behind when the controller is killed in the middle of a render.
#[cfg(target_os = "linux")]
fn end_with_parent() -> Result<(), String> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> Result<(), String> {
    Err("this system knows no such signal: a render under way goes on to its end".to_owned())
}

/// The same limit for the soft and the hard one: it cannot be lifted again.
#[cfg(unix)]
fn limits(memory: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // writable memory, not address space: allocators reserve more of that than they use
    let all = [(Resource::Data, memory), (Resource::Core, 0), (Resource::Nofile, 3), (Resource::Fsize, 0)];
    for (resource, limit) in all {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    if cfg!(target_os = "linux") { Ok(()) } else { Err("this system does not count all memory".to_owned()) }
}

#[cfg(not(unix))]
fn limits(_memory: u64) -> Result<(), String> {
    Err("this system has none".to_owned())
}

#[cfg(target_os = "linux")]
mod filter {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter_all_threads,
    };

    /// What a renderer needs, whatever its arguments: memory, locks, signals to itself, time, random numbers for hash
    /// tables, its end. No call that opens, connects, starts, traces or changes anything.
    const FREE: &[libc::c_long] = &[
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// All other calls fail with `EPERM`, in every thread, for ever.
    pub(super) fn install() -> Result<(), String> {
        let program = program().map_err(|error| error.to_string())?;
        apply_filter_all_threads(&program).map_err(|error| error.to_string())
    }

    fn program() -> Result<BpfProgram, seccompiler::BackendError> {
        let filter = SeccompFilter::new(
            rules()?,
            SeccompAction::Errno(libc::EPERM.unsigned_abs()),
            SeccompAction::Allow,
            std::env::consts::ARCH.try_into()?,
        )?;
        filter.try_into()
    }

    fn rules() -> Result<BTreeMap<libc::c_long, Vec<SeccompRule>>, seccompiler::BackendError> {
        let only = |argument: u8, op: Op, value: u64| {
            SeccompRule::new(vec![SeccompCondition::new(argument, Width::Dword, op, value)?])
        };
        let is = |argument: u8, value: u64| only(argument, Op::Eq, value);
        let (executable, own) = (libc::PROT_EXEC.unsigned_abs().into(), std::process::id().into());
        let anonymous = u64::from(libc::MAP_ANONYMOUS.unsigned_abs());
        let mut rules: BTreeMap<_, _> = FREE.iter().map(|call| (*call, Vec::new())).collect();
        // the three pipes and nothing that was left open besides
        rules.insert(libc::SYS_read, vec![is(0, 0)?]);
        rules.insert(libc::SYS_write, vec![is(0, 1)?, is(0, 2)?]);
        rules.insert(libc::SYS_writev, vec![is(0, 1)?, is(0, 2)?]);
        // memory, not files, and never code
        let mapping = vec![
            SeccompCondition::new(2, Width::Dword, Op::MaskedEq(executable), 0)?,
            SeccompCondition::new(3, Width::Dword, Op::MaskedEq(anonymous), anonymous)?,
        ];
        rules.insert(libc::SYS_mmap, vec![SeccompRule::new(mapping)?]);
        rules.insert(libc::SYS_mprotect, vec![only(2, Op::MaskedEq(executable), 0)?]);
        rules.insert(libc::SYS_tgkill, vec![is(0, own)?]);
        Ok(rules)
    }
}

#[cfg(not(target_os = "linux"))]
mod filter {
    pub(super) fn install() -> Result<(), String> {
        Err("only Linux has one that this program knows".to_owned())
    }
}
