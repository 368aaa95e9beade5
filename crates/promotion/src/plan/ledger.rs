//! What outlives records is put back into those that do not say it, and what records say is kept.

use std::borrow::Cow;

use api::gantline::{
    Environment, PipelineCondition, PipelineConditionKind, Promotion, Quarantine, Release, ReleaseSpec,
};

use super::{Action, Draft, Known, Observed, Step};
use crate::about::is_believed;
use crate::appeared::Appearance;
use crate::facts::{Fact, What};
use crate::identity::identity;
use crate::ledger::Ledger;
use crate::owned::{Records, later};
use crate::places::{Entered, Places};
use crate::seal::Record;

/// A release with the quarantine that holds: all that is decided about it is decided by that.
pub(super) fn held_back<'a>(release: &'a Release, seen: &Observed) -> Known<'a, Release> {
    let mut known = Known::Seen(release);
    // what is quarantined since it was written past Gantline is not what was lifted
    if seen.tampered.as_ref().is_some_and(|tampered| tampered.releases.contains(&release.metadata.name)) {
        return known;
    }
    let quarantine = seen.ledger.quarantine_of(release, &seen.elsewhere);
    if quarantine.as_deref() != release.status.quarantine.as_ref() {
        known.change().status.quarantine = quarantine.map(Cow::into_owned);
    }
    known
}

impl Draft<'_> {
    /// Releases that were deleted and made again, and what was cut off between the ledger and a status.
    pub(super) fn remember(&mut self) {
        if self.seen.tampered.is_none() {
            return; // nobody knows whom to believe
        }
        let changed = self.releases.iter().filter(|release| matches!(release, Known::Changed(_)));
        let said =
            |name: &str| self.seen.releases.iter().find(|seen| seen.metadata.name == name)?.status.quarantine.as_ref();
        let steps: Vec<Step> = changed.map(|release| put_back(release, said(&release.metadata.name))).collect();
        self.plan.steps.extend(steps);
    }

    /// A record that has no status yet is believed for a while only: it gets one.
    pub(super) fn seal_new(&mut self) {
        let Some(tampered) = &self.seen.tampered else { return };
        let releases = new(&self.releases).filter(|it| !tampered.is_of_release(&it.metadata.name));
        let releases: Vec<Action> = releases.map(set_release).collect();
        let promotions = new(&self.promotions).filter(|it| !tampered.is_of_promotion(&it.metadata.name));
        let promotions: Vec<Action> = promotions.map(set_promotion).collect();
        releases.into_iter().chain(promotions).for_each(|action| self.step(action, Vec::new()));
    }

    /// Before anything else a quarantine is written into the ledger, and who is behind what came; an environment once a
    /// record says that it was entered, so that what enters it first is not taken for a later one by who comes after a
    /// kill. Nothing that only says that it is a record of this Pipeline comes in.
    pub(super) fn keep_ledger(&mut self) {
        let Some(tampered) = &self.seen.tampered else { return };
        let (known, records) = (&*self.seen.ledger, Records::of(self.seen));
        let environments = self.seen.pipeline.spec.environments.iter().map(|environment| &environment.name);
        let entered = environments.filter(|name| !known.was_entered(name) && !records.is_untouched(name));
        let (entered, came): (Vec<String>, _) = (entered.cloned().collect(), self.came());
        let places = self.places(&entered);
        self.say_what_has_no_room();
        let held = self.releases.iter().map(|it| &**it).filter(|it| !known.holds(it));
        let held: Vec<&Release> = held.filter(|it| is_believed(it) || self.has_appeared(&it.spec)).collect();
        let is_believed = |it: &&Promotion| !tampered.is_of_promotion(&it.metadata.name);
        let promotions = self.seen.promotions.iter().map(|it| &**it).filter(is_believed);
        let begun = known.begun.with(promotions, self.seen.now);
        if entered.is_empty() && held.is_empty() && came.is_empty() && places == known.places && begun.is_none() {
            return;
        }
        let mut ledger = Ledger { places, ..known.clone() };
        ledger.begun = begun.unwrap_or(ledger.begun);
        ledger.enter(entered);
        came.into_iter().for_each(|appearance| ledger.appeared.note(appearance));
        let too_many = held.into_iter().filter(|release| !ledger.hold(release)).count();
        if too_many > 0 {
            self.condition(PipelineConditionKind::Warning, no_room(too_many));
        }
        if ledger != *known {
            self.plan.steps.insert(0, Step { action: Action::SetLedger { ledger }, facts: Vec::new() });
        }
    }

    /// Environments that count as entered though nobody knows whether they were.
    fn say_what_has_no_room(&mut self) {
        let (known, environments) = (&self.seen.ledger, &self.seen.pipeline.spec.environments);
        if !known.has_no_room() {
            return;
        }
        let is_without = |environment: &&Environment| !known.entered.contains(&environment.name);
        let names: Vec<&str> = environments.iter().skip(1).filter(is_without).map(|it| it.name.as_str()).collect();
        if !names.is_empty() {
            let message = format!(
                "the ledger has no room for more environments than the {} that this Pipeline has had: {} counts as \
                 entered, so also its first image has to be promoted; call environments what they were called before, or \
                 make a new Pipeline",
                known.entered.len(),
                names.join(", ")
            );
            self.condition(PipelineConditionKind::Warning, message);
        }
    }

    /// What the ledger does not know yet: releases that were there before it, and those that this plan makes. All of them
    /// come into it at once, so behind the newest that is known there is none.
    fn came(&self) -> Vec<Appearance> {
        let mut all =
            self.releases.iter().filter(|release| is_believed(release)).map(|release| &release.spec).peekable();
        let mut came = Vec::new();
        while let Some(spec) = all.next_if(|spec| !self.has_appeared(spec)) {
            came.extend(Appearance::of(spec, all.peek().map(|before| &*before.images)));
        }
        came.reverse();
        came.extend(self.appearance.clone());
        came
    }

    /// Whether a source of the Pipeline showed it.
    pub(super) fn has_appeared(&self, spec: &ReleaseSpec) -> bool {
        identity(&spec.images).is_some_and(|digest| self.seen.ledger.appeared.has(&digest))
    }

    /// Where environments are that were entered, and those that are just being seen as such.
    fn places(&mut self, new: &[String]) -> Places {
        let (known, environments) = (&self.seen.ledger, &self.seen.pipeline.spec.environments);
        let mut places = known.places.clone();
        places.leave_all_but(|name| environments.iter().any(|environment| environment.name == name));
        for (environment, place) in environments.iter().zip(&self.seen.places) {
            let name = &environment.name;
            let Some(app) = place.application.as_ref() else { continue };
            let others = || later(&self.seen.pipeline).filter(|other| other.name != *name);
            let is_anothers = |there: &str| others().any(|other| known.places.has(&other.name, &app.cluster, there));
            if known.was_entered(name) || new.contains(name) {
                places.enter(name, app, is_anothers);
            }
        }
        let full = |name: &&String| places.of(name).is_some_and(Entered::is_full);
        let full: Vec<&String> = environments.iter().map(|environment| &environment.name).filter(full).collect();
        for name in full {
            let message = format!(
                "{name} has been in as many namespaces as are kept: beyond these its gates hold as long as its \
                 Application is there. Taken out of the Pipeline and put in again it begins anew"
            );
            self.conditions.push(PipelineCondition { r#type: PipelineConditionKind::Warning, message });
        }
        places
    }
}

fn no_room(count: usize) -> String {
    format!(
        "the ledger has no room for {count} more quarantined releases: they are held by their Releases alone, here alone, \
         and no more if somebody deletes them; lift quarantines of images that nobody builds any more (gantline release lift)"
    )
}

/// `said` is what stood there.
fn put_back(release: &Release, said: Option<&Quarantine>) -> Step {
    let what = |quarantine: &Quarantine| {
        let (by, reason) = (quarantine.by.clone(), quarantine.reason.clone());
        let made_again = release.metadata.creation_timestamp > quarantine.at;
        // else it was cut off before it was told
        if made_again { What::HeldStill { by, reason } } else { quarantined(release, by, reason) }
    };
    let what = match (&release.status.quarantine, said) {
        (Some(_), Some(_)) => None,
        (Some(now), None) if !now.release.is_empty() => Some(quarantined(release, now.whose(), now.reason.clone())),
        (Some(now), None) => Some(what(now)),
        (None, said) => said.and_then(Quarantine::other_pipeline).map(|other| {
            let by = format!("Pipeline {other}");
            What::Lifted { by, reason: "what held it there holds it no more".to_owned() }
        }),
    };
    let facts = what.map(|what| Fact::of_release(&release.metadata.name, &release.spec, what));
    Step { action: set_release(release), facts: facts.into_iter().collect() }
}

pub(crate) fn quarantined(release: &Release, by: String, reason: String) -> What {
    let digest = identity(&release.spec.images).map_or_else(String::new, String::from);
    What::Quarantined { digest, by, reason }
}

/// Those that no step of this plan writes.
fn new<'a, R: Record>(all: &'a [Known<'_, R>]) -> impl Iterator<Item = &'a R> {
    all.iter().filter(|known| matches!(known, Known::Seen(_))).map(|known| &**known).filter(|record| record.is_new())
}

fn set_release(release: &Release) -> Action {
    Action::SetRelease { name: release.metadata.name.clone(), status: release.status.clone() }
}

fn set_promotion(promotion: &Promotion) -> Action {
    Action::SetPromotion { name: promotion.metadata.name.clone(), status: promotion.status.clone() }
}
