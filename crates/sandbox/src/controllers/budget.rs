//! PodDisruptionBudgets: how many pods may be evicted now.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{controller, int, leaving, namespace, scaled, set_condition, uid};
use super::outcome::{Outcome, manager};
use super::replicaset::{is_active, is_ready};
use super::snapshot::Snapshot;
use crate::selector::label_selector_matches;
use crate::store::Key;

pub(super) fn reconcile(view: &Snapshot, key: &Key, budget: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let chosen = |pod: &&Value| {
        label_selector_matches(&budget["spec"]["selector"], &pod["metadata"]["labels"]) && is_active(pod)
    };
    let pods: Vec<&Value> = view.list("pods", namespace(budget)).map(|pod| &**pod).filter(chosen).collect();
    let count = i64::try_from(pods.len()).unwrap_or(0);
    let healthy = pods.iter().filter(|pod| is_ready(pod) && !leaving(pod)).count() as i64;
    let least = &budget["spec"]["minAvailable"];
    let (expected, desired) = if let Some(number) = least.as_i64() {
        (count, number)
    } else if least.is_string() {
        let expected = scale(view, &pods);
        (expected, scaled(least, expected, true))
    } else {
        let expected = scale(view, &pods);
        (expected, (expected - scaled(&budget["spec"]["maxUnavailable"], expected, true)).max(0))
    };
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut status = json!({
        "observedGeneration": budget["metadata"]["generation"], "expectedPods": expected, "desiredHealthy": desired,
        "currentHealthy": healthy, "disruptionsAllowed": allowed, "conditions": budget["status"]["conditions"],
    });
    let (is, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut status, "DisruptionAllowed", is, reason, "", now);
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["message"] = json!("");
        condition["observedGeneration"] = budget["metadata"]["generation"].clone();
    }
    outcome.status(key, budget, status, manager::CONTROLLERS);
    outcome
}

/// What the controllers of the pods want together; each counts once.
fn scale(view: &Snapshot, pods: &[&Value]) -> i64 {
    let mut owners: Vec<&Value> = Vec::new();
    for owner in pods.iter().filter_map(|pod| top(view, pod)) {
        if !owners.iter().any(|known| uid(known) == uid(owner)) {
            owners.push(owner);
        }
    }
    owners.iter().map(|owner| int(owner, "/spec/replicas")).sum()
}

/// The controller of the pod, or that one's own (of a ReplicaSet, its Deployment).
fn top<'v>(view: &'v Snapshot, pod: &Value) -> Option<&'v Value> {
    let by = |object: &Value| {
        controller(object)?["uid"].as_str().and_then(|owner| view.with_uid(owner)).map(|(_, owner)| &**owner)
    };
    let first = by(pod)?;
    Some(by(first).unwrap_or(first))
}
