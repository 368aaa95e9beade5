use control::{TimelineEntry, TimelineKind};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Counts up from 1 within one process.
    pub(crate) id: u64,
    #[serde(with = "api::meta::time")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) time: Timestamp,
    pub(crate) kind: TimelineKind,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) application: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) pipeline: String,
    /// Of the pipeline, where it is about one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) environment: String,
    /// What happened, as a sentence.
    pub(crate) message: String,
    /// Why; absent when the message says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) commit: String,
    /// The account, field manager or controller that caused it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) actor: String,
}

impl From<&TimelineEntry> for Entry {
    fn from(entry: &TimelineEntry) -> Self {
        Self {
            id: entry.id,
            time: entry.time,
            kind: entry.kind,
            application: entry.application.clone(),
            pipeline: entry.pipeline.clone(),
            environment: entry.environment.clone(),
            message: object::without_credentials(&entry.message).into_owned(),
            reason: entry.reason.clone(),
            commit: entry.commit.clone(),
            actor: entry.actor.clone(),
        }
    }
}
