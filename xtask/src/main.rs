//! Chores of the workspace: tables that are generated and committed.

mod merge_schema;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Write the table of merge keys for strategic-merge patches.
    MergeSchema {
        /// The OpenAPI of Kubernetes cut to patch facts, as JSON.
        #[arg(default_value = "../shared/conformance/kustomize-merge-schema.json")]
        from: PathBuf,
        #[arg(default_value = "crates/render/src/kustomize/merge-schema.txt")]
        to: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::MergeSchema { from, to } => merge_schema::run(&from, &to),
    }
}
