//! Kubernetes Events on our objects: on Applications as Argo CD writes them, so that `kubectl events` and alerting see the
//! same; on Pipelines, Releases and Promotions in our own words.

mod pipelines;

use api::argocd::{OperationPhase, SyncStatusCode};
use clock::Ids;
use cluster::Cluster;
use engine::operation::Fact as Told;
use failpoint::Point;
use jiff::Timestamp;
use object::Manifest;
use promotion::Seal;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{OnceCell, mpsc};

use crate::facts::{About, Fact, Sink, names, short};
use crate::history::{EVENT_LINE, EventLine};
use crate::timeline;

/// The component that Events of Applications name; Argo CD's, because tools filter by it.
const COMPONENT: &str = "argocd-application-controller";
/// More unwritten Events than this are dropped: they are news, not records.
const WAITING: usize = 256;

/// The reasons that Argo CD uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    OperationStarted,
    OperationCompleted,
    ResourceUpdated,
    ResourceDeleted,
    StatusRefreshed,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::OperationStarted => "OperationStarted",
            Self::OperationCompleted => "OperationCompleted",
            Self::ResourceUpdated => "ResourceUpdated",
            Self::ResourceDeleted => "ResourceDeleted",
            Self::StatusRefreshed => "StatusRefreshed",
        }
    }
}

/// Writes Events behind the caller's back, in order.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: mpsc::Sender<Manifest>,
    /// The control plane's own namespace.
    home: Arc<str>,
    ids: Ids,
    /// Seals what they tell the timeline.
    seal: Arc<OnceCell<Seal>>,
}

impl Events {
    /// Starts the writer; it ends with the last clone.
    pub(crate) fn start(cluster: Cluster, home: &str, ids: Ids, seal: Arc<OnceCell<Seal>>) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Manifest>(WAITING);
        tokio::spawn(async move {
            while let Some(event) = waiting.recv().await {
                failpoint::before(Point::Tell);
                if let Err(error) = cluster.create(&event).await {
                    tracing::debug!(%error, "Event not written");
                }
                failpoint::after(Point::Tell);
            }
        });
        Self { sender, home: home.into(), ids, seal }
    }

    /// The line of the timeline, as each Event about the fact carries it.
    fn line(&self, fact: &Fact, at: Timestamp) -> Value {
        let line = EventLine::write(timeline::line(fact, at, &self.home), self.seal.get());
        line.map_or(Value::Null, |line| json!({ "labels": { EVENT_LINE: "" }, "annotations": { EVENT_LINE: line } }))
    }

    fn write(&self, about: &About, note: &Note, line: &Value, at: Timestamp) {
        let now = api::meta::time::whole_seconds(at).to_string();
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{}.{}", about.name, self.ids.suffix(16)), "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": about.api_version, "kind": about.kind, "name": about.name,
                "namespace": about.namespace, "uid": about.uid, "resourceVersion": about.resource_version,
            },
            "source": {"component": note.component},
            "type": if note.warning { "Warning" } else { "Normal" },
            "reason": note.reason,
            // the API server refuses longer messages
            "message": object::printable(&object::without_credentials(&note.message)).chars().take(1000).collect::<String>(),
            "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        });
        for part in ["labels", "annotations"] {
            if let Some(said) = line.get(part) {
                event["metadata"][part] = said.clone();
            }
        }
        if let Ok(event) = Manifest::new(event) {
            let _ = self.sender.try_send(event);
        }
    }
}

impl Sink for Events {
    fn take(&self, fact: &Fact, at: Timestamp) {
        if let Fact::Pipeline { told, about } = fact {
            let (note, line) = (pipelines::note(told), self.line(fact, at));
            about.iter().for_each(|about| self.write(about, &note, &line, at));
        } else if let Some((about, note)) = note(fact) {
            self.write(about, &note, &self.line(fact, at), at);
        }
    }
}

/// What an Event says.
struct Note {
    component: &'static str,
    warning: bool,
    reason: &'static str,
    message: String,
}

impl Note {
    fn of_application(warning: bool, reason: Reason, message: String) -> Self {
        Self { component: COMPONENT, warning, reason: reason.as_str(), message }
    }

    /// Of what Argo CD writes no Event about.
    fn of_ours(warning: bool, reason: &'static str, message: String) -> Self {
        Self { component: pipelines::COMPONENT, warning, reason, message }
    }
}

fn of_operation(told: &Told) -> Note {
    let note = Note::of_application;
    match told {
        Told::Started { by, revision } => {
            note(false, Reason::OperationStarted, format!("{by} initiated sync to {revision}"))
        }
        Told::Ended { phase: OperationPhase::Succeeded, revision, .. } => {
            note(false, Reason::OperationCompleted, format!("Sync operation to {revision} succeeded"))
        }
        Told::Ended { phase, message, revision, .. } => {
            let message = format!("Sync operation to {revision} failed: {message}");
            note(phase.failed(), Reason::OperationCompleted, message)
        }
        Told::SelfHealed { object, by, did, .. } => {
            let message = format!("Self-heal of {}: {} {did}", short(object), names(by));
            note(true, Reason::StatusRefreshed, message)
        }
    }
}

/// The Event for a fact about one object, in Argo CD's words where it writes one; `None` for any other.
fn note(fact: &Fact) -> Option<(&About, Note)> {
    let note = Note::of_application;
    let normal = |reason, message| note(false, reason, message);
    Some(match fact {
        Fact::SyncChanged { app, was, is, .. } => {
            let (warning, message) = (*is == SyncStatusCode::Unknown, format!("Updated sync status: {was} -> {is}"));
            (app, note(warning, Reason::ResourceUpdated, message))
        }
        Fact::HealthChanged { app, was, is, .. } => {
            (app, normal(Reason::ResourceUpdated, format!("Updated health status: {was} -> {is}")))
        }
        Fact::Operation { app, told } => (app, of_operation(told)),
        Fact::ApplicationDeleted { app } => {
            (app, normal(Reason::ResourceDeleted, "Application and its objects are deleted".to_owned()))
        }
        Fact::Unread { about, why } => (about, Note::of_ours(true, "Unreadable", why.clone())),
        Fact::ReadAgain { about } => (about, Note::of_ours(false, "Readable", "it can be read again".to_owned())),
        Fact::Conflicted { app, message, .. } => (app, Note::of_ours(true, "ResourceConflict", message.clone())),
        // Argo CD writes none of what is pruned, and the end of the operation tells the timeline
        Fact::Pruned { .. } => return None,
        Fact::RepositoryLost { .. } | Fact::RepositoryBack { .. } | Fact::Pipeline { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_say_what_argo_cd_says() {
        let app = || About { name: "web".into(), ..About::default() };
        let ended = |phase| Told::Ended { phase, message: "no".into(), revision: "abc".into(), pruned: Vec::new() };
        let ended = |phase| Fact::Operation { app: app(), told: ended(phase) };
        for (fact, warning, reason, message) in [
            (
                Fact::SyncChanged {
                    app: app(),
                    was: SyncStatusCode::Synced,
                    is: SyncStatusCode::OutOfSync,
                    because: String::new(),
                    revision: String::new(),
                },
                false,
                "ResourceUpdated",
                "Updated sync status: Synced -> OutOfSync",
            ),
            (ended(OperationPhase::Succeeded), false, "OperationCompleted", "Sync operation to abc succeeded"),
            (ended(OperationPhase::Failed), true, "OperationCompleted", "Sync operation to abc failed: no"),
        ] {
            let (about, note) = note(&fact).unwrap();
            assert_eq!(about.name, "web");
            assert_eq!((note.warning, note.reason, note.message.as_str()), (warning, reason, message));
        }
        assert!(note(&Fact::RepositoryLost { url: "r".into(), because: "x".into() }).is_none());
    }
}
