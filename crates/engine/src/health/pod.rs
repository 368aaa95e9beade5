use api::argocd::{HealthStatus, HealthStatusCode, names};
use object::LiveObject;
use serde_json::Value;

use super::{degraded, healthy, progressing, status_conditions, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let always = restarts_always(live);
    if always && let Some(problem) = waiting_messages(live) {
        return degraded(problem);
    }
    let message = text(live, "/status/message");
    match text(live, "/status/phase") {
        "Pending" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" => degraded(failure(live)),
        "Running" if always => running(live, message),
        "Running" => progressing(message),
        _ => HealthStatus::new(HealthStatusCode::Unknown, message),
    }
}

/// Pods that run to an end are judged by their end, not by readiness, unless an annotation says otherwise.
fn restarts_always(live: &LiveObject) -> bool {
    let is_hook = live.annotation(names::HOOK).is_some() || live.annotation(names::HELM_HOOK).is_some();
    let ignores = live.annotation("argocd.argoproj.io/ignore-restart-policy") == Some("true");
    text(live, "/spec/restartPolicy") == "Always" || (ignores && !is_hook)
}

fn container_statuses(live: &LiveObject) -> impl Iterator<Item = &Value> {
    live.value().pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_problem(reason: &str) -> bool {
    reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
}

fn waiting_messages(live: &LiveObject) -> Option<String> {
    let messages: Vec<&str> = container_statuses(live)
        .filter(|status| is_problem(field(status, "/state/waiting/reason")))
        .map(|status| field(status, "/state/waiting/message"))
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

/// The reason and message of the first container, init or not, that waits because something is wrong, such as
/// `ImagePullBackOff: Back-off pulling image "x:1"`, or why no node takes the pod.
pub fn waiting_problem(pod: &LiveObject) -> Option<String> {
    let init = pod.value().pointer("/status/initContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    let waits = |status: &&Value| {
        let reason = field(status, "/state/waiting/reason");
        is_problem(reason) || reason == "InvalidImageName"
    };
    let status = init.chain(container_statuses(pod)).find(waits);
    let status = status.map(|s| (field(s, "/state/waiting/reason"), field(s, "/state/waiting/message")));
    let unscheduled = || {
        let found = status_conditions(pod).find(|c| c.kind == "PodScheduled" && c.status == "False")?;
        Some((found.reason, found.message))
    };
    let (reason, message) = status.or_else(unscheduled)?;
    Some(if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") })
}

fn running(live: &LiveObject, message: &str) -> HealthStatus {
    if status_conditions(live).any(|c| c.kind == "Ready" && c.status == "True") {
        return healthy(message);
    }
    let crashed = |status: &Value| status.pointer("/lastState/terminated").is_some_and(|t| !t.is_null());
    if container_statuses(live).any(crashed) { degraded(message) } else { progressing(message) }
}

/// Why the pod failed: its own message, else that of its first failed container.
fn failure(live: &LiveObject) -> String {
    let message = text(live, "/status/message");
    if !message.is_empty() {
        return message.to_owned();
    }
    let init = live.value().pointer("/status/initContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    init.chain(container_statuses(live)).find_map(container_failure).unwrap_or_default()
}

fn container_failure(status: &Value) -> Option<String> {
    let ended = status.pointer("/state/terminated").filter(|t| !t.is_null())?;
    let (message, reason) = (field(ended, "/message"), field(ended, "/reason"));
    let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    match () {
        () if !message.is_empty() => Some(message.to_owned()),
        () if reason == "OOMKilled" => Some(reason.to_owned()),
        () if code != 0 => Some(format!("container {:?} failed with exit code {code}", field(status, "/name"))),
        () => None,
    }
}
