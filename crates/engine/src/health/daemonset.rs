use api::argocd::HealthStatus;
use object::LiveObject;

use super::{healthy, is_stale, number, progressing, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if is_stale(live) {
        return progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        );
    }
    let wanted = number(live, "/status/desiredNumberScheduled");
    let updated = number(live, "/status/updatedNumberScheduled");
    let available = number(live, "/status/numberAvailable");
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return healthy(format!("daemon set {updated} out of {wanted} new pods have been updated"));
    }
    let wait = format!("Waiting for daemon set {:?} rollout to finish:", live.name());
    if updated < wanted {
        return progressing(format!("{wait} {updated} out of {wanted} new pods have been updated..."));
    }
    if available < wanted {
        return progressing(format!("{wait} {available} of {wanted} updated pods are available..."));
    }
    healthy("")
}
