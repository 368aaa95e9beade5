//! The garbage collector: objects whose owners are gone go, owners that wait for their dependents are let go.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{leaving, list, namespace, uid};
use super::outcome::{Change, Outcome};
use super::snapshot::Snapshot;
use crate::store::Key;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

pub(super) fn reconcile(view: &Snapshot, key: &Key, object: &Value, _now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    if leaving(object) {
        if has_finalizer(object, FOREGROUND) {
            delete_dependents(&mut outcome, view, key, object);
        } else if has_finalizer(object, ORPHAN) {
            orphan_dependents(&mut outcome, view, key, object);
        }
        return outcome;
    }
    judge_owners(&mut outcome, view, key, object);
    outcome
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|finalizer| finalizer == name)
}

fn without(object: &Value, finalizer: &str) -> Value {
    let left: Vec<&Value> = list(object, "/metadata/finalizers").iter().filter(|name| *name != finalizer).collect();
    json!({ "metadata": { "finalizers": left } })
}

/// Those that block the owner's deletion go first; then the owner.
fn delete_dependents(outcome: &mut Outcome, view: &Snapshot, key: &Key, owner: &Value) {
    let mut blocked = false;
    for (dependent_key, dependent) in view.dependents(uid(owner)) {
        let references = list(dependent, "/metadata/ownerReferences");
        blocked |= references
            .iter()
            .any(|reference| reference["uid"] == uid(owner) && reference["blockOwnerDeletion"] == true);
        if !leaving(dependent) {
            let more = view.dependents(uid(dependent)).next().is_some();
            outcome.delete(dependent_key.clone(), dependent, if more { "Foreground" } else { "Background" });
        }
    }
    if !blocked {
        outcome.merge(key.clone(), without(owner, FOREGROUND));
    }
}

fn orphan_dependents(outcome: &mut Outcome, view: &Snapshot, key: &Key, owner: &Value) {
    for (dependent_key, dependent) in view.dependents(uid(owner)) {
        let left: Vec<&Value> = list(dependent, "/metadata/ownerReferences")
            .iter()
            .filter(|reference| reference["uid"] != uid(owner))
            .collect();
        outcome.merge(dependent_key.clone(), json!({ "metadata": { "ownerReferences": left } }));
    }
    outcome.merge(key.clone(), without(owner, ORPHAN));
}

/// An owner counts if it lives in the same namespace or in none.
fn exists<'v>(view: &'v Snapshot, object: &Value, reference: &Value) -> Option<&'v Value> {
    let (_, owner) = view.with_uid(reference["uid"].as_str()?)?;
    let reachable = namespace(owner).is_empty() || namespace(owner) == namespace(object);
    (reachable && owner["kind"] == reference["kind"]).then_some(&**owner)
}

fn judge_owners(outcome: &mut Outcome, view: &Snapshot, key: &Key, object: &Value) {
    let references = list(object, "/metadata/ownerReferences");
    if references.is_empty() {
        return;
    }
    let (living, gone): (Vec<&Value>, Vec<&Value>) =
        references.iter().partition(|reference| exists(view, object, reference).is_some());
    if living.is_empty() {
        // what hangs below the object goes the way that was asked for
        let propagation = if has_finalizer(object, FOREGROUND) { "Foreground" } else { "Background" };
        return outcome.delete(key.clone(), object, propagation);
    }
    if !gone.is_empty() {
        outcome.changes.push(Change::Merge {
            key: key.clone(),
            patch: json!({ "metadata": { "ownerReferences": living } }),
            manager: super::outcome::manager::CONTROLLERS,
        });
    }
}
