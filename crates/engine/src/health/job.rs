use api::argocd::HealthStatus;
use object::LiveObject;

use super::{degraded, healthy, progressing, status_conditions, suspended};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let mut failure = None;
    let mut done = None;
    let mut is_suspended = false;
    for condition in status_conditions(live) {
        match condition.kind {
            "Failed" => failure = Some(condition.message),
            "Complete" => done = Some(condition.message),
            "Suspended" => {
                done = Some(condition.message);
                is_suspended |= condition.status == "True";
            }
            _ => {}
        }
    }
    match (failure, done) {
        (Some(message), _) => degraded(message),
        (None, None) => progressing(""),
        (None, Some(_)) if is_suspended => suspended(""),
        (None, Some(message)) => healthy(message),
    }
}
