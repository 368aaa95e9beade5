use api::argocd::HealthStatus;
use object::LiveObject;

use super::{at, healthy, is_stale, number, optional_number, progressing, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if number(live, "/status/observedGeneration") == 0 || is_stale(live) {
        return progressing("Waiting for statefulset spec update to be observed...");
    }
    let wanted = optional_number(live, "/spec/replicas");
    let ready = number(live, "/status/readyReplicas");
    if let Some(wanted) = wanted.filter(|&wanted| ready < wanted) {
        return progressing(format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    match text(live, "/spec/updateStrategy/type") {
        "RollingUpdate" if at(live.value(), "/spec/updateStrategy/rollingUpdate").is_some_and(|v| !v.is_null()) => {
            partitioned(live, wanted)
        }
        "OnDelete" => healthy(format!("statefulset has {ready} ready pods")),
        _ => revisions(live),
    }
}

fn partitioned(live: &LiveObject, wanted: Option<i64>) -> HealthStatus {
    let updated = number(live, "/status/updatedReplicas");
    if let (Some(wanted), Some(partition)) =
        (wanted, optional_number(live, "/spec/updateStrategy/rollingUpdate/partition"))
        && updated < wanted - partition
    {
        let target = wanted - partition;
        return progressing(format!(
            "Waiting for partitioned roll out to finish: {updated} out of {target} new pods have been updated..."
        ));
    }
    healthy(format!("partitioned roll out complete: {updated} new pods have been updated..."))
}

fn revisions(live: &LiveObject) -> HealthStatus {
    let update = text(live, "/status/updateRevision");
    if update != text(live, "/status/currentRevision") {
        let updated = number(live, "/status/updatedReplicas");
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        ));
    }
    let current = number(live, "/status/currentReplicas");
    healthy(format!("statefulset rolling update complete {current} pods at revision {update}..."))
}
