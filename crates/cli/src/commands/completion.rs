//! `gantline completion bash|zsh|fish|elvish|powershell`: a script that asks this program what may come next.

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use crate::failure::{Code, Outcome};
use crate::program::program;

/// How a shell says that it asks.
pub(crate) const VARIABLE: &str = "GANTLINE_COMPLETE";

#[derive(Debug, Args)]
#[command(
    after_help = "Names of Applications, Pipelines, environments and releases come from the server that was logged in to last."
)]
pub(crate) struct Completion {
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Elvish => &Elvish,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
            Self::Zsh => &Zsh,
        }
    }
}

impl Completion {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        self.shell.completer().write_registration(VARIABLE, "gantline", "gantline", &program(), &mut script)?;
        crate::output::raw(&String::from_utf8_lossy(&script));
        Ok(Code::Done.into())
    }
}
