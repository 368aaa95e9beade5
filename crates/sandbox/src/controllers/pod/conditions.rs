//! The phase and the conditions of a pod, from its containers.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::fields::{condition, is_true, list, set_condition, text, time};

/// Sets phase and conditions.
pub(super) fn judge(pod: &Value, status: &mut Value, initialized: bool, can_start: bool, now: Timestamp) {
    let phase = phase(pod, status);
    status["phase"] = json!(phase);
    let done = matches!(phase, "Succeeded" | "Failed");
    set(pod, status, "PodReadyToStartContainers", can_start && !done, "", "", now);
    let waiting = unready(status, "/initContainerStatuses");
    match (initialized, phase) {
        (true, "Succeeded") => set(pod, status, "Initialized", true, "PodCompleted", "", now),
        (true, _) => set(pod, status, "Initialized", true, "", "", now),
        (false, _) => {
            let message = format!("containers with incomplete status: [{}]", waiting.join(" "));
            set(pod, status, "Initialized", false, "ContainersNotInitialized", &message, now);
        }
    }
    let unready = unready(status, "/containerStatuses");
    let (reason, message) = match phase {
        "Succeeded" => ("PodCompleted", String::new()),
        "Failed" => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" "))),
    };
    let containers = unready.is_empty() && initialized && !done;
    let gate = list(pod, "/spec/readinessGates")
        .iter()
        .map(|gate| text(gate, "/conditionType"))
        .find(|gate| !is_true(status, gate));
    match gate {
        Some(gate) if containers => {
            let state = condition(status, gate)
                .map_or("does not exist".to_owned(), |found| format!("is not \"True\", but {}", found["status"]));
            let message = format!("corresponding condition of pod readiness gate {gate:?} {state}.");
            set(pod, status, "Ready", false, "ReadinessGatesNotReady", &message, now);
        }
        _ => set_ready(pod, status, "Ready", containers, reason, &message, now),
    }
    set_ready(pod, status, "ContainersReady", containers, reason, &message, now);
    set(pod, status, "PodScheduled", true, "", "", now);
    in_order(status);
}

fn set_ready(pod: &Value, status: &mut Value, kind: &str, is: bool, reason: &str, message: &str, now: Timestamp) {
    let (reason, message) = if is { ("", "") } else { (reason, message) };
    set(pod, status, kind, is, reason, message, now);
}

fn set(pod: &Value, status: &mut Value, kind: &str, is: bool, reason: &str, message: &str, now: Timestamp) {
    set_condition(status, kind, if is { "True" } else { "False" }, reason, message, now);
    let found = status["conditions"].as_array_mut().into_iter().flatten().find(|condition| condition["type"] == kind);
    if let Some(condition) = found {
        condition["lastProbeTime"] = Value::Null;
        condition["observedGeneration"] = pod["metadata"]["generation"].clone();
    }
}

/// The kubelet's conditions in its order, then those of others.
fn in_order(status: &mut Value) {
    const ORDER: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    let place = |condition: &Value| ORDER.iter().position(|kind| condition["type"] == *kind).unwrap_or(ORDER.len());
    status["conditions"].as_array_mut().into_iter().for_each(|all| all.sort_by_key(place));
}

fn unready(status: &Value, pointer: &str) -> Vec<String> {
    list(status, pointer)
        .iter()
        .filter(|container| container["ready"] != true)
        .map(|container| text(container, "/name").to_owned())
        .collect()
}

fn phase(pod: &Value, status: &Value) -> &'static str {
    let containers = list(status, "/containerStatuses");
    let policy = text(pod, "/spec/restartPolicy");
    let init_failed = policy == "Never"
        && list(status, "/initContainerStatuses")
            .iter()
            .any(|c| c["state"]["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0));
    if init_failed {
        return "Failed";
    }
    let exit = |container: &Value| container["state"]["terminated"]["exitCode"].as_i64();
    let started = |container: &Value| {
        container["state"].get("waiting").is_none() || container["lastState"].get("terminated").is_some()
    };
    if containers.is_empty() || !containers.iter().all(started) {
        return "Pending";
    }
    let over =
        |container: &Value| exit(container).is_some_and(|code| policy == "Never" || policy == "OnFailure" && code == 0);
    if !containers.iter().all(over) {
        return "Running";
    }
    if containers.iter().all(|container| exit(container) == Some(0)) { "Succeeded" } else { "Failed" }
}

/// A pod whose containers were ended because it is deleted.
pub(super) fn stopped(pod: &Value, now: Timestamp) -> Value {
    let mut status = pod["status"].clone();
    end(&mut status, 0, "Completed", now);
    let unready = unready(&status, "/containerStatuses");
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    for kind in ["Ready", "ContainersReady"] {
        set(pod, &mut status, kind, false, "ContainersNotReady", &message, now);
    }
    status["phase"] = json!("Succeeded");
    status
}

/// A pod that was active for longer than it may.
pub(super) fn expired(pod: &Value, before: &Value, now: Timestamp) -> Value {
    let mut status = before.clone();
    end(&mut status, 137, "Error", now);
    for kind in ["Ready", "ContainersReady"] {
        set(pod, &mut status, kind, false, "PodFailed", "", now);
    }
    status["phase"] = json!("Failed");
    status["reason"] = json!("DeadlineExceeded");
    status["message"] = json!("Pod was active on the node longer than the specified deadline");
    status
}

fn end(status: &mut Value, code: i64, reason: &str, now: Timestamp) {
    for container in status["containerStatuses"].as_array_mut().into_iter().flatten() {
        if let Some(running) = container["state"].get("running") {
            let terminated = json!({
                "exitCode": code, "reason": reason, "startedAt": running["startedAt"], "finishedAt": time(now),
                "containerID": container["containerID"],
            });
            container["state"] = json!({ "terminated": terminated });
        }
        container["ready"] = json!(false);
        container["started"] = json!(false);
    }
}
