//! `gantline helm`: what the helm program does to fetch and render charts, in process.

mod charts_folder;
mod dependency;
mod pull;
mod remote_chart;
mod repository_file;
mod show;
mod template;
mod write;

use clap::Subcommand;

use crate::failure::Outcome;

pub(crate) use template::surroundings;

#[derive(Debug, Subcommand)]
pub(crate) enum Helm {
    Template(Box<template::Template>),
    #[command(subcommand, visible_alias = "dep", alias = "dependencies")]
    Dependency(dependency::Dependency),
    #[command(alias = "fetch")]
    Pull(pull::Pull),
    #[command(subcommand, alias = "inspect")]
    Show(show::Show),
}

impl Helm {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::Template(template) => template.run().await,
            Self::Dependency(dependency) => dependency.run().await,
            Self::Pull(pull) => pull.run().await,
            Self::Show(show) => show.run().await,
        }
    }
}
