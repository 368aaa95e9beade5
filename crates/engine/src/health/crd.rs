use api::argocd::HealthStatus;
use object::LiveObject;

use super::{degraded, healthy, progressing, status_conditions};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let condition = |kind: &str| status_conditions(live).find(|c| c.kind == kind);
    if let Some(terminating) = condition("Terminating").filter(|c| c.status == "True") {
        return progressing(format!("CRD is being terminated: {}", terminating.message));
    }
    if let Some(names) = condition("NamesAccepted").filter(|c| c.status == "False") {
        return degraded(format!("CRD names have not been accepted: {}", names.message));
    }
    match condition("Established") {
        Some(established) if established.status == "True" => healthy("CRD is healthy"),
        Some(established) => degraded(format!("CRD is not established: {}", established.message)),
        None => progressing("Status conditions not found"),
    }
}
