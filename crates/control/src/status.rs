//! Writing an Application's status: only what changed, and only when something changed that people care about.

use std::sync::Arc;

use api::argocd::{Application, ApplicationStatus, SyncStatus};
use cluster::{ClusterError, Patch, PatchOptions};
use engine::merge_patch;
use engine::operation::Draft;
use object::{LiveObject, ResourceKey};
use serde_json::{Value, json};

use crate::context::Context;
use crate::facts::{About, Fact};
use crate::stores::AppKey;

/// How often a write is tried against others who write the same Application.
const WRITES: usize = 5;

/// Writes what the controller says about an Application, where it says something new, and then tells what happened. The
/// answer is how the Application is now. An operation that another process brought on meanwhile is a conflict.
pub(crate) async fn write(cx: &Context, old: &Application, draft: Draft) -> Result<Arc<Application>, ClusterError> {
    let Some(mut patch) = application_patch(old, &draft.app) else { return Ok(Arc::new(old.clone())) };
    // a namesake that was made meanwhile is another Application
    patch["metadata"]["uid"] = old.metadata.uid.clone().into();
    let key = AppKey::of(old).resource_key();
    let live = if moves_operation(&patch) {
        write_as_only_one(cx, &key, old, patch).await?
    } else {
        cx.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await?
    };
    cx.metrics.status_writes.inc();
    news(old, draft).iter().for_each(|fact| cx.facts.tell(fact));
    cx.stores.applications.note(live).ok_or_else(|| ClusterError::Malformed {
        object: key.to_string(),
        message: "the Application that was written cannot be read back".to_owned(),
    })
}

/// Writes if nobody wrote since `old`, or if what they wrote leaves the operation alone.
async fn write_as_only_one(
    cx: &Context,
    key: &ResourceKey,
    old: &Application,
    mut patch: Value,
) -> Result<LiveObject, ClusterError> {
    let mut version = old.metadata.resource_version.clone();
    for _ in 0..WRITES {
        patch["metadata"]["resourceVersion"] = version.into();
        let refused = match cx.cluster.patch(key, &Patch::Merge(patch.clone()), PatchOptions::default()).await {
            Err(refused @ ClusterError::Conflict { .. }) => refused,
            other => return other,
        };
        let now = cx.cluster.get(key).await?.and_then(|live| Application::from_value(live.into_value()).ok());
        let same = |now: &Application| {
            now.metadata.uid == old.metadata.uid
                && now.operation == old.operation
                && now.status.operation_state == old.status.operation_state
                && now.status.history == old.status.history
        };
        match now.filter(same) {
            Some(now) => version = now.metadata.resource_version,
            None => return Err(refused),
        }
    }
    Err(ClusterError::Conflict {
        object: key.to_string(),
        message: "it is written too often by others".to_owned(),
        owners: Vec::new(),
    })
}

/// What the write made true: what happened to the operation, and what changed in the status.
fn news(old: &Application, Draft { app: new, facts }: Draft) -> Vec<Fact> {
    let app = || About::from(&new);
    let mut all: Vec<Fact> = facts.into_iter().map(|told| Fact::Operation { app: app(), told }).collect();
    let (was, is, revision) = (&old.status, &new.status, &new.status.sync.revision);
    // of a first look that tells nothing, too, people hear why
    let is_first = was.sync == SyncStatus::default() && is.sync != was.sync;
    if is_first || was.sync.status != is.sync.status {
        let error = is.conditions.iter().find(|condition| condition.kind.is_error());
        let (because, revision) = (error.map(|error| error.message.clone()).unwrap_or_default(), revision.clone());
        all.push(Fact::SyncChanged { app: app(), was: was.sync.status, is: is.sync.status, because, revision });
    }
    if was.health.status != is.health.status {
        let (because, revision) = (is.health.message.clone(), revision.clone());
        let (was, is) = (was.health.status, is.health.status);
        all.push(Fact::HealthChanged { app: app(), was, is, because, revision });
    }
    all
}

/// Whether a patch starts, continues or ends an operation: only one may do that at a time.
fn moves_operation(patch: &Value) -> bool {
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
fn application_patch(old: &Application, new: &Application) -> Option<Value> {
    if says_the_same(old, new) {
        return None;
    }
    let patch = merge_patch(&written(old), &written(new))?;
    let news = match &patch {
        Value::Object(fields) => fields.iter().any(|(name, value)| match (name.as_str(), value) {
            ("status", Value::Object(status)) => status.keys().any(|field| !VOLATILE.contains(&field.as_str())),
            _ => true,
        }),
        _ => true,
    };
    news.then_some(patch)
}

/// What the controller writes of an Application.
fn written(app: &Application) -> Value {
    let metadata = json!({"annotations": app.metadata.annotations, "finalizers": app.metadata.finalizers});
    match &app.operation {
        Some(operation) => json!({"metadata": metadata, "status": app.status, "operation": operation}),
        None => json!({"metadata": metadata, "status": app.status}),
    }
}

#[cfg(test)]
mod tests;
