use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApplicationRow, Entry, Service};

/// What there is now: services with their environments side by side, Applications, the timeline.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// By name.
    #[schema(value_type = Vec<ApplicationRow>)]
    pub(crate) applications: Vec<Arc<ApplicationRow>>,
    /// By name.
    pub(crate) services: Vec<Service>,
    /// The cluster is a sandbox.
    pub(crate) simulated: bool,
    /// How fast the clock runs; 1 is real time.
    pub(crate) speed: f64,
    /// The newest entries, the oldest of them first.
    #[schema(value_type = Vec<Entry>)]
    pub(crate) timeline: Vec<Arc<Entry>>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
}

/// What changed since the event before.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Delta {
    /// Take these away first.
    pub(crate) gone: Gone,
    /// Those that are new or other than before.
    #[schema(value_type = Vec<ApplicationRow>)]
    pub(crate) applications: Vec<Arc<ApplicationRow>>,
    pub(crate) services: Vec<Service>,
    /// New entries, the oldest first.
    #[schema(value_type = Vec<Entry>)]
    pub(crate) timeline: Vec<Arc<Entry>>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
}

impl Delta {
    pub(crate) fn is_empty(&self) -> bool {
        self.gone == Gone::default()
            && self.applications.is_empty()
            && self.services.is_empty()
            && self.timeline.is_empty()
    }
}

/// Names of what is not there any more.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Gone {
    pub(crate) applications: Vec<String>,
    pub(crate) services: Vec<String>,
}
