//! StatefulSets: numbered pods, made and replaced in order, each with its own claims.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{int, key_of, leaving, list, name, namespace, scaled, text, uid};
use super::outcome::{Outcome, manager};
use super::replicaset::{available_at, is_available, is_ready, pod_of};
use super::revisions::Revisions;
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "statefulset-controller";
const HASH: &str = "controller-revision-hash";

struct Set<'v> {
    view: &'v Snapshot,
    set: &'v Value,
    revisions: Revisions<'v>,
    /// Revision of pods that are not to be updated.
    current: String,
    now: Timestamp,
}

pub(super) fn reconcile(view: &Snapshot, key: &Key, set: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let mut pods: Vec<&Value> = view.controlled(uid(set), "pods").into_iter().map(|pod| &**pod).collect();
    pods.sort_by_key(|pod| ordinal(set, pod));
    if leaving(set) {
        return outcome;
    }
    let in_use: Vec<&str> = pods.iter().map(|pod| revision(pod)).collect();
    let revisions = Revisions::keep(&mut outcome, view, set, &in_use);
    let before = text(set, "/status/currentRevision");
    let current = if before.is_empty() { revisions.name.clone() } else { before.to_owned() };
    let set = Set { view, set, revisions, current, now };
    set.act(&mut outcome, &pods);
    let status = set.status(&mut outcome, &pods);
    outcome.status(key, set.set, status, manager::CONTROLLERS);
    outcome
}

fn revision(pod: &Value) -> &str {
    pod["metadata"]["labels"][HASH].as_str().unwrap_or_default()
}

fn ordinal(set: &Value, pod: &Value) -> i64 {
    name(pod)
        .strip_prefix(name(set))
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|number| number.parse().ok())
        .unwrap_or(-1)
}

impl Set<'_> {
    fn ordered(&self) -> bool {
        self.set["spec"]["podManagementPolicy"] != "Parallel"
    }

    fn range(&self) -> std::ops::Range<i64> {
        let start = int(self.set, "/spec/ordinals/start");
        start..start + int(self.set, "/spec/replicas")
    }

    fn partition(&self) -> i64 {
        int(self.set, "/spec/updateStrategy/rollingUpdate/partition")
    }

    fn healthy(&self, pod: &Value) -> bool {
        is_available(pod, int(self.set, "/spec/minReadySeconds"), self.now) && !leaving(pod)
    }

    /// Makes what is missing, then takes what is too much, then updates: each waits for the one before.
    fn act(&self, outcome: &mut Outcome, pods: &[&Value]) {
        for number in self.range() {
            let Some(pod) = pods.iter().find(|pod| ordinal(self.set, pod) == number) else {
                self.create(outcome, number);
                if self.ordered() {
                    return;
                }
                continue;
            };
            self.claims(outcome, number);
            if matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") && !leaving(pod) {
                return self.delete(outcome, pod);
            }
            if self.ordered() && !self.healthy(pod) {
                return;
            }
        }
        let surplus: Vec<&&Value> =
            pods.iter().rev().filter(|pod| !self.range().contains(&ordinal(self.set, pod))).collect();
        for pod in &surplus {
            if !leaving(pod) {
                self.delete(outcome, pod);
            }
            if self.ordered() {
                return;
            }
        }
        self.update(outcome, pods);
    }

    fn update(&self, outcome: &mut Outcome, pods: &[&Value]) {
        if self.set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return;
        }
        let limit = &self.set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
        let most = if limit.is_null() { 1 } else { scaled(limit, int(self.set, "/spec/replicas"), false).max(1) };
        let mut unavailable = pods.iter().filter(|pod| !self.healthy(pod)).count() as i64;
        for pod in pods.iter().rev().filter(|pod| ordinal(self.set, pod) >= self.partition()) {
            let old = revision(pod) != self.revisions.name;
            if old && !leaving(pod) && (unavailable < most || !self.healthy(pod)) {
                unavailable += i64::from(self.healthy(pod));
                self.delete(outcome, pod);
            }
            if unavailable >= most {
                return;
            }
        }
    }

    fn delete(&self, outcome: &mut Outcome, pod: &Value) {
        outcome.delete(key_of("pods", pod), pod, "Background");
        let message = format!("delete Pod {} in StatefulSet {} successful", name(pod), name(self.set));
        outcome.event(self.set, COMPONENT, false, "SuccessfulDelete", message);
    }

    fn claim_name(&self, template: &Value, number: i64) -> String {
        format!("{}-{}-{number}", name(template), name(self.set))
    }

    fn claims(&self, outcome: &mut Outcome, number: i64) {
        for template in list(self.set, "/spec/volumeClaimTemplates") {
            let claim = self.claim_name(template, number);
            if self.view.find("persistentvolumeclaims", namespace(self.set), &claim).is_some() {
                continue;
            }
            let mut metadata = json!({ "name": claim, "namespace": namespace(self.set), "labels": self.set["spec"]["selector"]["matchLabels"] });
            for (key, value) in template["metadata"]["labels"].as_object().into_iter().flatten() {
                metadata["labels"][key] = value.clone();
            }
            if let Some(annotations) = template["metadata"].get("annotations") {
                metadata["annotations"] = annotations.clone();
            }
            outcome.create(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"] }));
            let message = format!("create Claim {claim} Pod {0}-{number} in StatefulSet {0} success", name(self.set));
            outcome.event(self.set, COMPONENT, false, "SuccessfulCreate", message);
        }
    }

    fn create(&self, outcome: &mut Outcome, number: i64) {
        self.claims(outcome, number);
        let old = number < self.partition() && self.current != self.revisions.name;
        let template = if old { self.revisions.template(&self.current) } else { None };
        let mut owner = self.set.clone();
        let hash = if template.is_some() { &self.current } else { &self.revisions.name };
        if let Some(template) = template {
            owner["spec"]["template"] = template;
        }
        let mut pod = pod_of(&owner);
        let pod_name = format!("{}-{number}", name(self.set));
        pod["metadata"].as_object_mut().map(|metadata| metadata.remove("generateName"));
        pod["metadata"]["name"] = json!(pod_name);
        for (key, value) in [
            (HASH, hash.clone()),
            ("statefulset.kubernetes.io/pod-name", pod_name.clone()),
            ("apps.kubernetes.io/pod-index", number.to_string()),
        ] {
            pod["metadata"]["labels"][key] = json!(value);
        }
        pod["spec"]["hostname"] = json!(pod_name);
        pod["spec"]["subdomain"] = self.set["spec"]["serviceName"].clone();
        if text(self.set, "/spec/serviceName").is_empty() {
            pod["spec"].as_object_mut().map(|spec| spec.remove("subdomain"));
        }
        let templates = list(self.set, "/spec/volumeClaimTemplates");
        let own = templates.iter().map(|template| json!({ "name": name(template), "persistentVolumeClaim": { "claimName": self.claim_name(template, number) } }));
        let given = list(&pod, "/spec/volumes").to_vec();
        let others =
            given.into_iter().filter(|volume| templates.iter().all(|template| name(template) != text(volume, "/name")));
        let volumes: Vec<Value> = own.chain(others).collect();
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = json!(volumes);
        }
        outcome.create(pod);
        let message = format!("create Pod {pod_name} in StatefulSet {} successful", name(self.set));
        outcome.event(self.set, COMPONENT, false, "SuccessfulCreate", message);
    }

    fn status(&self, outcome: &mut Outcome, pods: &[&Value]) -> Value {
        let minimum = int(self.set, "/spec/minReadySeconds");
        let of = |hash: &str| pods.iter().filter(|pod| revision(pod) == hash && !leaving(pod)).count();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let available = pods.iter().filter(|pod| is_available(pod, minimum, self.now)).count();
        pods.iter()
            .filter_map(|pod| available_at(pod, minimum))
            .filter(|at| *at > self.now)
            .for_each(|at| outcome.again(at));
        let all = i64::try_from(of(&self.revisions.name)).unwrap_or(0) == int(self.set, "/spec/replicas");
        let settled = all && ready == pods.len() && pods.len() == of(&self.revisions.name);
        let current = if settled { &self.revisions.name } else { &self.current };
        let mut status = json!({
            "observedGeneration": self.set["metadata"]["generation"], "replicas": pods.len(), "collisionCount": 0,
            "currentRevision": current, "updateRevision": self.revisions.name, "availableReplicas": available,
        });
        for (field, count) in
            [("readyReplicas", ready), ("currentReplicas", of(current)), ("updatedReplicas", of(&self.revisions.name))]
        {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        status
    }
}
