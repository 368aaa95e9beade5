//! How well live objects do. Workloads, of which there are many, are judged in Rust, one kind a file (the words are Argo
//! CD 3.5.1's); every other kind by a rule that is data: `rules/*.yaml`, in the language of `expression.rs`.

mod aggregate;
mod cronjob;
mod daemonset;
mod deployment;
mod evaluate;
mod expression;
mod hpa;
mod job;
mod pod;
mod replicaset;
mod rule;
mod rules;
mod statefulset;

use api::argocd::{HealthStatus, HealthStatusCode, names};
use object::LiveObject;
use serde_json::Value;

pub use aggregate::{HealthInput, aggregate};
pub use pod::waiting_problem;

/// How the health of an object is told: by [`health`], or by what people say of some kinds first ([`health_or`]).
pub type HealthOf<'a> = &'a dyn Fn(&LiveObject) -> Option<HealthStatus>;

/// The health of one live object; `None` for kinds that have none, which never hold anything up.
pub fn health(live: &LiveObject) -> Option<HealthStatus> {
    health_or(live, |_| None)
}

/// As [`health`], but what `custom` says of a kind, and be it nothing, outweighs the rule that we have for it.
pub fn health_or(
    live: &LiveObject,
    custom: impl FnOnce(&LiveObject) -> Option<Option<HealthStatus>>,
) -> Option<HealthStatus> {
    let leaves = live.deletion_timestamp().is_some();
    if leaves && !has_finalizer(live, names::HOOK_FINALIZER) {
        return Some(HealthStatus::new(HealthStatusCode::Progressing, "Pending deletion"));
    }
    custom(live).unwrap_or_else(|| health_of_kind(live))
}

/// As [`health`], but of a kind whose rule is data what that rule says, also of an object on its way out.
pub fn health_by_rule(live: &LiveObject) -> Option<HealthStatus> {
    match rules::rule(group(live), live.kind()) {
        Some(rule) => Some(rule.judge(live.value())),
        None => health(live),
    }
}

fn health_of_kind(live: &LiveObject) -> Option<HealthStatus> {
    let check: fn(&LiveObject) -> HealthStatus = match (group(live), live.kind()) {
        ("apps", "Deployment") => deployment::health,
        ("apps", "ReplicaSet") => replicaset::health,
        ("apps", "StatefulSet") => statefulset::health,
        ("apps", "DaemonSet") => daemonset::health,
        ("batch", "Job") => job::health,
        ("batch", "CronJob") => cronjob::health,
        ("", "Pod") => pod::health,
        ("autoscaling", "HorizontalPodAutoscaler") => hpa::health,
        (group, kind) => return rules::rule(group, kind).map(|rule| rule.judge(live.value())),
    };
    Some(check(live))
}

fn group(live: &LiveObject) -> &str {
    live.api_version().split_once('/').map_or("", |(group, _)| group)
}

fn has_finalizer(live: &LiveObject, name: &str) -> bool {
    let finalizers = at(live.value(), "/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|list| list.iter().any(|f| f == name))
}

fn healthy(message: impl Into<String>) -> HealthStatus {
    HealthStatus::new(HealthStatusCode::Healthy, message)
}

fn progressing(message: impl Into<String>) -> HealthStatus {
    HealthStatus::new(HealthStatusCode::Progressing, message)
}

fn degraded(message: impl Into<String>) -> HealthStatus {
    HealthStatus::new(HealthStatusCode::Degraded, message)
}

fn suspended(message: impl Into<String>) -> HealthStatus {
    HealthStatus::new(HealthStatusCode::Suspended, message)
}

/// What is at `/a/b/c`: fields only, and without the copies that unescaping a JSON pointer makes.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, name| value.get(name))
}

fn number(live: &LiveObject, pointer: &str) -> i64 {
    optional_number(live, pointer).unwrap_or_default()
}

fn optional_number(live: &LiveObject, pointer: &str) -> Option<i64> {
    at(live.value(), pointer).and_then(Value::as_i64)
}

fn text<'a>(live: &'a LiveObject, pointer: &str) -> &'a str {
    at(live.value(), pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The controller has not seen the newest spec yet.
fn is_stale(live: &LiveObject) -> bool {
    live.generation() > number(live, "/status/observedGeneration")
}

/// One entry of `status.conditions`.
#[derive(Debug, Clone, Copy)]
struct Condition<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

fn conditions(value: &Value) -> impl Iterator<Item = Condition<'_>> {
    value.as_array().into_iter().flatten().map(|item| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        Condition { kind: text("type"), status: text("status"), reason: text("reason"), message: text("message") }
    })
}

fn status_conditions(live: &LiveObject) -> impl Iterator<Item = Condition<'_>> {
    at(live.value(), "/status/conditions").into_iter().flat_map(conditions)
}
