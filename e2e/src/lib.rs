//! What the end-to-end tests are made of: commands as a person types them, and one demo that all tests of a process use.
//!
//! **Absent on purpose:** every crate of the product but the hosts that its tests ask. These tests know the binary, Git, kubectl, and the documents that
//! they print, nothing else.

mod api;
mod api_proxy;
mod command;
mod demo;
mod dice;
mod environment;
mod rest;
mod started;

pub use api::Api;
pub use api_proxy::{ApiFault, ApiProxy, Rates};
pub use command::{Ran, eventually, patiently, run};
pub use demo::{Demo, Session, WorkTree, demo};
pub use dice::Dice;
pub use environment::{binary, has, real_cluster, rounds, second_cluster, skipped};
pub use rest::{Answered, Rest};
pub use started::Started;
