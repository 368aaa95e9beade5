use api::argocd::HealthStatus;
use object::LiveObject;

use super::{degraded, healthy, is_stale, number, optional_number, progressing, status_conditions};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if is_stale(live) {
        return progressing(
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        );
    }
    if let Some(failure) = status_conditions(live).find(|c| c.kind == "ReplicaFailure" && c.status == "True") {
        return degraded(failure.message);
    }
    let available = number(live, "/status/availableReplicas");
    match optional_number(live, "/spec/replicas") {
        Some(wanted) if available < wanted => progressing(format!(
            "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        )),
        _ => healthy(""),
    }
}
