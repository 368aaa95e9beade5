//! Whom a change concerns.

use serde_json::Value;

use super::autoscaler;
use super::fields::{condition, leaving, list, namespace, text, uid};
use super::snapshot::Snapshot;
use crate::selector::label_selector_matches;
use crate::store::{Change, Key};

/// The keys to look at again after a change.
pub(crate) fn affected(view: &Snapshot, change: &Change) -> Vec<Key> {
    let mut keys = Vec::new();
    let both = || [change.previous.as_deref(), change.current.as_deref()].into_iter().flatten();
    // what is left of a Service is swept up when it is gone
    if change.current.is_some() || &*change.key.storage == "services" {
        keys.push(change.key.clone());
    }
    for object in both() {
        owners(view, object, &mut keys);
    }
    if change.current.is_none() {
        keys.extend(change.previous.iter().flat_map(|gone| view.dependents(uid(gone))).map(|(key, _)| key.clone()));
        keys.extend(ending_namespace(view, &change.key));
    }
    if &*change.key.storage != "resourcequotas" {
        keys.extend(all_in(view, "resourcequotas", &change.key.namespace));
    }
    match &*change.key.storage {
        "pods" => both().for_each(|pod| {
            choosers(view, pod, &mut keys);
            let claims =
                list(pod, "/spec/volumes").iter().map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
            let claims = claims.filter(|claim| !claim.is_empty());
            keys.extend(claims.map(|claim| Key::new("persistentvolumeclaims", namespace(pod), claim)));
        }),
        "configmaps" | "secrets" | "serviceaccounts" | "persistentvolumeclaims" => {
            keys.extend(waiting_pods(view, &change.key.namespace));
            keys.push(Key::new("namespaces", "", &change.key.namespace));
        }
        "nodes" => {
            keys.extend(all(view, "daemonsets.apps", ""));
            keys.extend(waiting_pods(view, ""));
        }
        "storageclasses.storage.k8s.io" | "persistentvolumes" => keys.extend(all(view, "persistentvolumeclaims", "")),
        storage if autoscaler::SCALED.contains(&storage) => {
            keys.extend(all_in(view, "horizontalpodautoscalers.autoscaling", &change.key.namespace));
        }
        _ => {}
    }
    keys
}

fn owners(view: &Snapshot, object: &Value, keys: &mut Vec<Key>) {
    let uids = list(object, "/metadata/ownerReferences").iter().filter_map(|owner| owner["uid"].as_str());
    keys.extend(uids.filter_map(|owner| view.with_uid(owner)).map(|(key, _)| key.clone()));
}

/// Services and disruption budgets that choose the pod.
fn choosers(view: &Snapshot, pod: &Value, keys: &mut Vec<Key>) {
    let place = namespace(pod);
    let labels = &pod["metadata"]["labels"];
    for service in view.list("services", place).filter(|service| chooses(&service["spec"]["selector"], labels)) {
        keys.push(super::fields::key_of("services", service));
    }
    let budgets = view.list("poddisruptionbudgets.policy", place);
    for budget in budgets.filter(|budget| label_selector_matches(&budget["spec"]["selector"], labels)) {
        keys.push(super::fields::key_of("poddisruptionbudgets.policy", budget));
    }
}

/// Whether the plain map of labels that a Service selects with matches; an empty one matches nothing.
pub(super) fn chooses(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object().filter(|selector| !selector.is_empty()) else { return false };
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn waiting_pods(view: &Snapshot, place: &str) -> Vec<Key> {
    let waits =
        |pod: &Value| text(pod, "/status/phase") == "Pending" || condition(&pod["status"], "PodScheduled").is_none();
    view.list("pods", place).filter(|pod| waits(pod)).map(|pod| super::fields::key_of("pods", pod)).collect()
}

fn all(view: &Snapshot, storage: &str, place: &str) -> Vec<Key> {
    view.list(storage, place).map(|object| super::fields::key_of(storage, object)).collect()
}

/// The same, but nothing for objects that are in no namespace.
fn all_in(view: &Snapshot, storage: &str, place: &str) -> Vec<Key> {
    if place.is_empty() { Vec::new() } else { all(view, storage, place) }
}

/// A namespace that ends waits for its content to go.
fn ending_namespace(view: &Snapshot, key: &Key) -> Option<Key> {
    let found = Key::new("namespaces", "", &key.namespace);
    view.get(&found).filter(|namespace| leaving(namespace)).map(|_| found)
}
