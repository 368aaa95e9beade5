//! `gantline unpack-worker`: the process that unpacks packs for a controller, started by it and talked to by pipes.

use std::process::ExitCode;

use clap::Args;
use control::workers::{self, Unpackers};

use super::render_worker::program;
use crate::failure::{Code, Failure};

/// Unpack what is told on standard input, and do nothing else
#[derive(Debug, Args)]
pub(crate) struct UnpackWorker {}

impl UnpackWorker {
    /// Until the controller closes the pipe.
    pub(crate) fn run() -> ExitCode {
        match workers::unpack() {
            Ok(()) => Code::Done.into(),
            Err(error) => Failure::from(error).report(),
        }
    }
}

/// The processes of this very program.
pub(crate) fn unpackers() -> Unpackers {
    Unpackers::new(vec![program(), "unpack-worker".to_owned()])
}
