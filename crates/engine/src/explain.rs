//! Why an Application is not Synced or not Healthy: the same words for the terminal, the page and the API.

use api::argocd::{
    Application, Condition, ConditionType, HealthStatusCode, OperationPhase, OperationState, ResourceStatus,
    ResultCode, SyncStatusCode, names,
};
use jiff::Timestamp;
use object::ResourceKey;
use serde::Serialize;
use serde_json::Value;

use crate::annotations::asks_before_deletion;
use crate::automated::{Decision, Skip, next_attempt};
use crate::compare::{Compared, Comparison};
use crate::fields::FieldDiff;
use crate::stay::Other;
use crate::tree::ResourceTree;

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Topic {
    Source,
    Sync,
    Operation,
    Health,
}

/// One thing that stands between an Application and green.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub topic: Topic,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ResourceKey>,
    /// A whole sentence.
    pub message: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the next automatic step can come; `None` when none will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Timestamp>,
    /// Who or what can change it.
    pub who: String,
}

/// All reasons, the most telling ones first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub application: String,
    pub sync: SyncStatusCode,
    pub health: HealthStatusCode,
    /// One line.
    pub summary: String,
    pub reasons: Vec<Reason>,
}

/// What is known about the Application.
#[derive(Debug, Clone, Copy)]
pub struct ExplainInput<'a> {
    pub application: &'a Application,
    pub comparison: Option<&'a Comparison>,
    pub tree: Option<&'a ResourceTree>,
    /// What [`crate::automated::decide`] says now.
    pub decision: Option<&'a Decision>,
    /// When the source is looked at again.
    pub next_refresh: Option<Timestamp>,
    pub now: Timestamp,
}

/// Says why, what there is, what is needed, since when, when it can change and by whom.
pub fn explain(input: &ExplainInput<'_>) -> Explanation {
    let Application { metadata, status, .. } = input.application;
    let mut reasons: Vec<Reason> = status.conditions.iter().map(|condition| from_condition(condition, input)).collect();
    reasons.extend(from_deletion(input));
    reasons.extend(status.operation_state.iter().flat_map(|state| from_operation(state, input.now)));
    reasons.extend(from_comparison(input));
    reasons.extend(status.resources.iter().filter_map(|resource| from_health(resource, input)));
    let sync = status.sync.status;
    let health = status.health.status;
    let summary = match reasons.first() {
        None => format!("{} is {sync} and {health}.", metadata.name),
        Some(first) => {
            let more = reasons.len() - 1;
            let tail = if more > 0 { format!(" ({more} more)") } else { String::new() };
            format!("{} is {sync} and {health}: {}{tail}", metadata.name, first.message)
        }
    };
    Explanation { application: metadata.name.clone(), sync, health, summary, reasons }
}

fn reason(topic: Topic, message: String, who: &str) -> Reason {
    Reason { topic, object: None, message, value: None, needed: None, since: None, earliest: None, who: who.to_owned() }
}

/// What its deletion waits for.
fn from_deletion(input: &ExplainInput<'_>) -> Option<Reason> {
    let app = input.application;
    let asked = app.metadata.deletion_timestamp.filter(|_| !app.deletion_is_approved())?;
    let asks = |object: &&Compared| object.live.as_ref().is_some_and(|live| asks_before_deletion(live, app));
    let asking: Vec<&ResourceKey> = input.comparison?.objects.iter().filter(asks).map(|object| &object.key).collect();
    let first = asking.first()?;
    let more = if asking.len() > 1 { format!(" and {} more", asking.len() - 1) } else { String::new() };
    let message = format!(
        "its deletion waits for approval, as {}/{}{more} asks for one; nothing is deleted until then: kubectl annotate \
         application {} -n {} {}=$(date -u +%FT%TZ)",
        first.kind,
        first.name,
        app.metadata.name,
        app.metadata.namespace,
        names::DELETION_APPROVED
    );
    Some(Reason { since: Some(asked), ..reason(Topic::Operation, message, "whoever may edit this Application") })
}

const SYNCER: &str = "anybody whom a policy allows to sync this Application";
const PUSHER: &str = "anybody who can push to the repository";

fn from_condition(condition: &Condition, input: &ExplainInput<'_>) -> Reason {
    let (topic, who) = match condition.kind {
        ConditionType::InvalidSpecError => (Topic::Source, "whoever edits the Application"),
        ConditionType::ComparisonError | ConditionType::RepeatedResourceWarning | ConditionType::SourceWarning => {
            (Topic::Source, PUSHER)
        }
        ConditionType::SharedResourceWarning => (Topic::Sync, "whoever edits the two Applications"),
        ConditionType::SyncError => (Topic::Operation, SYNCER),
        _ => (Topic::Operation, "an administrator"),
    };
    let name =
        serde_json::to_value(condition.kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let earliest = if condition.kind == ConditionType::ComparisonError { input.next_refresh } else { None };
    Reason {
        since: condition.last_transition_time,
        earliest,
        ..reason(topic, format!("{name}: {}", condition.message), who)
    }
}

fn from_operation(state: &OperationState, now: Timestamp) -> Vec<Reason> {
    let since = Some(state.finished_at.unwrap_or(state.started_at));
    let retry = next_attempt(state);
    match (state.phase, state.finished_at) {
        (OperationPhase::Succeeded, _) => Vec::new(),
        (OperationPhase::Running, Some(_)) => {
            let attempt = state.retry_count + 1;
            let wait =
                retry.map_or(String::new(), |at| format!(", in {} s", (at.as_second() - now.as_second()).max(0)));
            let message = format!("The sync failed and attempt {} follows{wait}: {}", attempt + 1, state.message);
            let limit = state.operation.retry.limit;
            let needed = (limit >= 0).then(|| format!("at most {limit} retries"));
            let value = Some(format!("{} retries so far", state.retry_count));
            vec![Reason {
                since,
                earliest: retry,
                value,
                needed,
                ..reason(Topic::Operation, message, "the controller, by itself")
            }]
        }
        (OperationPhase::Running | OperationPhase::Terminating, _) => {
            let message = format!("A sync is running: {}", state.message);
            vec![Reason {
                since: Some(state.started_at),
                ..reason(Topic::Operation, message, "the controller, by itself")
            }]
        }
        _ => failed_operation(state, since),
    }
}

/// The objects that failed tell more than the operation's own words.
fn failed_operation(state: &OperationState, since: Option<Timestamp>) -> Vec<Reason> {
    let results = state.sync_result.iter().flat_map(|result| &result.resources);
    let failed = results
        .filter(|r| r.status == Some(ResultCode::SyncFailed) || r.hook_phase.is_some_and(OperationPhase::failed));
    let each = failed.map(|result| {
        let object = ResourceKey::new(&result.group, &result.kind, &result.namespace, &result.name);
        let what = if result.hook_type.is_empty() { "could not be synced" } else { "failed as a hook" };
        let message = format!("{}/{} {what}: {}", result.kind, result.name, result.message);
        Reason { object: Some(object), since, ..reason(Topic::Operation, message, PUSHER) }
    });
    let all: Vec<Reason> = each.collect();
    if !all.is_empty() {
        return all;
    }
    vec![Reason { since, ..reason(Topic::Operation, format!("The last sync failed: {}", state.message), SYNCER) }]
}

fn from_comparison(input: &ExplainInput<'_>) -> Vec<Reason> {
    let Some(comparison) = input.comparison else { return Vec::new() };
    let (earliest, who) = next_step(input);
    let with_step = |reason: Reason| Reason { earliest: reason.earliest.or(earliest), who: who.to_owned(), ..reason };
    let out = comparison.objects.iter().filter(|object| !matches!(object.status, None | Some(SyncStatusCode::Synced)));
    out.flat_map(|object| from_object(object, comparison, input)).map(with_step).collect()
}

/// When drift is corrected next, and by whom.
fn next_step(input: &ExplainInput<'_>) -> (Option<Timestamp>, &'static str) {
    match input.decision {
        Some(Decision::Start(_)) => (Some(input.now), "the controller, by itself"),
        Some(Decision::Later { at }) => (Some(*at), "the controller, by itself (self-heal backs off)"),
        Some(Decision::Blocked { until }) => {
            (*until, "the controller, as soon as the sync windows of the project permit it")
        }
        Some(Decision::Nothing(Skip::OperationPending)) => (Some(input.now), "the controller, by itself"),
        _ => (None, SYNCER),
    }
}

fn from_object(object: &Compared, comparison: &Comparison, input: &ExplainInput<'_>) -> Vec<Reason> {
    let name = format!("{}/{}", object.key.kind, object.key.name);
    let about = |message: String| Reason { object: Some(object.key.clone()), ..reason(Topic::Sync, message, SYNCER) };
    if object.forbidden.is_some() {
        let message = format!("{name} is of a kind that the project does not permit");
        return vec![about(message)];
    }
    if let Some(owner) = &object.shared_with {
        let owner = match &owner.told {
            Other::Named(owner) => format!("Application {owner}"),
            other @ Other::OfProject(_) => other.to_string(),
        };
        let message = format!("{name} belongs to {owner}, and both want it");
        return vec![about(message)];
    }
    if let Some(refused) = &object.refused {
        return vec![about(format!("{name} would be refused by the cluster: {refused}"))];
    }
    match (&object.target, &object.live) {
        (Some(_), None) => vec![Reason {
            needed: Some("present".into()),
            value: Some("absent".into()),
            ..about(format!("{name} is not there"))
        }],
        (None, Some(_)) => {
            let prune = input.application.spec.automated().is_some_and(|policy| policy.prune);
            let why = match (&comparison.incomplete, prune) {
                (Some(reason), _) => format!("; it is not pruned: {reason}"),
                (None, false) => "; pruning is off".to_owned(),
                (None, true) => String::new(),
            };
            vec![Reason {
                needed: Some("absent".into()),
                value: Some("present".into()),
                ..about(format!("{name} is not in the source any more{why}"))
            }]
        }
        _ => object.differences.iter().map(|diff| from_difference(&name, diff, about(String::new()))).collect(),
    }
}

fn from_difference(name: &str, diff: &FieldDiff, reason: Reason) -> Reason {
    let show = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), short);
    let (value, needed) = (show(&diff.live), show(&diff.desired));
    let changed = diff.owner.as_ref().map(|owner| {
        let at = owner.time.map_or(String::new(), |time| format!(" at {time}"));
        format!(", changed by {} ({}){at}", owner.manager, owner.operation)
    });
    let message = format!("{name}: {} is {value}, should be {needed}{}", diff.path, changed.unwrap_or_default());
    let since = diff.owner.as_ref().and_then(|owner| owner.time);
    Reason { message, value: Some(value), needed: Some(needed), since, ..reason }
}

/// At most 80 characters.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn from_health(resource: &ResourceStatus, input: &ExplainInput<'_>) -> Option<Reason> {
    let health = resource.health.as_ref()?;
    // what is missing is said by the comparison already
    if matches!(health.status, HealthStatusCode::Healthy | HealthStatusCode::Missing) {
        return None;
    }
    let key = ResourceKey::new(&resource.group, &resource.kind, &resource.namespace, &resource.name);
    let name = format!("{}/{}", resource.kind, resource.name);
    let words = if health.message.is_empty() { String::new() } else { format!(": {}", health.message) };
    let cause = input
        .tree
        .and_then(|tree| tree.cause(&key))
        .map(|(node, health)| format!(" ({}/{}: {})", node.key.kind, node.key.name, health.message));
    let who = match health.status {
        HealthStatusCode::Suspended => "whoever suspended it",
        HealthStatusCode::Progressing if cause.is_none() => "the cluster, by itself",
        _ => PUSHER,
    };
    let message = format!("{name} is {}{words}{}", health.status, cause.unwrap_or_default());
    Some(Reason {
        object: Some(key),
        value: Some(health.status.to_string()),
        needed: Some(HealthStatusCode::Healthy.to_string()),
        since: health.last_transition_time.or(input.application.status.health.last_transition_time),
        ..reason(Topic::Health, message, who)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{InSyncMarks, compare};
    use crate::desired::{DesiredSet, targets};
    use crate::live::LiveState;
    use crate::{CompareOptions, Permits, Scopes, Tracking};
    use object::{LiveObject, Manifest};
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn comparison() -> Comparison {
        let map = |name: &str, value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"k": value}});
        let manifests = ["a", "b"].map(|name| Manifest::new(map(name, "right")).unwrap()).to_vec();
        let desired = DesiredSet::new(manifests, vec!["x.yaml:3: bad".into()], "a".repeat(40));
        let wanted = targets(&desired, "web", "shop", &Tracking::default(), &Scopes::default());
        let mut live = wanted.objects[0].value().clone();
        live["data"]["k"] = json!("wrong");
        live["metadata"]["managedFields"] = json!([{"manager": "kubectl-edit", "operation": "Update",
            "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:k": {}}}}]);
        let mut extra = wanted.objects[0].value().clone();
        extra["metadata"]["name"] = json!("old");
        extra["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "web:/ConfigMap:shop/old"});
        let live = LiveState::new([live, extra].map(|value| Arc::new(LiveObject::new(value).unwrap())));
        let options =
            CompareOptions { application: "web".into(), permits: Permits::everything(), ..CompareOptions::default() };
        compare(&wanted, &live, &options, &InSyncMarks::default(), &BTreeMap::new())
    }

    #[test]
    fn says_what_is_and_what_should_be_and_who_and_when() {
        let application = Application::from_value(json!({"metadata": {"name": "web"}, "spec": {"destination": {}, "project": "p"},
            "status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Progressing"},
                "resources": [{"group": "apps", "kind": "Deployment", "name": "d", "health": {"status": "Degraded", "message": "late"}}],
                "operationState": {"phase": "Running", "message": "no", "startedAt": "2026-01-01T00:00:00Z",
                    "finishedAt": "2026-01-01T00:00:10Z", "retryCount": 1, "operation": {"retry": {"limit": 3}}}}}))
        .unwrap();
        let now: Timestamp = "2026-01-01T00:00:12Z".parse().unwrap();
        let later = "2026-01-01T00:01:00Z".parse().unwrap();
        let comparison = comparison();
        let explanation = explain(&ExplainInput {
            application: &application,
            comparison: Some(&comparison),
            tree: None,
            decision: Some(&Decision::Later { at: later }),
            next_refresh: None,
            now,
        });
        let messages: Vec<&str> = explanation.reasons.iter().map(|reason| reason.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "The sync failed and attempt 3 follows, in 8 s: no",
                "ConfigMap/a: .data.k is \"wrong\", should be \"right\", changed by kubectl-edit (Update) at 2026-01-01T00:00:00Z",
                "ConfigMap/b is not there",
                "ConfigMap/old is not in the source any more; it is not pruned: rendering had problems, so absent objects \
                 may only be unreadable: x.yaml:3: bad; correct the source first",
                "Deployment/d is Degraded: late",
            ]
        );
        assert_eq!(explanation.reasons[0].earliest, Some("2026-01-01T00:00:20Z".parse().unwrap()));
        assert_eq!(explanation.reasons[1].earliest, Some(later));
        assert!(explanation.summary.starts_with("web is OutOfSync and Progressing: The sync failed"));
    }
}
