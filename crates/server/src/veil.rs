//! What somebody is told of a Pipeline of which they may not see every Application: nothing of how those do.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::gantline::{
    GateReport, GateState, Pipeline, PipelineCondition, PipelineConditionKind, Promotion, PromotionPhase, Quarantine,
    Release,
};
use promotion::{Observed, about};

use crate::views::{Next, ReleaseExplanation, ReleaseReason, TurnedAway};

/// Over the environments whose Applications somebody may not see.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Nothing is hidden, nor is what a Pipeline does not have any more.
    lifted: bool,
    shown: BTreeSet<String>,
}

impl Veil {
    /// Over environments, each with whether its Application may be seen.
    pub(crate) fn over(environments: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (shown, hidden): (Vec<_>, Vec<_>) = environments.into_iter().partition(|(_, seen)| *seen);
        Self { lifted: hidden.is_empty(), shown: shown.into_iter().map(|(name, _)| name).collect() }
    }

    /// Over all that a Pipeline had that is gone.
    pub(crate) fn over_what_is_gone(lifted: bool) -> Self {
        Self { lifted, shown: BTreeSet::new() }
    }

    fn hides(&self, environment: &str) -> bool {
        !self.lifted && !self.shown.contains(environment)
    }

    pub(crate) fn pipeline(&self, pipeline: &mut Pipeline) {
        for environment in pipeline.spec.environments.iter_mut().filter(|it| self.hides(&it.name)) {
            environment.application.clear();
        }
        for environment in pipeline.status.environments.iter_mut().filter(|it| self.hides(&it.name)) {
            environment.application.clear();
            environment.commit.clear();
            (environment.sync, environment.health) = (None, None);
        }
        self.conditions(&mut pipeline.status.conditions);
    }

    pub(crate) fn conditions(&self, conditions: &mut [PipelineCondition]) {
        for condition in conditions {
            if let Some(environment) = place_of_condition(condition).filter(|name| self.hides(name)) {
                condition.message = neutral(environment);
            }
        }
    }

    pub(crate) fn release(&self, release: &mut Release) {
        let status = &mut release.status;
        for entry in status.environments.iter_mut().filter(|it| self.hides(&it.name)) {
            veil(&mut entry.message, &entry.name);
        }
        status.quarantine.iter_mut().for_each(|quarantine| self.quarantine(quarantine));
    }

    fn quarantine(&self, quarantine: &mut Quarantine) {
        if let Some(place) = about::of_quarantine(quarantine).filter(|it| self.hides(it)).map(str::to_owned) {
            quarantine.reason = neutral(&place);
        }
    }

    pub(crate) fn promotion(&self, promotion: &mut Promotion) {
        let (environment, status) = (&promotion.spec.environment, &mut promotion.status);
        self.message(environment, status.phase, &status.gates, &mut status.message);
        self.gates(&mut status.gates);
        if self.hides(environment) {
            status.steps.iter_mut().for_each(|step| step.detail.clear());
        }
    }

    pub(crate) fn next(&self, environment: &str, next: &mut Next) {
        self.message(environment, next.phase, &next.gates, &mut next.message);
        self.gates(&mut next.gates);
    }

    /// A gate's reason; what a person said is theirs.
    pub(crate) fn turned_away(&self, gates: &[GateReport], away: &mut TurnedAway) {
        let mut refused = gates.iter().filter(|gate| gate.state == GateState::Failed);
        if let Some(place) = refused.find_map(|gate| self.hidden_place(gate)).filter(|_| away.by.is_empty()) {
            away.reason = neutral(&place);
        }
    }

    pub(crate) fn gates(&self, gates: &mut [GateReport]) {
        for gate in gates {
            if let Some(environment) = self.hidden_place(gate) {
                gate.value = neutral(&environment);
            }
        }
    }

    /// What a promotion says: of the Application that follows it or does not, or of the gate that refused it.
    fn message(&self, environment: &str, phase: PromotionPhase, gates: &[GateReport], message: &mut String) {
        let of_others = matches!(phase, PromotionPhase::Superseded | PromotionPhase::Rejected);
        if self.hides(environment) && !of_others {
            return veil(message, environment);
        }
        let mut refused = gates.iter().filter(|gate| gate.state == GateState::Failed);
        if let Some(place) = refused.find_map(|gate| self.hidden_place(gate)) {
            veil(message, &place);
        }
    }

    fn hidden_place(&self, gate: &GateReport) -> Option<String> {
        let place = about::of_gate(gate)?;
        self.hides(place).then(|| place.to_owned())
    }

    /// With what is written down: what follows from it and from the Applications is [`Veil::explanation`]'s.
    pub(crate) fn observed(&self, seen: Observed) -> Observed {
        let releases = seen.releases.iter().map(|it| changed(it, |release| self.release(release)));
        let promotions = seen.promotions.iter().map(|it| changed(it, |promotion| self.promotion(promotion)));
        let ledger = changed(&seen.ledger, |ledger| {
            ledger.quarantined.values_mut().for_each(|held| self.quarantine(&mut held.quarantine));
        });
        Observed { releases: releases.collect(), promotions: promotions.collect(), ledger, ..seen }
    }

    pub(crate) fn explanation(&self, pipeline: &Pipeline, explained: &mut ReleaseExplanation) {
        let first = explained.reasons.first().map(|reason| reason.message.clone());
        explained.reasons.iter_mut().for_each(|reason| self.reason(pipeline, reason));
        // it ends with what the first reason says
        if let (Some(was), Some(now)) = (first, explained.reasons.first())
            && let Some(start) = explained.summary.strip_suffix(&was)
        {
            explained.summary = format!("{start}{}", now.message);
        }
    }

    fn reason(&self, pipeline: &Pipeline, reason: &mut ReleaseReason) {
        let gate = reason.message.strip_prefix(&format!("{} waits for ", reason.topic));
        if let Some(place) = gate.and_then(about::of_gate_named).filter(|place| self.hides(place)) {
            reason.value = neutral(place);
        }
        let here = pipeline.environment(&reason.topic).filter(|it| self.hides(&it.name));
        if let Some(here) = here.filter(|it| reason.who == looked_after(&it.application)) {
            (reason.message, reason.who) = (neutral(&here.name), looked_after(&here.name));
        }
    }
}

fn changed<T: Clone>(value: &Arc<T>, change: impl FnOnce(&mut T)) -> Arc<T> {
    let mut value = Arc::clone(value);
    change(Arc::make_mut(&mut value));
    value
}

pub(crate) fn neutral(environment: &str) -> String {
    format!("how {environment} does is for those who may see its Application")
}

fn veil(text: &mut String, environment: &str) {
    if !text.is_empty() {
        *text = neutral(environment);
    }
}

fn looked_after(what: &str) -> String {
    format!("whoever looks after {what}")
}

fn place_of_condition(condition: &PipelineCondition) -> Option<&str> {
    use PipelineConditionKind::{ApplicationMissing, DigestUnknown, ImageNotFound};
    let about_place = matches!(condition.r#type, ApplicationMissing | ImageNotFound | DigestUnknown);
    let (environment, _) = condition.message.split_once(": ").filter(|_| about_place)?;
    Some(environment)
}

#[cfg(test)]
mod tests {
    use api::gantline::{Environment, GateKind, ReleaseEnvironment, ReleasePhase};

    use super::*;

    const SECRET: &str = "web is Degraded: https://git.internal";

    fn veil_over_staging() -> Veil {
        Veil::over([("staging".to_owned(), false), ("production".to_owned(), true)])
    }

    #[test]
    fn a_gate_is_veiled_where_it_tells_of_a_hidden_environment() {
        let check = |kind: GateKind, name: &str, veiled: bool| {
            let mut gates = [GateReport { kind, name: name.into(), value: SECRET.into(), ..GateReport::default() }];
            veil_over_staging().gates(&mut gates);
            assert_eq!(gates[0].value != SECRET, veiled, "{name}");
        };
        check(GateKind::Healthy, "healthy in staging", true);
        check(GateKind::Healthy, "healthy in staging for 10m", true);
        check(GateKind::Healthy, "healthy in gone", true);
        check(GateKind::Healthy, "healthy in production for 10m", false);
        check(GateKind::Approval, "approval of team-leads", false);
        let bad = |by: &str, environment: &str| {
            let value = format!("quarantined by {by}: failed in {environment}: {SECRET}");
            let mut gates = [GateReport { kind: GateKind::Quarantine, value: value.clone(), ..GateReport::default() }];
            veil_over_staging().gates(&mut gates);
            gates[0].value != value
        };
        assert!(bad("gantline", "staging") && !bad("gantline", "production") && !bad("otto", "staging"));
    }

    #[test]
    fn a_condition_is_veiled_where_it_is_about_a_hidden_environment() {
        use PipelineConditionKind::{ApplicationMissing, ImageNotFound, TagIgnored};
        let check = |r#type: PipelineConditionKind, environment: &str, veiled: bool| {
            let message = format!("{environment}: {SECRET}");
            let mut conditions = [PipelineCondition { r#type, message: message.clone() }];
            veil_over_staging().conditions(&mut conditions);
            assert_eq!(conditions[0].message != message, veiled, "{message}");
        };
        check(ApplicationMissing, "staging", true);
        check(ImageNotFound, "staging", true);
        check(ImageNotFound, "production", false);
        check(TagIgnored, "v1", false);
    }

    #[test]
    fn a_promotion_says_nothing_of_what_a_hidden_application_did_to_it() {
        let check = |environment: &str, phase: PromotionPhase, gate: &str, veiled: bool| {
            let mut promotion = Promotion::default();
            (promotion.spec.environment, promotion.status.phase) = (environment.into(), phase);
            promotion.status.message = SECRET.into();
            let (kind, state) = (GateKind::Healthy, GateState::Failed);
            promotion.status.gates = vec![GateReport { kind, state, name: gate.into(), ..GateReport::default() }];
            veil_over_staging().promotion(&mut promotion);
            assert_eq!(promotion.status.message != SECRET, veiled, "{environment} {phase:?} {gate}");
        };
        check("staging", PromotionPhase::Failed, "", true);
        check("staging", PromotionPhase::Superseded, "", false);
        check("production", PromotionPhase::Failed, "healthy in production", false);
        check("production", PromotionPhase::Failed, "healthy in staging", true);
    }

    #[test]
    fn a_release_says_nothing_of_how_a_hidden_application_does() {
        let check = |by: &str, environment: &str, veiled: [bool; 2]| {
            let mut release = Release::default();
            let (name, message) = (environment.to_owned(), SECRET.to_owned());
            let entry = ReleaseEnvironment { name, phase: ReleasePhase::Failed, message, ..Default::default() };
            release.status.environments = vec![entry];
            let reason = format!("failed in {environment}: {SECRET}");
            release.status.quarantine = Some(Quarantine { by: by.into(), reason, ..Default::default() });
            veil_over_staging().release(&mut release);
            let quarantine = release.status.quarantine.unwrap().reason;
            let found = [&release.status.environments[0].message, &quarantine].map(|text| !text.ends_with(SECRET));
            assert_eq!(found, veiled, "{by} {environment}");
        };
        check("gantline", "staging", [true, true]);
        check("otto", "staging", [true, false]);
        check("gantline", "production", [false, false]);
    }

    /// Of a Pipeline that this one knows nothing of: what its Applications say is not said here in the first place.
    #[test]
    fn a_quarantine_of_another_pipeline_is_told_as_it_is() {
        let (by, reason) = ("gantline".to_owned(), "failed in staging".to_owned());
        let quarantine = Quarantine { by, reason, release: "web-111111111111".into(), ..Default::default() };
        let mut release = Release::default();
        release.status.quarantine = Some(quarantine.clone());
        veil_over_staging().release(&mut release);
        assert_eq!(release.status.quarantine, Some(quarantine));
    }

    #[test]
    fn an_explanation_is_veiled_in_its_reasons_and_its_summary() {
        let environment =
            |name: &str| Environment { name: name.into(), application: "web".into(), ..Environment::default() };
        let mut pipeline = Pipeline::default();
        pipeline.spec.environments = vec![environment("staging"), environment("production")];
        let reason = |topic: &str, message: &str, who: &str| ReleaseReason {
            topic: topic.into(),
            message: message.into(),
            value: SECRET.into(),
            who: who.into(),
            ..ReleaseReason::default()
        };
        let mut explained = ReleaseExplanation {
            summary: format!("v1 is in staging: {SECRET}"),
            reasons: vec![
                reason("staging", SECRET, "whoever looks after web"),
                reason("production", "production waits for healthy in staging for 10m", "time alone"),
            ],
            ..ReleaseExplanation::default()
        };
        explained.reasons[0].value = "Deploying".into();
        veil_over_staging().explanation(&pipeline, &mut explained);
        let told = serde_json::to_string(&explained).unwrap();
        assert!(!told.contains("web") && !told.contains("git.internal"), "{told}");
        assert!(explained.summary.starts_with("v1 is in staging: how staging does"), "{told}");
        assert!(told.contains("waits for healthy in staging for 10m"), "{told}");
    }
}
