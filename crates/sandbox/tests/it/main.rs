//! The sandbox as clients see it.

#![expect(clippy::print_stderr, reason = "a test fails by panicking and says why")]

mod replay;
