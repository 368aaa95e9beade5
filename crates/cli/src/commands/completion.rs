//! `gantline completion bash|zsh|fish`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::{Code, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Completion {
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "gantline", &mut script);
        crate::output::raw(&String::from_utf8_lossy(&script));
        Ok(Code::Done.into())
    }
}
