//! A member's Lease as it is in the Kubernetes API, and what a process does about its own.

use std::time::Duration;

use jiff::Timestamp;
use object::{GroupKind, LiveObject};
use serde_json::{Value, json};

use super::roster::LASTS;

/// What the Lease of `gantline serve --replica NAME` is called: this and the name.
const PREFIX: &str = "gantline-";
/// Marks the Leases of members.
pub(crate) const MEMBER_LABEL: &str = "gantline.dev/member";

pub(crate) fn kind() -> GroupKind {
    GroupKind::new("coordination.k8s.io", "Lease")
}

/// What a Lease says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Of the object, and so of the member.
    pub(crate) name: String,
    /// The process: one that is started again under the same name is another.
    pub(crate) holder: String,
    pub(crate) acquired: String,
    /// As it is written, on a clock that is not ours: good for seeing that it changes and for nothing else.
    pub(crate) renewed: String,
    pub(crate) lasts: Duration,
    pub(crate) transitions: u64,
    pub(crate) version: String,
}

impl Lease {
    pub(crate) fn read(object: &LiveObject) -> Self {
        let spec = &object.value()["spec"];
        let text = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: object.name().to_owned(),
            holder: text("holderIdentity"),
            acquired: text("acquireTime"),
            renewed: text("renewTime"),
            lasts: spec["leaseDurationSeconds"].as_u64().map_or(LASTS, Duration::from_secs),
            transitions: spec["leaseTransitions"].as_u64().unwrap_or_default(),
            version: object.value()["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// Who a process is among the members.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) namespace: String,
    /// The name of its Lease.
    pub(crate) lease: String,
    pub(crate) holder: String,
}

/// What a process does about its own Lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim {
    Create(Value),
    /// Only over the version that was seen.
    Replace(Value),
    /// A process that was started later under the same name has it.
    Leave,
}

impl Identity {
    pub(crate) fn new(namespace: &str, replica: &str, id: &str) -> Self {
        Self { namespace: namespace.to_owned(), lease: format!("{PREFIX}{replica}"), holder: format!("{replica}_{id}") }
    }

    /// The newest process of a name is the member: it takes the Lease of one that was killed at once, and one that lives
    /// on gives way. `held`: this process had it before; `alive`: whoever has it renews it.
    pub(crate) fn claim(&self, found: Option<&Lease>, held: bool, alive: bool, now: Timestamp) -> Claim {
        let Some(found) = found else { return Claim::Create(self.lease(&time(now), now, 0, "")) };
        if found.holder == self.holder {
            return Claim::Replace(self.lease(&found.acquired, now, found.transitions, &found.version));
        }
        if held && alive {
            return Claim::Leave;
        }
        Claim::Replace(self.lease(&time(now), now, found.transitions + 1, &found.version))
    }

    fn lease(&self, acquired: &str, now: Timestamp, transitions: u64, version: &str) -> Value {
        let mut metadata = json!({
            "name": self.lease, "namespace": self.namespace,
            "labels": { "app.kubernetes.io/part-of": "argocd", MEMBER_LABEL: "true" },
        });
        if !version.is_empty() {
            metadata["resourceVersion"] = version.into();
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
            "spec": {
                "holderIdentity": self.holder, "leaseDurationSeconds": LASTS.as_secs(), "leaseTransitions": transitions,
                "acquireTime": acquired, "renewTime": time(now),
            },
        })
    }
}

/// Kubernetes wants all six digits of a `MicroTime`.
fn time(now: Timestamp) -> String {
    format!("{now:.6}")
}
