//! Namespaces: what each has from the start, and how one ends.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{leaving, list, plus, set_condition};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;

const ROOT_CA: &str = "kube-root-ca.crt";
const ROOT_CA_NOTE: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
/// Seconds until content that does not go is looked at again.
const RETRY: i64 = 5;

pub(super) fn reconcile(view: &Snapshot, key: &Key, namespace: &Value, now: Timestamp) -> Outcome {
    if leaving(namespace) { end(view, key, namespace, now) } else { furnish(view, &key.name) }
}

fn furnish(view: &Snapshot, place: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if view.find("serviceaccounts", place, "default").is_none() {
        outcome.create(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": place } }));
    }
    if view.find("configmaps", place, ROOT_CA).is_none() {
        // the sandbox's plain port has no certificate: the bundle is empty, but it is there to be mounted
        outcome.create(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "ca.crt": "" },
            "metadata": { "name": ROOT_CA, "namespace": place, "annotations": { "kubernetes.io/description": ROOT_CA_NOTE } },
        }));
    }
    outcome
}

/// Deletes the content, pods first; without content, the namespace goes.
fn end(view: &Snapshot, key: &Key, namespace: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let content: Vec<(&Key, &Value)> = view.content(&key.name).map(|(key, object)| (key, &**object)).collect();
    if content.is_empty() {
        if !list(namespace, "/spec/finalizers").is_empty() {
            outcome.changes.push(super::outcome::Change::Finalize { key: key.clone() });
        }
        return outcome;
    }
    let has_pods = content.iter().any(|(key, _)| &*key.storage == "pods");
    for (key, object) in &content {
        let its_turn = !has_pods || &*key.storage == "pods";
        if its_turn && !leaving(object) {
            outcome.delete((*key).clone(), object, "Background");
        }
    }
    let status = status(namespace, &content, now);
    outcome.status(key, namespace, status, manager::CONTROLLERS);
    outcome.again(plus(now, RETRY));
    outcome
}

fn status(namespace: &Value, content: &[(&Key, &Value)], now: Timestamp) -> Value {
    let mut status = namespace["status"].clone();
    let (mut kinds, mut finalizers): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) = Default::default();
    for (key, object) in content {
        *kinds.entry(&*key.storage).or_default() += 1;
        for finalizer in list(object, "/metadata/finalizers").iter().filter_map(Value::as_str) {
            *finalizers.entry(finalizer).or_default() += 1;
        }
    }
    let mut set =
        |kind: &str, is: &str, reason: &str, message: &str| set_condition(&mut status, kind, is, reason, message, now);
    set("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered");
    set(
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    );
    set(
        "NamespaceDeletionContentFailure",
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    );
    let remaining: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind}. has {count} resource instances")).collect();
    set(
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        &format!("Some resources are remaining: {}", remaining.join(", ")),
    );
    let held: Vec<String> =
        finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    if held.is_empty() {
        set(
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        );
    } else {
        let message = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
        set("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &message);
    }
    status
}
