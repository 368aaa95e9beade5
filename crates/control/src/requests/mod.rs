//! What people ask for: each request is one write to the Kubernetes API that the loops act on, wherever they run.

mod applications;
mod promotions;

pub use applications::{RequestError, SyncRequest, delete, refresh, sync, terminate};
pub use promotions::{Seen, decide, lift, promote, roll_back, unpin};
