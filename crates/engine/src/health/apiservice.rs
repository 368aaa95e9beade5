use api::argocd::HealthStatus;
use object::LiveObject;

use super::{healthy, progressing, status_conditions};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let Some(available) = status_conditions(live).find(|c| c.kind == "Available") else {
        return progressing("Waiting to be processed");
    };
    let message = format!("{}: {}", available.reason, available.message);
    if available.status == "True" { healthy(message) } else { progressing(message) }
}
