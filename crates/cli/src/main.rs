//! `gantline`: arguments to calls, answers to terminal output.

mod address;
mod args;
mod client;
mod commands;
mod examples;
mod failure;
mod folder;
mod names;
mod output;
mod patience;
mod plane;
mod program;
mod remotes;
mod sandbox_folder;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use clap_complete::CompleteEnv;
use tokio::runtime::{Builder, Runtime};

/// Thousands of small values come and go: a fifth less time, and memory that is used again (`bench/scale`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of stack for each thread: templates may include each other deeply.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    // every TLS client and server of this process uses ring; a second call would be a mistake of ours, not an error
    let _ = rustls::crypto::ring::default_provider().install_default();
    hush_the_yaml_reader();
    // asked by a shell what may come next: answers, and ends
    CompleteEnv::with_factory(args::Arguments::command).var(commands::completion::VARIABLE).complete();
    let arguments = args::Arguments::parse();
    match arguments.command {
        // before anything else is opened or started
        args::Command::RenderWorker(worker) => return worker.run(),
        args::Command::UnpackWorker(_) => return commands::unpack_worker::UnpackWorker::run(),
        _ => {}
    }
    settings::log(&arguments);
    settings::arm_failpoints();
    let runtime = match runtime(&arguments.command) {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// With threads for commands that serve or wait; one that renders would be done before they have started.
fn runtime(command: &args::Command) -> std::io::Result<Runtime> {
    let mut builder = match command {
        args::Command::Helm(_) | args::Command::Kustomize(_) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().thread_stack_size(STACK).build()
}

/// Panics of the YAML reader are caught and told as errors with file and line: the panic itself is not for people.
fn hush_the_yaml_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|at| at.file().contains("libyaml-safer")) {
            usual(panic);
        }
    }));
}
