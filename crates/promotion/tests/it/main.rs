//! The rules of promotions, on the examples and on every way in which an image can be written.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod appeared;
mod approvals;
mod examples;
mod gates;
mod history;
mod ledger;
mod pins;
mod plan;
mod quarantines;
mod requests;
mod simulator;
mod story;
mod tags;
mod values;
mod wide;
mod writes;

/// As in the program. Histories are made of many short texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
