//! PersistentVolumeClaims: bound to a volume that is made for them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{leaving, list, name, namespace, plus, text, uid};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "persistentvolume-controller";

fn class<'v>(view: &'v Snapshot, claim: &Value) -> Option<&'v Value> {
    view.find("storageclasses.storage.k8s.io", "", text(claim, "/spec/storageClassName")).map(|class| &**class)
}

/// Whether the claim does not wait for its first pod.
pub(super) fn binds_at_once(view: &Snapshot, claim: &Value) -> bool {
    class(view, claim).is_none_or(|class| class["volumeBindingMode"] != "WaitForFirstConsumer")
}

/// A claim that names no class gets a volume of the sandbox's own, as most clusters have a default class.
pub(super) fn reconcile(view: &Snapshot, key: &Key, claim: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    if leaving(claim) && !used(view, claim) {
        release(&mut outcome, key, claim, "kubernetes.io/pvc-protection");
    }
    if leaving(claim) || text(claim, "/status/phase") == "Bound" {
        return outcome;
    }
    let wanted = text(claim, "/spec/storageClassName");
    if !wanted.is_empty() && class(view, claim).is_none() {
        outcome.event(
            claim,
            COMPONENT,
            true,
            "ProvisioningFailed",
            format!("storageclass.storage.k8s.io {wanted:?} not found"),
        );
        outcome.again(plus(now, 15));
        return outcome;
    }
    if !binds_at_once(view, claim) && !used(view, claim) {
        outcome.event(
            claim,
            COMPONENT,
            false,
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding",
        );
        outcome.again(plus(now, 15));
        return outcome;
    }
    let volume = format!("pvc-{}", uid(claim));
    if view.find("persistentvolumes", "", &volume).is_none() {
        outcome.create(volume_for(claim, &volume));
    }
    if text(claim, "/spec/volumeName").is_empty() {
        outcome.merge(key.clone(), json!({ "spec": { "volumeName": volume } }));
    }
    let capacity = json!({ "storage": claim["spec"]["resources"]["requests"]["storage"] });
    let status = json!({ "phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": capacity });
    outcome.status(key, claim, status, manager::CONTROLLERS);
    outcome
}

/// Takes the finalizer away that protects what is in use.
fn release(outcome: &mut Outcome, key: &Key, object: &Value, finalizer: &str) {
    let all = list(object, "/metadata/finalizers");
    if all.iter().any(|name| name == finalizer) {
        let left: Vec<&Value> = all.iter().filter(|name| *name != finalizer).collect();
        outcome.merge(key.clone(), json!({ "metadata": { "finalizers": left } }));
    }
}

fn used(view: &Snapshot, claim: &Value) -> bool {
    view.list("pods", namespace(claim)).any(|pod| {
        list(pod, "/spec/volumes").iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == name(claim))
    })
}

fn volume_for(claim: &Value, volume: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": volume },
        "spec": {
            "capacity": { "storage": claim["spec"]["resources"]["requests"]["storage"] },
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": text(claim, "/spec/storageClassName"),
            "hostPath": { "path": format!("/sandbox/{volume}") },
            "claimRef": { "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace(claim), "name": name(claim), "uid": uid(claim) },
        },
    })
}

/// A volume lives as long as its claim.
pub(super) fn reconcile_volume(view: &Snapshot, key: &Key, volume: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    let claimed = volume["spec"]["claimRef"]["uid"].as_str().is_some_and(|claim| view.with_uid(claim).is_some());
    if leaving(volume) && !claimed {
        release(&mut outcome, key, volume, "kubernetes.io/pv-protection");
        return outcome;
    }
    let Some(owner) = volume["spec"]["claimRef"]["uid"].as_str() else {
        if text(volume, "/status/phase") != "Available" {
            outcome.status(key, volume, json!({ "phase": "Available" }), manager::CONTROLLERS);
        }
        return outcome;
    };
    match view.with_uid(owner) {
        Some(_) if text(volume, "/status/phase") != "Bound" => {
            outcome.status(key, volume, json!({ "phase": "Bound" }), manager::CONTROLLERS);
        }
        None if volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" && !leaving(volume) => {
            outcome.delete(key.clone(), volume, "Background");
        }
        None if text(volume, "/status/phase") != "Released" => {
            outcome.status(key, volume, json!({ "phase": "Released" }), manager::CONTROLLERS);
        }
        _ => {}
    }
    outcome
}
