//! `gantline kustomize`: what the kustomize program does, in process.

mod build;
mod edit;
mod flags;

use clap::Subcommand;

use crate::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Kustomize {
    Build(build::Build),
    /// Change the kustomization of the current folder, keeping comments, order and style of all the rest
    #[command(subcommand)]
    Edit(flags::Edit),
    #[command(alias = "init")]
    Create(flags::Create),
}

impl Kustomize {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::Build(build) => build.run().await,
            Self::Edit(edit) => edit.run(),
            Self::Create(create) => create.run(),
        }
    }
}
