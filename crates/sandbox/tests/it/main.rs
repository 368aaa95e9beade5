//! The sandbox as clients see it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and says why; the process that is killed speaks to the one that kills it"
)]

mod kills;
mod replay;
