//! What is true of an Application now.

use std::fmt;

use jiff::Timestamp;
use object::ResourceKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::{Destination, ResourceIgnoreDifferences};
use super::operation::{InitiatedBy, OperationState};
use super::source::ApplicationSource;
use crate::meta::{Unknown, is_default, time, time_option};

/// `status` of an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    #[serde(skip_serializing_if = "is_default")]
    pub sync: SyncStatus,
    #[serde(skip_serializing_if = "is_default")]
    pub health: HealthStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<RevisionHistory>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub summary: ApplicationSummary,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_health_source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_types: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_namespace: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Whether live equals desired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum SyncStatusCode {
    Synced,
    OutOfSync,
    #[default]
    #[serde(other)]
    Unknown,
}

impl SyncStatusCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for SyncStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How well an object does. Ordered from best to worst; an Application is as its worst object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum HealthStatusCode {
    Healthy,
    Suspended,
    Progressing,
    Missing,
    Degraded,
    #[default]
    #[serde(other)]
    Unknown,
}

impl HealthStatusCode {
    /// All, from best to worst.
    pub const ALL: [Self; 6] =
        [Self::Healthy, Self::Suspended, Self::Progressing, Self::Missing, Self::Degraded, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for HealthStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Health with its reason; `lastTransitionTime` only on Applications and their objects' status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthStatus {
    pub status: HealthStatusCode,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
}

impl HealthStatus {
    pub fn new(status: HealthStatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), last_transition_time: None }
    }
}

/// One object of the Application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceStatus {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Absent for hooks and ignored objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SyncStatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    #[serde(skip_serializing_if = "is_default")]
    pub hook: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub requires_pruning: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub sync_wave: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub requires_deletion_confirmation: bool,
}

impl ResourceStatus {
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(&self.group, &self.kind, &self.namespace, &self.name)
    }

    /// Whether it is to stay as it is for the Application that has this in its status.
    pub fn is_wanted(&self) -> bool {
        self.hook || !self.requires_pruning
    }

    /// Whether the Application that has this in its status wants the object.
    pub fn wants(&self, object: &ResourceKey) -> bool {
        let ResourceKey { group, kind, namespace, name } = object;
        self.is_wanted() && (&self.group, &self.kind, &self.namespace, &self.name) == (group, kind, namespace, name)
    }
}

/// `status.sync`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    pub status: SyncStatusCode,
    #[serde(skip_serializing_if = "is_default")]
    pub compared_to: ComparedTo,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
}

/// The spec that the status was computed for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComparedTo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ApplicationSource>,
    pub destination: Destination,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ApplicationSource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<ResourceIgnoreDifferences>,
}

/// One successful full sync. A rollback goes to one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionHistory {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(with = "time")]
    pub deployed_at: Timestamp,
    pub id: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: ApplicationSource,
    #[serde(default, with = "time_option", skip_serializing_if = "Option::is_none")]
    pub deploy_started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ApplicationSource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub initiated_by: InitiatedBy,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Something that people should know about an Application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: ConditionType,
    pub message: String,
    /// Since when.
    #[serde(default, with = "time_option", skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// Since when is known where it is set. Addresses in the message are shown without credentials.
    pub fn new(kind: ConditionType, message: impl Into<String>) -> Self {
        let message = object::without_credentials(&message.into()).into_owned();
        Self { kind, message, last_transition_time: None }
    }
}

/// The conditions that Argo CD knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    DeletionError,
    InvalidSpecError,
    ComparisonError,
    SyncError,
    UnknownError,
    SharedResourceWarning,
    RepeatedResourceWarning,
    ExcludedResourceWarning,
    OrphanedResourceWarning,
    /// Gantline's own: the source renders, and something in it is outdated or doubtful.
    SourceWarning,
    /// A type of another version or program.
    #[serde(other)]
    Other,
}

impl ConditionType {
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Self::DeletionError | Self::InvalidSpecError | Self::ComparisonError | Self::SyncError | Self::UnknownError
        )
    }

    /// Whether a sync may not start while it stands.
    pub fn stops_sync(self) -> bool {
        matches!(self, Self::InvalidSpecError | Self::ComparisonError)
    }
}

/// Figures about the live objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationSummary {
    #[serde(rename = "externalURLs", skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(flatten)]
    pub unknown: Unknown,
}
