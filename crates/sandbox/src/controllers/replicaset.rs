//! ReplicaSets, and the older ReplicationControllers: as many pods as wanted, the least useful ones go first.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Failures;
use super::fields::{
    condition, controller_ref, int, is_true, key_of, leaving, name, namespace, plus, safe_hash, set_condition, text,
    time_at, uid,
};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "replicaset-controller";
/// So many pods are made or deleted at once.
const BURST: usize = 500;

pub(super) fn reconcile(view: &Snapshot, failures: &Failures, key: &Key, set: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let pods = view.controlled(uid(set), "pods");
    let active: Vec<&Value> = pods.iter().map(|pod| &***pod).filter(|pod| is_active(pod)).collect();
    if !leaving(set) {
        let missing = int(set, "/spec/replicas") - active.len() as i64;
        if missing > 0 {
            let count = usize::try_from(missing).unwrap_or(0).min(BURST);
            (0..count).for_each(|_| outcome.create(pod_of(set)));
        } else if missing < 0 {
            let count = usize::try_from(-missing).unwrap_or(0).min(BURST);
            remove(&mut outcome, set, &active, count, now);
        }
    }
    let status = status(set, &pods.iter().map(|pod| &***pod).collect::<Vec<_>>(), failures, now, &mut outcome);
    outcome.status(key, set, status, manager::CONTROLLERS);
    outcome
}

pub(super) fn is_active(pod: &Value) -> bool {
    !leaving(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    is_true(&pod["status"], "Ready")
}

/// Ready for at least `seconds`.
pub(super) fn is_available(pod: &Value, seconds: i64, now: Timestamp) -> bool {
    is_ready(pod) && available_at(pod, seconds).is_some_and(|at| at <= now)
}

/// When a ready pod becomes available.
pub(super) fn available_at(pod: &Value, seconds: i64) -> Option<Timestamp> {
    let ready = condition(&pod["status"], "Ready").filter(|condition| condition["status"] == "True")?;
    time_at(ready, "/lastTransitionTime").map(|since| plus(since, seconds))
}

/// A pod of a controller's template.
pub(super) fn pod_of(owner: &Value) -> Value {
    let template = &owner["spec"]["template"];
    let mut metadata = json!({
        "generateName": format!("{}-", name(owner)),
        "namespace": namespace(owner),
        "ownerReferences": [controller_ref(owner)],
    });
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(given) = template["metadata"].get(part).filter(|given| !given.is_null()) {
            metadata[part] = given.clone();
        }
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

/// Takes pods away in the order of Kubernetes: not placed, not running, not ready, newest.
fn remove(outcome: &mut Outcome, set: &Value, active: &[&Value], count: usize, now: Timestamp) {
    let component = if set["kind"] == "ReplicaSet" { COMPONENT } else { "replication-controller" };
    let mut order: Vec<&&Value> = active.iter().collect();
    order.sort_by_key(|pod| usefulness(pod, now));
    for pod in order.into_iter().take(count) {
        outcome.delete(key_of("pods", pod), pod, "Background");
        outcome.event(set, component, false, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
    }
}

/// The smallest goes first.
pub(super) fn usefulness(pod: &Value, now: Timestamp) -> (bool, u8, bool, std::cmp::Reverse<Timestamp>, String) {
    let phase = match text(pod, "/status/phase") {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let created = time_at(pod, "/metadata/creationTimestamp").unwrap_or(now);
    let placed = !text(pod, "/spec/nodeName").is_empty();
    (placed, phase, is_ready(pod), std::cmp::Reverse(created), safe_hash(&pod["metadata"]["uid"]))
}

fn status(set: &Value, pods: &[&Value], failures: &Failures, now: Timestamp, outcome: &mut Outcome) -> Value {
    let minimum = int(set, "/spec/minReadySeconds");
    let active: Vec<&&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let available = active.iter().filter(|pod| is_available(pod, minimum, now)).count();
    let soon = active.iter().filter_map(|pod| available_at(pod, minimum)).filter(|at| *at > now).min();
    soon.into_iter().for_each(|at| outcome.again(at));
    let wanted = &set["spec"]["template"]["metadata"]["labels"];
    let fits = |pod: &Value| super::routes::chooses(wanted, &pod["metadata"]["labels"]);
    let labeled = active.iter().filter(|pod| fits(pod)).count();
    let terminating =
        pods.iter().filter(|pod| leaving(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")).count();
    let mut status = json!({ "replicas": active.len(), "observedGeneration": set["metadata"]["generation"] });
    if set["kind"] == "ReplicaSet" {
        status["terminatingReplicas"] = json!(terminating);
    }
    for (field, count) in
        [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    if let Some(why) = failures.get(uid(set)) {
        status["conditions"] = set["status"]["conditions"].clone();
        set_condition(&mut status, "ReplicaFailure", "True", "FailedCreate", &why.message, now);
    }
    status
}
