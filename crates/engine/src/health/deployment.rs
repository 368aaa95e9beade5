use api::argocd::HealthStatus;
use object::LiveObject;
use serde_json::Value;

use super::{at, degraded, healthy, is_stale, number, optional_number, progressing, status_conditions, suspended};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if at(live.value(), "/spec/paused").and_then(Value::as_bool) == Some(true) {
        return suspended("Deployment is paused");
    }
    if is_stale(live) {
        return progressing(
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        );
    }
    let late = |c: super::Condition<'_>| c.kind == "Progressing" && c.reason == "ProgressDeadlineExceeded";
    if status_conditions(live).any(late) {
        return degraded(format!("Deployment {:?} exceeded its progress deadline", live.name()));
    }
    let updated = number(live, "/status/updatedReplicas");
    let total = number(live, "/status/replicas");
    let available = number(live, "/status/availableReplicas");
    let wait = "Waiting for rollout to finish:";
    match optional_number(live, "/spec/replicas") {
        Some(wanted) if updated < wanted => {
            progressing(format!("{wait} {updated} out of {wanted} new replicas have been updated..."))
        }
        _ if total > updated => {
            progressing(format!("{wait} {} old replicas are pending termination...", total - updated))
        }
        _ if available < updated => {
            progressing(format!("{wait} {available} of {updated} updated replicas are available..."))
        }
        _ => healthy(""),
    }
}
