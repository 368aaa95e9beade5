//! The git crate against real repositories, and against a real Git host where Go is present.

mod gitea;
mod local;
