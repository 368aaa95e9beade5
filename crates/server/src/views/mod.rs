//! The shapes of all answers, one file a noun. What they are made of may change; these may not, without the document.

mod application;
mod cluster;
mod entry;
mod environment;
mod explanation;
mod fields;
mod list;
mod object;
mod offer;
mod overview;
mod place;
mod problem;
mod release;
mod resource;
mod session;
mod tree;
mod voice;

pub(crate) use application::{ApplicationRow, ApplicationView, reasons};
pub(crate) use cluster::{Cluster, ClusterList};
pub(crate) use entry::{Entry, TimelinePage};
pub(crate) use environment::{EnvironmentRow, EnvironmentView, Environments, Next, Service, TurnedAway};
pub(crate) use explanation::{
    ApplicationExplanation, Explanation, PipelineExplanation, ReleaseExplanation, ReleaseReason,
};
pub(crate) use fields::Fields;
pub(crate) use list::{List, ListMeta};
pub(crate) use object::Object;
pub(crate) use offer::{Offer, Offered};
pub(crate) use overview::{Delta, Gone, Overview};
pub(crate) use place::{Place, Whereabouts};
pub(crate) use problem::Problem;
pub(crate) use release::ReleaseWithPromotions;
pub(crate) use resource::ManagedResources;
pub(crate) use session::{Token, UserInfo, Version};
pub(crate) use tree::{Key, ResourceTree};
pub(crate) use voice::{EventList, LogEntry};

use serde::Serialize;
use utoipa::ToSchema;

/// It is done; there is nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {}
