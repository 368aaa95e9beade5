//! The git crate against real repositories, over ssh, and against a real Git host where Go is present.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic and say why it skips")]

mod charts;
mod digests;
mod gitea;
mod host;
mod hostile;
mod limits;
mod local;
mod reach;
mod references;
mod revision;
mod ssh;
