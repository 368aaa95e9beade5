//! `gantline helm`: what the helm program does to render charts, in process.

mod template;

use clap::Subcommand;

use crate::failure::Outcome;

pub(crate) use template::surroundings;

#[derive(Debug, Subcommand)]
pub(crate) enum Helm {
    Template(template::Template),
}

impl Helm {
    pub(crate) fn run(self) -> Outcome {
        let Self::Template(template) = self;
        template.run()
    }
}
