//! Writing an Application's status: only what changed, and only when something changed that people care about.

use api::argocd::{Application, Condition, ConditionType};
use jiff::Timestamp;
use serde_json::{Map, Value};

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

/// Fields of the status that say when we looked. A change in them alone is not written.
const VOLATILE: [&str; 2] = ["reconciledAt", "observedAt"];

/// The patch for the parts of an Application that the controller writes: `status`, and `operation` and the annotations
/// where they are taken away. `None` when only the time of the last look differs.
pub(crate) fn application_patch(old: &Application, new: &Application) -> Option<Value> {
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
