//! What a controller wants done.

use jiff::Timestamp;
use serde_json::Value;

use super::memory::{PodMemory, PullRequest};
use crate::store::Key;

/// Who writes, as seen in `managedFields` and events.
pub(crate) mod manager {
    pub(crate) const CONTROLLERS: &str = "kube-controller-manager";
    pub(crate) const KUBELET: &str = "kubelet";
    pub(crate) const SCHEDULER: &str = "kube-scheduler";
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The object carries its apiVersion, kind and namespace.
    Create {
        object: Value,
        manager: &'static str,
    },
    /// A JSON merge patch of the object.
    Merge {
        key: Key,
        patch: Value,
        manager: &'static str,
    },
    /// The whole new status.
    Status {
        key: Key,
        status: Value,
        manager: &'static str,
    },
    /// An annotation that goes with the status: writing it does not count as a change of what is wanted.
    Note {
        key: Key,
        annotation: &'static str,
        value: String,
    },
    /// Puts a pod on a node.
    Bind {
        key: Key,
        node: String,
    },
    /// `uid` guards against deleting a successor of the same name.
    Delete {
        key: Key,
        uid: String,
        propagation: &'static str,
        grace: Option<i64>,
    },
    /// Ends a namespace.
    Finalize {
        key: Key,
    },
    Event(Event),
}

/// Something worth telling about an object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The object that it is about.
    pub(crate) regarding: Value,
    /// `spec.containers{web}` when it is about a container.
    pub(crate) field_path: String,
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) component: &'static str,
    pub(crate) host: String,
}

/// What one call decided; nothing is done yet.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) changes: Vec<Change>,
    /// When to look again even if nothing changes.
    pub(crate) again_at: Option<Timestamp>,
    pub(crate) pulls: Vec<PullRequest>,
    /// New memory for the pod with this uid.
    pub(crate) memory: Option<(String, PodMemory)>,
}

impl Outcome {
    pub(crate) fn again(&mut self, at: Timestamp) {
        self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.pulls.extend(other.pulls);
        other.again_at.into_iter().for_each(|at| self.again(at));
        self.memory = other.memory.or(self.memory.take());
    }

    pub(crate) fn create(&mut self, object: Value) {
        self.changes.push(Change::Create { object, manager: manager::CONTROLLERS });
    }

    pub(crate) fn merge(&mut self, key: Key, patch: Value) {
        self.changes.push(Change::Merge { key, patch, manager: manager::CONTROLLERS });
    }

    /// Writes the status if it is another one.
    pub(crate) fn status(&mut self, key: &Key, live: &Value, status: Value, manager: &'static str) {
        if live["status"] != status {
            self.changes.push(Change::Status { key: key.clone(), status, manager });
        }
    }

    pub(crate) fn delete(&mut self, key: Key, object: &Value, propagation: &'static str) {
        let uid = super::fields::uid(object).to_owned();
        self.changes.push(Change::Delete { key, uid, propagation, grace: None });
    }

    /// An event of one of the controllers of the controller manager.
    pub(crate) fn event(
        &mut self,
        regarding: &Value,
        component: &'static str,
        warning: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let (regarding, message) = (regarding.clone(), message.into());
        let (field_path, host) = (String::new(), String::new());
        self.changes.push(Change::Event(Event { regarding, field_path, warning, reason, message, component, host }));
    }
}
