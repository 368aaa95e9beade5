//! HorizontalPodAutoscalers: nothing is measured here, so that what is there is what is wanted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{int, namespace, set_condition, text};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;

pub(super) fn reconcile(view: &Snapshot, key: &Key, autoscaler: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let generation = autoscaler["metadata"]["generation"].clone();
    let conditions = autoscaler["status"]["conditions"].clone();
    let mut status = json!({ "observedGeneration": generation, "conditions": conditions });
    match target(view, autoscaler) {
        Some(target) => {
            let replicas = int(target, "/status/replicas");
            (status["currentReplicas"], status["desiredReplicas"]) = (json!(replicas), json!(replicas));
            let ready = "the number of replicas stays: the sandbox measures nothing";
            set_condition(&mut status, "AbleToScale", "True", "ReadyForNewScale", ready, now);
            let within = "the desired count is within the acceptable range";
            set_condition(&mut status, "ScalingLimited", "False", "DesiredWithinRange", within, now);
        }
        None => {
            (status["currentReplicas"], status["desiredReplicas"]) = (json!(0), json!(0));
            let of = |field: &str| text(autoscaler, &format!("/spec/scaleTargetRef/{field}"));
            let missing = format!(
                "the HPA controller was unable to get the target's current scale: {} {:?} not found",
                of("kind"),
                of("name")
            );
            set_condition(&mut status, "AbleToScale", "False", "FailedGetScale", &missing, now);
        }
    }
    outcome.status(key, autoscaler, status, manager::CONTROLLERS);
    outcome
}

/// The storages of the kinds that controllers here run.
pub(super) const SCALED: [&str; 4] =
    ["deployments.apps", "replicasets.apps", "statefulsets.apps", "replicationcontrollers"];

fn target<'v>(view: &'v Snapshot, autoscaler: &Value) -> Option<&'v Value> {
    let of = |field: &str| text(autoscaler, &format!("/spec/scaleTargetRef/{field}"));
    let group = of("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let plural = format!("{}s", of("kind").to_lowercase());
    let storage = if group.is_empty() { plural } else { format!("{plural}.{group}") };
    view.find(&storage, namespace(autoscaler), of("name")).map(|found| &**found)
}
