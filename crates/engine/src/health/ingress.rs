use api::argocd::HealthStatus;
use object::LiveObject;

use super::service::has_load_balancer;
use super::{healthy, progressing};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if has_load_balancer(live) { healthy("") } else { progressing("") }
}
