use api::argocd::HealthStatus;
use object::LiveObject;
use serde_json::Value;

use super::{healthy, progressing, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    let waits = text(live, "/spec/type") == "LoadBalancer" && !has_load_balancer(live);
    if waits { progressing("") } else { healthy("") }
}

pub(super) fn has_load_balancer(live: &LiveObject) -> bool {
    let entries = live.value().pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    entries.is_some_and(|list| !list.is_empty())
}
