//! Releases that may go one environment further ask for it; those that were overtaken give up.

use api::gantline::{Environment, Promotion, PromotionPhase, PromotionSpec, PromotionStatus, Release, ReleasePhase};
use jiff::Timestamp;

use super::sight::Runs;
use super::{Action, Draft, Step, opens};
use crate::facts::{Fact, What};
use crate::identity::{identity, label, promotion_name};

impl Draft<'_> {
    pub(super) fn open(&mut self) {
        let pipeline = &self.seen.pipeline;
        for pair in pipeline.spec.environments.windows(2) {
            let [before, environment] = pair else { continue };
            self.give_way(environment);
            let Some(candidate) = self.candidate(&before.name, environment) else { continue };
            let candidate = self.releases[candidate].clone();
            self.overtake(environment, &candidate);
            let known = self.promotions.iter().any(|p| {
                p.spec.environment == environment.name && p.spec.release == candidate.metadata.name && !p.spec.rollback
            });
            if !known {
                let spec = self.promotion_spec(environment, &candidate, "", "");
                let step = Self::opened(environment, spec, promotion_name(environment, &candidate));
                self.plan.steps.push(step);
            }
        }
    }

    /// The release in the environment before, if it may come here by itself.
    fn candidate(&self, before: &str, environment: &Environment) -> Option<usize> {
        let (Runs::Release(index), here) = (&self.sight(before)?.runs, self.sight(&environment.name)?) else {
            return None;
        };
        // what runs here may be the newer one: nothing is asked for until that is known
        if !opens(environment) || matches!(here.runs, Runs::Unknown { .. }) {
            return None;
        }
        let release = &self.releases[*index];
        let phase = release.in_environment(before)?.phase;
        let ready = matches!(phase, ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified);
        let newer = |present: Option<&Release>| present.is_none_or(|present| came(present) < came(release));
        // never backwards by itself
        let forward = ready && newer(self.runs(&environment.name)) && newer(self.put_last(&environment.name));
        let held = || release.status.quarantine.is_some() || self.seen.pipeline.pin_of(&environment.name).is_some();
        (forward && !held()).then_some(*index)
    }

    /// What waits by itself gives way to what is newer.
    fn overtake(&mut self, environment: &Environment, newer: &Release) {
        let older = |name: &str| self.release(name).is_some_and(|release| came(release) < came(newer));
        let overtaken =
            self.waiting(environment, |p| !p.spec.rollback && p.askers().next().is_none() && older(&p.spec.release));
        for index in overtaken {
            self.supersede(index, &format!("{} came before it was written", label(&newer.spec.images)));
        }
    }

    /// A rollback that could not be written gives way to what somebody asked for later.
    fn give_way(&mut self, environment: &Environment) {
        let asked =
            |p: &Promotion| p.spec.environment == environment.name && (p.spec.rollback || p.askers().next().is_some());
        // of two within one second the first here is the later one
        let Some(last) = self.promotions.iter().rev().filter(|p| asked(p)).max_by_key(|p| p.last_asked()).cloned()
        else {
            return;
        };
        for index in self.waiting(environment, |p| p.spec.rollback && p.metadata.name != last.metadata.name) {
            self.supersede(index, &format!("{} was asked for later", last.metadata.name));
        }
    }

    fn waiting(&self, environment: &Environment, which: impl Fn(&Promotion) -> bool) -> Vec<usize> {
        let all = self.promotions.iter().enumerate();
        let waiting = all.filter(|(_, p)| {
            p.spec.environment == environment.name && p.status.phase == PromotionPhase::Waiting && which(p)
        });
        waiting.map(|(index, _)| index).collect()
    }

    pub(super) fn supersede(&mut self, index: usize, message: &str) {
        let promotion = &self.promotions[index];
        let environment = promotion.spec.environment.clone();
        let what = What::Overtaken { environment, why: message.to_owned() };
        let fact = Fact::of_promotion(&promotion.metadata.name, &promotion.spec, what);
        let phase = PromotionPhase::Superseded;
        let status = PromotionStatus { phase, message: message.to_owned(), ..promotion.status.clone() };
        self.set_promotion(index, status, vec![fact]);
    }

    pub(crate) fn opened(environment: &Environment, spec: PromotionSpec, name: String) -> Step {
        let waits = !environment.gates.is_empty() && !spec.rollback;
        let what = What::Wants { environment: environment.name.clone(), by: spec.requested_by.clone() };
        let facts = waits.then(|| Fact::of_promotion(&name, &spec, what)).into_iter().collect();
        Step { action: Action::OpenPromotion { name, spec }, facts }
    }

    pub(crate) fn promotion_spec(
        &self,
        environment: &Environment,
        release: &Release,
        actor: &str,
        reason: &str,
    ) -> PromotionSpec {
        let pipeline = &self.seen.pipeline;
        PromotionSpec {
            pipeline: pipeline.metadata.name.clone(),
            environment: environment.name.clone(),
            release: release.metadata.name.clone(),
            digest: identity(&release.spec.images),
            tag: label(&release.spec.images).into_owned(),
            from: pipeline.before(&environment.name).map_or_else(String::new, |before| before.name.clone()),
            requested_by: actor.to_owned(),
            reason: reason.to_owned(),
            ..PromotionSpec::default()
        }
    }
}

/// Which release is the newer one: the API server counts whole seconds, Git says which commit came first.
pub(crate) fn came(release: &Release) -> (Option<Timestamp>, Option<Timestamp>) {
    (release.metadata.creation_timestamp, release.spec.source.time)
}
