//! The life of an operation: asked for in `.operation`, written down as running, carried out, tried again, over.
//!
//! All of it is decided over what is written down, what was observed, and the time. Who calls writes the [`Draft`] and
//! tells its facts only then: what could not be written never happened.

mod draft;
mod fact;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use api::argocd::{Application, Condition, ConditionType, Operation, OperationPhase, SyncOperation};
use jiff::Timestamp;
use object::ResourceKey;

use crate::automated::{AutomatedInput, Decision, SelfHealDelay, Skip, decide, next_attempt};
use crate::compare::{Compared, Comparison};
use crate::conditions::set_conditions;
use crate::windows::{By, Windows};

pub use draft::Draft;
pub use fact::{Fact, Meddling};
pub use run::{Run, own_sources, sync_input};

/// What an operation is decided from, beside the Application with the status that was just computed.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// How it compares now, or why that is not known.
    pub comparison: Result<&'a Comparison, &'a [Condition]>,
    /// Objects that another Application still wants ([`Comparison::contested`]).
    pub contested: &'a BTreeSet<ResourceKey>,
    /// What the Application reads is the same at the revision of the last operation.
    pub revision_has_no_changes: bool,
    /// The sync windows that concern the Application.
    pub windows: &'a Windows<'a>,
    pub now: Timestamp,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The draft says what is about to be done: write it, then come again.
    Begun,
    /// The operation is under way: carry it on.
    Running,
    /// The operation is over: look at what came of it.
    Ended,
    /// There is nothing to do before then.
    RestUntil(Timestamp),
    Rest,
    /// The desired state is not known, and nobody may tell that it is back: look again.
    LookAgain,
}

/// Starts an operation, its next attempt, or ends one that cannot go on.
pub fn advance(draft: &mut Draft, observed: &Observed<'_>) -> Step {
    let app = &draft.app;
    match stage(app, observed.now) {
        Stage::Idle => automatic(draft, observed),
        Stage::Asked(operation) => {
            let operation = with_defaults(app, *operation);
            draft.begin(operation, observed.now)
        }
        Stage::RetryAt(time) => Step::RestUntil(time),
        Stage::Retry => draft.begin_again(),
        Stage::Running => match observed.comparison {
            Ok(_) => within_windows(draft, observed.windows),
            Err(conditions) => draft.block(conditions, observed.now),
        },
    }
}

/// Whether the windows let it go on that is under way. What is to be ended may end.
fn within_windows(draft: &mut Draft, windows: &Windows<'_>) -> Step {
    let Some(state) = draft.app.status.operation_state.as_ref() else { return Step::Running };
    if state.phase != OperationPhase::Running {
        return Step::Running;
    }
    let by = if state.operation.initiated_by.automated { By::Itself } else { By::Hand };
    let why = match windows.permit(by, Some(state.started_at)) {
        Ok(true) => return Step::Running,
        Ok(false) => BLOCKED.to_owned(),
        Err(error) => format!("{BLOCKED}: {error}"),
    };
    draft.wait_until(&why, windows.next_change())
}

/// In Argo CD's words.
const BLOCKED: &str = "Sync operation blocked by sync window";

enum Stage {
    Idle,
    Asked(Box<Operation>),
    /// Failed, and due to be tried again then.
    RetryAt(Timestamp),
    Retry,
    Running,
}

fn stage(app: &Application, now: Timestamp) -> Stage {
    let state = app.status.operation_state.as_ref().filter(|state| !state.phase.completed());
    match (state, &app.operation) {
        (None, Some(operation)) => Stage::Asked(Box::new(operation.clone())),
        (None, None) => Stage::Idle,
        (Some(state), _) => match state.finished_at {
            Some(ended) if state.phase == OperationPhase::Running => {
                let due = next_attempt(state).unwrap_or(ended);
                if due > now { Stage::RetryAt(due) } else { Stage::Retry }
            }
            _ => Stage::Running,
        },
    }
}

/// An operation that names no options is made with the Application's own.
fn with_defaults(app: &Application, mut operation: Operation) -> Operation {
    let sync = operation.sync.get_or_insert_default();
    if sync.sync_options.is_empty() {
        sync.sync_options = app.spec.sync_options().to_vec();
    }
    operation
}

fn automatic(draft: &mut Draft, observed: &Observed<'_>) -> Step {
    let Ok(comparison) = observed.comparison else { return Step::LookAgain };
    let stopped = draft.app.status.conditions.iter().any(|c| c.kind.stops_sync());
    let decision = if stopped { Decision::Nothing(Skip::NotOutOfSync) } else { decision(&draft.app, observed) };
    // what was said before goes on being said
    if let Decision::Blocked { until } = decision {
        return until.map_or(Step::Rest, Step::RestUntil);
    }
    let refusal = match &decision {
        Decision::Refuse(condition) => vec![condition.clone()],
        _ => Vec::new(),
    };
    set_conditions(&mut draft.app.status.conditions, &[ConditionType::SyncError], refusal, observed.now);
    match decision {
        Decision::Refuse(_) => match tried_again(&draft.app, observed) {
            Some((at, _)) if at > observed.now => Step::RestUntil(at),
            Some((_, operation)) => draft.begin(operation, observed.now),
            None => Step::Rest,
        },
        Decision::Nothing(_) | Decision::Blocked { .. } => Step::Rest,
        Decision::Later { at } => Step::RestUntil(at),
        Decision::Start(operation) => {
            let sync = operation.sync.as_ref().filter(|sync| sync.auto_heal_attempts_count > 0);
            for object in sync.into_iter().flat_map(|sync| healed(sync, comparison, observed.contested)) {
                draft.facts.push(Fact::heal(object, &draft.app.status.sync.revision));
            }
            draft.begin(*operation, observed.now)
        }
    }
}

/// What follows a failed sync where self-heal is on, and when: the same again after a growing pause. What was missing may
/// have come meanwhile, and nobody tells of that. (Argo CD 3.5.1 stays where it is until somebody pushes.)
fn tried_again(app: &Application, observed: &Observed<'_>) -> Option<(Timestamp, Operation)> {
    app.spec.automated().filter(|policy| policy.self_heal)?;
    let last = app.status.operation_state.as_ref().filter(|last| last.phase.failed())?;
    let is_for_us = last.operation.initiated_by.automated && last.operation.retry.limit != 0;
    let attempts = last.operation.sync.as_ref().filter(|_| is_for_us)?.auto_heal_attempts_count;
    // as if it had not been tried: whatever else is against it still is
    let mut untried = app.clone();
    untried.status.operation_state = None;
    let Decision::Start(mut operation) = decision(&untried, observed) else { return None };
    operation.sync.as_mut()?.auto_heal_attempts_count = attempts + 1;
    Some((last.finished_at? + SelfHealDelay::Growing.after(attempts + RETRIES_BEFORE), *operation))
}

/// The retries of the operation itself came before: the first pause is 54 s, the longest five minutes.
const RETRIES_BEFORE: i64 = 4;

/// The objects that a self-heal brings back: what it leaves alone, nobody may say that it healed.
fn healed<'a>(
    sync: &'a SyncOperation,
    comparison: &'a Comparison,
    contested: &'a BTreeSet<ResourceKey>,
) -> impl Iterator<Item = &'a Compared> {
    let is_chosen = |key: &ResourceKey| {
        sync.resources.iter().any(|r| (&r.group, &r.kind, &r.name) == (&key.group, &key.kind, &key.name))
    };
    let is_pruned = |object: &Compared| sync.prune || !object.requires_pruning();
    let all = comparison.out_of_sync();
    all.filter(move |object| is_chosen(&object.key) && is_pruned(object) && !contested.contains(&object.key))
}

/// Whether to sync without being asked, by the status as it was just computed.
pub fn decision(app: &Application, observed: &Observed<'_>) -> Decision {
    // a window that is not understood is against it
    if app.spec.automated().is_some() && !observed.windows.permit(By::Itself, None).unwrap_or(false) {
        return Decision::Blocked { until: observed.windows.next_change() };
    }
    decide(&AutomatedInput {
        application: app,
        sync: &app.status.sync,
        resources: &app.status.resources,
        revision_has_no_changes: observed.revision_has_no_changes,
        self_heal_delay: SelfHealDelay::Growing,
        hooks_are_drift: false,
        contested: observed.contested,
        kept_namespace: observed.comparison.ok().and_then(|comparison| Some(&comparison.kept_namespace.as_ref()?.key)),
        now: observed.now,
    })
}
