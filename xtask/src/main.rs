//! Chores of the workspace: tables that are generated and committed.

mod merge_keys;
mod merge_schema;
mod sandbox_schema;

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
    /// Write the table of merge keys for client-side applies, from the sandbox's table of types.
    MergeKeys {
        #[arg(default_value = "crates/sandbox/src/schema/types.txt")]
        from: PathBuf,
        #[arg(default_value = "crates/engine/src/apply/merge-keys.txt")]
        to: PathBuf,
    },
    /// Write the sandbox's table of types and resources.
    SandboxSchema {
        /// The folder `k8s.io` of a Go module cache that has Kubernetes 1.36.
        modules: PathBuf,
        /// A running API server that asks for no credentials: `kubectl proxy`.
        #[arg(default_value = "http://127.0.0.1:8001")]
        server: String,
        #[arg(default_value = "crates/sandbox/src/schema")]
        to: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::MergeSchema { from, to } => merge_schema::run(&from, &to),
        Chore::MergeKeys { from, to } => merge_keys::run(&from, &to),
        Chore::SandboxSchema { modules, server, to } => sandbox_schema::run(&modules, &server, &to),
    }
}
