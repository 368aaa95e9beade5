use api::argocd::HealthStatus;
use object::LiveObject;
use serde_json::Value;

use super::{Condition, at, conditions, degraded, healthy, progressing};

const FAILURES: [(&str, &str); 8] = [
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "InvalidSelector"),
    ("ScalingActive", "FailedGetObjectMetric"),
    ("ScalingActive", "FailedGetPodsMetric"),
    ("ScalingActive", "FailedGetExternalMetric"),
    ("ScalingActive", "InvalidMetricSourceType"),
];

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    // the first version of the kind keeps its conditions as JSON in an annotation
    let annotated = live.annotation("autoscaling.alpha.kubernetes.io/conditions");
    match annotated.filter(|_| live.api_version() == "autoscaling/v1") {
        Some(json) => match serde_json::from_str::<Value>(json) {
            Ok(list) => judge(&list),
            Err(error) => degraded(format!("the annotation with the autoscaler's conditions is no JSON: {error}")),
        },
        None => at(live.value(), "/status/conditions").map_or_else(waiting, judge),
    }
}

fn waiting() -> HealthStatus {
    progressing("Waiting to Autoscale")
}

fn judge(list: &Value) -> HealthStatus {
    let verdict = |c: Condition<'_>| {
        if FAILURES.contains(&(c.kind, c.reason)) {
            return Some(degraded(c.message));
        }
        let works = matches!(c.kind, "AbleToScale" | "ScalingLimited") && c.status == "True";
        works.then(|| healthy(c.message))
    };
    // a failure anywhere outweighs the success of another condition
    let all: Vec<HealthStatus> = conditions(list).filter_map(verdict).collect();
    let failure = all.iter().find(|health| health.status == api::argocd::HealthStatusCode::Degraded);
    failure.or(all.first()).cloned().unwrap_or_else(waiting)
}
