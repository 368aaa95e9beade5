use api::argocd::{HealthStatus, HealthStatusCode};
use object::LiveObject;

use super::{degraded, healthy, progressing, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    match text(live, "/status/phase") {
        "Lost" => degraded(""),
        "Pending" => progressing(""),
        "Bound" => healthy(""),
        _ => HealthStatus::new(HealthStatusCode::Unknown, ""),
    }
}
