//! Simulated controllers: each looks at the state of the cluster and the time, and says what should change. None of
//! them does anything by itself; [`Simulation`] writes what they decide, [`driver`] gives it the time.

mod autoscaler;
mod budget;
mod cron;
mod cronjob;
mod daemonset;
mod deployment;
pub(crate) mod driver;
mod endpoints;
pub(crate) mod faults;
mod fields;
mod gc;
mod ingress;
mod job;
mod memory;
mod namespace;
mod node;
mod outcome;
mod pod;
mod quota;
mod replicaset;
mod revisions;
mod routes;
mod scheduler;
mod simulation;
mod snapshot;
mod statefulset;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::store::Key;
use fields::plus;
use outcome::Outcome;
pub(crate) use simulation::Simulation;
use snapshot::Snapshot;

/// By the uid of a controlling object: its creations that the API refuses.
pub(crate) type Failures = BTreeMap<String, Refusal>;

#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    message: String,
    times: u32,
    retry_at: Timestamp,
}

/// Seconds that events live.
const EVENT_LIFE: i64 = 3600;

/// What is to be done about one object.
fn reconcile(view: &Snapshot, failures: &Failures, key: &Key, now: Timestamp) -> Outcome {
    let object = view.get(key).map(|object| &**object);
    let Some(found) = object else {
        return if &*key.storage == "services" {
            endpoints::reconcile(view, key, None, now)
        } else {
            Outcome::default()
        };
    };
    let mut outcome = match &*key.storage {
        "deployments.apps" => deployment::reconcile(view, key, found, now),
        "replicasets.apps" => replicaset::reconcile(view, failures, key, found, now),
        "statefulsets.apps" => statefulset::reconcile(view, key, found, now),
        "daemonsets.apps" => daemonset::reconcile(view, key, found, now),
        "jobs.batch" => job::reconcile(view, key, found, now),
        "cronjobs.batch" => cronjob::reconcile(view, key, found, now),
        "poddisruptionbudgets.policy" => budget::reconcile(view, key, found, now),
        "horizontalpodautoscalers.autoscaling" => autoscaler::reconcile(view, key, found, now),
        "ingresses.networking.k8s.io" => ingress::reconcile(key, found),
        "pods" => pod::reconcile(view, key, found, now),
        "services" => endpoints::reconcile(view, key, object, now),
        "replicationcontrollers" => replicaset::reconcile(view, failures, key, found, now),
        "nodes" => node::reconcile(key, found, now),
        "resourcequotas" => quota::reconcile(view, key, found),
        "namespaces" => namespace::reconcile(view, key, found, now),
        "persistentvolumeclaims" => volumes::reconcile(view, key, found, now),
        "persistentvolumes" => volumes::reconcile_volume(view, key, found),
        "events" => forget(key, found, now),
        _ => Outcome::default(),
    };
    outcome.join(gc::reconcile(view, key, found, now));
    outcome
}

fn forget(key: &Key, event: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let last =
        fields::time_at(event, "/lastTimestamp").or_else(|| fields::time_at(event, "/metadata/creationTimestamp"));
    let until = plus(last.unwrap_or(now), EVENT_LIFE);
    if until > now {
        outcome.again(until);
    } else {
        outcome.delete(key.clone(), event, "Background");
    }
    outcome
}
