use api::argocd::HealthStatus;
use object::LiveObject;

use super::{degraded, healthy, progressing, status_conditions};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    match status_conditions(live).find(|c| c.kind == "DisruptionAllowed") {
        Some(condition) if condition.status != "True" && condition.reason == "SyncFailed" => {
            degraded(condition.message)
        }
        Some(condition) => healthy(condition.reason),
        None => progressing("Waiting for status"),
    }
}
