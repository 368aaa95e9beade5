//! The kubelet's part: what a node does with the pods that are put on it.

mod conditions;
mod config;
mod container;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{list, plus, text, time, time_at, uid};
use super::memory::PodMemory;
use super::outcome::{Change, Event, Outcome, manager};
use super::scheduler;
use super::snapshot::Snapshot;
use crate::store::Key;
use container::{Container, Role};

/// Seconds that containers take to stop.
const STOPPING: i64 = 1;
/// Seconds from the arrival on the node until the first container can start.
const SANDBOX: i64 = 1;
/// Seconds until a volume that could not be mounted is tried again.
const MOUNT_RETRY: i64 = 30;

pub(super) fn reconcile(view: &Snapshot, key: &Key, pod: &Value, now: Timestamp) -> Outcome {
    if super::fields::leaving(pod) {
        return stop(view, key, pod, now);
    }
    if text(pod, "/spec/nodeName").is_empty() {
        return scheduler::reconcile(view, key, pod, now);
    }
    if ended(pod) {
        return Outcome::default();
    }
    run(view, key, pod, now)
}

fn ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// One look at a pod, with what is to be written at its end.
struct Look<'v> {
    view: &'v Snapshot,
    pod: &'v Value,
    now: Timestamp,
    memory: PodMemory,
    outcome: Outcome,
}

impl Look<'_> {
    fn tell(&mut self, field_path: String, warning: bool, reason: &'static str, message: String) {
        let (regarding, host) = (self.pod.clone(), text(self.pod, "/spec/nodeName").to_owned());
        let event = Event { regarding, field_path, warning, reason, message, component: manager::KUBELET, host };
        self.outcome.changes.push(Change::Event(event));
    }

    /// The memory is kept only if it changed.
    fn finish(mut self) -> Outcome {
        if self.memory != self.view.memory(uid(self.pod)) {
            self.outcome.memory = Some((uid(self.pod).to_owned(), self.memory));
        }
        self.outcome
    }
}

/// Ends the containers, then lets go of the object.
fn stop(view: &Snapshot, key: &Key, pod: &Value, now: Timestamp) -> Outcome {
    let mut look = Look { view, pod, now, memory: view.memory(uid(pod)), outcome: Outcome::default() };
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let Some(since) = look.memory.stopping else {
        for running in
            list(pod, "/status/containerStatuses").iter().filter(|status| status["state"].get("running").is_some())
        {
            let path = format!("spec.containers{{{}}}", name_of(running));
            look.tell(path, false, "Killing", format!("Stopping container {}", name_of(running)));
        }
        look.memory.stopping = Some(now);
        look.outcome.again(plus(now, STOPPING.min(grace)));
        return look.finish();
    };
    if now < plus(since, STOPPING.min(grace)) {
        look.outcome.again(plus(since, STOPPING.min(grace)));
        return look.finish();
    }
    let held = !list(pod, "/metadata/finalizers").is_empty();
    if held && !ended(pod) {
        let status = conditions::stopped(pod, now);
        look.outcome.status(key, pod, status, manager::KUBELET);
    }
    // with grace gone, whoever holds a finalizer decides
    if !held || grace > 0 {
        let change = Change::Delete { key: key.clone(), uid: uid(pod).to_owned(), propagation: "", grace: Some(0) };
        look.outcome.changes.push(change);
    }
    look.finish()
}

fn name_of(status: &Value) -> &str {
    text(status, "/name")
}

fn run(view: &Snapshot, key: &Key, pod: &Value, now: Timestamp) -> Outcome {
    let mut look = Look { view, pod, now, memory: view.memory(uid(pod)), outcome: Outcome::default() };
    let mut status = scheduler::note_placed(pod, now);
    if deadline(pod, &status).is_some_and(|at| at <= now) {
        status = conditions::expired(pod, &status, now);
        look.outcome.status(key, pod, status, manager::KUBELET);
        return look.finish();
    }
    deadline(pod, &status).into_iter().for_each(|at| look.outcome.again(at));
    arrive(&look, &mut status);
    let from = time_at(&status, "/startTime").map_or(now, |since| plus(since, SANDBOX));
    let can_start = match config::unmounted(view, pod) {
        Some(message) => {
            look.tell(String::new(), true, "FailedMount", message);
            look.outcome.again(plus(now, MOUNT_RETRY));
            false
        }
        None if now < from => {
            look.outcome.again(from);
            false
        }
        None => true,
    };
    let initialized = init_containers(&mut look, &mut status, can_start);
    containers(&mut look, &mut status, can_start && initialized);
    conditions::judge(pod, &mut status, initialized, can_start, now);
    look.outcome.status(key, pod, status, manager::KUBELET);
    look.finish()
}

/// When `activeDeadlineSeconds` are over.
fn deadline(pod: &Value, status: &Value) -> Option<Timestamp> {
    let seconds = pod["spec"]["activeDeadlineSeconds"].as_i64()?;
    time_at(status, "/startTime").map(|since| plus(since, seconds))
}

/// What the node says first about a pod.
fn arrive(look: &Look<'_>, status: &mut Value) {
    if status["startTime"].is_null() {
        status["startTime"] = time(look.now);
    }
    if status["hostIP"].is_null() {
        let node = look.view.find("nodes", "", text(look.pod, "/spec/nodeName"));
        let addresses = node.map(|node| list(node, "/status/addresses").to_vec()).unwrap_or_default();
        let host = addresses
            .iter()
            .find(|address| address["type"] == "InternalIP")
            .map_or("10.0.0.1", |address| text(address, "/address"));
        status["hostIP"] = json!(host);
        status["hostIPs"] = json!([{ "ip": host }]);
    }
    status["observedGeneration"] = look.pod["metadata"]["generation"].clone();
}

/// An address from the pod's uid, so that it is the same in each run.
fn pod_address(pod: &Value) -> String {
    let [_, a, b, c] = super::fields::fnv(uid(pod).as_bytes()).to_be_bytes();
    format!("10.{}.{}.{}", 244 + a % 4, b, c.clamp(2, 254))
}

/// Runs them one after the other; whether all are done.
fn init_containers(look: &mut Look<'_>, status: &mut Value, can_start: bool) -> bool {
    let specs = list(look.pod, "/spec/initContainers");
    let before = list(status, "/initContainerStatuses").to_vec();
    let (mut after, mut done) = (Vec::new(), can_start || specs.is_empty());
    for spec in specs {
        let old = before.iter().find(|status| status["name"] == spec["name"]);
        let role = if spec["restartPolicy"] == "Always" { Role::Sidecar } else { Role::Init };
        let new = Container { spec, role, old }.advance(look, done);
        let finished = match role {
            Role::Sidecar => new["started"] == true,
            _ => new["state"]["terminated"]["exitCode"] == 0,
        };
        done = done && finished;
        after.push(new);
    }
    if !after.is_empty() {
        status["initContainerStatuses"] = json!(after);
    }
    done
}

fn containers(look: &mut Look<'_>, status: &mut Value, can_start: bool) {
    let before = list(status, "/containerStatuses").to_vec();
    let specs = list(look.pod, "/spec/containers");
    let after: Vec<Value> = specs
        .iter()
        .map(|spec| {
            Container { spec, role: Role::Main, old: before.iter().find(|status| status["name"] == spec["name"]) }
                .advance(look, can_start)
        })
        .collect();
    status["containerStatuses"] = json!(after);
    if can_start && status["podIP"].is_null() {
        let address = if look.pod["spec"]["hostNetwork"] == true {
            text(status, "/hostIP").to_owned()
        } else {
            pod_address(look.pod)
        };
        status["podIP"] = json!(address);
        status["podIPs"] = json!([{ "ip": address }]);
    }
}
