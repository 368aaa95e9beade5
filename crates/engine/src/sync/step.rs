//! One step of a sync: observe, then run the next wave.

use std::cell::Cell;

use api::argocd::{HealthStatus, HealthStatusCode, OperationPhase, ResourceResult, ResultCode, SyncPhase, names};
use object::{LiveObject, ResourceKey};
use serde_json::Value;

use super::action::{Action, Outcome, Verb};
use super::plan::{SyncInput, Task, plan_sync};
use super::run::find;
use crate::annotations::{HookDeletePolicy, has_sync_option};
use crate::images::images;
use crate::live::LiveState;

/// The step cannot go on before these are done.
#[derive(Debug)]
pub(super) struct Suspended(pub(super) Vec<Action>);

/// How the run stands after the step.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) phase: OperationPhase,
    pub(super) message: String,
    pub(super) results: Vec<ResourceResult>,
}

type Health<'a> = &'a dyn Fn(&LiveObject) -> Result<Option<HealthStatus>, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    Well,
    Failed,
    /// Something must go away first.
    Pending,
}

pub(super) struct Step<'a> {
    input: &'a SyncInput,
    tasks: Vec<Task>,
    results: Vec<ResourceResult>,
    outcomes: &'a [Outcome],
    used: Cell<usize>,
    health: Health<'a>,
    /// Written in this very step, so not to be looked for yet.
    fresh: Vec<(ResourceKey, SyncPhase)>,
    phase: OperationPhase,
    message: String,
}

impl<'a> Step<'a> {
    pub(super) fn new(
        input: &'a SyncInput,
        live: &LiveState,
        results: &[ResourceResult],
        outcomes: &'a [Outcome],
        health: Health<'a>,
    ) -> Self {
        let tasks = plan_sync(input, live).tasks;
        let (phase, message) = (OperationPhase::Running, String::new());
        Self {
            input,
            tasks,
            results: results.to_vec(),
            outcomes,
            used: Cell::new(0),
            health,
            fresh: Vec::new(),
            phase,
            message,
        }
    }

    pub(super) fn finish(self) -> Finished {
        Finished { phase: self.phase, message: self.message, results: self.results }
    }

    /// Runs the step; everything that touches the cluster goes through [`Step::perform`].
    pub(super) fn run(&mut self, terminating: bool) -> Result<(), Suspended> {
        let tasks = std::mem::take(&mut self.tasks);
        let outcome = if terminating { self.terminate(&tasks) } else { self.go(&tasks) };
        self.tasks = tasks;
        outcome
    }

    fn go(&mut self, tasks: &[Task]) -> Result<(), Suspended> {
        let tasks: Vec<Task> = tasks.iter().filter(|task| !task.untouched).cloned().collect();
        let tasks = tasks.as_slice();
        if let Some(reason) = self.refuse_invalid(tasks) {
            self.end(OperationPhase::Failed, format!("one or more synchronization tasks are not valid: {reason}"));
            return Ok(());
        }
        if self.results.is_empty() && !self.begin(tasks)? {
            return Ok(());
        }
        self.observe(tasks);
        if self.must_wait(tasks) {
            return Ok(());
        }
        self.release_finished_hooks(tasks)?;
        let (on_failure, tasks): (Vec<&Task>, Vec<&Task>) =
            tasks.iter().partition(|task| task.phase == SyncPhase::SyncFail);
        if tasks.iter().any(|task| self.state(task).is_some_and(OperationPhase::failed)) {
            self.delete_hooks(&tasks, HookDeletePolicy::HookFailed)?;
            return self.fail(&on_failure, &tasks, "one or more synchronization tasks completed unsuccessfully");
        }
        let pending: Vec<&Task> = tasks.iter().copied().filter(|task| self.state(task).is_none()).collect();
        if pending.is_empty() {
            self.delete_hooks(&tasks, HookDeletePolicy::HookSucceeded)?;
            self.end(OperationPhase::Succeeded, "successfully synced (no more tasks)".to_owned());
            return Ok(());
        }
        self.run_wave(&tasks, &pending, &on_failure)
    }

    /// The next phase and wave; what comes after it waits for another step.
    fn run_wave(&mut self, all: &[&Task], pending: &[&Task], on_failure: &[&Task]) -> Result<(), Suspended> {
        let Some(first) = pending.iter().map(|task| (task.phase, task.wave)).min() else { return Ok(()) };
        let last = pending.iter().map(|task| (task.phase, task.wave)).max() == Some(first);
        let (wave, rest): (Vec<&Task>, Vec<&Task>) =
            pending.iter().copied().partition(|task| (task.phase, task.wave) == first);
        let more = !rest.is_empty() || wave.iter().any(|task| task.is_hook());
        let ran = self.run_tasks(&wave, false)?;
        if ran != Ran::Failed {
            self.perform(vec![Action::EndWave { phase: first.0, wave: first.1, last }])?;
        }
        match ran {
            Ran::Failed => {
                self.delete_hooks(all, HookDeletePolicy::HookFailed)?;
                return self.fail(on_failure, all, "one or more objects failed to apply");
            }
            Ran::Well if !more => {
                self.delete_hooks(all, HookDeletePolicy::HookSucceeded)?;
                self.end(OperationPhase::Succeeded, "successfully synced (all tasks run)".to_owned());
            }
            Ran::Well => self.wait_for(&wave, false),
            Ran::Pending if self.message.is_empty() => self.wait_for(&wave, true),
            Ran::Pending => {}
        }
        Ok(())
    }

    /// Objects that cannot be synced at all stop the operation before anything happens, and so do hooks where something else
    /// is: a hook that has run may have been taken over, and is let be.
    fn refuse_invalid(&mut self, tasks: &[Task]) -> Option<String> {
        let mut first = None;
        for task in tasks {
            let in_place_of_another = || task.foreign.as_ref().filter(|_| task.is_hook() && self.state(task).is_none());
            if let Some(reason) = task.invalid.as_ref().or_else(in_place_of_another) {
                self.set(task, Some(ResultCode::SyncFailed), None, reason);
                first.get_or_insert_with(|| reason.clone());
            }
        }
        first
    }

    /// The first step: the namespace for real, then a dry run of everything. False when that failed.
    fn begin(&mut self, tasks: &[Task]) -> Result<bool, Suspended> {
        let is_namespace = |task: &&Task| {
            task.key.kind == "Namespace"
                && task.key.name == self.input.namespace
                && task.live.is_none()
                && !task.is_prune()
        };
        let namespace = tasks.iter().find(is_namespace);
        if let Some(task) = namespace
            && self.run_tasks(&[task], false)? == Ran::Failed
        {
            let on_failure: Vec<&Task> = tasks.iter().filter(|t| t.phase == SyncPhase::SyncFail).collect();
            self.fail(&on_failure, &[task], "the namespace failed to apply")?;
            return Ok(false);
        }
        let others: Vec<&Task> = tasks.iter().filter(|task| namespace.is_none_or(|ns| ns.key != task.key)).collect();
        if self.run_tasks(&others, true)? == Ran::Failed {
            self.end(OperationPhase::Failed, "one or more objects failed to apply (dry run)".to_owned());
            return Ok(false);
        }
        Ok(true)
    }

    /// Looks at what runs: hooks by their health, other objects as well when later waves wait for them.
    fn observe(&mut self, tasks: &[Task]) {
        for task in tasks {
            let Some(live) = task.live.clone().filter(|_| self.state(task) == Some(OperationPhase::Running)) else {
                continue;
            };
            let health = (self.health)(&live);
            if task.is_hook() { self.observe_hook(task, health) } else { self.observe_object(task, health) }
        }
    }

    fn observe_hook(&mut self, task: &Task, health: Result<Option<HealthStatus>, String>) {
        let created = format!("{} created", task.key.name);
        let (phase, message) = hook_phase(health, &created);
        let message = if message.is_empty() { self.result_message(task) } else { message };
        self.set(task, self.code(task), Some(phase), &message);
    }

    fn observe_object(&mut self, task: &Task, health: Result<Option<HealthStatus>, String>) {
        let applied = self.result_message(task);
        let phase = match &health {
            Ok(None) => OperationPhase::Succeeded,
            Ok(Some(health)) if health.status == HealthStatusCode::Healthy => OperationPhase::Succeeded,
            Ok(Some(health)) if health.status == HealthStatusCode::Degraded => OperationPhase::Failed,
            _ => return,
        };
        let words = health.ok().flatten().map(|health| health.message).filter(|message| !message.is_empty());
        self.set(task, self.code(task), Some(phase), &words.unwrap_or(applied));
    }

    fn must_wait(&mut self, tasks: &[Task]) -> bool {
        let multi_step = is_multi_step(tasks);
        let running: Vec<&Task> = tasks
            .iter()
            .filter(|task| (multi_step || task.is_hook()) && self.state(task) == Some(OperationPhase::Running))
            .collect();
        if !running.is_empty() {
            self.wait_for(&running, false);
            let fresh = |task: &Task| self.fresh.iter().any(|(key, phase)| (key, *phase) == (&task.key, task.phase));
            let lost: Vec<&Task> = running.into_iter().filter(|task| task.live.is_none() && !fresh(task)).collect();
            for task in lost {
                let message = format!("Resource {} is missing, it might have been deleted", task.title());
                self.set(task, Some(ResultCode::SyncFailed), Some(OperationPhase::Error), &message);
            }
            return true;
        }
        let leaving: Vec<&Task> = tasks.iter().filter(|task| self.is_leaving(task)).collect();
        self.wait_for(&leaving, true);
        !leaving.is_empty()
    }

    /// Pruned, but still there.
    fn is_leaving(&self, task: &Task) -> bool {
        let deleting =
            task.live.as_ref().is_some_and(|live| live.value().pointer("/metadata/deletionTimestamp").is_some());
        task.is_prune() && deleting && self.code(task) == Some(ResultCode::Pruned)
    }

    fn release_finished_hooks(&mut self, tasks: &[Task]) -> Result<(), Suspended> {
        let done =
            tasks.iter().filter(|task| task.is_hook() && self.state(task).is_some_and(OperationPhase::completed));
        let mut actions: Vec<Action> = done.filter_map(|task| self.release(task)).collect();
        // a hook of two phases is one object
        actions.dedup();
        self.perform(actions).map(|_| ())
    }

    /// Deletes the objects of hooks whose policy says so.
    fn delete_hooks(&mut self, tasks: &[&Task], policy: HookDeletePolicy) -> Result<(), Suspended> {
        let finished = |task: &&&Task| {
            task.deletes_on(policy) && self.state(task).is_none_or(|state| state != OperationPhase::Running)
        };
        let gone: Vec<&Task> = tasks.iter().filter(finished).copied().collect();
        let (gone, actions) = paired(gone.into_iter(), |task| self.deletion(task, false));
        for (task, outcome) in gone.into_iter().zip(self.perform(actions)?) {
            if let Outcome::Failed(reason) = outcome {
                let message = format!("failed to delete resource: {reason}");
                self.set(task, self.code(task), self.state(task), &message);
            }
        }
        Ok(())
    }

    /// `None` where it is gone, or may not be touched any more, or is of somebody else.
    fn deletion(&self, task: &Task, prune: bool) -> Option<Action> {
        if task.foreign.is_some() {
            return None;
        }
        let object = self.input.permits.removal(task.live.as_ref()?).ok()?;
        Some(Action::Delete { object, propagation: self.input.options.propagation, prune })
    }

    /// Takes our finalizer off, when it is there.
    fn release(&self, task: &Task) -> Option<Action> {
        let live = task.live.as_ref()?;
        let list = live.value().pointer("/metadata/finalizers").and_then(Value::as_array)?;
        let texts: Vec<String> = list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        let finalizers: Vec<String> = texts.iter().filter(|item| *item != names::HOOK_FINALIZER).cloned().collect();
        let object = self.input.permits.removal(live).ok()?;
        (finalizers.len() < texts.len()).then_some(Action::SetFinalizers { object, finalizers })
    }

    /// Runs what is there for failures, waits for what still runs, then ends as failed.
    fn fail(&mut self, on_failure: &[&Task], tasks: &[&Task], message: &str) -> Result<(), Suspended> {
        let pending: Vec<&Task> = on_failure.iter().copied().filter(|task| self.state(task).is_none()).collect();
        self.run_tasks(&pending, false)?;
        let fresh = |task: &&&Task| self.fresh.iter().any(|(key, phase)| (key, *phase) == (&task.key, task.phase));
        let running = tasks.iter().filter(|task| self.state(task) == Some(OperationPhase::Running)).filter(fresh);
        let waited: Vec<&Task> = running.chain(&pending).copied().collect();
        if waited.is_empty() {
            let mut message = with_reason(message, &self.failures(tasks));
            let failed = self.failures(on_failure);
            if !failed.is_empty() {
                message = format!("{message}\n{}", with_reason("one or more SyncFail hooks failed", &failed));
            }
            self.end(OperationPhase::Failed, message);
        } else {
            self.wait_for(&waited, false);
        }
        Ok(())
    }

    fn failures(&self, tasks: &[&Task]) -> Vec<String> {
        let failed = tasks.iter().filter(|task| self.code(task) == Some(ResultCode::SyncFailed));
        failed.map(|task| self.result_message(task)).collect()
    }

    /// Prunes, deletes what must be new, then writes kind by kind.
    fn run_tasks(&mut self, tasks: &[&Task], dry_run: bool) -> Result<Ran, Suspended> {
        let dry_run = dry_run || self.input.options.dry_run;
        let (prunes, writes): (Vec<&Task>, Vec<&Task>) = tasks.iter().copied().partition(|task| task.is_prune());
        match self.prune(&prunes, dry_run)? {
            Ran::Well => {}
            other => return Ok(other),
        }
        if !dry_run {
            match self.make_room(&writes)? {
                Ran::Well => {}
                other => return Ok(other),
            }
        }
        self.write(&writes, dry_run)
    }

    fn prune(&mut self, tasks: &[&Task], dry_run: bool) -> Result<Ran, Suspended> {
        if let Some(message) = self.unconfirmed(tasks) {
            self.message = message;
            return Ok(Ran::Pending);
        }
        let mut wanted = Vec::new();
        for task in tasks {
            match self.reason_to_keep(task) {
                Some(reason) if !dry_run || self.input.options.dry_run => {
                    self.set(task, Some(ResultCode::PruneSkipped), Some(OperationPhase::Succeeded), &reason);
                }
                Some(_) => {}
                None if dry_run => self.note_dry_prune(task),
                None => wanted.push(*task),
            }
        }
        let leaving = |task: &&&Task| {
            task.live.as_ref().is_some_and(|live| live.value().pointer("/metadata/deletionTimestamp").is_some())
        };
        let (already, now): (Vec<&Task>, Vec<&Task>) = wanted.iter().partition(leaving);
        let (now, actions) = paired(now.into_iter(), |task| self.deletion(task, true));
        let outcomes = self.perform(actions)?;
        already.iter().for_each(|task| self.set_pruned(task));
        let mut ran = Ran::Well;
        for (task, outcome) in now.iter().zip(outcomes) {
            match outcome {
                Outcome::Done(_) => self.set_pruned(task),
                Outcome::Failed(reason) => {
                    self.set(task, Some(ResultCode::SyncFailed), Some(OperationPhase::Failed), &reason);
                    ran = Ran::Failed;
                }
            }
        }
        Ok(ran)
    }

    fn set_pruned(&mut self, task: &Task) {
        self.set(task, Some(ResultCode::Pruned), Some(OperationPhase::Succeeded), "pruned");
    }

    fn note_dry_prune(&mut self, task: &Task) {
        if self.input.options.dry_run {
            self.set(task, Some(ResultCode::Pruned), Some(OperationPhase::Succeeded), "pruned (dry run)");
        }
    }

    /// Why an extra object stays. Without proof that the desired set is whole nothing is ever deleted.
    fn reason_to_keep(&self, task: &Task) -> Option<String> {
        let live = task.live.as_ref()?;
        if self.input.options.keeps(live) {
            return Some("ignored (no prune)".to_owned());
        }
        if !self.input.options.prune {
            return Some("ignored (requires pruning)".to_owned());
        }
        if let Some(stay) = self.input.stays.get(&task.key) {
            return Some(format!("not pruned: {stay}"));
        }
        if let Some(reason) = &task.foreign {
            return Some(format!("not pruned: {reason}"));
        }
        match &self.input.proof {
            Ok(_) => None,
            Err(Some(reason)) => Some(format!("not pruned: {reason}")),
            Err(None) => Some("not pruned: nothing proves that the desired objects are complete".to_owned()),
        }
    }

    /// Whether a person approved what is to be deleted.
    fn approved(&self) -> bool {
        self.input.deletion_approved_at.is_some_and(|at| at >= self.input.started_at)
    }

    /// What waits for a person's approval.
    fn unconfirmed(&self, tasks: &[&Task]) -> Option<String> {
        if self.approved() {
            return None;
        }
        let asks = |task: &&&Task| {
            let live = task.live.as_ref();
            live.is_some_and(|live| self.input.options.confirm_prune || has_sync_option(live, "Prune=confirm"))
        };
        let names: Vec<String> = tasks.iter().filter(asks).map(|task| task.title()).collect();
        let more = if names.len() > 1 { format!(" and {} more resources", names.len() - 1) } else { String::new() };
        names.first().map(|first| format!("waiting for pruning confirmation of {first}{more}"))
    }

    /// Hooks of an earlier run go before they are created again.
    fn make_room(&mut self, tasks: &[&Task]) -> Result<Ran, Suspended> {
        let old =
            tasks.iter().filter(|task| task.live.is_some() && task.deletes_on(HookDeletePolicy::BeforeHookCreation));
        let old: Vec<&Task> = old.copied().collect();
        if old.is_empty() {
            return Ok(Ran::Well);
        }
        self.perform(old.iter().filter_map(|task| self.release(task)).collect())?;
        let (old, actions) = paired(old.into_iter(), |task| self.deletion(task, false));
        let outcomes = self.perform(actions)?;
        let mut ran = Ran::Pending;
        for (task, outcome) in old.iter().zip(outcomes) {
            if let Outcome::Failed(reason) = outcome {
                let message = format!("failed to delete resource: {reason}");
                self.set(task, None, Some(OperationPhase::Error), &message);
                ran = Ran::Failed;
            }
        }
        Ok(ran)
    }

    /// Writes runs of equal kind together, one run after the other; a dry run needs no order.
    fn write(&mut self, tasks: &[&Task], dry_run: bool) -> Result<Ran, Suspended> {
        let (untried, tasks): (Vec<&Task>, Vec<&Task>) = tasks.iter().partition(|t| dry_run && t.skip_dry_run);
        untried.iter().for_each(|task| self.note_untried(task));
        let runs: Vec<&[&Task]> = if dry_run {
            if tasks.is_empty() { Vec::new() } else { vec![tasks.as_slice()] }
        } else {
            tasks.chunk_by(|left, right| left.key.kind == right.key.kind).collect()
        };
        let mut ran = Ran::Well;
        for run in runs {
            let (run, actions) = paired(run.iter().copied(), |task| self.writing(task, dry_run));
            for (task, outcome) in run.into_iter().zip(self.perform(actions)?) {
                ran = if self.written(task, outcome, dry_run) { ran } else { Ran::Failed };
            }
        }
        Ok(ran)
    }

    /// Where nothing else follows, it is said that nobody tried.
    fn note_untried(&mut self, task: &Task) {
        if self.input.options.dry_run {
            let message = "not tried: this sync would make its namespace or its kind first";
            self.set(task, Some(ResultCode::Synced), Some(OperationPhase::Succeeded), message);
        }
    }

    fn writing(&self, task: &Task, dry_run: bool) -> Option<Action> {
        let target = task.target.as_ref()?;
        let object = self.input.permits.write(target.clone()).ok()?;
        let (options, live) = (&self.input.options, task.live.as_deref());
        let verb = options.verb_for(target, live);
        Some(Action::Write {
            object,
            verb,
            dry_run,
            force: verb != Verb::Create && options.force_for(target, live),
            server_side: verb == Verb::Apply && options.server_side_for(target),
            validate: options.validate && !has_sync_option(target, "Validate=false"),
        })
    }

    fn written(&mut self, task: &Task, outcome: Outcome, dry_run: bool) -> bool {
        match outcome {
            Outcome::Failed(_) if dry_run && task.is_premature => {
                self.note_untried(task);
                true
            }
            Outcome::Failed(reason) => {
                self.set(task, Some(ResultCode::SyncFailed), Some(OperationPhase::Failed), &reason);
                false
            }
            Outcome::Done(message) => {
                if !dry_run {
                    self.fresh.push((task.key.clone(), task.phase));
                    self.set(task, Some(ResultCode::Synced), Some(OperationPhase::Running), &message);
                } else if self.input.options.dry_run {
                    self.set(task, Some(ResultCode::Synced), Some(OperationPhase::Succeeded), "");
                }
                true
            }
        }
    }

    /// Deletes what still runs and ends.
    fn terminate(&mut self, tasks: &[Task]) -> Result<(), Suspended> {
        let mut running = Vec::new();
        for task in tasks.iter().filter(|task| task.is_hook()) {
            let Some(live) = task.live.clone().filter(|_| self.state(task).is_some()) else { continue };
            if self.state(task).is_some_and(OperationPhase::completed) {
                continue;
            }
            match hook_phase((self.health)(&live), "") {
                (OperationPhase::Running, _) => running.push(task),
                (phase, message) => self.set(task, self.code(task), Some(phase), &message),
            }
        }
        self.release_finished_hooks(tasks)?;
        let failed: Vec<&Task> = tasks.iter().filter(|t| self.state(t).is_some_and(OperationPhase::failed)).collect();
        self.delete_hooks(&failed, HookDeletePolicy::HookFailed)?;
        self.perform(running.iter().filter_map(|task| self.release(task)).collect())?;
        let (running, actions) = paired(running.into_iter(), |task| self.deletion(task, false));
        let outcomes = self.perform(actions)?;
        let mut clean = true;
        for (task, outcome) in running.iter().zip(outcomes) {
            let message = match outcome {
                Outcome::Done(_) => "Terminated".to_owned(),
                Outcome::Failed(reason) => {
                    clean = false;
                    format!("Failed to delete: {reason}")
                }
            };
            self.set(task, self.code(task), Some(OperationPhase::Failed), &message);
        }
        if clean {
            self.end(OperationPhase::Failed, "Operation terminated".to_owned());
        } else {
            self.end(OperationPhase::Error, "Operation termination had errors".to_owned());
        }
        Ok(())
    }

    /// The outcomes of the actions, when they are known; else the step stops here until they are.
    fn perform(&self, actions: Vec<Action>) -> Result<Vec<Outcome>, Suspended> {
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        let from = self.used.get();
        match self.outcomes.get(from..from + actions.len()) {
            Some(outcomes) => {
                self.used.set(from + actions.len());
                Ok(outcomes.to_vec())
            }
            None => Err(Suspended(actions)),
        }
    }

    fn result(&self, task: &Task) -> Option<&ResourceResult> {
        self.results.iter().find(|result| {
            result.sync_phase.unwrap_or_default() == task.phase
                && (&result.group, &result.kind, &result.namespace, &result.name)
                    == (&task.key.group, &task.key.kind, &task.key.namespace, &task.key.name)
        })
    }

    fn state(&self, task: &Task) -> Option<OperationPhase> {
        self.result(task)?.hook_phase
    }

    fn code(&self, task: &Task) -> Option<ResultCode> {
        self.result(task)?.status
    }

    fn result_message(&self, task: &Task) -> String {
        self.result(task).map(|result| result.message.clone()).unwrap_or_default()
    }

    fn set(&mut self, task: &Task, code: Option<ResultCode>, phase: Option<OperationPhase>, message: &str) {
        let result = ResourceResult {
            group: task.key.group.clone(),
            version: task.version.clone(),
            kind: task.key.kind.clone(),
            namespace: task.key.namespace.clone(),
            name: task.key.name.clone(),
            status: code,
            message: message.to_owned(),
            hook_type: if task.is_hook() { task.phase.as_str().to_owned() } else { String::new() },
            hook_phase: phase,
            sync_phase: Some(task.phase),
            images: task.target.iter().flat_map(images).map(|image| image.image).collect(),
        };
        match find(&mut self.results, &task.key, task.phase) {
            Some(slot) => *slot = result,
            None => self.results.push(result),
        }
    }

    fn end(&mut self, phase: OperationPhase, message: String) {
        (self.phase, self.message) = (phase, message);
    }

    /// Says what is waited for: hooks first.
    fn wait_for(&mut self, tasks: &[&Task], deletion: bool) {
        let first = tasks.iter().find(|task| task.is_hook()).or(tasks.first());
        let Some(first) = first else { return };
        let what = match (deletion, first.is_hook()) {
            (true, true) => "deletion of hook",
            (true, false) => "deletion of",
            (false, true) => "completion of hook",
            (false, false) => "healthy state of",
        };
        let more = match tasks.len() - 1 {
            0 => String::new(),
            n if tasks.iter().all(|task| task.is_hook()) => format!(" and {n} more hooks"),
            n => format!(" and {n} more resources"),
        };
        self.message = format!("waiting for {what} {}{more}", first.title());
    }
}

/// Later tasks wait for earlier ones only when there is more than one wave or phase.
fn is_multi_step(tasks: &[Task]) -> bool {
    let regular = || tasks.iter().filter(|task| task.phase != SyncPhase::SyncFail).map(|task| (task.phase, task.wave));
    regular().min() != regular().max()
}

fn with_reason(message: &str, reasons: &[String]) -> String {
    if reasons.is_empty() { message.to_owned() } else { format!("{message}, reason: {}", reasons.join(",")) }
}

/// A hook without health has done its work by being there; one in an unknown state has failed.
fn hook_phase(health: Result<Option<HealthStatus>, String>, created: &str) -> (OperationPhase, String) {
    match health {
        Err(reason) => (OperationPhase::Error, format!("failed to get resource health: {reason}")),
        Ok(None) => (OperationPhase::Succeeded, created.to_owned()),
        Ok(Some(health)) if health.status == HealthStatusCode::Missing => {
            (OperationPhase::Succeeded, created.to_owned())
        }
        Ok(Some(health)) => {
            let phase = match health.status {
                HealthStatusCode::Healthy | HealthStatusCode::Missing => OperationPhase::Succeeded,
                HealthStatusCode::Progressing | HealthStatusCode::Suspended => OperationPhase::Running,
                HealthStatusCode::Degraded | HealthStatusCode::Unknown => OperationPhase::Failed,
            };
            (phase, health.message)
        }
    }
}

/// The tasks for which there is something to do, and what.
fn paired<'t>(
    tasks: impl Iterator<Item = &'t Task>,
    action: impl Fn(&Task) -> Option<Action>,
) -> (Vec<&'t Task>, Vec<Action>) {
    tasks.filter_map(|task| Some((task, action(task)?))).unzip()
}
