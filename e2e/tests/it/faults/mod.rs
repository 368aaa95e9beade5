//! The program among others that fail: its API server, its Git host, its registry, its disk, its clock, and itself. What is
//! counted at the end is the same everywhere: what was deleted that was to live, commits made twice, promises not kept.
//!
//! `FAULT_ROUNDS` says how often the rounds are played; each round has another seed.

#![expect(clippy::print_stdout, reason = "the counts are for who reads the run")]

mod api;
mod hosts;
mod kills;
mod plane;
mod secrets;
mod storage;
