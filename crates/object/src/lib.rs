//! Kubernetes objects as data: manifests and live objects, resource keys, images, immutable file trees, and the YAML
//! dialect of Go.
//!
//! **Absent on purpose:** clients, clocks, files, the environment. Everything here is a value or a pure function.

mod addresses;
mod differences;
mod files;
mod fingerprint;
mod go_json;
pub mod go_match;
mod gvk;
mod hashes;
mod image;
mod kind;
mod manifest;
mod near;
pub mod path;
mod printable;
mod selector;
mod text;
pub mod url;
pub mod yaml;

pub use addresses::{shown_address, without_credentials};
pub use differences::differences;
pub use files::{
    Entry, EntryKind, FileTree, MemoryTree, ObjectId, ReadSet, SIZE_MAX, TreeError, TreeReader, bad_entry_name,
    check_length,
};
pub use fingerprint::fingerprint;
pub use go_json::go_json;
pub use gvk::{GroupKind, Gvk, ResourceKey};
pub use hashes::short_hash;
pub use image::{ImageDigest, ImageError, ImageRef, canonical_repository};
pub use kind::{Index, Kind};
pub use manifest::{LiveObject, Manifest, ManifestError, OwnerReference};
pub use near::{distance, nearest};
pub use printable::printable;
pub use selector::{LabelSelector, SelectorError};
pub use text::same_text;
