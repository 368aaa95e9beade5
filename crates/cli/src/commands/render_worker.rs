//! `gantline render-worker`: the process that renders for a controller, started by it and talked to by pipes.

use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use control::workers::{self, PoolOptions};

use crate::failure::{Code, Failure};

/// Render what comes on standard input, and do nothing else
#[derive(Debug, Args)]
pub(crate) struct RenderWorker {
    /// Bytes
    #[arg(long)]
    memory: u64,
}

impl RenderWorker {
    /// Until the controller closes the pipe.
    pub(crate) fn run(&self) -> ExitCode {
        match workers::work(self.memory) {
            Ok(()) => Code::Done.into(),
            Err(error) => Failure::from(error).report(),
        }
    }
}

const TIMEOUT: u64 = 10;
const MEMORY: u64 = 1024;

/// What renders may take in commands that run a controller.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rendering {
    /// End a render that takes longer, in seconds
    #[arg(long, default_value_t = TIMEOUT, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    render_timeout: u64,
    /// End a render that takes more memory, in MiB
    #[arg(long, default_value_t = MEMORY, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    render_memory: u64,
}

impl Default for Rendering {
    fn default() -> Self {
        Self { render_timeout: TIMEOUT, render_memory: MEMORY }
    }
}

impl Rendering {
    /// Two processes for each processor, and one for two of them for what is slow.
    pub(crate) fn pool(&self) -> PoolOptions {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let memory = self.render_memory << 20;
        PoolOptions {
            command: vec![program(), "render-worker".to_owned(), format!("--memory={memory}")],
            time: Duration::from_secs(self.render_timeout),
            memory,
            fast: (2 * processors).max(4),
            slow: (processors / 2).max(1),
        }
    }
}

/// This very program, also when its file was replaced or removed meanwhile.
pub(crate) fn program() -> String {
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return own.display().to_string();
    }
    std::env::current_exe().map_or_else(|_| "gantline".to_owned(), |path| path.display().to_string())
}
