//! An Application as it shall be written, and what is to be told then.

use api::argocd::{
    Application, Condition, ConditionType, InitiatedBy, Operation, OperationPhase, OperationState, ResultCode,
    RevisionHistory, SyncOperationResult,
};
use jiff::Timestamp;
use object::ResourceKey;

use super::run::result_at;
use super::{Fact, Run, Step};
use crate::automated::next_attempt;
use crate::conditions::set_conditions;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    pub app: Application,
    /// True as soon as the Application is written, and not before.
    pub facts: Vec<Fact>,
}

impl From<&Application> for Draft {
    fn from(app: &Application) -> Self {
        Self { app: app.clone(), facts: Vec::new() }
    }
}

impl Draft {
    /// The intent: it is written down before anything is done, so that another process can take over.
    pub(super) fn begin(&mut self, operation: Operation, now: Timestamp) -> Step {
        let asked = operation.sync.as_ref().map(|sync| sync.revision.clone()).filter(|revision| !revision.is_empty());
        let revision = asked.unwrap_or_else(|| self.app.status.sync.revision.clone());
        self.facts.push(Fact::Started { by: who(&operation.initiated_by), revision });
        self.app.status.operation_state = Some(OperationState {
            operation: operation.clone(),
            phase: OperationPhase::Running,
            message: "waiting to start".to_owned(),
            sync_result: None,
            started_at: now,
            finished_at: None,
            retry_count: 0,
            unknown: api::meta::Unknown::default(),
        });
        self.app.operation = Some(operation);
        Step::Begun
    }

    /// The next attempt: at the same revision, unless the policy wants the newest.
    pub(super) fn begin_again(&mut self) -> Step {
        let Some(state) = &mut self.app.status.operation_state else { return Step::Rest };
        let result = state.sync_result.take();
        if let (Some(sync), Some(result), false) = (&mut state.operation.sync, result, state.operation.retry.refresh) {
            sync.revision = result.revision;
            sync.revisions = result.revisions;
        }
        state.finished_at = None;
        state.retry_count += 1;
        state.message = format!("retry {}", state.retry_count);
        Step::Begun
    }

    /// How far the operation came.
    pub fn bring_on(&mut self, run: &Run, commits: &[String]) {
        let Some(state) = &self.app.status.operation_state else { return };
        let result = run.result(&self.app, state, commits);
        if let Some(state) = &mut self.app.status.operation_state {
            state.sync_result = Some(result);
            run.sync.message().clone_into(&mut state.message);
        }
    }

    /// The desired or live state is not known: the operation cannot go on.
    pub fn block(&mut self, conditions: &[Condition], now: Timestamp) -> Step {
        let reasons: Vec<&str> = conditions.iter().map(|condition| condition.message.as_str()).collect();
        self.end(OperationPhase::Error, &reasons.join("; "), now)
    }

    /// It cannot go on now, and nobody may tell when it can.
    pub fn wait(&mut self, why: &str) -> Step {
        if let Some(state) = &mut self.app.status.operation_state {
            why.clone_into(&mut state.message);
        }
        Step::LookAgain
    }

    /// It cannot go on before that time, where one is known.
    pub(super) fn wait_until(&mut self, why: &str, until: Option<Timestamp>) -> Step {
        self.wait(why);
        until.map_or(Step::Rest, Step::RestUntil)
    }

    /// What these commits bring may not come in: nothing is done, and trying again does not help.
    pub fn refuse(&mut self, commits: &[String], why: &str, now: Timestamp) -> Step {
        if let Some(state) = &mut self.app.status.operation_state {
            state.operation.retry.limit = 0;
        }
        self.hold(commits, why, now)
    }

    /// As [`Draft::refuse`], where the next attempt may be told something else.
    pub fn hold(&mut self, commits: &[String], why: &str, now: Timestamp) -> Step {
        let Some(state) = &self.app.status.operation_state else { return Step::Rest };
        let result = result_at(&self.app, state, commits);
        if let Some(state) = &mut self.app.status.operation_state {
            // the next commit is another one: it is tried
            state.sync_result = Some(result);
        }
        self.end(OperationPhase::Failed, why, now)
    }

    /// The outcome, or when the next attempt is due.
    pub fn end(&mut self, phase: OperationPhase, message: &str, now: Timestamp) -> Step {
        let Some(state) = &mut self.app.status.operation_state else { return Step::Rest };
        let terminated = state.phase == OperationPhase::Terminating;
        state.message = with_reasons(state, phase, message);
        state.finished_at = Some(now);
        if let Some(due) = next_attempt(state).filter(|_| phase.failed() && !terminated) {
            let (number, at) = (state.retry_count + 1, api::meta::time::whole_seconds(due));
            state.message = format!("{}. Retrying attempt #{number} at {at}.", state.message);
            return Step::RestUntil(due);
        }
        state.phase = phase;
        if terminated {
            // somebody wanted its end
            state.operation.retry.limit = 0;
        }
        let state = state.clone();
        self.app.operation = None;
        if phase == OperationPhase::Succeeded {
            set_conditions(&mut self.app.status.conditions, &[ConditionType::SyncError], Vec::new(), now);
            remember(&mut self.app, &state, now);
        }
        let result = state.sync_result.unwrap_or_default();
        let dry_run = state.operation.sync.as_ref().is_some_and(|sync| sync.dry_run);
        let pruned = if dry_run { Vec::new() } else { pruned(&result) };
        self.facts.push(Fact::Ended { phase, message: state.message, revision: result.revision, pruned });
        Step::Ended
    }
}

fn who(initiator: &InitiatedBy) -> String {
    match (initiator.username.as_str(), initiator.automated) {
        (_, true) => "automated sync",
        ("", false) => "unknown user",
        (name, false) => name,
    }
    .to_owned()
}

/// What the operation took away.
fn pruned(result: &SyncOperationResult) -> Vec<ResourceKey> {
    let pruned = result.resources.iter().filter(|r| r.status == Some(ResultCode::Pruned));
    pruned.map(|r| ResourceKey::new(&*r.group, &*r.kind, &*r.namespace, &*r.name)).collect()
}

/// A failure names the objects that failed and why, once.
fn with_reasons(state: &OperationState, phase: OperationPhase, message: &str) -> String {
    let results = state.sync_result.iter().flat_map(|result| &result.resources);
    let failed = results.filter(|r| phase.failed() && r.status == Some(ResultCode::SyncFailed));
    let reasons: Vec<&str> = failed.map(|r| r.message.as_str()).filter(|reason| !message.contains(reason)).collect();
    if reasons.is_empty() { message.to_owned() } else { format!("{message}, reason: {}", reasons.join("; ")) }
}

/// Adds a full sync to the history, and drops what is over the limit.
fn remember(app: &mut Application, state: &OperationState, now: Timestamp) {
    let partial = state.operation.sync.as_ref().is_some_and(|sync| sync.dry_run || sync.is_partial());
    let Some(result) = state.sync_result.clone().filter(|_| !partial) else { return };
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
