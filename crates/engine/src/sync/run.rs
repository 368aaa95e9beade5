//! A sync under way.

use api::argocd::{HealthStatus, OperationPhase, ResourceResult, SyncPhase};
use object::{LiveObject, ResourceKey};

use super::action::{Action, Outcome};
use super::plan::SyncInput;
use super::step::{Step, Suspended};
use crate::live::LiveState;

/// What the caller does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Do these, all at the same time if wanted, then [`SyncRun::report`] one outcome for each, in their order.
    Do(Vec<Action>),
    /// Advance again when an object of the sync changed, or after some seconds.
    Wait { message: String },
    /// [`SyncRun::phase`] and [`SyncRun::message`] say how it ended.
    Finished,
}

/// One operation from its first step to its end. [`SyncRun::results`], stored in `status.operationState.syncResult`,
/// are all that is needed to take it up again in another process.
#[derive(Debug, Clone)]
pub struct SyncRun {
    input: SyncInput,
    results: Vec<ResourceResult>,
    phase: OperationPhase,
    message: String,
    /// The step under way: what it saw and what became of its actions so far.
    open: Option<(LiveState, Vec<Outcome>)>,
    awaiting: usize,
    terminating: bool,
}

impl SyncRun {
    /// Begins, or goes on after the results of an earlier process.
    pub fn new(input: SyncInput, results: Vec<ResourceResult>) -> Self {
        let message = String::new();
        let phase = OperationPhase::Running;
        Self { input, results, phase, message, open: None, awaiting: 0, terminating: false }
    }

    pub fn phase(&self) -> OperationPhase {
        self.phase
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn results(&self) -> &[ResourceResult] {
        &self.results
    }

    pub fn input(&self) -> &SyncInput {
        &self.input
    }

    /// Ends the operation at the next step: running hooks are deleted.
    pub fn terminate(&mut self) {
        self.terminating = true;
    }

    /// A person approved the deletions that the sync waits for.
    pub fn approve_deletion(&mut self, at: jiff::Timestamp) {
        self.input.deletion_approved_at = Some(at);
    }

    /// Goes on as far as it can. `live` holds at least what the sync's own writes made; an object that was applied and
    /// is not in it counts as deleted. `health` judges objects, `None` where a kind has no health.
    pub fn advance(
        &mut self,
        live: &LiveState,
        health: &dyn Fn(&LiveObject) -> Result<Option<HealthStatus>, String>,
    ) -> Next {
        if self.phase.completed() {
            return Next::Finished;
        }
        let (seen, outcomes) = self.open.take().unwrap_or_else(|| (live.clone(), Vec::new()));
        // the step is written as one straight line; it runs again from its start with the outcomes known so far
        let mut step = Step::new(&self.input, &seen, &self.results, &outcomes, health);
        match step.run(self.terminating) {
            Err(Suspended(actions)) => {
                self.awaiting = actions.len();
                self.open = Some((seen, outcomes));
                Next::Do(actions)
            }
            Ok(()) => {
                let done = step.finish();
                (self.phase, self.message, self.results) = (done.phase, done.message, done.results);
                if self.phase.completed() { Next::Finished } else { Next::Wait { message: self.message.clone() } }
            }
        }
    }

    /// Takes the outcomes of the actions of the last [`Next::Do`]. Missing ones count as failed.
    pub fn report(&mut self, outcomes: impl IntoIterator<Item = Outcome>) {
        let Some((_, known)) = &mut self.open else { return };
        let missing = std::iter::repeat_with(|| Outcome::Failed("no answer".to_owned()));
        known.extend(outcomes.into_iter().chain(missing).take(self.awaiting));
        self.awaiting = 0;
    }
}

/// The result of one object in one phase.
pub(super) fn find<'r>(
    results: &'r mut [ResourceResult],
    key: &ResourceKey,
    phase: SyncPhase,
) -> Option<&'r mut ResourceResult> {
    results.iter_mut().find(|result| {
        result.sync_phase.unwrap_or_default() == phase
            && (&result.group, &result.kind, &result.namespace, &result.name)
                == (&key.group, &key.kind, &key.namespace, &key.name)
    })
}
