//! `gantline`: arguments to calls, answers to terminal output.

mod args;
mod client;
mod commands;
mod examples;
mod failure;
mod folder;
mod output;
mod plane;
mod remotes;
mod sandbox_folder;
mod settings;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of stack for each thread: templates may include each other deeply.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    // every TLS client and server of this process uses ring; a second call would be a mistake of ours, not an error
    let _ = rustls::crypto::ring::default_provider().install_default();
    hush_the_yaml_reader();
    let arguments = args::Arguments::parse();
    if let args::Command::RenderWorker(worker) = arguments.command {
        // before anything else is opened or started
        return worker.run();
    }
    settings::log(&arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
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
