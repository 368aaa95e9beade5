//! Releases through environments: gates, soak, verification, where the image is written, the record in Git.
//!
//! [`plan`] decides everything about a Pipeline from what was observed; [`requests`] decides what people may ask for.
//!
//! **Absent on purpose:** clusters, Git, registries, clocks. What they would say comes in as values.

pub mod about;
mod answers;
mod appeared;
mod begun;
mod change_set;
pub mod explain;
mod facts;
pub mod gates;
pub mod history;
mod identity;
mod ledger;
mod machine;
mod meaning;
mod members;
mod message;
mod names;
mod overrides;
mod owned;
mod parts;
mod places;
mod plan;
mod prove;
mod quarantines;
pub mod requests;
mod seal;
mod stranger;
mod values;
mod write;
pub mod writing;

pub use answers::{Answer, Answered, Answers, Question, Spot};
pub use api::gantline::WriteStep;
pub use appeared::{Appearance, Appeared, Digests};
pub use begun::Begun;
pub use change_set::{Accounts, ChangeSet, few};
pub use facts::{Fact, Telling, What};
pub use gates::{Decision, Evidence, Judge, evaluate};
pub use identity::{identity, label, release_name};
pub use ledger::Ledger;
pub use machine::{Observation, Reach, advance};
pub use meaning::{Look, Meaning, Meanings, unclear};
pub use members::Members;

pub use message::{Message, PROMOTION_ID, PROMOTION_SEAL, promotion_id};
pub use overrides::{LetIn, Override, Overrides, Passing, Use};
pub use owned::{Images, Joining, Owner, Records, is_owned, owners, unpromoted};
pub use parts::Parts;
pub use places::{Entered, Places};
pub use plan::{
    Action, Brought, Observed, Passed, Place, PlaceApplication, Plan, RunningImage, RunningPod, Step, judged, may_push,
    plan,
};
pub use prove::prove_edit;
pub use quarantines::{Elsewhere, Held};
pub use seal::{Record, Restored, Seal, SealedCommit, Tampered, Trust};
pub use write::{Located, Traced, WriteError, WritePlan, already_there, locate, plan_write, trace};
