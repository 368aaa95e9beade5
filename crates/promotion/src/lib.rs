//! Releases through environments: gates, soak, verification, where the image is written, the record in Git.
//!
//! **Absent on purpose:** clusters, Git, registries, clocks. What they would say comes in as values.

pub mod gates;
mod machine;
mod message;
mod prove;
mod steps;
mod values;
mod write;

pub use gates::{Decision, Evidence, evaluate};
pub use machine::{Observation, Reach, advance};
pub use message::{Message, PROMOTION_ID, Record, promotion_id};
pub use prove::prove_edit;
pub use steps::Step;
pub use write::{Located, WriteError, WritePlan, already_there, is_release_tag, locate, plan_write};
