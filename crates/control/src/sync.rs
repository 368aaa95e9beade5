//! Operations: asked for in `.operation`, written down as running, carried out step by step, written down as ended.
//!
//! All that a run needs to be taken up by another process is in `status.operationState`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{
    Application, Condition, ConditionType, Operation, OperationPhase, OperationState, RevisionHistory, SyncOperation,
    SyncOperationResult,
};
use clock::after;
use engine::automated::{AutomatedInput, Decision, SelfHealDelay, Skip, decide, next_retry, retry_delay};
use engine::sync::{Next as Step, SyncInput, SyncOptions, SyncRun};
use engine::{Comparison, LiveState};
use jiff::Timestamp;
use object::ResourceKey;

use crate::context::Context;
use crate::driver::Next;
use crate::execute::execute;
use crate::facts::{Fact, Meddling};
use crate::live::{compared, live_of};
use crate::memory::Memory;
use crate::queue::{Depth, Request};
use crate::reconcile::Judged;
use crate::source::{Sources, wanted};
use crate::status::set_conditions;

/// A running operation is looked at again after this time even when nothing is seen to change.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How an operation came on.
#[derive(Debug)]
pub(crate) enum Advance {
    /// The draft says what is about to be done: write it, then come again.
    Begun,
    /// The operation is over: look at what came of it.
    Ended,
    /// Nothing more to do now.
    Rest(Next),
}

/// An operation under way in this process.
#[derive(Debug)]
pub(crate) struct Run {
    started_at: Timestamp,
    retry_count: i64,
    run: SyncRun,
}

/// Starts, continues or ends the Application's operation.
pub(crate) async fn advance(
    cx: &Context,
    app: &mut Application,
    judged: &Result<Judged, Vec<Condition>>,
    memory: &mut Memory,
) -> Advance {
    match stage(app, cx.clock.now()) {
        Stage::Idle => automatic(cx, app, judged, memory),
        Stage::Asked(operation) => {
            let operation = with_defaults(app, *operation);
            begin(cx, app, operation);
            Advance::Begun
        }
        Stage::RetryAt(time) => Advance::Rest(Next::At(time)),
        Stage::Retry => {
            again(app);
            Advance::Begun
        }
        Stage::Running => match judged {
            Ok(judged) => carry_on(cx, app, judged, memory).await,
            Err(conditions) => blocked(cx, app, conditions),
        },
    }
}

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
            Some(at) if state.phase == OperationPhase::Running => {
                let due = next_retry(state).ok().flatten().unwrap_or(at);
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

fn automatic(cx: &Context, app: &mut Application, judged: &Result<Judged, Vec<Condition>>, memory: &Memory) -> Advance {
    let now = cx.clock.now();
    let Ok(judged) = judged else {
        // an unknown desired state is looked for again, also when nobody tells that it is back
        return Advance::Rest(Next::Retry);
    };
    let stopped = app.status.conditions.iter().any(|c| c.kind.stops_sync());
    let decision = match stopped {
        true => Decision::Nothing(Skip::NotOutOfSync),
        false => decision_for(cx, app, memory, &judged.compared.comparison, now),
    };
    let refusal = match &decision {
        Decision::Refuse(condition) => vec![condition.clone()],
        _ => Vec::new(),
    };
    set_conditions(&mut app.status.conditions, &[ConditionType::SyncError], refusal, now);
    match decision {
        Decision::Nothing(_) | Decision::Refuse(_) => Advance::Rest(Next::Nothing),
        Decision::Later { at } => Advance::Rest(Next::At(at)),
        Decision::Start(operation) => {
            if operation.sync.as_ref().is_some_and(|sync| sync.auto_heal_attempts_count > 0) {
                tell_heal(cx, app, &judged.compared.comparison);
            }
            begin(cx, app, *operation);
            Advance::Begun
        }
    }
}

/// Whether to sync without being asked, by a comparison that the status shows already.
pub(crate) fn decision_for(
    cx: &Context,
    app: &Application,
    memory: &Memory,
    comparison: &Comparison,
    now: Timestamp,
) -> Decision {
    decision(app, memory, &contested(cx, app, comparison), now)
}

/// The objects that another Application on the same cluster still wants.
fn contested(cx: &Context, app: &Application, comparison: &Comparison) -> BTreeSet<ResourceKey> {
    let owners = comparison.objects.iter().filter_map(|object| object.shared_with.as_deref());
    let owners: BTreeMap<&str, Arc<Application>> =
        owners.filter_map(|owner| Some((owner, cx.stores.application(&cx.key_of(owner))?))).collect();
    let here = |owner: &&Arc<Application>| cx.sites.same(&owner.spec.destination, &app.spec.destination);
    comparison.contested(|owner| Some(owners.get(owner).filter(here)?.status.resources.as_slice()))
}

/// Whether to sync without being asked, by the status as it was just computed.
fn decision(app: &Application, memory: &Memory, contested: &BTreeSet<ResourceKey>, now: Timestamp) -> Decision {
    let last = app.status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    let same = |result: &SyncOperationResult| {
        let revisions = match result.revisions.as_slice() {
            [] => std::slice::from_ref(&result.revision),
            several => several,
        };
        let pairs = memory.proven.iter().zip(revisions);
        memory.proven.len() == revisions.len() && pairs.into_iter().all(|(proven, revision)| proven.at(revision))
    };
    decide(&AutomatedInput {
        application: app,
        sync: &app.status.sync,
        resources: &app.status.resources,
        revision_has_no_changes: last.is_some_and(same),
        self_heal_delay: SelfHealDelay::Growing,
        contested,
        now,
    })
}

/// Says who changed what, before it is taken back: one fact for each object.
fn tell_heal(cx: &Context, app: &Application, comparison: &Comparison) {
    for object in comparison.out_of_sync() {
        let mut by: Vec<String> =
            object.differences.iter().filter_map(|d| Some(d.owner.as_ref()?.manager.clone())).collect();
        by.sort_unstable();
        by.dedup();
        let fields: Vec<String> = object.differences.iter().map(|d| d.path.clone()).collect();
        let did = match (&object.live, fields.is_empty()) {
            (None, _) => Meddling::Deleted,
            (Some(_), true) => Meddling::Added,
            (Some(_), false) => Meddling::Changed(fields),
        };
        let revision = app.status.sync.revision.clone();
        cx.facts.tell(&Fact::SelfHealed { app: app.into(), object: object.key.clone(), by, did, revision });
    }
}

/// Writes the intent into the draft.
fn begin(cx: &Context, app: &mut Application, operation: Operation) {
    let sync = operation.sync.clone().unwrap_or_default();
    let who = match (&operation.initiated_by.username, operation.initiated_by.automated) {
        (_, true) => "automated sync".to_owned(),
        (name, _) if name.is_empty() => "unknown user".to_owned(),
        (name, _) => name.clone(),
    };
    let revision = if sync.revision.is_empty() { app.status.sync.revision.clone() } else { sync.revision };
    cx.facts.tell(&Fact::OperationStarted { app: (&*app).into(), by: who, revision });
    app.status.operation_state = Some(OperationState {
        operation: operation.clone(),
        phase: OperationPhase::Running,
        message: "waiting to start".to_owned(),
        sync_result: None,
        started_at: cx.clock.now(),
        finished_at: None,
        retry_count: 0,
        unknown: api::meta::Unknown::default(),
    });
    app.operation = Some(operation);
}

/// Starts the next attempt: at the same revision, unless the policy wants the newest.
fn again(app: &mut Application) {
    let Some(state) = &mut app.status.operation_state else { return };
    let result = state.sync_result.take();
    if let (Some(sync), Some(result), false) = (&mut state.operation.sync, result, state.operation.retry.refresh) {
        sync.revision = result.revision;
        sync.revisions = result.revisions;
    }
    state.finished_at = None;
    state.retry_count += 1;
    state.message = format!("retry {}", state.retry_count);
}

/// The desired or live state is not known: the operation cannot go on.
fn blocked(cx: &Context, app: &mut Application, conditions: &[Condition]) -> Advance {
    let reasons: Vec<&str> = conditions.iter().map(|c| c.message.as_str()).collect();
    end(cx, app, OperationPhase::Error, reasons.join("; "))
}

/// Goes on as far as the cluster lets it.
async fn carry_on(cx: &Context, app: &mut Application, judged: &Judged, memory: &mut Memory) -> Advance {
    let Some(state) = app.status.operation_state.clone() else { return Advance::Rest(Next::Nothing) };
    let sync = state.operation.sync.clone().unwrap_or_default();
    let own = match at_own_revision(cx, app, &sync, judged).await {
        Ok(own) => own,
        Err(conditions) => return blocked(cx, app, &conditions),
    };
    let judged = own.as_ref().unwrap_or(judged);
    let mut current = match memory.run.take() {
        Some(run) if run.started_at == state.started_at && run.retry_count == state.retry_count => run,
        _ => Run {
            started_at: state.started_at,
            retry_count: state.retry_count,
            run: SyncRun::new(input(cx, app, &state, &sync, judged), results(&state)),
        },
    };
    if state.phase == OperationPhase::Terminating {
        current.run.terminate();
    }
    let outcome = drive(cx, app, judged, &mut current.run).await;
    let result = SyncOperationResult {
        resources: current.run.results().to_vec(),
        revision: judged
            .wanted
            .commits
            .first()
            .cloned()
            .filter(|_| !app.spec.has_multiple_sources())
            .unwrap_or_default(),
        source: sync.source.clone().or_else(|| app.spec.source.clone()).unwrap_or_default(),
        sources: if sync.sources.is_empty() { app.spec.sources.clone() } else { sync.sources.clone() },
        revisions: if app.spec.has_multiple_sources() { judged.wanted.commits.clone() } else { Vec::new() },
        managed_namespace_metadata: app.spec.sync_policy.as_ref().and_then(|p| p.managed_namespace_metadata.clone()),
        ..SyncOperationResult::default()
    };
    if let Some(state) = &mut app.status.operation_state {
        state.sync_result = Some(result);
        state.message = current.run.message().to_owned();
    }
    match outcome {
        Driven::Waiting => {
            memory.run = Some(current);
            Advance::Rest(Next::At(after(cx.clock.now(), LOOK_AGAIN)))
        }
        Driven::Finished => {
            let (phase, message) = (current.run.phase(), current.run.message().to_owned());
            end(cx, app, phase, message)
        }
    }
}

fn results(state: &OperationState) -> Vec<api::argocd::ResourceResult> {
    state.sync_result.as_ref().map(|result| result.resources.clone()).unwrap_or_default()
}

/// What the operation wants, when that is not what the Application wants now: another revision or another source.
async fn at_own_revision(
    cx: &Context,
    app: &Application,
    sync: &SyncOperation,
    judged: &Judged,
) -> Result<Option<Judged>, Vec<Condition>> {
    let mut sources = Sources { own: false, ..Sources::of(app) };
    if let Some(source) = &sync.source {
        sources.list = vec![source.clone()];
    } else if !sync.sources.is_empty() {
        sources.list.clone_from(&sync.sources);
    }
    let single = Some(&sync.revision).filter(|revision| !revision.is_empty());
    let revisions: Vec<&String> =
        if sync.revisions.is_empty() { single.into_iter().collect() } else { sync.revisions.iter().collect() };
    let same_sources = sources.list == app.spec.all_sources();
    let same_revision = revisions.iter().zip(&judged.wanted.commits).all(|(wanted, have)| *wanted == have);
    if same_sources && same_revision {
        return Ok(None);
    }
    for (source, revision) in sources.list.iter_mut().zip(revisions) {
        source.target_revision.clone_from(revision);
    }
    // not remembered: the next look is at the Application's own revision again
    let mut memory = Memory::default();
    let request = Request { depth: Depth::Latest, since: cx.clock.now() };
    let wanted = wanted(cx, app, &sources, &mut memory, request).await.map_err(|c| vec![c])?;
    let compared = compared(cx, &judged.compared.site, app, &wanted, &mut memory).await.map_err(|c| vec![c])?;
    Ok(Some(Judged { wanted, compared }))
}

fn input(cx: &Context, app: &Application, state: &OperationState, sync: &SyncOperation, judged: &Judged) -> SyncInput {
    let options = SyncOptions::new(sync, true);
    let (instance, namespace) = (app.instance_name(&cx.namespace), &app.spec.destination.namespace);
    let mut input = SyncInput::new(&judged.compared.comparison, options, &instance, namespace, state.started_at);
    input.ignore.clone_from(&app.spec.ignore_differences);
    input.namespace_metadata = app.spec.sync_policy.as_ref().and_then(|p| p.managed_namespace_metadata.clone());
    input.scopes = judged.compared.options.scopes.clone();
    let approved = app.metadata.annotation(api::argocd::names::DELETION_APPROVED);
    input.deletion_approved_at = approved.and_then(|text| text.parse().ok());
    input
}

enum Driven {
    Waiting,
    Finished,
}

async fn drive(cx: &Context, app: &Application, judged: &Judged, run: &mut SyncRun) -> Driven {
    let site = &judged.compared.site;
    let mut live: LiveState = judged.compared.live.clone();
    let mut acted = false;
    loop {
        match run.advance(&live, &|object| Ok(engine::health(object))) {
            Step::Do(actions) => {
                let about = app.into();
                let outcomes = site.patiently(&cx.turns, execute(cx, site, &about, actions)).await;
                run.report(outcomes);
                acted = true;
                let keys = judged.compared.comparison.objects.iter().map(|object| object.key.clone());
                match site.patiently(&cx.turns, live_of(cx, site, app, keys.collect())).await {
                    Ok(found) => live = found,
                    Err(error) => {
                        tracing::debug!(%error, "live objects not read");
                        return Driven::Waiting;
                    }
                }
            }
            // what was just written may be as it shall be already: nobody tells of a namespace
            Step::Wait { .. } if std::mem::take(&mut acted) => {}
            Step::Wait { .. } => return Driven::Waiting,
            Step::Finished => return Driven::Finished,
        }
    }
}

/// Writes the outcome into the draft, or when the next attempt is due.
fn end(cx: &Context, app: &mut Application, phase: OperationPhase, message: String) -> Advance {
    let now = cx.clock.now();
    let message = with_reasons(app, phase, message);
    let Some(state) = &mut app.status.operation_state else { return Advance::Rest(Next::Nothing) };
    let retry = &state.operation.retry;
    let terminated = state.phase == OperationPhase::Terminating;
    if phase.failed() && !terminated && (retry.limit < 0 || state.retry_count < retry.limit) {
        let wait = retry_delay(retry, state.retry_count).unwrap_or(jiff::SignedDuration::from_secs(5));
        let due = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        state.finished_at = Some(now);
        let number = state.retry_count + 1;
        let due_text = api::meta::time::whole_seconds(due);
        state.message = format!("{message}. Retrying attempt #{number} at {due_text}.");
        return Advance::Rest(Next::At(due));
    }
    state.phase = phase;
    state.finished_at = Some(now);
    state.message.clone_from(&message);
    app.operation = None;
    let state = state.clone();
    let revision = state.sync_result.as_ref().map(|result| result.revision.clone()).unwrap_or_default();
    cx.facts.tell(&Fact::OperationEnded { app: (&*app).into(), phase, message, revision });
    if phase == OperationPhase::Succeeded {
        set_conditions(&mut app.status.conditions, &[ConditionType::SyncError], Vec::new(), now);
        remember(app, &state, now);
    }
    Advance::Ended
}

/// A failure names the objects that failed and why, once.
fn with_reasons(app: &Application, phase: OperationPhase, message: String) -> String {
    let result = app.status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    let failed = result.iter().flat_map(|result| &result.resources);
    let failed = failed.filter(|r| phase.failed() && r.status == Some(api::argocd::ResultCode::SyncFailed));
    let reasons: Vec<&str> = failed.map(|r| r.message.as_str()).filter(|reason| !message.contains(reason)).collect();
    if reasons.is_empty() { message } else { format!("{message}, reason: {}", reasons.join("; ")) }
}

/// Adds a full sync to the history, and drops what is over the limit.
fn remember(app: &mut Application, state: &OperationState, now: Timestamp) {
    let sync = state.operation.sync.clone().unwrap_or_default();
    let Some(result) = state.sync_result.clone().filter(|_| !sync.dry_run && !sync.is_partial()) else { return };
    let history = &mut app.status.history;
    history.push(RevisionHistory {
        revision: result.revision,
        deployed_at: now,
        id: history.last().map_or(0, |last| last.id + 1),
        source: result.source,
        deploy_started_at: Some(state.started_at),
        sources: result.sources,
        revisions: result.revisions,
        initiated_by: state.operation.initiated_by.clone(),
        unknown: api::meta::Unknown::default(),
    });
    let over = history.len().saturating_sub(app.spec.history_limit());
    history.drain(..over);
}
