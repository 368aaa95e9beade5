//! Puts pods on nodes: the emptiest node that fits.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{int, is_true, list, name, plus, set_condition, text, time};
use super::outcome::{Change, Event, Outcome, manager};
use super::snapshot::Snapshot;
use crate::quantity::Quantity;
use crate::store::Key;

const COMPONENT: &str = "default-scheduler";
/// Seconds after which a pod that found no place is tried again.
const RETRY: i64 = 60;

pub(super) fn reconcile(view: &Snapshot, key: &Key, pod: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    // gates keep a pod out of the queue, and pods of other schedulers are not ours
    let other = !["", COMPONENT].contains(&text(pod, "/spec/schedulerName"));
    if other || !list(pod, "/spec/schedulingGates").is_empty() {
        return outcome;
    }
    let mut reasons: Vec<(String, usize)> = Vec::new();
    let mut best: Option<(usize, &str)> = None;
    for node in view.list("nodes", "") {
        match refusal(view, pod, node) {
            Some(why) => match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((why, 1)),
            },
            None => {
                let load = view.list("pods", "").filter(|other| text(other, "/spec/nodeName") == name(node)).count();
                if best.is_none_or(|(least, _)| load < least) {
                    best = Some((load, name(node)));
                }
            }
        }
    }
    match best {
        Some((_, node)) => {
            let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
            outcome.changes.push(Change::Bind { key: key.clone(), node: node.to_owned() });
            tell(&mut outcome, pod, false, "Scheduled", message);
        }
        None => refuse(&mut outcome, view, key, pod, &reasons, now),
    }
    outcome
}

fn tell(outcome: &mut Outcome, pod: &Value, warning: bool, reason: &'static str, message: String) {
    let (regarding, field_path, host) = (pod.clone(), String::new(), String::new());
    outcome.changes.push(Change::Event(Event {
        regarding,
        field_path,
        warning,
        reason,
        message,
        component: COMPONENT,
        host,
    }));
}

fn refuse(outcome: &mut Outcome, view: &Snapshot, key: &Key, pod: &Value, reasons: &[(String, usize)], now: Timestamp) {
    let nodes = view.list("nodes", "").count();
    let mut parts: Vec<String> = reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
    parts.sort();
    let message = if nodes == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        format!(
            "0/{nodes} nodes are available: {}. preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling.",
            parts.join(", ")
        )
    };
    let mut status = pod["status"].clone();
    set_condition(&mut status, "PodScheduled", "False", "Unschedulable", &message, now);
    status["conditions"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter(|c| c["type"] == "PodScheduled")
        .for_each(|c| c["lastProbeTime"] = Value::Null);
    outcome.status(key, pod, status, manager::SCHEDULER);
    tell(outcome, pod, true, "FailedScheduling", message);
    outcome.again(plus(now, RETRY));
}

/// Why the pod may not go to the node, in the scheduler's words.
fn refusal(view: &Snapshot, pod: &Value, node: &Value) -> Option<String> {
    if node["spec"]["unschedulable"] == true {
        return Some("node(s) were unschedulable".into());
    }
    if !is_true(&node["status"], "Ready") {
        return Some("node(s) were not ready".into());
    }
    if let Some(taint) =
        list(node, "/spec/taints").iter().find(|taint| taint["effect"] != "PreferNoSchedule" && !tolerated(pod, taint))
    {
        let value = taint["value"].as_str().unwrap_or_default();
        return Some(format!("node(s) had untolerated taint {{{}: {value}}}", text(taint, "/key")));
    }
    if !fits_node(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    let missing =
        list(pod, "/spec/volumes").iter().filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    for claim in missing {
        let Some(found) = view.find("persistentvolumeclaims", text(pod, "/metadata/namespace"), claim) else {
            return Some(format!("persistentvolumeclaim {claim:?} not found"));
        };
        let immediate = super::volumes::binds_at_once(view, found);
        if text(found, "/status/phase") != "Bound" && immediate {
            return Some("pod has unbound immediate PersistentVolumeClaims".into());
        }
    }
    ["cpu", "memory"]
        .into_iter()
        .find(|resource| !has_room(view, pod, node, resource))
        .map(|resource| format!("Insufficient {resource}"))
}

pub(super) fn tolerated(pod: &Value, taint: &Value) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let any = |field: &str| text(toleration, field).is_empty();
        let effect = any("/effect") || toleration["effect"] == taint["effect"];
        let exists = toleration["operator"] == "Exists";
        let key = any("/key") && exists || toleration["key"] == taint["key"];
        effect && key && (exists || text(toleration, "/value") == text(taint, "/value"))
    })
}

/// The node selector and the required node affinity.
pub(super) fn fits_node(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selector = pod["spec"]["nodeSelector"].as_object();
    if !selector.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let Some(terms) = required["nodeSelectorTerms"].as_array() else { return true };
    terms.iter().any(|term| {
        let names = json!({ "metadata.name": node["metadata"]["name"] });
        let labels = list(term, "/matchExpressions").iter().all(|expression| expressed(expression, labels));
        labels && list(term, "/matchFields").iter().all(|expression| expressed(expression, &names))
    })
}

fn expressed(expression: &Value, labels: &Value) -> bool {
    let value = labels.get(text(expression, "/key")).and_then(Value::as_str);
    let listed = value.is_some_and(|value| list(expression, "/values").iter().any(|one| one == value));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = number(list(expression, "/values").first().and_then(Value::as_str));
    match text(expression, "/operator") {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number(value) > bound && number(value).is_some(),
        "Lt" => number(value).is_some_and(|value| bound.is_some_and(|bound| value < bound)),
        _ => false,
    }
}

fn requested(pod: &Value, resource: &str) -> i128 {
    let of = |container: &Value| {
        Quantity::of(&container["resources"]["requests"][resource]).map_or(0, |quantity| quantity.nano)
    };
    list(pod, "/spec/containers").iter().map(of).sum()
}

fn has_room(view: &Snapshot, pod: &Value, node: &Value, resource: &str) -> bool {
    let wanted = requested(pod, resource);
    if wanted == 0 {
        return true;
    }
    let Some(all) = Quantity::of(&node["status"]["allocatable"][resource]) else { return true };
    let here = view.list("pods", "").filter(|other| text(other, "/spec/nodeName") == name(node));
    let used: i128 =
        here.filter(|other| super::replicaset::is_active(other)).map(|other| requested(other, resource)).sum();
    used + wanted <= all.nano
}

/// What a pod placed by its own `nodeName` has instead of a binding.
pub(super) fn note_placed(pod: &Value, now: Timestamp) -> Value {
    let mut status = pod["status"].clone();
    if !is_true(&status, "PodScheduled") {
        set_condition(&mut status, "PodScheduled", "True", "", "", now);
        status["conditions"].as_array_mut().into_iter().flatten().for_each(|c| c["lastProbeTime"] = Value::Null);
    }
    if int(&status, "/observedGeneration") == 0 && status["startTime"].is_null() {
        status["startTime"] = time(now);
    }
    status
}
