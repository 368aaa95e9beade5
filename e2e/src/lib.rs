//! What the end-to-end tests are made of: commands as a person types them, and one demo that all tests of a process use.
//!
//! **Absent on purpose:** every crate of the product. These tests know the binary, Git, kubectl, and the documents that
//! they print, nothing else.

mod command;
mod demo;
mod environment;
mod started;

pub use command::{Ran, eventually, run};
pub use demo::{Demo, Session, WorkTree, demo};
pub use environment::{binary, has, real_cluster, second_cluster, skipped};
pub use started::Started;
