use api::argocd::{HealthStatus, HealthStatusCode, names};
use object::LiveObject;
use serde_json::Value;

use super::{at, degraded, healthy, progressing, status_conditions, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let always = restarts_always(live);
    if always && let Some(problem) = waiting_messages(live) {
        return degraded(problem);
    }
    let message = text(live, "/status/message");
    let problem = || if message.is_empty() { waiting_problem(live).unwrap_or_default() } else { message.to_owned() };
    match text(live, "/status/phase") {
        "Pending" => progressing(problem()),
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
    at(live.value(), "/status/containerStatuses").and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_problem(reason: &str) -> bool {
    reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
}

fn waiting_messages(live: &LiveObject) -> Option<String> {
    let messages: Vec<String> = container_statuses(live)
        .filter(|status| is_problem(field(status, "/state/waiting/reason")))
        .map(|status| {
            let message = field(status, "/state/waiting/message");
            last_end(status).map_or_else(|| message.to_owned(), |end| format!("{message}; {end}"))
        })
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

/// How a container ended the last time, with the last line that it left: `container "web": Error, exit code 1: no database`.
fn last_end(status: &Value) -> Option<String> {
    let end = at(status, "/lastState/terminated").filter(|end| !end.is_null())?;
    let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    let line = field(end, "/message").lines().rfind(|line| !line.trim().is_empty());
    let line = line.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    Some(format!("container {:?}: {}, exit code {code}{line}", field(status, "/name"), field(end, "/reason")))
}

/// The reason and message of the first container, init or not, that waits because something is wrong, such as
/// `ImagePullBackOff: Back-off pulling image "x:1"`, or why no node takes the pod.
pub fn waiting_problem(pod: &LiveObject) -> Option<String> {
    let init = at(pod.value(), "/status/initContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    let waits = |status: &&Value| {
        let reason = field(status, "/state/waiting/reason");
        is_problem(reason) || reason == "InvalidImageName"
    };
    if let Some(status) = init.chain(container_statuses(pod)).find(waits) {
        let said = with_reason(field(status, "/state/waiting/reason"), field(status, "/state/waiting/message"));
        return Some(last_end(status).map_or_else(|| said.clone(), |end| format!("{said}; {end}")));
    }
    let unscheduled = status_conditions(pod).find(|c| c.kind == "PodScheduled" && c.status == "False")?;
    Some(with_reason(unscheduled.reason, unscheduled.message))
}

fn with_reason(reason: &str, message: &str) -> String {
    if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
}

fn running(live: &LiveObject, message: &str) -> HealthStatus {
    if status_conditions(live).any(|c| c.kind == "Ready" && c.status == "True") {
        return healthy(message);
    }
    match container_statuses(live).find_map(last_end) {
        Some(end) if message.is_empty() => degraded(end),
        Some(_) => degraded(message),
        None => progressing(message),
    }
}

/// Why the pod failed: its own message, else that of its first failed container.
fn failure(live: &LiveObject) -> String {
    let message = text(live, "/status/message");
    if !message.is_empty() {
        return message.to_owned();
    }
    let init = at(live.value(), "/status/initContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    init.chain(container_statuses(live)).find_map(container_failure).unwrap_or_default()
}

fn container_failure(status: &Value) -> Option<String> {
    let ended = at(status, "/state/terminated").filter(|t| !t.is_null())?;
    let (message, reason) = (field(ended, "/message"), field(ended, "/reason"));
    let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    match () {
        () if !message.is_empty() => Some(message.to_owned()),
        () if reason == "OOMKilled" => Some(reason.to_owned()),
        () if code != 0 => Some(format!("container {:?} failed with exit code {code}", field(status, "/name"))),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(status: Value) -> String {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"restartPolicy": "Always"}, "status": status,
        });
        let health = health(&LiveObject::new(pod).unwrap());
        format!("{} {}", health.status, health.message)
    }

    #[test]
    fn a_crash_names_the_container_the_reason_and_its_last_line() {
        let ended =
            json!({"terminated": {"reason": "Error", "exitCode": 1, "message": "starting\npanic: no database\n\n"}});
        let waits = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=web"}});
        assert_eq!(
            message(
                json!({"phase": "Running", "containerStatuses": [{"name": "web", "state": waits, "lastState": ended}]})
            ),
            "Degraded back-off 10s restarting failed container=web; container \"web\": Error, exit code 1: panic: no database"
        );
        let runs = json!({"running": {}});
        assert_eq!(
            message(
                json!({"phase": "Running", "containerStatuses": [{"name": "web", "state": runs, "lastState": ended}]})
            ),
            "Degraded container \"web\": Error, exit code 1: panic: no database"
        );
    }

    #[test]
    fn what_a_crashed_container_waits_for_has_its_last_line_too() {
        let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
        let waits = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "status": {"containerStatuses": [{"name": "web", "state": waits, "lastState": ended}]}});
        let said = waiting_problem(&LiveObject::new(pod).unwrap());
        assert_eq!(
            said.as_deref(),
            Some("CrashLoopBackOff: back-off 10s; container \"web\": OOMKilled, exit code 137")
        );
    }

    #[test]
    fn a_pod_that_waits_says_what_for() {
        let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"});
        assert_eq!(
            message(json!({"phase": "Pending", "conditions": [unscheduled]})),
            "Progressing Unschedulable: 0/3 nodes are available"
        );
        let init =
            json!({"name": "wait", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}});
        assert_eq!(
            message(json!({"phase": "Pending", "initContainerStatuses": [init]})),
            "Progressing ImagePullBackOff: no such image"
        );
    }
}
