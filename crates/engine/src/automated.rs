//! When an Application syncs by itself, heals itself, or tries again (rules and order of Argo CD 3.5.1).

use std::collections::BTreeSet;

use api::argocd::{
    Application, ApplicationSource, Backoff, Condition, ConditionType, DurationError, InitiatedBy, Operation,
    OperationPhase, OperationState, ResourceStatus, RetryStrategy, SyncOperation, SyncOperationResource, SyncStatus,
    SyncStatusCode, parse_duration,
};
use jiff::{SignedDuration, Timestamp};
use object::ResourceKey;

/// How long self-heal waits between attempts at the same revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfHealDelay {
    /// 0, 2, 6, 18, 54, 162, then 300 seconds.
    Growing,
    Fixed(SignedDuration),
}

impl SelfHealDelay {
    /// The pause after `attempts` attempts.
    pub fn after(self, attempts: i64) -> SignedDuration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Growing if attempts <= 0 => SignedDuration::ZERO,
            Self::Growing => {
                let exponent = u32::try_from(attempts - 1).unwrap_or(u32::MAX).min(10);
                SignedDuration::from_secs((2 * 3_i64.pow(exponent)).min(300))
            }
        }
    }
}

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct AutomatedInput<'a> {
    pub application: &'a Application,
    /// The comparison just made.
    pub sync: &'a SyncStatus,
    pub resources: &'a [ResourceStatus],
    /// The new commit changed nothing that the Application reads: revisions are not compared then.
    pub revision_has_no_changes: bool,
    pub self_heal_delay: SelfHealDelay,
    /// Whether objects without a status count as out of sync, as in Argo CD: beside an object that is not to be pruned, a
    /// hook makes it heal without end.
    pub hooks_are_drift: bool,
    /// Objects that another Application still wants ([`crate::Comparison::contested`]): nothing is started for them.
    pub contested: &'a BTreeSet<ResourceKey>,
    /// The destination's namespace, where a sync keeps it although no manifest describes it.
    pub kept_namespace: Option<&'a ResourceKey>,
    pub now: Timestamp,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Start(Box<Operation>),
    /// Something that a person has to look at.
    Refuse(Condition),
    /// A sync window is against it, until then at least; nothing where it is not known when that ends.
    Blocked {
        until: Option<Timestamp>,
    },
    /// Self-heal waits; look again then.
    Later {
        at: Timestamp,
    },
    Nothing(Skip),
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    NotAutomated,
    OperationPending,
    Deleting,
    NotOutOfSync,
    /// What is out of sync would have to be pruned, and pruning is off.
    OnlyPrunable,
    /// This revision was synced already, and self-heal is off.
    AlreadySynced,
    /// All that is out of sync belongs to another Application.
    OnlyContested,
}

/// Decides whether to sync now, in Argo CD's order. Sync windows are asked before ([`crate::operation::decision`]).
pub fn decide(input: &AutomatedInput<'_>) -> Decision {
    let AutomatedInput { application, sync, resources, .. } = *input;
    let Some(policy) = application.spec.automated() else { return Decision::Nothing(Skip::NotAutomated) };
    if application.operation.is_some() {
        return Decision::Nothing(Skip::OperationPending);
    }
    if application.metadata.deletion_timestamp.is_some() {
        return Decision::Nothing(Skip::Deleting);
    }
    if sync.status != SyncStatusCode::OutOfSync {
        return Decision::Nothing(Skip::NotOutOfSync);
    }
    let is_contested = |r: &ResourceStatus| input.contested.contains(&r.key());
    let is_drift = |r: &ResourceStatus| match r.status {
        Some(status) => status != SyncStatusCode::Synced,
        None => input.hooks_are_drift,
    };
    let is_out = |r: &&ResourceStatus| is_drift(r) && !is_contested(r);
    if !input.contested.is_empty() && !resources.iter().any(|r| is_out(&r)) {
        return Decision::Nothing(Skip::OnlyContested);
    }
    if !policy.prune && resources.iter().filter(is_out).all(|r| r.requires_pruning) {
        return Decision::Nothing(Skip::OnlyPrunable);
    }
    let mut operation = operation(application, sync, policy.prune);
    if let Some(last) = &application.status.operation_state
        && was_attempted(application, sync, last, input.revision_has_no_changes)
    {
        if last.phase != OperationPhase::Succeeded {
            return refuse(format!("Failed last sync attempt to {}: {}", attempted(application, last), last.message));
        }
        if !policy.self_heal {
            return Decision::Nothing(Skip::AlreadySynced);
        }
        let attempts = last.operation.sync.as_ref().map_or(0, |sync| sync.auto_heal_attempts_count);
        let ended = last.finished_at.unwrap_or(input.now);
        let at = ended + input.self_heal_delay.after(attempts);
        if at > input.now {
            return Decision::Later { at };
        }
        if let Some(sync) = &mut operation.sync {
            sync.auto_heal_attempts_count = attempts + 1;
            sync.resources = resources.iter().filter(is_out).map(chosen).collect();
        }
    }
    if policy.prune && !policy.allow_empty && wipes_out(input) {
        let revisions = desired(application, sync);
        return refuse(format!("Skipping sync attempt to {revisions}: auto-sync will wipe out all resources"));
    }
    Decision::Start(Box::new(operation))
}

/// Whether a prune would leave nothing. A namespace that is kept stays in an empty set as well, so it does not count.
fn wipes_out(input: &AutomatedInput<'_>) -> bool {
    let is_kept = |r: &&ResourceStatus| input.kept_namespace.is_some_and(|kept| *kept == r.key());
    let mut others = input.resources.iter().filter(|r| !is_kept(r)).peekable();
    let stays = others.peek().is_none() && !input.resources.is_empty();
    !stays && others.all(|r| r.requires_pruning)
}

fn refuse(message: String) -> Decision {
    Decision::Refuse(Condition::new(ConditionType::SyncError, message))
}

/// The revisions that are wanted, as Go prints a list: `[a b]`.
fn desired(application: &Application, sync: &SyncStatus) -> String {
    shown(application, &sync.revision, &sync.revisions)
}

/// The revisions of the last operation, where it came so far.
fn attempted(application: &Application, last: &OperationState) -> String {
    let shown = last.sync_result.as_ref().map(|result| shown(application, &result.revision, &result.revisions));
    shown.unwrap_or_else(|| "[]".to_owned())
}

fn shown(application: &Application, revision: &str, revisions: &[String]) -> String {
    if application.spec.has_multiple_sources() { format!("[{}]", revisions.join(" ")) } else { format!("[{revision}]") }
}

/// No namespace, as in Argo CD: an object of that name in any namespace is meant.
fn chosen(resource: &ResourceStatus) -> SyncOperationResource {
    SyncOperationResource {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        name: resource.name.clone(),
        ..SyncOperationResource::default()
    }
}

fn operation(application: &Application, sync: &SyncStatus, prune: bool) -> Operation {
    let spec = &application.spec;
    let multiple = spec.has_multiple_sources();
    let policy_retry = spec.sync_policy.as_ref().and_then(|policy| policy.retry.clone());
    Operation {
        sync: Some(SyncOperation {
            revision: sync.revision.clone(),
            revisions: sync.revisions.clone(),
            source: (!multiple).then(|| spec.source.clone().unwrap_or_default()),
            sources: spec.sources.clone(),
            prune,
            sync_options: spec.sync_options().to_vec(),
            ..SyncOperation::default()
        }),
        initiated_by: InitiatedBy { automated: true, ..InitiatedBy::default() },
        retry: policy_retry.unwrap_or(RetryStrategy { limit: 5, ..RetryStrategy::default() }),
        ..Operation::default()
    }
}

/// Whether the last operation was for the same sources at the same revisions. One that ended without a result counts.
fn was_attempted(application: &Application, sync: &SyncStatus, last: &OperationState, ignore_revision: bool) -> bool {
    let Some(result) = &last.sync_result else { return last.phase.completed() };
    if application.spec.has_multiple_sources() {
        (ignore_revision || result.revisions == sync.revisions) && result.sources == application.spec.sources
    } else {
        let none = ApplicationSource::default();
        let same_source = result.source == *application.spec.source.as_ref().unwrap_or(&none);
        (ignore_revision || result.revision == sync.revision) && same_source
    }
}

/// The pause before attempt `retry_count + 1`: duration × factor^count, at most the maximum; by default 5 s, 2, 3 min.
///
/// # Errors
/// When the policy's durations cannot be read.
pub fn retry_delay(strategy: &RetryStrategy, retry_count: i64) -> Result<SignedDuration, DurationError> {
    let backoff = strategy.backoff.clone().unwrap_or_default();
    let Backoff { duration, factor, max_duration } = backoff;
    let read = |text: &str, default: i64| match text {
        "" => Ok(SignedDuration::from_secs(default)),
        text => parse_duration(text),
    };
    let (first, most) = (read(&duration, 5)?, read(&max_duration, 180)?);
    let exponent = i32::try_from(retry_count).unwrap_or(i32::MAX);
    let scale = (factor.unwrap_or(2) as f64).powi(exponent);
    let seconds = first.as_secs_f64() * scale;
    // a maximum of zero is none; whatever overflows waits for a day
    let wait = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::from_hours(24));
    Ok(if most > SignedDuration::ZERO { wait.min(most) } else { wait })
}

/// When a failed operation is tried again; `None` when it is not. During the wait its phase is Running with
/// `finishedAt` set. A policy that cannot be read waits as the default does.
pub fn next_attempt(state: &OperationState) -> Option<Timestamp> {
    let strategy = &state.operation.retry;
    let left = strategy.limit < 0 || state.retry_count < strategy.limit;
    let ended = state.finished_at.filter(|_| left)?;
    let by_default = |_| retry_delay(&RetryStrategy::default(), state.retry_count);
    let wait = retry_delay(strategy, state.retry_count).or_else(by_default).unwrap_or(SignedDuration::ZERO);
    Some(ended.checked_add(wait).unwrap_or(Timestamp::MAX))
}
