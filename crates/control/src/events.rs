//! Kubernetes Events on Applications, as Argo CD writes them, so that `kubectl events` and alerting see the same.

use api::argocd::{APPLICATION_API_VERSION, APPLICATION_KIND, Application};
use clock::{Clock, Ids};
use cluster::Cluster;
use object::Manifest;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The component that Events name; Argo CD's, because tools filter by it.
const COMPONENT: &str = "argocd-application-controller";
/// More unwritten Events than this are dropped: they are news, not records.
const WAITING: usize = 256;

/// The reasons that Argo CD uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
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
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl Events {
    /// Starts the writer; it ends with the last clone.
    pub(crate) fn start(cluster: Cluster, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Manifest>(WAITING);
        tokio::spawn(async move {
            while let Some(event) = waiting.recv().await {
                if let Err(error) = cluster.create(&event).await {
                    tracing::debug!(%error, "Event not written");
                }
            }
        });
        Self { sender, clock, ids }
    }

    pub(crate) fn tell(&self, app: &Application, warning: bool, reason: Reason, message: &str) {
        let meta = &app.metadata;
        let now = api::meta::time::whole_seconds(self.clock.now()).to_string();
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{}.{}", meta.name, self.ids.suffix(16)), "namespace": meta.namespace},
            "involvedObject": {
                "apiVersion": APPLICATION_API_VERSION, "kind": APPLICATION_KIND, "name": meta.name,
                "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version,
            },
            "source": {"component": COMPONENT},
            "type": if warning { "Warning" } else { "Normal" },
            "reason": reason.as_str(),
            // the API server refuses longer messages
            "message": message.chars().take(1000).collect::<String>(),
            "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        });
        if let Ok(event) = Manifest::new(event) {
            let _ = self.sender.try_send(event);
        }
    }
}
