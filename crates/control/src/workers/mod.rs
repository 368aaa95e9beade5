//! Rendering apart from everything else: in long-lived processes of the same program that have no environment, no
//! credentials, no files, no network, and limits on time and memory.
//!
//! A job goes out by a pipe; the worker asks back for the files of its trees, and for nothing else; an answer comes in.
//!
//! What Git hosts send is unpacked apart as well (`unpackers.rs`), by processes that have the copies of repositories.

mod borrowed;
mod child;
mod confine;
mod ended;
mod figures;
mod job;
mod pool;
mod process;
mod renderer;
#[cfg(test)]
mod tests;
mod unpackers;
mod wire;
mod worker;

pub use child::{probe, work};
pub use pool::{Pool, PoolOptions};
pub use renderer::Renderer;
pub use unpackers::{Unpackers, unpack};

pub(crate) use ended::Ended;
pub(crate) use job::{FromAnswer, Output, Subject};
pub(crate) use renderer::Running;
