use api::argocd::HealthStatus;
use jiff::Timestamp;
use object::LiveObject;
use serde_json::Value;

use super::{at, degraded, healthy, text};

pub(super) fn health(live: &LiveObject) -> HealthStatus {
    if at(live.value(), "/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return healthy("CronJob is suspended");
    }
    let active = at(live.value(), "/status/active").and_then(Value::as_array).map_or(0, Vec::len);
    if active > 0 {
        return healthy(format!("The last execution is running: {active} Jobs are active"));
    }
    let time = |pointer: &str| text(live, pointer).parse::<Timestamp>().ok();
    match (time("/status/lastScheduleTime"), time("/status/lastSuccessfulTime")) {
        (None, _) => healthy("CronJob has not been scheduled yet"),
        (Some(_), None) => healthy("CronJob has not completed an execution yet"),
        (Some(scheduled), Some(done)) if done < scheduled => {
            degraded("CronJob has not completed its last execution successfully")
        }
        _ => healthy("CronJob has completed its last execution successfully"),
    }
}
