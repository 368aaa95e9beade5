//! Writing an Application's status: only what changed, and only when something changed that people care about.

use std::collections::BTreeSet;

use api::argocd::{
    Application, ApplicationStatus, ComparedTo, Condition, ConditionType, HealthStatus, HealthStatusCode, SyncStatus,
    SyncStatusCode,
};
use engine::HealthInput;
use jiff::Timestamp;
use object::LiveObject;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::live::known_objects;
use crate::reconcile::Judged;
use crate::stores::AppKey;

/// The conditions that a look at an Application sets or takes away; others are not its own.
const OF_A_LOOK: [ConditionType; 8] = [
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::OrphanedResourceWarning,
    ConditionType::SourceWarning,
    ConditionType::UnknownError,
];

/// Puts what a look found into the status. `latest` says whether the revision was resolved anew.
pub(crate) fn show(cx: &Context, app: &mut Application, judged: Result<&Judged, &Vec<Condition>>, latest: bool) {
    let now = cx.clock.now();
    if latest {
        app.status.reconciled_at = Some(now);
    }
    app.status.controller_namespace.clone_from(&cx.namespace);
    match judged {
        Ok(judged) => {
            let mut found = judged.compared.comparison.conditions.clone();
            found.extend(judged.wanted.doubts());
            set_conditions(&mut app.status.conditions, &OF_A_LOOK, found, now);
            show_sync(app, judged);
            show_objects(app, judged, now);
        }
        Err(found) => {
            set_conditions(&mut app.status.conditions, &OF_A_LOOK, found.clone(), now);
            // the objects that were known stay, and so does the revision that they are of
            app.status.sync.status = SyncStatusCode::Unknown;
            show_known(cx, app, now);
        }
    }
}

fn show_sync(app: &mut Application, judged: &Judged) {
    let several = app.spec.has_multiple_sources();
    let commits = judged.wanted.commits.clone();
    let compared_to = ComparedTo {
        source: app.spec.source.clone().filter(|_| !several),
        destination: app.spec.destination.clone(),
        sources: app.spec.sources.clone(),
        ignore_differences: app.spec.ignore_differences.clone(),
    };
    app.status.sync = SyncStatus {
        status: judged.compared.comparison.status,
        compared_to,
        revision: if several { String::new() } else { commits.first().cloned().unwrap_or_default() },
        revisions: if several { commits } else { Vec::new() },
    };
    let tools = judged.wanted.tools.clone();
    app.status.source_type = if several { String::new() } else { tools.first().cloned().unwrap_or_default() };
    app.status.source_types = if several { tools } else { Vec::new() };
}

fn show_objects(app: &mut Application, judged: &Judged, now: Timestamp) {
    let objects = &judged.compared.comparison.objects;
    let healths: Vec<Option<HealthStatus>> =
        objects.iter().map(|object| object.live.as_ref().and_then(|live| engine::health(live))).collect();
    let inputs: Vec<HealthInput<'_>> = objects
        .iter()
        .zip(&healths)
        .map(|(object, health)| HealthInput {
            target: object.target.as_ref(),
            live: object.live.as_deref(),
            health: health.as_ref(),
        })
        .collect();
    let own = AppKey::of(app).resource_key();
    let (total, each) = engine::aggregate(&inputs, &own, &app.metadata.uid);
    app.status.resources = objects
        .iter()
        .zip(each)
        .map(|(object, health)| api::argocd::ResourceStatus { health, ..object.resource_status() })
        .collect();
    set_health(&mut app.status, total, now);
    app.status.summary.images = images(objects.iter().filter_map(|object| object.live.as_deref()));
}

fn images<'a>(objects: impl Iterator<Item = &'a LiveObject>) -> Vec<String> {
    let all: BTreeSet<String> = objects.flat_map(|object| engine::images(object)).map(|image| image.image).collect();
    all.into_iter().collect()
}

/// Health goes on being told while the desired state is not known.
fn show_known(cx: &Context, app: &mut Application, now: Timestamp) {
    let live = known_objects(cx, app);
    if live.is_empty() {
        return;
    }
    let healths: Vec<Option<HealthStatus>> = live.iter().map(engine::health).collect();
    let inputs: Vec<HealthInput<'_>> = live
        .iter()
        .zip(&healths)
        .map(|(live, health)| HealthInput { target: None, live: Some(live), health: health.as_ref() })
        .collect();
    let own = AppKey::of(app).resource_key();
    let (total, _) = engine::aggregate(&inputs, &own, &app.metadata.uid);
    set_health(&mut app.status, total, now);
}

fn set_health(status: &mut ApplicationStatus, health: HealthStatus, now: Timestamp) {
    let since = match status.health.last_transition_time {
        Some(since) if status.health.status == health.status => since,
        _ => now,
    };
    let unknown = health.status == HealthStatusCode::Unknown && status.health == HealthStatus::default();
    status.health = HealthStatus { last_transition_time: (!unknown).then_some(since), ..health };
}

/// The RFC 7386 patch that turns `old` into `new`; `None` when they are equal.
pub(crate) fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for (name, new) in new {
                match old.get(name) {
                    Some(old) => patch.extend(merge_patch(old, new).map(|p| (name.clone(), p))),
                    None => drop(patch.insert(name.clone(), new.clone())),
                }
            }
            patch.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null)));
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

/// Whether a patch starts, continues or ends an operation: only one may do that at a time.
pub(crate) fn moves_operation(patch: &Value) -> bool {
    let status = &patch["status"];
    patch.get("operation").is_some() || status.get("operationState").is_some() || status.get("history").is_some()
}

/// Fields of the status that say when we looked. A change in them alone is not written.
const VOLATILE: [&str; 2] = ["reconciledAt", "observedAt"];

/// Whether at most these differ: the quick way for what is looked at most often.
fn says_the_same(old: &Application, new: &Application) -> bool {
    let status = || ApplicationStatus {
        reconciled_at: old.status.reconciled_at,
        observed_at: old.status.observed_at,
        ..new.status.clone()
    };
    old.operation == new.operation
        && old.metadata.annotations == new.metadata.annotations
        && old.metadata.finalizers == new.metadata.finalizers
        && old.status == status()
}

/// The patch for the parts of an Application that the controller writes: `status`, and `operation` and the annotations
/// where they are taken away. `None` when only the time of the last look differs.
pub(crate) fn application_patch(old: &Application, new: &Application) -> Option<Value> {
    if says_the_same(old, new) {
        return None;
    }
    let (old, new) = (old.to_value(), new.to_value());
    let part = |value: &Value| {
        let mut part = Map::new();
        for field in ["status", "operation"] {
            part.extend(value.get(field).map(|v| (field.to_owned(), v.clone())));
        }
        let metadata = ["annotations", "finalizers"].into_iter();
        let metadata = metadata.filter_map(|f| Some((f.to_owned(), value["metadata"].get(f)?.clone()))).collect();
        part.insert("metadata".to_owned(), Value::Object(metadata));
        Value::Object(part)
    };
    let patch = merge_patch(&part(&old), &part(&new))?;
    let news = match &patch {
        Value::Object(fields) => fields.iter().any(|(name, value)| match (name.as_str(), value) {
            ("status", Value::Object(status)) => status.keys().any(|field| !VOLATILE.contains(&field.as_str())),
            _ => true,
        }),
        _ => true,
    };
    news.then_some(patch)
}

/// Replaces the conditions of `kinds` by `found`. A condition that stood before keeps its time.
pub(crate) fn set_conditions(
    conditions: &mut Vec<Condition>,
    kinds: &[ConditionType],
    found: Vec<Condition>,
    now: Timestamp,
) {
    let before = std::mem::take(conditions);
    let mut next: Vec<Condition> = before.iter().filter(|c| !kinds.contains(&c.kind)).cloned().collect();
    for condition in found {
        let known = before.iter().find(|c| c.kind == condition.kind && c.message == condition.message);
        let since = known.and_then(|c| c.last_transition_time).or(condition.last_transition_time).or(Some(now));
        next.push(Condition { last_transition_time: since, ..condition });
    }
    next.sort_by(|a, b| (a.kind, &a.message).cmp(&(b.kind, &b.message)));
    next.dedup_by(|a, b| a.kind == b.kind && a.message == b.message);
    *conditions = next;
}

pub(crate) fn condition(kind: ConditionType, message: impl Into<String>) -> Condition {
    Condition { kind, message: message.into(), last_transition_time: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patches_say_what_differs_and_no_more() {
        for (old, new, patch) in [
            (json!({"a": 1}), json!({"a": 1}), None),
            (
                json!({"a": 1, "b": {"c": 2, "d": 3}}),
                json!({"b": {"c": 2, "d": 4}}),
                Some(json!({"a": null, "b": {"d": 4}})),
            ),
            (json!({"a": [1, 2]}), json!({"a": [1]}), Some(json!({"a": [1]}))),
            (json!({}), json!({"a": {"b": 1}}), Some(json!({"a": {"b": 1}}))),
        ] {
            assert_eq!(merge_patch(&old, &new), patch, "{old} -> {new}");
        }
    }

    #[test]
    fn the_time_of_the_last_look_alone_is_not_written() {
        let old = Application::default();
        let mut new = old.clone();
        new.status.reconciled_at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(application_patch(&old, &new), None);
        new.status.source_type = "Kustomize".to_owned();
        let patch = application_patch(&old, &new).unwrap();
        assert_eq!(patch["status"]["reconciledAt"], "1970-01-01T00:00:00Z");
        assert!(patch.get("operation").is_none());
    }

    #[test]
    fn conditions_keep_their_time_while_they_stand() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let error = || condition(ConditionType::ComparisonError, "x");
        let mut conditions = Vec::new();
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![error(), error()], at(1));
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![error()], at(2));
        assert_eq!(conditions, [Condition { last_transition_time: Some(at(1)), ..error() }]);
        set_conditions(&mut conditions, &[ConditionType::SyncError], vec![], at(3));
        assert_eq!(conditions.len(), 1, "conditions of other kinds stay");
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![], at(3));
        assert!(conditions.is_empty());
    }
}
