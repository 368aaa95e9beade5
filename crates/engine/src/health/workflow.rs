use api::argocd::{HealthStatus, HealthStatusCode};
use object::LiveObject;

use super::{degraded, healthy, progressing, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let message = text(live, "/status/message");
    match text(live, "/status/phase") {
        "" | "Pending" | "Running" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" | "Error" => degraded(message),
        _ => HealthStatus::new(HealthStatusCode::Unknown, message),
    }
}
