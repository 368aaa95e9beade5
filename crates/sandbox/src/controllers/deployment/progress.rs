//! The status of a Deployment: numbers and conditions, in the words of the real controller (1.36).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::fields::{condition, int, list, name, plus, set_condition, time, time_at};
use super::super::outcome::Outcome;
use super::sets::{Sets, replicas};
use super::{bounds, failure};

const DONE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// All pods wanted are of the new template and available.
pub(super) fn complete(deployment: &Value, status: &Value) -> bool {
    let wanted = int(deployment, "/spec/replicas");
    let all = ["/updatedReplicas", "/replicas", "/availableReplicas"].iter().all(|field| int(status, field) == wanted);
    all && int(status, "/observedGeneration") >= int(deployment, "/metadata/generation")
}

fn deadline(deployment: &Value) -> Option<i64> {
    deployment["spec"]["progressDeadlineSeconds"].as_i64().filter(|seconds| *seconds != i64::from(i32::MAX))
}

fn progressing(status: &mut Value, is: &str, reason: &str, message: &str, now: Timestamp) {
    put(status, "Progressing", is, reason, message, now);
}

/// A condition that is set anew moves to the end.
fn put(status: &mut Value, kind: &str, is: &str, reason: &str, message: &str, now: Timestamp) {
    set_condition(status, kind, is, reason, message, now);
    stamp(status, kind, now);
    if let Some(all) = status["conditions"].as_array_mut() {
        all.sort_by_key(|condition| condition["type"] == kind);
    }
}

fn stamp(status: &mut Value, kind: &str, now: Timestamp) {
    let found = status["conditions"].as_array_mut().into_iter().flatten().find(|condition| condition["type"] == kind);
    found.into_iter().for_each(|condition| condition["lastUpdateTime"] = time(now));
}

fn forget(status: &mut Value, kind: &str) {
    if let Some(all) = status["conditions"].as_array_mut() {
        all.retain(|condition| condition["type"] != kind);
    }
}

fn reason<'s>(status: &'s Value, kind: &str) -> &'s str {
    condition(status, kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

/// A pause stops the clock of the deadline; going on starts it again.
pub(super) fn note_pause(deployment: &Value, status: &mut Value, now: Timestamp) {
    if deadline(deployment).is_none() || reason(status, "Progressing") == TIMED_OUT {
        return;
    }
    let paused = deployment["spec"]["paused"] == true;
    let noted = reason(status, "Progressing") == "DeploymentPaused";
    if paused && !noted {
        progressing(status, "Unknown", "DeploymentPaused", "Deployment is paused", now);
    } else if !paused && noted {
        progressing(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now);
    }
}

pub(super) fn note_new_set(deployment: &Value, status: &mut Value, set: &str, now: Timestamp) {
    if deadline(deployment).is_some() {
        progressing(status, "True", "NewReplicaSetCreated", &format!("Created new replica set {set:?}"), now);
    }
}

pub(super) fn note_found_set(deployment: &Value, status: &mut Value, set: &str, now: Timestamp) {
    if deadline(deployment).is_some() && condition(status, "Progressing").is_none() {
        progressing(status, "True", "FoundNewReplicaSet", &format!("Found new replica set {set:?}"), now);
    }
}

/// Counts anew and judges the progress by what was counted before.
pub(super) fn update(outcome: &mut Outcome, deployment: &Value, sets: &Sets<'_>, status: &mut Value, now: Timestamp) {
    let old = deployment["status"].clone();
    count(deployment, sets, status);
    availability(deployment, status, now);
    match failure(sets) {
        Some(why) => {
            let (reason, message) =
                (why["reason"].as_str().unwrap_or_default(), why["message"].as_str().unwrap_or_default());
            let known = condition(status, "ReplicaFailure").is_some_and(|before| before["message"] == message);
            set_condition(status, "ReplicaFailure", "True", reason, message, now);
            if !known {
                stamp(status, "ReplicaFailure", now);
            }
        }
        None => forget(status, "ReplicaFailure"),
    }
    if deployment["spec"]["paused"] != true {
        judge(outcome, deployment, sets, &old, status, now);
    }
}

fn count(deployment: &Value, sets: &Sets<'_>, status: &mut Value) {
    let available = sets.sum("/status/availableReplicas");
    let counts = [
        ("replicas", sets.sum("/status/replicas")),
        ("updatedReplicas", sets.new.map_or(0, |new| int(new, "/status/replicas"))),
        ("readyReplicas", sets.sum("/status/readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (sets.total() - available).max(0)),
    ];
    for (field, number) in counts {
        if number == 0 {
            status.as_object_mut().map(|status| status.remove(field));
        } else {
            status[field] = json!(number);
        }
    }
    status["terminatingReplicas"] = json!(sets.sum("/status/terminatingReplicas"));
    status["observedGeneration"] = deployment["metadata"]["generation"].clone();
}

fn availability(deployment: &Value, status: &mut Value, now: Timestamp) {
    let least = int(deployment, "/spec/replicas") - bounds(deployment).1;
    let enough = int(status, "/availableReplicas") >= least;
    let (is, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    if condition(status, "Available").is_none_or(|before| before["status"] != is) {
        put(status, "Available", is, reason, message, now);
    }
}

fn judge(outcome: &mut Outcome, deployment: &Value, sets: &Sets<'_>, old: &Value, status: &mut Value, now: Timestamp) {
    let Some(seconds) = deadline(deployment) else {
        forget(status, "Progressing");
        return;
    };
    if list(status, "/conditions").is_empty() {
        return;
    }
    let subject = match sets.new {
        Some(new) => format!("ReplicaSet {:?}", name(new)),
        None => format!("Deployment {:?}", name(deployment)),
    };
    // a finished rollout stays finished until there is a new set
    if int(status, "/replicas") == int(status, "/updatedReplicas") && reason(status, "Progressing") == DONE {
        return;
    }
    let more = |field: &str| int(status, field) > int(old, field);
    let old_pods = |status: &Value| int(status, "/replicas") - int(status, "/updatedReplicas");
    let moved = more("/updatedReplicas")
        || more("/readyReplicas")
        || more("/availableReplicas")
        || old_pods(status) < old_pods(old);
    if complete(deployment, status) && sets.new.is_some() {
        if self::reason(status, "Progressing") == DONE {
            return;
        }
        progressing(status, "True", DONE, &format!("{subject} has successfully progressed."), now);
    } else if moved {
        progressing(status, "True", "ReplicaSetUpdated", &format!("{subject} is progressing."), now);
    } else if timed_out(status, seconds, now) {
        if reason(status, "Progressing") != TIMED_OUT {
            progressing(status, "False", TIMED_OUT, &format!("{subject} has timed out progressing."), now);
        }
        return;
    }
    let since = condition(status, "Progressing").and_then(|c| time_at(c, "/lastUpdateTime"));
    let waiting = sets.all().any(|set| replicas(set) > 0) && reason(status, "Progressing") != DONE;
    if let Some(since) = since.filter(|_| waiting) {
        outcome.again(plus(since, seconds + 1));
    }
}

fn timed_out(status: &Value, seconds: i64, now: Timestamp) -> bool {
    let Some(condition) = condition(status, "Progressing") else { return false };
    match condition["reason"].as_str() {
        Some(DONE) => false,
        Some(TIMED_OUT) => true,
        _ => time_at(condition, "/lastUpdateTime").is_some_and(|since| plus(since, seconds) < now),
    }
}
