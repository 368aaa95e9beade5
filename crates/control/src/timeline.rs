//! What happened, why, and by which commit: the last entries in memory, and a stream of new ones.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use api::argocd::OperationPhase;
use api::gantline::Verdict;
use engine::operation::Fact as Told;
use jiff::Timestamp;
use promotion::{Telling, What};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::facts::{About, Fact, Sink, names, short};

/// How many entries are kept.
const KEPT: usize = 1000;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TimelineKind {
    /// An Application's sync status changed.
    SyncStatus,
    /// An Application's health changed.
    Health,
    OperationStarted,
    OperationSucceeded,
    OperationFailed,
    /// A change that somebody made in the cluster was taken back.
    SelfHealed,
    Pruned,
    /// A live object has fields that somebody else owns.
    Conflict,
    /// A repository, the cluster or a spec is not usable.
    Trouble,
    /// What was not usable is again.
    Recovered,
    Deleted,
    /// A new Release was seen.
    Release,
    /// A Release came one step further in an environment.
    Progress,
    /// A Release waits for gates.
    Waiting,
    Approved,
    Rejected,
    /// A promotion was written to Git.
    Promoted,
    RolledBack,
    Quarantined,
    Refused,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// Counts up from 1 within one process.
    pub id: u64,
    #[serde(with = "api::meta::time")]
    pub time: Timestamp,
    pub kind: TimelineKind,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub application: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pipeline: String,
    /// Of the pipeline, where it is about one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// The environment of whose Application the reason tells; empty: of none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tells_of: String,
    /// What happened, as a sentence for people.
    pub message: String,
    /// Why; empty when the message says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The commit that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The account, field manager or controller that caused it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub actor: String,
}

impl TimelineEntry {
    pub fn of_application(kind: TimelineKind, time: Timestamp, application: &str, message: impl Into<String>) -> Self {
        Self { application: application.to_owned(), ..Self::new(kind, time, message) }
    }

    pub fn of_pipeline(kind: TimelineKind, time: Timestamp, pipeline: &str, message: impl Into<String>) -> Self {
        Self { pipeline: pipeline.to_owned(), ..Self::new(kind, time, message) }
    }

    fn new(kind: TimelineKind, time: Timestamp, message: impl Into<String>) -> Self {
        Self {
            id: 0,
            time,
            kind,
            application: String::new(),
            pipeline: String::new(),
            environment: String::new(),
            tells_of: String::new(),
            message: message.into(),
            reason: String::new(),
            commit: String::new(),
            actor: String::new(),
        }
    }

    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    #[must_use]
    pub fn at_commit(self, commit: impl Into<String>) -> Self {
        Self { commit: commit.into(), ..self }
    }

    #[must_use]
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), ..self }
    }
}

impl Sink for Timeline {
    fn take(&self, fact: &Fact, at: Timestamp) {
        self.add(entry(fact, at));
    }
}

/// A fact as one line.
fn entry(fact: &Fact, at: Timestamp) -> TimelineEntry {
    use TimelineKind as Kind;
    let of = |kind, app: &About, text: String| TimelineEntry::of_application(kind, at, &app.name, text);
    match fact {
        Fact::SyncChanged { app, is, because, revision, .. } => {
            of(Kind::SyncStatus, app, format!("{} is {is}", app.name)).because(because).at_commit(revision)
        }
        Fact::HealthChanged { app, is, because, revision, .. } => {
            of(Kind::Health, app, format!("{} is {is}", app.name)).because(because).at_commit(revision)
        }
        Fact::Operation { app, told: Told::Started { by, revision } } => {
            of(Kind::OperationStarted, app, format!("{} is being synced", app.name)).by(by).at_commit(revision)
        }
        Fact::Operation { app, told: Told::Ended { phase, message, revision } } => {
            let (kind, text) = ended(*phase, &app.name);
            of(kind, app, text).because(message).at_commit(revision)
        }
        Fact::Operation { app, told: Told::SelfHealed { object, by, did, revision } } => {
            let (who, text) = (names(by), format!("{} is set back to what Git says", short(object)));
            of(Kind::SelfHealed, app, text).because(format!("{who} {did}")).by(who).at_commit(revision)
        }
        Fact::Pruned { app, object } => {
            of(Kind::Pruned, app, format!("{} is pruned: Git does not have it any more", short(object)))
        }
        Fact::Conflicted { app, with, message } => of(Kind::Conflict, app, message.clone()).by(with),
        Fact::ApplicationDeleted { app } => of(Kind::Deleted, app, format!("{} and its objects are deleted", app.name)),
        Fact::RepositoryLost { url, because } => {
            let text = format!("repository {url} cannot be read; the last good state stays");
            TimelineEntry::new(Kind::Trouble, at, text).because(because)
        }
        Fact::RepositoryBack { url, lost_since } => {
            let text = format!("repository {url} answers again");
            TimelineEntry::new(Kind::Recovered, at, text).because(format!("it did not since {lost_since}"))
        }
        Fact::Pipeline { told, .. } => {
            let Telling { message, reason, commit, actor } = told.telling();
            let entry = TimelineEntry {
                environment: told.what.environment().to_owned(),
                tells_of: told.what.tells_of().to_owned(),
                ..TimelineEntry::of_pipeline(kind_of(&told.what), at, &told.pipeline, message)
            };
            entry.because(reason).by(actor).at_commit(commit)
        }
    }
}

fn kind_of(what: &What) -> TimelineKind {
    match what {
        What::Released { .. } => TimelineKind::Release,
        What::Moved { .. } | What::SoakBeganAgain { .. } | What::Pinned { .. } | What::Unpinned { .. } => {
            TimelineKind::Progress
        }
        What::Lifted { .. } => TimelineKind::Progress,
        What::ByHand { .. } | What::Tampered { .. } => TimelineKind::Refused,
        What::Wants { .. } => TimelineKind::Waiting,
        What::Decided { verdict: Verdict::Approve, .. } => TimelineKind::Approved,
        What::Decided { verdict: Verdict::Reject, .. } => TimelineKind::Rejected,
        What::Promoted { .. } => TimelineKind::Promoted,
        What::RolledBack { .. } => TimelineKind::RolledBack,
        What::Refused { .. } | What::Overtaken { .. } | What::Delayed { .. } => TimelineKind::Refused,
        What::Quarantined { .. } | What::HeldStill { .. } => TimelineKind::Quarantined,
    }
}

fn ended(phase: OperationPhase, name: &str) -> (TimelineKind, String) {
    if phase.failed() {
        (TimelineKind::OperationFailed, format!("sync of {name} failed"))
    } else {
        (TimelineKind::OperationSucceeded, format!("{name} was synced"))
    }
}

/// The timeline of one process. Clones share it.
#[derive(Debug, Clone)]
pub struct Timeline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<(u64, VecDeque<Arc<TimelineEntry>>)>,
    new: broadcast::Sender<Arc<TimelineEntry>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self(Arc::new(Shared { kept: Mutex::default(), new: broadcast::Sender::new(256) }))
    }
}

impl Timeline {
    /// Adds an entry and numbers it.
    pub fn add(&self, entry: TimelineEntry) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let entry = Arc::new(TimelineEntry { id: kept.0, ..entry });
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.1.push_back(Arc::clone(&entry));
        // inside the lock, so that listeners see the order of the numbers; nobody listening is fine
        let _ = self.0.new.send(entry);
    }

    /// The newest entries, oldest first, at most `limit`.
    pub fn newest(&self, limit: usize) -> Vec<Arc<TimelineEntry>> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().skip(kept.1.len().saturating_sub(limit)).cloned().collect()
    }

    /// Entries from now on. A receiver that lags reads [`Timeline::newest`] and goes on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<TimelineEntry>> {
        self.0.new.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_numbered_and_bounded() {
        let timeline = Timeline::default();
        let mut new = timeline.subscribe();
        for _ in 0..KEPT + 5 {
            timeline.add(TimelineEntry::of_application(TimelineKind::Health, Timestamp::UNIX_EPOCH, "web", "x"));
        }
        let last: Vec<u64> = timeline.newest(2).iter().map(|e| e.id).collect();
        assert_eq!(last, [KEPT as u64 + 4, KEPT as u64 + 5]);
        assert_eq!(timeline.newest(usize::MAX).len(), KEPT);
        assert!(matches!(new.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
    }
}
