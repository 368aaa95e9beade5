//! Deployments: one ReplicaSet per template, moved from the old to the new within the given bounds.

mod progress;
mod rollout;
mod sets;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{int, leaving, list, text};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;
use sets::{DESIRED, Sets, replicas};

const COMPONENT: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";

pub(super) fn reconcile(view: &Snapshot, key: &Key, deployment: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let mut status = deployment["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    let sets = Sets::of(view, deployment);
    if !leaving(deployment) {
        progress::note_pause(deployment, &mut status, now);
        act(&mut outcome, view, deployment, &sets, &mut status, now);
    }
    progress::update(&mut outcome, deployment, &sets, &mut status, now);
    outcome.status(key, deployment, status, manager::CONTROLLERS);
    outcome
}

/// One step: the next follows when its effect is seen.
fn act(
    outcome: &mut Outcome,
    view: &Snapshot,
    deployment: &Value,
    sets: &Sets<'_>,
    status: &mut Value,
    now: Timestamp,
) {
    if deployment["spec"]["paused"] == true {
        return rollout::scale(outcome, deployment, sets);
    }
    // sizes come first: a new template waits until the old sets have the new size
    if sets.all().any(|set| {
        replicas(set) > 0
            && super::fields::annotation(set, DESIRED)
                .is_some_and(|size| size != int(deployment, "/spec/replicas").to_string())
    }) {
        return rollout::scale(outcome, deployment, sets);
    }
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        let stopping = sets.old.iter().any(|set| replicas(set) > 0);
        if stopping {
            return sets.old.iter().for_each(|set| rollout::resize(outcome, deployment, set, 0));
        }
        // the new pods wait until the last old one is gone
        let old_pods = sets.old.iter().flat_map(|set| view.controlled(super::fields::uid(set), "pods"));
        if old_pods.into_iter().any(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")) {
            return;
        }
    }
    match sets.new {
        None => {
            if let Some(name) = sets.create(outcome, deployment) {
                progress::note_new_set(deployment, status, &name, now);
            }
        }
        Some(new) => {
            sets.keep_revision(outcome, deployment, new);
            progress::note_found_set(deployment, status, super::fields::name(new), now);
            rollout::step(outcome, deployment, sets, new);
        }
    }
    if outcome.changes.is_empty() && progress::complete(deployment, &deployment["status"]) {
        sets.clean_up(outcome, deployment);
    }
}

/// How many pods there may be above the wanted number, and how many of those may be missing.
fn bounds(deployment: &Value) -> (i64, i64) {
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return (0, int(deployment, "/spec/replicas"));
    }
    let wanted = int(deployment, "/spec/replicas");
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let surge = super::fields::scaled(&rolling["maxSurge"], wanted, true);
    let unavailable = super::fields::scaled(&rolling["maxUnavailable"], wanted, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(wanted)) }
}

/// Labels with the hash of the template.
fn with_hash(labels: &Value, hash: &str) -> Value {
    let mut labels = if labels.is_object() { labels.clone() } else { json!({}) };
    labels["pod-template-hash"] = json!(hash);
    labels
}

/// The same template, whatever its hash label says.
fn same_template(a: &Value, b: &Value) -> bool {
    let bare = |template: &Value| {
        let mut template = template.clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove("pod-template-hash");
        }
        template["metadata"].as_object_mut().map(|metadata| metadata.remove("creationTimestamp"));
        template
    };
    a == b || bare(a) == bare(b)
}

/// Messages of failed creations in its sets.
fn failure<'s>(sets: &'s Sets<'_>) -> Option<&'s Value> {
    let conditions = sets.all().flat_map(|set| list(set, "/status/conditions"));
    conditions.into_iter().find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")
}
