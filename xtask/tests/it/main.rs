//! What ARCHITECTURE.md promises about the house is checked here: the direction of arrows, the purity of the core, and
//! what is linked; and that docs/threats.md names tests that exist.

mod arrows;
mod candidates;
mod install;
mod purity;
mod threats;

use cargo_metadata::{Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().expect("cargo metadata")
}

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
