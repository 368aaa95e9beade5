use api::argocd::HealthStatus;
use object::LiveObject;

use super::{degraded, healthy, progressing, status_conditions};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    for condition in status_conditions(live).filter(|c| c.kind == "DisruptionAllowed") {
        return match condition.status {
            "True" => healthy(condition.reason),
            _ if condition.reason == "SyncFailed" => degraded(condition.message),
            _ => healthy(condition.reason),
        };
    }
    progressing("Waiting for status")
}
