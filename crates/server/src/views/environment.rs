use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{GateReport, Pin, PromotionPhase, ReleasePhase};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Offer;

/// A pipeline with its environments side by side.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) images: Vec<String>,
    /// What is wrong with the Pipeline.
    pub(crate) problems: Vec<String>,
    /// In the order in which a release passes them.
    pub(crate) environments: Vec<EnvironmentView>,
    /// What the one who asks could do about its releases.
    pub(crate) offers: Vec<Offer>,
}

/// One environment of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentView {
    pub(crate) name: String,
    pub(crate) purpose: String,
    /// Absent, with `sync` and `health`, where the one who asks may not get the Application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sync: Option<SyncStatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<HealthStatusCode>,
    /// Of the release that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<ReleasePhase>,
    pub(crate) release: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
    pub(crate) reasons: Vec<String>,
    pub(crate) pinned: Option<Pin>,
    /// The release that wants to come here.
    pub(crate) next: Option<Next>,
    /// What was kept out of here last, while nothing newer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) turned_away: Option<TurnedAway>,
    /// What the one who asks could do here.
    pub(crate) offers: Vec<Offer>,
}

/// A release that was rejected, or refused by a gate.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnedAway {
    pub(crate) promotion: String,
    pub(crate) release: String,
    pub(crate) tag: String,
    /// Who rejected it; empty: a gate did.
    pub(crate) by: String,
    /// Why, as the one who rejected it said, or as the gate says.
    pub(crate) reason: String,
    #[serde(with = "api::meta::time")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
}

/// A promotion that is open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Next {
    pub(crate) promotion: String,
    pub(crate) release: String,
    pub(crate) phase: PromotionPhase,
    pub(crate) tag: String,
    pub(crate) message: String,
    pub(crate) gates: Vec<GateReport>,
    /// Somebody's yes is missing, whoever asks.
    pub(crate) needs_approval: bool,
}

/// The environments of a pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Environments {
    pub(crate) pipeline: String,
    pub(crate) items: Vec<EnvironmentRow>,
}

/// An environment, where it runs, and where its image and its configuration come from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentRow {
    #[serde(flatten)]
    pub(crate) environment: EnvironmentView,
    pub(crate) namespace: String,
    /// The name or the server of the cluster.
    pub(crate) cluster: String,
    pub(crate) image_source: String,
    pub(crate) config_source: String,
    /// What puts a release there.
    pub(crate) trigger: String,
}
