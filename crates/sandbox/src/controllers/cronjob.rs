//! CronJobs: a Job at each time of the schedule.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cron::Schedule;
use super::fields::{controller_ref, is_true, key_of, leaving, name, namespace, plus, text, time, time_at, uid};
use super::outcome::{Outcome, manager};
use super::snapshot::Snapshot;
use crate::store::Key;

const COMPONENT: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Missed times that are looked at; more than that and only the last counts.
const MISSED: usize = 100;

pub(super) fn reconcile(view: &Snapshot, key: &Key, cron: &Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    if leaving(cron) {
        return outcome;
    }
    let mut jobs: Vec<&Value> = view.controlled(uid(cron), "jobs.batch").into_iter().map(|job| &**job).collect();
    jobs.sort_by_key(|job| (time_at(job, "/metadata/creationTimestamp"), name(job)));
    let mut status = json!({});
    for field in ["lastScheduleTime", "lastSuccessfulTime"] {
        if let Some(known) = cron["status"].get(field) {
            status[field] = known.clone();
        }
    }
    note_ends(&mut outcome, cron, &jobs, &mut status);
    forget(&mut outcome, cron, &jobs, "Complete", "successfulJobsHistoryLimit", 3);
    forget(&mut outcome, cron, &jobs, "Failed", "failedJobsHistoryLimit", 1);
    let running: Vec<&Value> = jobs.iter().copied().filter(|job| !ended(job)).collect();
    if cron["spec"]["suspend"] != true {
        schedule(&mut outcome, cron, &jobs, &running, &mut status, now);
    }
    let reference = |job: &&Value| json!({ "apiVersion": "batch/v1", "kind": "Job", "name": name(job), "namespace": namespace(job), "uid": uid(job), "resourceVersion": job["metadata"]["resourceVersion"] });
    // the version is that of the moment when the job was first seen
    let known = cron["status"]["active"].as_array();
    let same = |job: &&Value| known.into_iter().flatten().find(|active| active["uid"] == uid(job)).cloned();
    let active: Vec<Value> = running.iter().map(|job| same(job).unwrap_or_else(|| reference(job))).collect();
    if !active.is_empty() {
        status["active"] = json!(active);
    }
    outcome.status(key, cron, status, manager::CONTROLLERS);
    outcome
}

fn ended(job: &Value) -> bool {
    is_true(&job["status"], "Complete") || is_true(&job["status"], "Failed")
}

fn note_ends(outcome: &mut Outcome, cron: &Value, jobs: &[&Value], status: &mut Value) {
    let known = cron["status"]["active"].as_array().cloned().unwrap_or_default();
    for job in jobs.iter().filter(|job| ended(job) && known.iter().any(|active| active["uid"] == uid(job))) {
        let how = if is_true(&job["status"], "Complete") { "Complete" } else { "Failed" };
        outcome.event(
            cron,
            COMPONENT,
            false,
            "SawCompletedJob",
            format!("Saw completed job: {}, condition: {how}", name(job)),
        );
    }
    let last = jobs.iter().filter_map(|job| job["status"]["completionTime"].as_str()).max();
    if let Some(last) = last.filter(|last| *last > text(status, "/lastSuccessfulTime")) {
        status["lastSuccessfulTime"] = json!(last);
    }
}

/// Keeps so many ended jobs.
fn forget(outcome: &mut Outcome, cron: &Value, jobs: &[&Value], kind: &str, field: &str, otherwise: u64) {
    let limit = usize::try_from(cron["spec"][field].as_u64().unwrap_or(otherwise)).unwrap_or(usize::MAX);
    let old: Vec<&&Value> = jobs.iter().filter(|job| is_true(&job["status"], kind) && !leaving(job)).collect();
    for job in old.iter().take(old.len().saturating_sub(limit)) {
        outcome.delete(key_of("jobs.batch", job), job, "Background");
        outcome.event(cron, COMPONENT, false, "SuccessfulDelete", format!("Deleted job {}", name(job)));
    }
}

fn schedule(
    outcome: &mut Outcome,
    cron: &Value,
    jobs: &[&Value],
    running: &[&Value],
    status: &mut Value,
    now: Timestamp,
) {
    let Some(schedule) = Schedule::parse(text(cron, "/spec/schedule")) else {
        let message = format!("unparseable schedule: {:?}", text(cron, "/spec/schedule"));
        return outcome.event(cron, COMPONENT, true, "UnparseableSchedule", message);
    };
    let created = time_at(cron, "/metadata/creationTimestamp").unwrap_or(now);
    let mut since = time_at(status, "/lastScheduleTime").unwrap_or(created);
    if let Some(seconds) = cron["spec"]["startingDeadlineSeconds"].as_i64() {
        since = since.max(plus(now, -seconds));
    }
    schedule.after(now).into_iter().for_each(|at| outcome.again(at));
    let Some(at) = last_due(&schedule, since, now) else { return };
    let job_name = format!("{}-{}", name(cron), at.as_second() / 60);
    if jobs.iter().any(|job| name(job) == job_name) {
        return;
    }
    match text(cron, "/spec/concurrencyPolicy") {
        "Forbid" if !running.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            return outcome.event(cron, COMPONENT, false, "JobAlreadyActive", message);
        }
        "Replace" => running.iter().for_each(|job| outcome.delete(key_of("jobs.batch", job), job, "Background")),
        _ => {}
    }
    outcome.create(job(cron, &job_name, at));
    outcome.event(cron, COMPONENT, false, "SuccessfulCreate", format!("Created job {job_name}"));
    status["lastScheduleTime"] = time(at);
}

/// The latest time of the schedule that has come and was not acted on.
fn last_due(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let mut due = None;
    let mut next = schedule.after(since);
    for _ in 0..MISSED {
        match next {
            Some(at) if at <= now => {
                due = Some(at);
                next = schedule.after(at);
            }
            _ => return due,
        }
    }
    // far behind: look at the last day only
    let day = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let mut next = schedule.after(due.map_or(day, |due| due.max(day)));
    while let Some(at) = next.filter(|at| *at <= now) {
        due = Some(at);
        next = schedule.after(at);
    }
    due
}

fn job(cron: &Value, job_name: &str, at: Timestamp) -> Value {
    let template = &cron["spec"]["jobTemplate"];
    let mut annotations = template["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.insert(SCHEDULED.into(), time(at));
    let mut metadata = json!({ "name": job_name, "namespace": namespace(cron), "annotations": annotations, "ownerReferences": [controller_ref(cron)] });
    if let Some(labels) = template["metadata"].get("labels") {
        metadata["labels"] = labels.clone();
    }
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"] })
}
