//! An operation that is carried out by this process.

use std::collections::BTreeSet;

use api::argocd::{Application, ApplicationSource, OperationPhase, OperationState, SyncOperation, SyncOperationResult};
use jiff::Timestamp;
use object::ResourceKey;

use crate::compare::{CompareOptions, Comparison};
use crate::sync::{SyncInput, SyncOptions, SyncRun};

/// One attempt. It may be lost: the results that are written down are enough to go on.
#[derive(Debug, Clone)]
pub struct Run {
    started_at: Timestamp,
    retry_count: i64,
    pub sync: SyncRun,
}

impl Run {
    /// The attempt as it is written down: the one that is known, or else one that goes on after its results.
    #[must_use]
    pub fn resumed(
        known: Option<Self>,
        app: &Application,
        state: &OperationState,
        input: impl FnOnce() -> SyncInput,
    ) -> Self {
        let same = |run: &Self| run.started_at == state.started_at && run.retry_count == state.retry_count;
        let mut run = known.filter(same).unwrap_or_else(|| {
            let results = state.sync_result.as_ref().map(|result| result.resources.clone()).unwrap_or_default();
            let sync = SyncRun::new(input(), results);
            Self { started_at: state.started_at, retry_count: state.retry_count, sync }
        });
        if let Some(at) = app.deletion_approved_at() {
            run.sync.approve_deletion(at);
        }
        if state.phase == OperationPhase::Terminating {
            run.sync.terminate();
        }
        run
    }

    /// What it did so far, at these commits.
    pub(super) fn result(&self, app: &Application, state: &OperationState, commits: &[String]) -> SyncOperationResult {
        SyncOperationResult { resources: self.sync.results().to_vec(), ..result_at(app, state, commits) }
    }
}

/// What an operation came to at these commits, before it did anything.
pub(super) fn result_at(app: &Application, state: &OperationState, commits: &[String]) -> SyncOperationResult {
    let several = app.spec.has_multiple_sources();
    let sync = state.operation.sync.clone().unwrap_or_default();
    SyncOperationResult {
        revision: if several { String::new() } else { commits.first().cloned().unwrap_or_default() },
        revisions: if several { commits.to_vec() } else { Vec::new() },
        source: sync.source.or_else(|| app.spec.source.clone()).unwrap_or_default(),
        sources: if sync.sources.is_empty() { app.spec.sources.clone() } else { sync.sources },
        managed_namespace_metadata: app.spec.kept_namespace_metadata().cloned(),
        ..SyncOperationResult::default()
    }
}

/// What the operation is carried out from. What another Application still wants an automated sync leaves alone; a person
/// may take it over.
pub fn sync_input(
    app: &Application,
    state: &OperationState,
    comparison: &Comparison,
    options: &CompareOptions,
    contested: BTreeSet<ResourceKey>,
) -> SyncInput {
    let sync = state.operation.sync.clone().unwrap_or_default();
    let (instance, namespace) = (&options.application, &app.spec.destination.namespace);
    let mut input = SyncInput::new(
        comparison,
        SyncOptions::new(&sync, !options.client_side),
        instance,
        namespace,
        state.started_at,
    );
    input.ignore.clone_from(&options.ignore);
    let kept = comparison.kept_namespace.as_ref().filter(|_| app.spec.kept_namespace_metadata().is_some());
    input.namespace_metadata = kept.map(|kept| kept.metadata.clone());
    input.scopes = options.scopes.clone();
    input.attempt = state.retry_count;
    input.is_automated = state.operation.initiated_by.automated;
    input.contested = if input.is_automated { contested } else { BTreeSet::new() };
    input
}

/// The sources of an operation where they are not what was compared: other ones, or at other revisions than `commits`.
pub fn own_sources(app: &Application, sync: &SyncOperation, commits: &[String]) -> Option<Vec<ApplicationSource>> {
    let mut sources = match (&sync.source, sync.sources.is_empty()) {
        (Some(source), _) => vec![source.clone()],
        (None, false) => sync.sources.clone(),
        (None, true) => app.spec.all_sources().to_vec(),
    };
    let single = Some(&sync.revision).filter(|revision| !revision.is_empty());
    let revisions: Vec<&String> =
        if sync.revisions.is_empty() { single.into_iter().collect() } else { sync.revisions.iter().collect() };
    let same_sources = sources == app.spec.all_sources();
    if same_sources && revisions.iter().zip(commits).all(|(wanted, have)| *wanted == have) {
        return None;
    }
    for (source, revision) in sources.iter_mut().zip(revisions) {
        source.target_revision.clone_from(revision);
    }
    Some(sources)
}
