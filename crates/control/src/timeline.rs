//! What happened, why, and by which commit: the last entries in memory, and a stream of new ones. `history.rs` has what
//! is kept elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use api::argocd::{APPLICATION_KIND, OperationPhase};
use api::gantline::Verdict;
use engine::operation::Fact as Told;
use jiff::Timestamp;
use object::ResourceKey;
use promotion::{Telling, What};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::facts::{About, Fact, Sink, names, short};
use crate::stores::AppKey;

/// How many entries are kept.
const KEPT: usize = 1000;

/// Messages and reasons have at most so many characters, as those of Events.
const LONGEST: usize = 1000;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
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

impl TimelineKind {
    pub const ALL: [Self; 20] = [
        Self::SyncStatus,
        Self::Health,
        Self::OperationStarted,
        Self::OperationSucceeded,
        Self::OperationFailed,
        Self::SelfHealed,
        Self::Pruned,
        Self::Conflict,
        Self::Trouble,
        Self::Recovered,
        Self::Deleted,
        Self::Release,
        Self::Progress,
        Self::Waiting,
        Self::Approved,
        Self::Rejected,
        Self::Promoted,
        Self::RolledBack,
        Self::Quarantined,
        Self::Refused,
    ];
}

/// One line of the timeline. Written to Events: whoever takes something away from it loses what was told before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// Counts up from 1 within one process; 0 where it was not told there.
    #[serde(skip)]
    pub id: u64,
    /// It was not told, but read from what is kept.
    #[serde(skip)]
    pub kept: bool,
    pub time: Timestamp,
    pub kind: TimelineKind,
    /// What people call the Application: `web`, or `team/web` outside of the control plane's namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub application: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pipeline: String,
    /// Of the pipeline, where it is about one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// The name of the Release, where it is about one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub release: String,
    /// The environment of whose Application the reason tells; empty: of none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tells_of: String,
    /// What happened, as a sentence for people.
    pub message: String,
    /// Why; empty when the message says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The commit that it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The account, field manager or controller that caused it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
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
            kept: false,
            time,
            kind,
            application: String::new(),
            pipeline: String::new(),
            environment: String::new(),
            release: String::new(),
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
        self.add(line(fact, at, &self.0.home));
    }
}

/// A fact as one line that may be shown to whoever may see what it is about.
pub(crate) fn line(fact: &Fact, at: Timestamp, home: &str) -> TimelineEntry {
    let clean = |text: &str| object::without_credentials(text).chars().take(LONGEST).collect::<String>();
    let entry = entry(fact, at, home);
    TimelineEntry { message: clean(&entry.message), reason: clean(&entry.reason), ..entry }
}

fn entry(fact: &Fact, at: Timestamp, home: &str) -> TimelineEntry {
    use TimelineKind as Kind;
    let called = |app: &About| AppKey::new(&app.namespace, &app.name).text(home);
    let of = |kind, app: &About, text: String| TimelineEntry::of_application(kind, at, &called(app), text);
    match fact {
        Fact::SyncChanged { app, is, because, revision, .. } => {
            of(Kind::SyncStatus, app, format!("{} is {is}", called(app))).because(because).at_commit(revision)
        }
        Fact::HealthChanged { app, is, because, revision, .. } => {
            of(Kind::Health, app, format!("{} is {is}", called(app))).because(because).at_commit(revision)
        }
        Fact::Operation { app, told: Told::Started { by, revision } } => {
            of(Kind::OperationStarted, app, format!("{} is being synced", called(app))).by(by).at_commit(revision)
        }
        Fact::Operation { app, told: Told::Ended { phase, message, revision, pruned } } => {
            let (kind, text) = ended(*phase, &called(app));
            of(kind, app, text).because(with_pruned(message, pruned)).at_commit(revision)
        }
        Fact::Operation { app, told: Told::SelfHealed { object, by, did, revision } } => {
            let (who, text) = (names(by), format!("{} is set back to what Git says", short(object)));
            of(Kind::SelfHealed, app, text).because(format!("{who} {did}")).by(who).at_commit(revision)
        }
        Fact::Pruned { app, object } => {
            of(Kind::Pruned, app, format!("{} is pruned: Git does not have it any more", short(object)))
        }
        Fact::Conflicted { app, with, message } => of(Kind::Conflict, app, message.clone()).by(with),
        Fact::ApplicationDeleted { app } => {
            of(Kind::Deleted, app, format!("{} and its objects are deleted", called(app)))
        }
        Fact::RepositoryLost { url, because } => {
            let text = format!("repository {url} cannot be read; the last good state stays");
            TimelineEntry::new(Kind::Trouble, at, text).because(because)
        }
        Fact::RepositoryBack { url, lost_since } => {
            let text = format!("repository {url} answers again");
            TimelineEntry::new(Kind::Recovered, at, text).because(format!("it did not since {lost_since}"))
        }
        Fact::Unread { about, why } => {
            let text = format!("{} {} cannot be read: nothing is done by it", about.kind, about.name);
            of_object(Kind::Trouble, at, about, home, text).because(why)
        }
        Fact::ReadAgain { about } => {
            of_object(Kind::Recovered, at, about, home, format!("{} {} can be read again", about.kind, about.name))
        }
        Fact::Pipeline { told, .. } => of_told(told, at),
    }
}

pub(crate) fn of_told(told: &promotion::Fact, at: Timestamp) -> TimelineEntry {
    let Telling { message, reason, commit, actor } = told.telling();
    let entry = TimelineEntry {
        environment: told.what.environment().to_owned(),
        release: told.release.clone(),
        tells_of: told.what.tells_of().to_owned(),
        ..TimelineEntry::of_pipeline(kind_of(&told.what), at, &told.pipeline, message)
    };
    entry.because(reason).by(actor).at_commit(commit)
}

/// Of an Application or a Pipeline, for whoever may see that; of anything else, for who may see everything.
fn of_object(kind: TimelineKind, at: Timestamp, about: &About, home: &str, text: String) -> TimelineEntry {
    match about.kind.as_str() {
        APPLICATION_KIND => {
            let name = AppKey::new(&about.namespace, &about.name).text(home);
            TimelineEntry::of_application(kind, at, &name, text)
        }
        "Pipeline" => TimelineEntry::of_pipeline(kind, at, &about.name, text),
        _ => TimelineEntry::new(kind, at, text),
    }
}

fn kind_of(what: &What) -> TimelineKind {
    match what {
        What::Released { .. } => TimelineKind::Release,
        What::Moved { .. } | What::SoakBeganAgain { .. } | What::Pinned { .. } | What::Unpinned { .. } => {
            TimelineKind::Progress
        }
        What::Lifted { .. } => TimelineKind::Progress,
        What::ByHand { .. } | What::Tampered { .. } | What::StatusUnread { .. } => TimelineKind::Refused,
        What::Wants { .. } => TimelineKind::Waiting,
        What::Decided { verdict: Verdict::Approve, .. } => TimelineKind::Approved,
        What::Decided { verdict: Verdict::Reject, .. } => TimelineKind::Rejected,
        What::Promoted { .. } => TimelineKind::Promoted,
        What::RolledBack { .. } => TimelineKind::RolledBack,
        What::Refused { .. } | What::Overtaken { .. } | What::Delayed { .. } => TimelineKind::Refused,
        What::Quarantined { .. } | What::HeldStill { .. } => TimelineKind::Quarantined,
    }
}

pub(crate) fn ended(phase: OperationPhase, name: &str) -> (TimelineKind, String) {
    if phase.failed() {
        (TimelineKind::OperationFailed, format!("sync of {name} failed"))
    } else {
        (TimelineKind::OperationSucceeded, format!("{name} was synced"))
    }
}

/// What an operation said at its end, and what it took away: of that no Event is written.
fn with_pruned(message: &str, pruned: &[ResourceKey]) -> String {
    let names: Vec<String> = pruned.iter().map(short).collect();
    match names.as_slice() {
        [] => message.to_owned(),
        names => format!("{message}; pruned: {}", names.join(", ")),
    }
}

/// The timeline of one process. Clones share it.
#[derive(Debug, Clone)]
pub struct Timeline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The control plane's own namespace.
    home: String,
    kept: Mutex<(u64, VecDeque<Arc<TimelineEntry>>)>,
    new: broadcast::Sender<Arc<TimelineEntry>>,
}

impl Timeline {
    /// Of a control plane in this namespace.
    pub fn new(home: &str) -> Self {
        Self(Arc::new(Shared { home: home.to_owned(), kept: Mutex::default(), new: broadcast::Sender::new(256) }))
    }

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

    /// Adds what was told before, the oldest first: as much of it as there is room for.
    pub(crate) fn recall(&self, before: impl ExactSizeIterator<Item = TimelineEntry>) {
        let known: Vec<_> = self.newest(usize::MAX).iter().map(|entry| entry.mark()).collect();
        let surplus = before.len().saturating_sub(KEPT - known.len());
        before.skip(surplus).filter(|entry| !known.contains(&entry.mark())).for_each(|entry| self.add(entry));
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
        let timeline = Timeline::new("argocd");
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
