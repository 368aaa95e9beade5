//! DaemonSets: one pod on each node that may have it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{int, key_of, leaving, list, name, scaled, text, uid};
use super::outcome::{Outcome, manager};
use super::replicaset::{available_at, is_available, is_ready, pod_of};
use super::revisions::Revisions;
use super::scheduler::{fits_node, tolerated};
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "daemonset-controller";
const HASH: &str = "controller-revision-hash";

pub(super) fn reconcile(view: &Snapshot, key: &Key, set: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    if leaving(set) {
        return outcome;
    }
    let pods: Vec<&Value> = view.controlled(uid(set), "pods").into_iter().map(|pod| &**pod).collect();
    let revisions = Revisions::keep(&mut outcome, view, set, &[]);
    let probe = probe(set);
    let (wanted, unwanted): (Vec<_>, Vec<_>) =
        view.list("nodes", "").map(|node| &**node).partition(|node| belongs(&probe, node));
    place(&mut outcome, set, &pods, &wanted, &revisions.hash);
    for pod in pods.iter().filter(|pod| unwanted.iter().any(|node| name(node) == node_of(pod)) && !leaving(pod)) {
        delete(&mut outcome, set, pod);
    }
    update(&mut outcome, set, &pods, &wanted, &revisions.hash, now);
    let status = status(&mut outcome, set, &pods, &wanted, &revisions.hash, now);
    outcome.status(key, set, status, manager::CONTROLLERS);
    outcome
}

/// The node that a pod is on or is meant for.
fn node_of(pod: &Value) -> &str {
    let assigned = text(pod, "/spec/nodeName");
    if !assigned.is_empty() {
        return assigned;
    }
    let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    text(pod, terms)
}

/// A pod of the set, with what the controller itself tolerates.
fn probe(set: &Value) -> Value {
    let mut pod = pod_of(set);
    let own = [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    let own = own.map(|(key, effect)| json!({ "key": key, "operator": "Exists", "effect": effect }));
    let given = list(&pod, "/spec/tolerations").to_vec();
    pod["spec"]["tolerations"] = json!([given, own.to_vec()].concat());
    pod
}

fn belongs(pod: &Value, node: &Value) -> bool {
    let taints = list(node, "/spec/taints").iter().filter(|taint| taint["effect"] != "PreferNoSchedule");
    fits_node(pod, node) && taints.into_iter().all(|taint| tolerated(pod, taint))
}

fn place(outcome: &mut Outcome, set: &Value, pods: &[&Value], nodes: &[&Value], hash: &str) {
    for node in nodes {
        let here: Vec<&&Value> = pods.iter().filter(|pod| node_of(pod) == name(node)).collect();
        let failed =
            here.iter().find(|pod| matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") && !leaving(pod));
        if let Some(failed) = failed {
            let message = format!(
                "Found failed daemon pod {}/{} on node {}, will try to kill it",
                text(failed, "/metadata/namespace"),
                name(failed),
                name(node)
            );
            outcome.event(set, COMPONENT, true, "FailedDaemonPod", message);
            delete(outcome, set, failed);
        }
        if here.is_empty() {
            outcome.create(pod_for(set, node, hash));
        }
    }
}

fn pod_for(set: &Value, node: &Value, hash: &str) -> Value {
    let mut pod = probe(set);
    pod["metadata"]["labels"][HASH] = json!(hash);
    pod["metadata"]["labels"]["pod-template-generation"] =
        json!(set["metadata"]["annotations"]["deprecated.daemonset.template.generation"].as_str().unwrap_or("1"));
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [name(node)] });
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        json!({ "nodeSelectorTerms": [{ "matchFields": [field] }] });
    pod
}

fn delete(outcome: &mut Outcome, set: &Value, pod: &Value) {
    outcome.delete(key_of("pods", pod), pod, "Background");
    outcome.event(set, COMPONENT, false, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
}

fn of_template(pod: &Value, hash: &str) -> bool {
    pod["metadata"]["labels"][HASH] == hash
}

/// Takes old pods away, no more than may be missing at once.
fn update(outcome: &mut Outcome, set: &Value, pods: &[&Value], nodes: &[&Value], hash: &str, now: Timestamp) {
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return;
    }
    let minimum = int(set, "/spec/minReadySeconds");
    let most =
        scaled(&set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], nodes.len() as i64, true).max(1);
    let available = |pod: &Value| is_available(pod, minimum, now) && !leaving(pod);
    let there = nodes.iter().filter(|node| pods.iter().any(|pod| node_of(pod) == name(node) && available(pod))).count();
    let mut budget = most - (nodes.len() - there) as i64;
    for pod in pods.iter().filter(|pod| !of_template(pod, hash) && !leaving(pod)) {
        if !available(pod) {
            delete(outcome, set, pod);
        } else if budget > 0 {
            budget -= 1;
            delete(outcome, set, pod);
        }
    }
}

fn status(outcome: &mut Outcome, set: &Value, pods: &[&Value], nodes: &[&Value], hash: &str, now: Timestamp) -> Value {
    let minimum = int(set, "/spec/minReadySeconds");
    pods.iter().filter_map(|pod| available_at(pod, minimum)).filter(|at| *at > now).for_each(|at| outcome.again(at));
    let on = |test: &dyn Fn(&Value) -> bool| {
        nodes.iter().filter(|node| pods.iter().any(|pod| node_of(pod) == name(node) && test(pod))).count()
    };
    let available = on(&|pod| is_available(pod, minimum, now));
    let misplaced = pods.iter().filter(|pod| !nodes.iter().any(|node| name(node) == node_of(pod))).count();
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "desiredNumberScheduled": nodes.len(), "numberMisscheduled": misplaced,
        "currentNumberScheduled": on(&|_| true), "numberReady": on(&is_ready),
    });
    let counts = [
        ("updatedNumberScheduled", on(&|pod| of_template(pod, hash))),
        ("numberAvailable", available),
        ("numberUnavailable", nodes.len() - available),
    ];
    for (field, count) in counts {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    status
}
