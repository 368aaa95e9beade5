//! ControllerRevisions: the templates that StatefulSets and DaemonSets had, which `kubectl rollout undo` brings back.

use serde_json::{Value, json};

use super::fields::{controller_ref, int, key_of, name, namespace, safe_hash, uid};
use super::outcome::Outcome;
use super::snapshot::Snapshot;

const STORAGE: &str = "controllerrevisions.apps";

/// The revision of an owner's present template, and its whole history.
#[derive(Debug)]
pub(super) struct Revisions<'v> {
    /// Oldest first.
    all: Vec<&'v Value>,
    /// Name of the one with the present template.
    pub(super) name: String,
    pub(super) hash: String,
}

fn data(owner: &Value) -> Value {
    let mut template = owner["spec"]["template"].clone();
    template["$patch"] = json!("replace");
    json!({ "spec": { "template": template } })
}

impl<'v> Revisions<'v> {
    /// Makes or renews the present revision and forgets those beyond the limit that no pod is of.
    pub(super) fn keep(outcome: &mut Outcome, view: &'v Snapshot, owner: &Value, in_use: &[&str]) -> Self {
        let mut all: Vec<&Value> =
            view.controlled(uid(owner), STORAGE).into_iter().map(|revision| &**revision).collect();
        all.sort_by_key(|revision| int(revision, "/revision"));
        let next = all.last().map_or(0, |last| int(last, "/revision")) + 1;
        let wanted = data(owner);
        let (revision_name, hash) = match all.iter().find(|revision| revision["data"] == wanted) {
            Some(found) => {
                if int(found, "/revision") + 1 != next {
                    outcome.merge(key_of(STORAGE, found), json!({ "revision": next }));
                }
                let hash = found["metadata"]["labels"]["controller.kubernetes.io/hash"].as_str().unwrap_or_default();
                (name(found).to_owned(), hash.to_owned())
            }
            None => create(outcome, owner, &wanted, next),
        };
        let limit = usize::try_from(owner["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10)).unwrap_or(10);
        let idle: Vec<&Value> =
            all.iter().copied().filter(|r| name(r) != revision_name && !in_use.contains(&name(r))).collect();
        for old in idle.iter().take(idle.len().saturating_sub(limit)) {
            outcome.delete(key_of(STORAGE, old), old, "Background");
        }
        Self { all, name: revision_name, hash }
    }

    /// The template of an earlier revision.
    pub(super) fn template(&self, revision: &str) -> Option<Value> {
        let found = self.all.iter().find(|candidate| name(candidate) == revision)?;
        let mut template = found["data"]["spec"]["template"].clone();
        template.as_object_mut()?.remove("$patch");
        Some(template)
    }
}

fn create(outcome: &mut Outcome, owner: &Value, data: &Value, revision: i64) -> (String, String) {
    let hash = safe_hash(data);
    let revision_name = format!("{}-{hash}", name(owner));
    let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
    labels["controller.kubernetes.io/hash"] = json!(hash);
    if owner["kind"] == "DaemonSet" {
        labels["controller-revision-hash"] = json!(hash);
    }
    let mut metadata = json!({ "name": revision_name, "namespace": namespace(owner), "labels": labels, "ownerReferences": [controller_ref(owner)] });
    if owner["kind"] == "DaemonSet" {
        metadata["annotations"] = owner["metadata"]["annotations"].clone();
    }
    outcome.create(json!({ "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": data, "revision": revision }));
    (revision_name, hash)
}
