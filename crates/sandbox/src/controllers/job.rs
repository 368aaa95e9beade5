//! Jobs: pods until enough have succeeded or too many have failed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{
    condition, int, is_true, key_of, leaving, list, name, plus, set_condition, text, time, time_at, uid,
};
use super::memory::back_off;
use super::outcome::{Outcome, manager};
use super::replicaset::{is_active, is_ready, pod_of};
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "job-controller";
const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Why a job ends.
enum End {
    Complete,
    Failed { reason: &'static str, message: String },
}

pub(super) fn reconcile(view: &Snapshot, key: &Key, job: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let all: Vec<&Value> = view.controlled(uid(job), "pods").into_iter().map(|pod| &**pod).collect();
    if leaving(job) {
        all.iter().for_each(|pod| untrack(&mut outcome, pod));
        return outcome;
    }
    let mut status = if job["status"].is_object() { job["status"].clone() } else { json!({}) };
    if is_true(&status, "Complete") || is_true(&status, "Failed") {
        all.iter().for_each(|pod| untrack(&mut outcome, pod));
        expire(&mut outcome, key, job, &status, now);
        return outcome;
    }
    let suspended = job["spec"]["suspend"] == true;
    note_suspension(&mut outcome, job, &mut status, suspended, now);
    if status["startTime"].is_null() && !suspended {
        status["startTime"] = time(now);
    }
    let active: Vec<&Value> = all.iter().copied().filter(|pod| is_active(pod)).collect();
    count(&mut outcome, job, &all, &active, &mut status);
    match end(job, &status, &mut outcome, now) {
        Some(end) => finish(&mut outcome, job, &active, &mut status, end, now),
        None if suspended => active.iter().for_each(|pod| take(&mut outcome, job, pod)),
        None => keep(&mut outcome, job, &all, &active, &status, now),
    }
    outcome.status(key, job, status, manager::CONTROLLERS);
    outcome
}

fn untrack(outcome: &mut Outcome, pod: &Value) {
    let finalizers = list(pod, "/metadata/finalizers");
    if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        let left: Vec<&Value> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
        outcome.merge(key_of("pods", pod), json!({ "metadata": { "finalizers": left } }));
    }
}

fn take(outcome: &mut Outcome, job: &Value, pod: &Value) {
    untrack(outcome, pod);
    outcome.delete(key_of("pods", pod), pod, "Background");
    outcome.event(job, COMPONENT, false, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
}

/// Counts pods that ended once each; their finalizer says which are counted yet.
fn count(outcome: &mut Outcome, job: &Value, all: &[&Value], active: &[&Value], status: &mut Value) {
    let tracked = |pod: &&&Value| list(pod, "/metadata/finalizers").iter().any(|finalizer| finalizer == FINALIZER);
    for pod in all.iter().filter(tracked) {
        let gone_early = leaving(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        let field = match text(pod, "/status/phase") {
            "Succeeded" => "succeeded",
            "Failed" => "failed",
            _ if gone_early => {
                untrack(outcome, pod);
                continue;
            }
            _ => continue,
        };
        status[field] = json!(int(status, &format!("/{field}")) + 1);
        if field == "succeeded" && is_indexed(job) {
            let done = [text(status, "/completedIndexes"), index(pod)]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>();
            status["completedIndexes"] = json!(ranges(&done.join(",")));
        }
        untrack(outcome, pod);
    }
    let numbers = [("active", active.len()), ("ready", active.iter().filter(|pod| is_ready(pod)).count())];
    for (field, number) in numbers {
        status[field] = json!(number);
    }
    if active.is_empty() {
        status.as_object_mut().map(|status| status.remove("active"));
    }
    let stopping =
        all.iter().filter(|pod| leaving(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")).count();
    status["terminating"] = json!(stopping);
    status["uncountedTerminatedPods"] = json!({});
}

fn is_indexed(job: &Value) -> bool {
    job["spec"]["completionMode"] == "Indexed"
}

fn index(pod: &Value) -> &str {
    super::fields::annotation(pod, INDEX).unwrap_or_default()
}

/// `0,2,1` as `0-2`.
fn ranges(listed: &str) -> String {
    let mut numbers = expand(listed);
    numbers.sort_unstable();
    numbers.dedup();
    let mut out: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => out.push((number, number)),
        }
    }
    let parts = out.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    parts.collect::<Vec<_>>().join(",")
}

fn expand(listed: &str) -> Vec<i64> {
    let part = |part: &str| match part.split_once('-') {
        Some((from, to)) => (from.parse().unwrap_or(0)..=to.parse().unwrap_or(-1)).collect(),
        None => part.parse().into_iter().collect::<Vec<i64>>(),
    };
    listed.split(',').filter(|text| !text.is_empty()).flat_map(part).collect()
}

fn wanted(job: &Value) -> i64 {
    job["spec"]["completions"].as_i64().unwrap_or(1)
}

fn end(job: &Value, status: &Value, outcome: &mut Outcome, now: Timestamp) -> Option<End> {
    let (succeeded, failed) = (int(status, "/succeeded"), int(status, "/failed"));
    let limit = job["spec"]["backoffLimit"].as_i64().unwrap_or(6);
    if failed > limit {
        return Some(End::Failed {
            reason: "BackoffLimitExceeded",
            message: "Job has reached the specified backoff limit".into(),
        });
    }
    let started = time_at(status, "/startTime");
    if let Some(at) =
        job["spec"]["activeDeadlineSeconds"].as_i64().and_then(|seconds| started.map(|since| plus(since, seconds)))
    {
        if at <= now && job["spec"]["suspend"] != true {
            let message = "Job was active longer than specified deadline".into();
            return Some(End::Failed { reason: "DeadlineExceeded", message });
        }
        outcome.again(at);
    }
    let no_count = job["spec"]["completions"].is_null();
    let done = if no_count { succeeded > 0 && int(status, "/active") == 0 } else { succeeded >= wanted(job) };
    done.then_some(End::Complete)
}

/// The pods go first; the final condition follows when they are gone.
fn finish(outcome: &mut Outcome, job: &Value, active: &[&Value], status: &mut Value, end: End, now: Timestamp) {
    active.iter().for_each(|pod| take(outcome, job, pod));
    let (before, after, reason, message) = match end {
        End::Complete => (
            "SuccessCriteriaMet",
            "Complete",
            "CompletionsReached",
            "Reached expected number of succeeded pods".to_owned(),
        ),
        End::Failed { reason, message } => ("FailureTarget", "Failed", reason, message),
    };
    conclude(status, before, reason, &message, now);
    status.as_object_mut().map(|status| status.remove("active"));
    status["ready"] = json!(0);
    if !active.is_empty() || int(status, "/terminating") > 0 {
        status["terminating"] = json!(int(status, "/terminating").max(i64::try_from(active.len()).unwrap_or(0)));
        return;
    }
    conclude(status, after, reason, &message, now);
    if after == "Complete" {
        status["completionTime"] = time(now);
        outcome.event(job, COMPONENT, false, "Completed", "Job completed");
    } else {
        outcome.event(job, COMPONENT, true, reason, message);
    }
}

fn conclude(status: &mut Value, kind: &str, reason: &str, message: &str, now: Timestamp) {
    if condition(status, kind).is_some() {
        return;
    }
    set_condition(status, kind, "True", reason, message, now);
    stamp(status, kind, now);
}

fn stamp(status: &mut Value, kind: &str, now: Timestamp) {
    let all = status["conditions"].as_array_mut().into_iter().flatten();
    all.filter(|condition| condition["type"] == kind).for_each(|condition| condition["lastProbeTime"] = time(now));
}

fn note_suspension(outcome: &mut Outcome, job: &Value, status: &mut Value, suspended: bool, now: Timestamp) {
    if suspended == is_true(status, "Suspended") {
        return;
    }
    let (is, reason, message) =
        if suspended { ("True", "JobSuspended", "Job suspended") } else { ("False", "JobResumed", "Job resumed") };
    set_condition(status, "Suspended", is, reason, message, now);
    stamp(status, "Suspended", now);
    if suspended {
        status.as_object_mut().map(|status| status.remove("startTime"));
        outcome.event(job, COMPONENT, false, "Suspended", message);
    } else {
        outcome.event(job, COMPONENT, false, "Resumed", message);
    }
}

/// As many pods as may run at once; after a failure the next one waits.
fn keep(outcome: &mut Outcome, job: &Value, all: &[&Value], active: &[&Value], status: &Value, now: Timestamp) {
    let parallel = job["spec"]["parallelism"].as_i64().unwrap_or(1);
    let no_count = job["spec"]["completions"].is_null();
    let succeeded = int(status, "/succeeded");
    let running = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let target = match no_count {
        // once one has succeeded, no more are begun
        true if succeeded > 0 => running,
        true => parallel,
        false => parallel.min(wanted(job) - succeeded),
    };
    let surplus = usize::try_from(running - target).unwrap_or(0);
    active.iter().take(surplus).for_each(|pod| take(outcome, job, pod));
    if target <= running {
        return;
    }
    if let Some(at) = next_try(all, status).filter(|at| *at > now) {
        return outcome.again(at);
    }
    let free = free_indexes(job, active, status);
    for number in 0..(target - running) {
        let index = usize::try_from(number).ok().and_then(|at| free.get(at)).copied();
        if is_indexed(job) && index.is_none() {
            break;
        }
        outcome.create(pod(job, index));
    }
}

fn next_try(all: &[&Value], status: &Value) -> Option<Timestamp> {
    let failed = u32::try_from(int(status, "/failed")).unwrap_or(0);
    let finished = |pod: &&Value| {
        list(pod, "/status/containerStatuses").iter().filter_map(|c| time_at(c, "/state/terminated/finishedAt")).max()
    };
    let last = all.iter().filter(|pod| text(pod, "/status/phase") == "Failed").filter_map(finished).max()?;
    (failed > 0).then(|| plus(last, back_off(failed)))
}

fn free_indexes(job: &Value, active: &[&Value], status: &Value) -> Vec<i64> {
    if !is_indexed(job) {
        return Vec::new();
    }
    let done = expand(text(status, "/completedIndexes"));
    let taken: Vec<&str> = active.iter().map(|pod| index(pod)).collect();
    (0..wanted(job)).filter(|number| !done.contains(number) && !taken.contains(&number.to_string().as_str())).collect()
}

fn pod(job: &Value, index: Option<i64>) -> Value {
    let mut pod = pod_of(job);
    pod["metadata"]["finalizers"] = json!([FINALIZER]);
    if let Some(index) = index {
        pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
        pod["metadata"]["labels"][INDEX] = json!(index.to_string());
        pod["metadata"]["generateName"] = json!(format!("{}-{index}-", name(job)));
        pod["spec"]["hostname"] = json!(format!("{}-{index}", name(job)));
        tell_index(&mut pod);
    }
    pod
}

/// Containers learn their index from the environment.
fn tell_index(pod: &mut Value) {
    let field = json!({ "apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']") });
    let variable = json!({ "name": "JOB_COMPLETION_INDEX", "valueFrom": { "fieldRef": field } });
    for containers in ["containers", "initContainers"] {
        for container in pod["spec"].get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            let given = list(container, "/env").to_vec();
            container["env"] = json!([given, vec![variable.clone()]].concat());
        }
    }
}

/// A finished job goes after its time to live.
fn expire(outcome: &mut Outcome, key: &Key, job: &Value, status: &Value, now: Timestamp) {
    let Some(life) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { return };
    let ended = ["Complete", "Failed"]
        .into_iter()
        .filter_map(|kind| condition(status, kind))
        .find_map(|c| time_at(c, "/lastTransitionTime"));
    let until = plus(ended.unwrap_or(now), life);
    if until <= now {
        outcome.delete(key.clone(), job, "Foreground");
    } else {
        outcome.again(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_written_as_ranges() {
        for (listed, expected) in [("0,2,1", "0-2"), ("0-2,4,3", "0-4"), ("5", "5"), ("", ""), ("1,3", "1,3")] {
            assert_eq!(ranges(listed), expected);
        }
    }
}
