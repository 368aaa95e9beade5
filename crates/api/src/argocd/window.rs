//! Sync windows of an AppProject: when Applications may be synced.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::duration::{DurationError, parse_go_duration};
use super::schedule::{Schedule, ScheduleError, time_zone};
use crate::meta::{Unknown, is_default};

/// One of `spec.syncWindows`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncWindow {
    /// `allow` or `deny`. Anything else neither allows nor denies.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// When it begins: a cron expression of five fields.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// How long it lasts, such as `1h30m`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub duration: String,
    /// Globs of names; so are `namespaces` and `clusters` (names or addresses) of destinations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// People may sync although it forbids it.
    #[serde(skip_serializing_if = "is_default")]
    pub manual_sync: bool,
    /// The zone that the schedule is read in; without one, and when it is not known, UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// All of applications, namespaces and clusters that are written must match, not one of them.
    #[serde(skip_serializing_if = "is_default")]
    pub and_operator: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What began while it was allowed may go on.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_overrun: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a window means for the time of which it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    Allow,
    Deny,
}

/// Why a window cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("sync window: the schedule '{text}' is not understood: {source}")]
    Schedule { text: String, source: ScheduleError },
    #[error("sync window: the duration '{text}' is not understood: {source}")]
    Duration { text: String, source: DurationError },
    #[error("sync window '{0}': its kind is neither allow nor deny")]
    Kind(String),
    #[error("sync window '{0}': its description is longer than 255 bytes")]
    Description(String),
    #[error("sync window '{0}': it names no applications, clusters or namespaces, so it concerns nothing")]
    Nothing(String),
    #[error("sync window '{0}': there are two of it, which differ in nothing that counts: leave one out")]
    Twice(String),
}

impl SyncWindow {
    /// When it begins and how long it lasts.
    ///
    /// # Errors
    /// When one of them is not understood.
    pub fn times(&self) -> Result<(Schedule, SignedDuration), WindowError> {
        let text = || self.schedule.clone();
        let schedule =
            Schedule::parse(&self.schedule).map_err(|source| WindowError::Schedule { text: text(), source })?;
        let duration = parse_go_duration(&self.duration)
            .map_err(|source| WindowError::Duration { text: self.duration.clone(), source })?;
        Ok((schedule, duration))
    }

    pub fn meaning(&self) -> Option<WindowKind> {
        match self.kind.as_str() {
            "allow" => Some(WindowKind::Allow),
            "deny" => Some(WindowKind::Deny),
            _ => None,
        }
    }

    /// The zone that it is kept with when a project is written: UTC where none is written or it is not known.
    pub fn known_zone(&self) -> &str {
        let is_known = !self.time_zone.is_empty() && time_zone(&self.time_zone).is_some();
        if is_known { &self.time_zone } else { "UTC" }
    }

    /// Whether it can be obeyed, as when a project is written.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self) -> Result<(), WindowError> {
        self.meaning().ok_or_else(|| WindowError::Kind(self.shown()))?;
        self.times()?;
        if self.description.len() > 255 {
            return Err(WindowError::Description(self.shown()));
        }
        let concerned = [&self.applications, &self.namespaces, &self.clusters];
        if concerned.iter().all(|globs| globs.is_empty()) {
            return Err(WindowError::Nothing(self.shown()));
        }
        Ok(())
    }

    /// All windows of a project, in their order.
    ///
    /// # Errors
    /// The first reason why one cannot be obeyed, or is there twice.
    pub fn check_all(windows: &[Self]) -> Result<(), WindowError> {
        windows.iter().enumerate().try_for_each(|(place, window)| {
            if windows[..place].iter().any(|other| other.is_like(window)) {
                return Err(WindowError::Twice(window.shown()));
            }
            window.check()
        })
    }

    /// What it permits to people, how it is described and what may go on do not make it another window.
    fn is_like(&self, other: &Self) -> bool {
        let identity = |window: &Self| Self {
            manual_sync: false,
            description: String::new(),
            sync_overrun: false,
            unknown: Unknown::default(),
            ..window.clone()
        };
        identity(self) == identity(other)
    }

    /// `deny 0 8 * * * for 2h`.
    pub fn shown(&self) -> String {
        format!("{} {} for {}", self.kind, self.schedule, self.duration)
    }
}
