//! Open promotions go on: gates are judged, commits are made, clusters follow.

use api::gantline::{GateReport, GateState, Pin, Promotion, PromotionPhase, PromotionStatus, ReleasePhase, WriteStep};
use object::same_text;

use super::{Action, Draft, came};
use crate::about;
use crate::change_set::ChangeSet;
use crate::facts::{Fact, What};
use crate::gates::{Decision, Evidence, Judge, approvers, awaits_people, evaluate, quarantined};
use crate::identity::label;
use crate::writing::stepped;

impl Draft<'_> {
    pub(super) fn go_on(&mut self) {
        // the oldest first: who waited longer is written first
        for index in (0..self.promotions.len()).rev() {
            if self.promotions[index].status.phase.is_open() {
                self.attempt(index);
            }
        }
    }

    fn attempt(&mut self, index: usize) {
        let promotion = &self.promotions[index];
        let known = self.seen.pipeline.environment(&promotion.spec.environment).is_some();
        if !known || self.release(&promotion.spec.release).is_none() {
            return self.end_with(
                index,
                PromotionPhase::Failed,
                "its environment or its release does not exist any more",
            );
        }
        let (phase, retry_at) = (promotion.status.phase, promotion.status.retry_at);
        if retry_at.is_some_and(|at| self.seen.now < at) {
            return self.wake(retry_at);
        }
        match phase {
            PromotionPhase::Waiting => self.decide(index),
            PromotionPhase::Writing | PromotionPhase::Written => {
                let promotion = self.promotions[index].metadata.name.clone();
                self.step(Action::GoOn { promotion }, Vec::new());
            }
            PromotionPhase::Converging => self.converge(index),
            PromotionPhase::Succeeded
            | PromotionPhase::Failed
            | PromotionPhase::Rejected
            | PromotionPhase::Superseded => {}
        }
    }

    fn decide(&mut self, index: usize) {
        let promotion = self.promotions[index].clone();
        if let Some(why) = self.passed_by(&promotion) {
            return self.supersede(index, &why);
        }
        self.ask_for(&promotion);
        if let Some(merged) = self.new_people(&promotion) {
            // kept before anything rests on it: others see it, and who goes on from here has it
            let status = PromotionStatus { merged: Some(merged), ..promotion.status.clone() };
            return self.set_promotion(index, status, Vec::new());
        }
        match self.judge(&promotion) {
            Some(Decision::Promote(gates)) => match self.busy(&promotion) {
                Some(other) => {
                    let message = format!("{other} is being written to {} first", promotion.spec.environment);
                    self.report(index, gates, message);
                }
                None => self.write(index, gates),
            },
            Some(Decision::Wait(gates)) => {
                gates.iter().filter(|gate| gate.state == GateState::Waiting).for_each(|gate| self.wake(gate.earliest));
                gates.iter().for_each(|gate| self.wake(gate.until));
                self.report(index, gates, String::new());
            }
            Some(Decision::Refuse(gates)) => self.refuse(index, gates),
            None => {}
        }
    }

    /// Why an old wish is one no more: what was put there after it is newer than what it would put there.
    pub(crate) fn passed_by(&self, promotion: &Promotion) -> Option<String> {
        if promotion.spec.rollback {
            return None;
        }
        let environment = &promotion.spec.environment;
        let (wanted, there) = (self.release(&promotion.spec.release)?, self.put_last(environment)?);
        let put = there.in_environment(environment)?.deployed_at;
        let is_newer = came(wanted) < came(there) && put > promotion.last_asked();
        is_newer.then(|| format!("{} was put there after this was asked for", label(&there.spec.images)))
    }

    /// A rollback waits for nobody; a quarantined release goes nowhere, not even back.
    pub(crate) fn judge(&self, promotion: &Promotion) -> Option<Decision> {
        let rollback = promotion.spec.rollback;
        let change_set = if rollback { ChangeSet::default() } else { self.change_set(promotion) };
        let evidence = self.evidence(promotion, &change_set)?;
        if rollback {
            let bad: Vec<GateReport> = quarantined(evidence.release).into_iter().collect();
            return Some(if bad.is_empty() { Decision::Promote(bad) } else { Decision::Refuse(bad) });
        }
        Some(evaluate(&evidence, &self.seen.answers))
    }

    /// Whose approvals of a promotion count.
    pub(super) fn approvers(&self, promotion: &Promotion) -> Vec<String> {
        let change_set = self.change_set(promotion);
        self.evidence(promotion, &change_set).map(|evidence| approvers(&evidence)).unwrap_or_default()
    }

    pub(crate) fn evidence<'b>(&'b self, promotion: &'b Promotion, change_set: &'b ChangeSet) -> Option<Evidence<'b>> {
        let pipeline = &*self.seen.pipeline;
        Some(Evidence {
            pipeline,
            environment: pipeline.environment(&promotion.spec.environment)?,
            release: self.release(&promotion.spec.release)?,
            promotion,
            change_set,
            members: &self.seen.members,
            blind: &self.blind,
            now: self.seen.now,
        })
    }

    fn ask_for(&mut self, promotion: &Promotion) {
        let nobody = ChangeSet::default();
        let Some(evidence) = self.evidence(promotion, &nobody) else { return };
        let gates = || evidence.environment.gates.iter();
        let mut questions: Vec<_> = gates().flat_map(|gate| gate.questions(&evidence)).collect();
        let is_kept = self.kept_people(promotion, evidence.environment).is_some();
        if !is_kept && gates().any(|gate| awaits_people(gate.kind())) {
            questions.extend(self.merged(evidence.environment));
        }
        for question in questions {
            self.ask(question);
        }
    }

    /// The promotion that is being written to the same environment, or was decided to be in this plan.
    fn busy(&self, promotion: &Promotion) -> Option<String> {
        let others = self.promotions.iter().filter(|other| {
            other.spec.environment == promotion.spec.environment && other.metadata.name != promotion.metadata.name
        });
        let mut writing = others.filter(|other| other.status.phase == PromotionPhase::Writing);
        writing.next().map(|other| other.metadata.name.clone())
    }

    fn write(&mut self, index: usize, gates: Vec<GateReport>) {
        if self.promotions[index].spec.rollback {
            self.hold_back(index);
        }
        let promotion = self.promotions[index].change();
        promotion.status.phase = PromotionPhase::Writing;
        let promotion = promotion.metadata.name.clone();
        self.step(Action::Write { promotion, gates }, Vec::new());
    }

    /// Before a rollback is written: what it takes back is quarantined, and nothing comes here by itself.
    fn hold_back(&mut self, index: usize) {
        let spec = self.promotions[index].spec.clone();
        let environment = spec.environment.clone();
        let reason = if spec.reason.is_empty() { format!("rolled back in {environment}") } else { spec.reason };
        let bad = self.releases.iter().position(|release| release.metadata.name == spec.replaces);
        if let Some(bad) = bad.filter(|bad| self.releases[*bad].status.quarantine.is_none()) {
            let (quarantine, fact) = self.quarantine(&self.releases[bad], &spec.requested_by, &reason);
            let release = self.releases[bad].change();
            release.status.quarantine = Some(quarantine);
            let (name, status) = (release.metadata.name.clone(), release.status.clone());
            self.step(Action::SetRelease { name, status }, vec![fact]);
        }
        let (by, digest) = (spec.requested_by, spec.digest);
        if self.seen.pipeline.pin_of(&environment).is_none_or(|pin| pin.digest != digest) {
            let (pinned_by, why) = (by.clone(), reason.clone());
            let pin = Pin { digest, by: pinned_by, reason: why, at: Some(self.seen.now), ..Pin::default() };
            let what = What::Pinned { environment: environment.clone(), by, reason };
            let fact = Fact::of_pipeline(&spec.pipeline, what);
            self.step(Action::Pin { environment, pin }, vec![fact]);
        }
    }

    /// Writes down what the gates say where that is news.
    fn report(&mut self, index: usize, gates: Vec<GateReport>, message: String) {
        let status = &self.promotions[index].status;
        if gates != status.gates || !same_text(&message, &status.message) {
            let status = PromotionStatus { gates, message, retry_at: None, ..status.clone() };
            self.set_promotion(index, status, Vec::new());
        }
    }

    fn refuse(&mut self, index: usize, gates: Vec<GateReport>) {
        let promotion = &self.promotions[index];
        let no = gates.iter().find(|gate| gate.state == GateState::Failed);
        let message = no.map_or_else(String::new, |gate| format!("{}: {}", gate.name, gate.value));
        let tells_of = no.and_then(about::of_gate).unwrap_or_default().to_owned();
        let rejected = no.is_some_and(|gate| awaits_people(gate.kind));
        let phase = if rejected { PromotionPhase::Rejected } else { PromotionPhase::Failed };
        let environment = promotion.spec.environment.clone();
        let what = What::Refused { environment, why: message.clone(), tells_of };
        let fact = Fact::of_promotion(&promotion.metadata.name, &promotion.spec, what);
        let status = PromotionStatus { gates, phase, message, ..promotion.status.clone() };
        self.set_promotion(index, status, vec![fact]);
    }

    /// The cluster follows, or it does not.
    fn converge(&mut self, index: usize) {
        let promotion = &self.promotions[index];
        let environment = &promotion.spec.environment;
        let Some(release) = self.release(&promotion.spec.release) else { return };
        let Some(entry) = release.in_environment(environment) else { return };
        let holds = self.runs(environment).is_some_and(|here| here.metadata.name == release.metadata.name);
        let phase = match entry.phase {
            ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified if holds => {
                PromotionPhase::Succeeded
            }
            ReleasePhase::Failed => PromotionPhase::Failed,
            ReleasePhase::Replaced => PromotionPhase::Superseded,
            _ => return,
        };
        let message = entry.message.clone();
        let mut status = stepped(&promotion.status, WriteStep::Converged, &message, self.seen.now);
        (status.phase, status.message) = (phase, message);
        self.set_promotion(index, status, Vec::new());
    }

    pub(super) fn end_with(&mut self, index: usize, phase: PromotionPhase, message: &str) {
        let promotion = &self.promotions[index];
        let environment = promotion.spec.environment.clone();
        let what = What::Refused { environment, why: message.to_owned(), tells_of: String::new() };
        let fact = Fact::of_promotion(&promotion.metadata.name, &promotion.spec, what);
        let status = PromotionStatus { phase, message: message.to_owned(), ..promotion.status.clone() };
        self.set_promotion(index, status, vec![fact]);
    }

    pub(super) fn set_promotion(&mut self, index: usize, status: PromotionStatus, facts: Vec<Fact>) {
        let ended = (!status.phase.is_open()).then_some(self.seen.now);
        let status = PromotionStatus { ended_at: status.ended_at.or(ended), ..status };
        let promotion = self.promotions[index].change();
        promotion.status = status.clone();
        let name = promotion.metadata.name.clone();
        self.step(Action::SetPromotion { name, status }, facts);
    }
}
