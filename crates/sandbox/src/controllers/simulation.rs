//! Runs the controllers: takes changes in, asks whoever they concern, writes what they decide. Does nothing on its own:
//! the driver calls it when something changed or a time has come, tests call it directly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{controller, fnv, int, name, namespace, plus, text, time, uid};
use super::memory::{Pull, PullRequest, back_off};
use super::outcome::{Change, Event, Outcome};
use super::routes::affected;
use super::snapshot::Snapshot;
use super::{Failures, Refusal, outcome, reconcile};
use crate::api::{Api, Deletion, Patch, Wish};
use crate::body::Validation;
use crate::registry::{ImageError, PulledImage};
use crate::status::{Answer, Failure};
use crate::store::Key;

#[derive(Debug, Default)]
pub(crate) struct Simulation {
    view: Snapshot,
    failures: Failures,
    /// Version up to which changes are taken in.
    revision: u64,
    /// Keys to look at now, oldest first.
    queue: BTreeMap<u64, Key>,
    queued: BTreeMap<Key, u64>,
    next: u64,
    /// Keys to look at later, by time.
    later: BTreeSet<(Timestamp, Key)>,
    alarms: BTreeMap<Key, Timestamp>,
}

/// So many changes are taken in at once.
const BATCH: usize = 1000;

impl Simulation {
    /// Begins with everything that is there.
    pub(crate) fn new(api: &Api) -> Self {
        let mut simulation = Self::default();
        simulation.reload(api);
        simulation
    }

    fn reload(&mut self, api: &Api) {
        self.view = Snapshot::default();
        self.revision = api.store.revision();
        let storages: BTreeSet<String> = api.kinds().all().iter().map(|resource| resource.storage()).collect();
        for storage in storages {
            for object in api.store.list(&storage, "").0 {
                let key = super::fields::key_of(&storage, &object);
                self.view.set(&key, Some(&object));
                self.enqueue(key);
            }
        }
    }

    fn enqueue(&mut self, key: Key) {
        if self.queued.contains_key(&key) {
            return;
        }
        self.next += 1;
        self.queued.insert(key.clone(), self.next);
        self.queue.insert(self.next, key);
    }

    /// Takes in what was written since the last time.
    pub(crate) fn catch_up(&mut self, api: &Api) {
        loop {
            let Some(changes) = api.store.changes(self.revision, BATCH) else { return self.reload(api) };
            let Some(last) = changes.last() else { return };
            self.revision = last.revision;
            for change in changes {
                if let Some(gone) = change.previous.as_ref().filter(|_| change.current.is_none()) {
                    self.failures.remove(uid(gone));
                }
                self.view.set(&change.key, change.current.as_ref());
                for key in affected(&self.view, &change) {
                    self.enqueue(key);
                }
            }
        }
    }

    /// When something is to be done even if nothing changes: now, later, or never.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.queue.is_empty() {
            return Some(now);
        }
        self.later.first().map(|(at, _)| *at)
    }

    /// Does what is due, at most `limit` steps; the answer is the images that nodes want now.
    pub(crate) fn run(&mut self, api: &Api, limit: usize) -> Vec<PullRequest> {
        let mut pulls = Vec::new();
        for _ in 0..limit {
            self.catch_up(api);
            let now = api.clock.now();
            self.wake(now);
            let Some((_, key)) = self.queue.pop_first() else { break };
            self.queued.remove(&key);
            pulls.extend(self.step(api, &key, now));
        }
        pulls
    }

    fn wake(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.later.first().cloned().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, key.clone()));
            self.alarms.remove(&key);
            self.enqueue(key);
        }
    }

    fn step(&mut self, api: &Api, key: &Key, now: Timestamp) -> Vec<PullRequest> {
        if let Some(before) = self.alarms.remove(key) {
            self.later.remove(&(before, key.clone()));
        }
        let Outcome { changes, again_at, pulls, memory } = reconcile(&self.view, &self.failures, key, now);
        if let Some((pod, memory)) = memory {
            self.view.remember(&pod, memory);
        }
        let mut again = again_at;
        for change in changes {
            if let Err(failure) = self.write(api, change, now) {
                // nothing is lost: the decision is made again on what is there then
                tracing::debug!(message = failure.message, ?key, "a simulated controller's write was refused");
                again = Some(again.map_or(plus(now, 1), |at| at.min(plus(now, 1))));
            }
        }
        let refused = self.view.get(key).and_then(|object| self.failures.get(uid(object)));
        if let Some(at) = refused.map(|refusal| refusal.retry_at) {
            again = Some(again.map_or(at, |before| before.min(at)));
        }
        if let Some(at) = again {
            // never at once again: a controller that asks for that must not hold up the others
            let at = if at > now { at } else { plus(now, 1) };
            self.alarms.insert(key.clone(), at);
            self.later.insert((at, key.clone()));
        }
        pulls
    }

    /// Hands over the answer to a request that [`Simulation::run`] gave.
    pub(crate) fn pulled(&mut self, request: &PullRequest, result: Result<PulledImage, ImageError>, now: Timestamp) {
        let mut memory = self.view.memory(&request.pod);
        let Some(Pull::Asked { attempt, since }) = memory.pulls.get(&request.container).cloned() else { return };
        let pull = match result {
            Ok(image) => Pull::Here { image, took: now.duration_since(since).as_secs() },
            Err(error) => Pull::Failed { attempt, error, retry_at: plus(now, back_off(attempt)) },
        };
        memory.pulls.insert(request.container.clone(), pull);
        let Some(key) = self.view.with_uid(&request.pod).map(|(key, _)| key.clone()) else { return };
        self.view.remember(&request.pod, memory);
        self.enqueue(key);
    }

    fn write(&mut self, api: &Api, change: Change, now: Timestamp) -> Answer<()> {
        match change {
            Change::Create { object, manager } => self.create(api, object, manager, now),
            Change::Merge { key, patch, manager } => {
                let wish = wish(api, &key, "", manager)?;
                api.patch(&wish, Patch::Merge(patch)).map(drop)
            }
            Change::Status { key, status, manager } => {
                let wish = wish(api, &key, "status", manager)?;
                api.modify(&wish.resource, &key.namespace, &key.name, "status", manager, |object| {
                    object["status"] = status
                })
            }
            Change::Note { key, annotation, value } => {
                let wish = wish(api, &key, "status", outcome::manager::CONTROLLERS)?;
                api.modify(&wish.resource, &key.namespace, &key.name, "status", &wish.manager, |object| {
                    object["metadata"]["annotations"][annotation] = json!(value);
                })
            }
            Change::Bind { key, node } => bind(api, &key, &node, now),
            Change::Delete { key, uid, propagation, grace } => {
                let resource = wish(api, &key, "", "")?.resource;
                let deletion =
                    Deletion { grace, propagation: propagation.to_owned(), uid: Some(uid), ..Deletion::default() };
                gone_is_fine(api.delete(&resource, &key.namespace, &key.name, &deletion).map(drop))
            }
            Change::Finalize { key } => {
                let resource = wish(api, &key, "finalize", "")?.resource;
                let done = api.modify(&resource, "", &key.name, "finalize", "kube-controller-manager", |namespace| {
                    namespace["spec"]["finalizers"] = json!([]);
                });
                gone_is_fine(done)
            }
            Change::Event(event) => tell(api, &event, now),
        }
    }

    fn create(&mut self, api: &Api, object: Value, manager: &str, now: Timestamp) -> Answer<()> {
        let group = text(&object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let kind = text(&object, "/kind").to_owned();
        let Some(resource) = api.kinds().of_kind(&group, &kind) else { return Err(Failure::no_such_path()) };
        let namespace = namespace(&object).to_owned();
        let wish = Wish {
            resource,
            namespace,
            name: String::new(),
            subresource: String::new(),
            manager: manager.to_owned(),
            dry_run: false,
            validation: Validation::Ignore,
        };
        let owner = controller(&object).and_then(|owner| owner["uid"].as_str()).unwrap_or_default().to_owned();
        if self.failures.get(&owner).is_some_and(|refusal| refusal.retry_at > now) {
            return Ok(());
        }
        let failure = match api.create(&wish, object) {
            Ok(written) => {
                self.failures.remove(&owner);
                let owner = self.view.with_uid(&owner).map(|(_, owner)| (**owner).clone());
                return owner.map_or(Ok(()), |owner| tell_of_new(api, owner, &written.object, now));
            }
            // somebody else was faster: that is what was wanted
            Err(failure) if failure.reason == "AlreadyExists" => return Ok(()),
            Err(failure) => failure,
        };
        self.refuse(api, &owner, failure, now)
    }

    /// Remembers why, and waits longer each time.
    fn refuse(&mut self, api: &Api, owner: &str, failure: Failure, now: Timestamp) -> Answer<()> {
        let Some((_, owning)) = self.view.with_uid(owner) else { return Err(failure) };
        let regarding = (**owning).clone();
        let times = self.failures.get(owner).map_or(0, |refusal| refusal.times).saturating_add(1);
        let retry_at = plus(now, (1 << times.min(8)).min(300));
        self.failures.insert(owner.to_owned(), Refusal { message: failure.message.clone(), times, retry_at });
        if failure.message.contains("because it is being terminated") {
            return Ok(());
        }
        let component = component_of(text(&regarding, "/kind"));
        let (field_path, host) = (String::new(), String::new());
        let message = format!("Error creating: {}", failure.message);
        tell(
            api,
            &Event { regarding, field_path, warning: true, reason: "FailedCreate", message, component, host },
            now,
        )
    }
}

/// The events that controllers of pods give.
fn tell_of_new(api: &Api, owner: Value, made: &Value, now: Timestamp) -> Answer<()> {
    let kind = text(&owner, "/kind");
    if made["kind"] != "Pod" || !["ReplicaSet", "ReplicationController", "DaemonSet", "Job"].contains(&kind) {
        return Ok(());
    }
    let (component, message) = (component_of(kind), format!("Created pod: {}", name(made)));
    let (field_path, host) = (String::new(), String::new());
    tell(
        api,
        &Event { regarding: owner, field_path, warning: false, reason: "SuccessfulCreate", message, component, host },
        now,
    )
}

fn component_of(kind: &str) -> &'static str {
    match kind {
        "ReplicaSet" => "replicaset-controller",
        "ReplicationController" => "replication-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        "Job" => "job-controller",
        "CronJob" => "cronjob-controller",
        _ => "deployment-controller",
    }
}

fn gone_is_fine(result: Answer<()>) -> Answer<()> {
    match result {
        Err(failure) if failure.code == 404 => Ok(()),
        // the object of that name is another one
        Err(failure) if failure.code == 409 && failure.message.contains("UID in precondition") => Ok(()),
        other => other,
    }
}

fn wish(api: &Api, key: &Key, subresource: &str, manager: &str) -> Answer<Wish> {
    let resource = api.kinds().with_storage(&key.storage).ok_or_else(Failure::no_such_path)?;
    Ok(Wish {
        resource,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        subresource: subresource.to_owned(),
        manager: manager.to_owned(),
        dry_run: false,
        validation: Validation::Ignore,
    })
}

/// As the scheduler does through `pods/binding`; labels of the node's place come along.
fn bind(api: &Api, key: &Key, node: &str, now: Timestamp) -> Answer<()> {
    let resource = wish(api, key, "", "")?.resource;
    let labels =
        api.store.get(&Key::new("nodes", "", node)).map(|node| node["metadata"]["labels"].clone()).unwrap_or_default();
    api.modify(&resource, &key.namespace, &key.name, "binding", "kube-scheduler", |pod| {
        pod["spec"]["nodeName"] = json!(node);
        for label in ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"] {
            if let Some(value) = labels.get(label) {
                pod["metadata"]["labels"][label] = value.clone();
            }
        }
        let condition =
            json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time(now) });
        pod["status"]["conditions"] = json!([condition]);
    })
}

/// Creates the event, or counts it once more.
fn tell(api: &Api, event: &Event, now: Timestamp) -> Answer<()> {
    let about = &event.regarding;
    let place = if namespace(about).is_empty() { "default" } else { namespace(about) };
    let identity = [uid(about), &event.field_path, event.reason, &event.message, event.component].join("\n");
    let (high, low) = (fnv(identity.as_bytes()), fnv(identity.chars().rev().collect::<String>().as_bytes()));
    let event_name = format!("{}.{high:08x}{low:08x}", name(about));
    let key = Key::new("events", place, &event_name);
    if let Some(before) = api.store.get(&key) {
        let patch = json!({ "count": int(&before, "/count") + 1, "lastTimestamp": time(now) });
        return api.patch(&wish(api, &key, "", event.component)?, Patch::Merge(patch)).map(drop);
    }
    let mut involved = json!({
        "apiVersion": about["apiVersion"], "kind": about["kind"], "name": about["metadata"]["name"],
        "uid": about["metadata"]["uid"], "resourceVersion": about["metadata"]["resourceVersion"],
    });
    if !namespace(about).is_empty() {
        involved["namespace"] = about["metadata"]["namespace"].clone();
    }
    if !event.field_path.is_empty() {
        involved["fieldPath"] = json!(event.field_path);
    }
    let mut source = json!({ "component": event.component });
    if !event.host.is_empty() {
        source["host"] = json!(event.host);
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": event_name, "namespace": place },
        "involvedObject": involved, "reason": event.reason, "message": event.message, "source": source, "count": 1,
        "type": if event.warning { "Warning" } else { "Normal" }, "firstTimestamp": time(now), "lastTimestamp": time(now),
        "reportingComponent": event.component, "reportingInstance": event.host, "eventTime": null,
    });
    let mut wish = wish(api, &key, "", event.component)?;
    wish.name = String::new();
    // a namespace that ends takes no more events, and nobody misses them
    match api.create(&wish, object) {
        Err(failure) if failure.code == 403 || failure.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
