//! Nodes that somebody adds: each is taken to be a machine that works.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{condition, time};
use super::outcome::{Outcome, manager};
use crate::store::Key;

pub(super) fn reconcile(key: &Key, node: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    if condition(&node["status"], "Ready").is_some() {
        return outcome;
    }
    let mut status = if node["status"].is_object() { node["status"].clone() } else { json!({}) };
    let known = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let conditions = known.map(|(kind, is, reason, message)| {
        json!({ "type": kind, "status": is, "reason": reason, "message": message, "lastHeartbeatTime": time(now), "lastTransitionTime": time(now) })
    });
    status["conditions"] = json!(conditions);
    outcome.status(key, node, status, manager::KUBELET);
    outcome
}
