//! Requests about Applications, by Argo CD's own protocol: an annotation, the `operation` field, the phase.

use std::sync::Arc;

use api::argocd::{Application, OperationPhase, SyncOperation, SyncOperationResource, SyncStatusCode, names};
use cluster::{ClusterError, DeleteOptions, Patch, PatchOptions, Propagation};
use object::ResourceKey;
use serde_json::{Value, json};

use crate::controller::Controller;
use crate::owned::overriding;
use crate::stores::AppKey;
use crate::sync::may_be_asked_for;

/// So often somebody who asks for an operation comes before whoever wrote the Application meanwhile.
const CONFLICTS: usize = 5;

/// What to sync, as a person asks for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncRequest {
    /// Empty: the Application's own target revision.
    pub revision: String,
    pub prune: bool,
    pub dry_run: bool,
    /// `(group, kind, name)`; empty: all.
    pub resources: Vec<(String, String, String)>,
    pub sync_options: Vec<String>,
    /// Past the gates of the environments that these deploy: whoever asks has the right to that.
    pub overrides: Vec<Arc<Application>>,
}

impl SyncRequest {
    fn sync(&self) -> SyncOperation {
        let resources = self.resources.iter().map(|(group, kind, name)| SyncOperationResource {
            group: group.clone(),
            kind: kind.clone(),
            name: name.clone(),
            ..SyncOperationResource::default()
        });
        SyncOperation {
            revision: self.revision.clone(),
            prune: self.prune,
            dry_run: self.dry_run,
            resources: resources.collect(),
            sync_options: self.sync_options.clone(),
            ..SyncOperation::default()
        }
    }
}

/// Why a request is not written.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What is there does not allow it; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// There is nothing of the kind that it is about.
    #[error("{0}")]
    Absent(String),
    /// It asks for what nobody is given.
    #[error("{0}")]
    Invalid(String),
}

/// Asks for a new look at Git and the cluster; `hard` forgets what was rendered.
///
/// # Errors
/// When the cluster refuses the write.
pub async fn refresh(controller: &Controller, app: &Application, hard: bool) -> Result<(), RequestError> {
    let how = if hard { "hard" } else { "normal" };
    let mut patch = json!({ "metadata": { "annotations": {} } });
    patch["metadata"]["annotations"][names::REFRESH] = json!(how);
    write(controller, app, patch).await
}

/// Starts an operation.
///
/// # Errors
/// When another operation is under way, or the cluster refuses the write.
pub async fn sync(
    controller: &Controller,
    app: &Application,
    actor: &str,
    request: SyncRequest,
) -> Result<(), RequestError> {
    let (mut sync, mut info) = (request.sync(), Vec::new());
    let cx = &controller.context;
    may_be_asked_for(cx, app).map_err(RequestError::Refused)?;
    // a dry run brings nothing: what it carried could be used for something that does
    if !request.overrides.is_empty() && !request.dry_run {
        let overriding = overriding(cx, app, &request.overrides, &sync).await?;
        (sync.revision, info) = (overriding.revision, overriding.info);
    }
    let mut operation = json!({ "initiatedBy": { "username": actor }, "sync": sync });
    if !info.is_empty() {
        operation["info"] = json!(info);
    }
    // what it is by now: repositories may have been asked meanwhile
    let known = cx.stores.application(&AppKey::of(app)).filter(|known| is_later(known, app));
    let mut app = known.unwrap_or_else(|| Arc::new(app.clone()));
    let mut conflicts = 0;
    loop {
        match write(controller, &app, begun(&app, &request, &operation)?).await {
            // mostly the controller wrote its status in between: whether that lets another one begin is asked again
            Err(RequestError::Cluster(conflict @ ClusterError::Conflict { .. })) if conflicts < CONFLICTS => {
                conflicts += 1;
                let live = cx.cluster.get(&key(&app)).await?.ok_or_else(|| gone(&app))?;
                let now = cx.stores.applications.note(live);
                // who was permitted to sync what it was may not be to sync what it is
                let same = now.filter(|now| now.metadata.uid == app.metadata.uid && now.spec == app.spec);
                app = same.ok_or(conflict)?;
            }
            written => return written,
        }
    }
}

fn gone(app: &Application) -> RequestError {
    let name = &app.metadata.name;
    RequestError::Absent(format!("the Application {name} was deleted meanwhile: nothing was started"))
}

/// The patch that begins an operation.
///
/// # Errors
/// When another one is under way, or an object is chosen that there is not.
fn begun(app: &Application, request: &SyncRequest, operation: &Value) -> Result<Value, RequestError> {
    let running = app.status.operation_state.as_ref().is_some_and(|state| !state.phase.completed());
    if app.operation.is_some() || running {
        let name = &app.metadata.name;
        let text = format!(
            "another operation is already in progress on {name}: wait for it (gantline app wait {name}), or end it \
             (gantline app terminate {name})"
        );
        return Err(RequestError::Refused(text));
    }
    check_resources(app, request)?;
    // the version makes sure that two requests do not overwrite each other
    let metadata = json!({ "resourceVersion": app.metadata.resource_version });
    Ok(json!({ "metadata": metadata, "operation": operation }))
}

/// Whether it is the same one as it was written later.
fn is_later(known: &Application, app: &Application) -> bool {
    let version = |app: &Application| app.metadata.resource_version.parse::<u128>().ok();
    known.metadata.uid == app.metadata.uid && version(known) > version(app)
}

/// So many objects are listed for somebody who named another one.
const LISTED: usize = 20;

/// # Errors
/// When an object is chosen that the Application does not have. Of another revision nobody knows before it is rendered.
fn check_resources(app: &Application, request: &SyncRequest) -> Result<(), RequestError> {
    let is_own = request.revision.is_empty() || request.revision == app.status.sync.revision;
    if !is_own || app.status.reconciled_at.is_none() || app.status.sync.status == SyncStatusCode::Unknown {
        return Ok(());
    }
    let has = |(group, kind, name): &(String, String, String)| {
        app.status.resources.iter().any(|it| (&it.group, &it.kind, &it.name) == (group, kind, name))
    };
    let Some((group, kind, name)) = request.resources.iter().find(|chosen| !has(chosen)) else { return Ok(()) };
    let mut names: Vec<String> =
        app.status.resources.iter().map(|it| format!("{}:{}:{}", it.group, it.kind, it.name)).collect();
    // those of the kind first
    names.sort_by_key(|it| !it.starts_with(&format!("{group}:{kind}:")));
    let more = names.len().saturating_sub(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.truncate(LISTED);
    let there = if names.is_empty() { "no objects".to_owned() } else { names.join(", ") };
    let app = &app.metadata.name;
    Err(RequestError::Invalid(format!("{app} has no object {group}:{kind}:{name}; it has {there}{more}")))
}

/// Ends the operation that is under way.
///
/// # Errors
/// When there is none, or the cluster refuses the write.
pub async fn terminate(controller: &Controller, app: &Application) -> Result<(), RequestError> {
    let running = app.status.operation_state.as_ref().is_some_and(|state| state.phase == OperationPhase::Running);
    if !running {
        let text = format!("no operation is in progress on {}", app.metadata.name);
        return Err(RequestError::Refused(text));
    }
    write(controller, app, json!({ "status": { "operationState": { "phase": "Terminating" } } })).await
}

/// Deletes the Application, and with `cascade` what it deployed.
///
/// # Errors
/// When the cluster refuses.
pub async fn delete(controller: &Controller, app: &Application, cascade: bool) -> Result<(), RequestError> {
    let mut finalizers: Vec<&String> =
        app.metadata.finalizers.iter().filter(|name| !name.starts_with(names::RESOURCES_FINALIZER)).collect();
    let cascades = finalizers.len() != app.metadata.finalizers.len();
    let wanted = names::RESOURCES_FINALIZER.to_owned();
    if cascade != cascades {
        finalizers.extend(cascade.then_some(&wanted));
        write(controller, app, json!({ "metadata": { "finalizers": finalizers } })).await?;
    }
    let options = DeleteOptions {
        propagation: Propagation::Background,
        uid: Some(app.metadata.uid.clone()),
        ..DeleteOptions::default()
    };
    controller.context.cluster.delete(&key(app), &options).await?;
    Ok(())
}

fn key(app: &Application) -> ResourceKey {
    AppKey::of(app).resource_key()
}

/// Whoever asks next is told of it, though the watch may tell later.
async fn write(controller: &Controller, app: &Application, patch: Value) -> Result<(), RequestError> {
    let cx = &controller.context;
    let written = cx.cluster.patch(&key(app), &Patch::Merge(patch), PatchOptions::default()).await?;
    cx.stores.applications.note(written);
    Ok(())
}
