use std::sync::Arc;

use control::{TimelineEntry, TimelineKind};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Counts up from 1 within one process; absent where that did not tell it.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: u64,
    /// Its place in the timeline: `before` of what is older.
    pub(crate) mark: String,
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
    /// The name of the Release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) release: String,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(id: &u64) -> bool {
    *id == 0
}

/// Part of the timeline, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelinePage {
    #[schema(value_type = Vec<Entry>)]
    pub(crate) items: Vec<Arc<Entry>>,
    /// Ask with it as `before` for what is older; absent where nothing is.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl From<&TimelineEntry> for Entry {
    fn from(entry: &TimelineEntry) -> Self {
        Self {
            id: entry.id,
            mark: entry.mark().to_string(),
            time: entry.time,
            kind: entry.kind,
            application: entry.application.clone(),
            pipeline: entry.pipeline.clone(),
            environment: entry.environment.clone(),
            release: entry.release.clone(),
            message: object::without_credentials(&entry.message).into_owned(),
            reason: entry.reason.clone(),
            commit: entry.commit.clone(),
            actor: entry.actor.clone(),
        }
    }
}
