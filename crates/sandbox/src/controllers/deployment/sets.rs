//! The ReplicaSets of a Deployment: which is the new one, which revisions they are, which may go.

use serde_json::{Map, Value, json};

use super::super::fields::{
    annotation, controller_ref, int, key_of, leaving, name, namespace, safe_hash, text, time_at, uid,
};
use super::super::outcome::{Change, Outcome};
use super::super::snapshot::Snapshot;
use super::{COMPONENT, REVISION, bounds, same_template, with_hash};

pub(super) const STORAGE: &str = "replicasets.apps";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that its sets do not get.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
];

#[derive(Debug)]
pub(super) struct Sets<'v> {
    /// The one with the present template.
    pub(super) new: Option<&'v Value>,
    /// The others, oldest first.
    pub(super) old: Vec<&'v Value>,
    taken: Vec<&'v str>,
}

pub(super) fn replicas(set: &Value) -> i64 {
    int(set, "/spec/replicas")
}

fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl<'v> Sets<'v> {
    pub(super) fn of(view: &'v Snapshot, deployment: &Value) -> Self {
        let mut all: Vec<&Value> = view.controlled(uid(deployment), STORAGE).into_iter().map(|set| &**set).collect();
        all.sort_by_key(|set| (time_at(set, "/metadata/creationTimestamp"), name(set)));
        let new =
            all.iter().copied().find(|set| same_template(&set["spec"]["template"], &deployment["spec"]["template"]));
        let taken = view.list(STORAGE, namespace(deployment)).map(|set| name(set)).collect();
        let old = all.into_iter().filter(|set| new.is_none_or(|new| uid(new) != uid(set))).collect();
        Self { new, old, taken }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'v Value> {
        self.new.into_iter().chain(self.old.iter().copied())
    }

    pub(super) fn total(&self) -> i64 {
        self.all().map(replicas).sum()
    }

    /// The sum of a number in their status.
    pub(super) fn sum(&self, pointer: &str) -> i64 {
        self.all().map(|set| int(set, pointer)).sum()
    }

    fn next_revision(&self) -> i64 {
        self.old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1
    }

    /// Makes the set of the present template; its name.
    pub(super) fn create(&self, outcome: &mut Outcome, deployment: &Value) -> Option<String> {
        let template = &deployment["spec"]["template"];
        let collisions = int(deployment, "/status/collisionCount");
        // another template with the same hash: count until it differs
        let hashes = (collisions..collisions + 100)
            .map(|count| safe_hash(&if count == 0 { template.clone() } else { json!([template, count]) }));
        let hash =
            hashes.into_iter().find(|hash| !self.taken.contains(&format!("{}-{hash}", name(deployment)).as_str()))?;
        let set_name = format!("{}-{hash}", name(deployment));
        let labels = with_hash(&template["metadata"]["labels"], &hash);
        let mut template = template.clone();
        template["metadata"]["labels"] = labels.clone();
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"] = with_hash(&selector["matchLabels"], &hash);
        let size = self.first_size(deployment);
        let revision = self.next_revision();
        let mut annotations = inherited(deployment);
        annotations.extend(sizes(deployment));
        annotations.insert(REVISION.into(), json!(revision.to_string()));
        let mut spec = json!({ "replicas": size, "selector": selector, "template": template });
        if int(deployment, "/spec/minReadySeconds") > 0 {
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"].clone();
        }
        outcome.create(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": set_name, "namespace": namespace(deployment), "labels": labels, "annotations": annotations,
                "ownerReferences": [controller_ref(deployment)],
            },
            "spec": spec,
        }));
        if size > 0 {
            outcome.event(
                deployment,
                COMPONENT,
                false,
                "ScalingReplicaSet",
                format!("Scaled up replica set {set_name} from 0 to {size}"),
            );
        }
        set_revision(outcome, deployment, revision);
        Some(set_name)
    }

    fn first_size(&self, deployment: &Value) -> i64 {
        let wanted = int(deployment, "/spec/replicas");
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return wanted;
        }
        (wanted + bounds(deployment).0 - self.total()).clamp(0, wanted)
    }

    /// An old template that comes back is the newest revision again.
    pub(super) fn keep_revision(&self, outcome: &mut Outcome, deployment: &Value, new: &Value) {
        let next = self.next_revision();
        let current = revision(new);
        let target = if current < next { next } else { current };
        let mut annotations = inherited(deployment);
        if current < next {
            annotations.insert(REVISION.into(), json!(next.to_string()));
            if current > 0 {
                let history = annotation(new, "deployment.kubernetes.io/revision-history")
                    .map_or(String::new(), |h| format!("{h},"));
                annotations
                    .insert("deployment.kubernetes.io/revision-history".into(), json!(format!("{history}{current}")));
            }
        }
        annotations.retain(|key, value| new["metadata"]["annotations"].get(key) != Some(value));
        let mut patch = json!({});
        if !annotations.is_empty() {
            patch["metadata"]["annotations"] = Value::Object(annotations);
        }
        if int(new, "/spec/minReadySeconds") != int(deployment, "/spec/minReadySeconds") {
            patch["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"].clone();
        }
        if patch != json!({}) {
            outcome.merge(key_of(STORAGE, new), patch);
        }
        set_revision(outcome, deployment, target);
    }

    /// Takes away sets beyond the history limit, oldest first.
    pub(super) fn clean_up(&self, outcome: &mut Outcome, deployment: &Value) {
        let Some(limit) = deployment["spec"]["revisionHistoryLimit"].as_u64() else { return };
        let mut old = self.old.clone();
        old.sort_by_key(|set| revision(set));
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        let idle = |set: &&Value| replicas(set) == 0 && int(set, "/status/replicas") == 0 && !leaving(set);
        for set in old.into_iter().take(surplus).filter(idle) {
            outcome.delete(key_of(STORAGE, set), set, "Background");
        }
    }
}

fn inherited(deployment: &Value) -> Map<String, Value> {
    let all = deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    all.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())).collect()
}

/// The annotations that say what size a set was made for.
pub(super) fn sizes(deployment: &Value) -> Map<String, Value> {
    let wanted = int(deployment, "/spec/replicas");
    let most = wanted + bounds(deployment).0;
    [(DESIRED.to_owned(), json!(wanted.to_string())), (MAXIMUM.to_owned(), json!(most.to_string()))]
        .into_iter()
        .collect()
}

fn set_revision(outcome: &mut Outcome, deployment: &Value, revision: i64) {
    if annotation(deployment, REVISION) != Some(revision.to_string().as_str()) {
        let key = key_of("deployments.apps", deployment);
        outcome.changes.push(Change::Note { key, annotation: REVISION, value: revision.to_string() });
    }
}
