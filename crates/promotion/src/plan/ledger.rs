//! What outlives records is put back into those that do not say it, and what records say is kept.

use api::gantline::{Promotion, Quarantine, Release};

use super::{Action, Draft, Known, Observed, Step};
use crate::facts::{Fact, What};
use crate::identity::identity;
use crate::owned::Records;
use crate::seal::Record;

/// A release with the quarantine that holds.
pub(super) fn held_back<'a>(release: &'a Release, seen: &Observed) -> Known<'a, Release> {
    let mut known = Known::Seen(release);
    // what is quarantined since it was written past Gantline is not what was lifted
    if seen.tampered.as_ref().is_some_and(|tampered| tampered.releases.contains(&release.metadata.name)) {
        return known;
    }
    let quarantine = seen.ledger.quarantine_of(release);
    if quarantine != release.status.quarantine.as_ref() {
        known.change().status.quarantine = quarantine.cloned();
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
        let steps: Vec<Step> = changed.map(|release| put_back(release)).collect();
        self.plan.steps.extend(steps);
    }

    /// A record that has no status yet is believed for a while only: it gets one.
    pub(super) fn seal_new(&mut self) {
        let Some(tampered) = &self.seen.tampered else { return };
        let releases = new(&self.releases).filter(|it| !tampered.releases.contains(&it.metadata.name));
        let releases: Vec<Action> = releases.map(set_release).collect();
        let promotions = new(&self.promotions).filter(|it| !tampered.promotions.contains(&it.metadata.name));
        let promotions: Vec<Action> = promotions.map(set_promotion).collect();
        releases.into_iter().chain(promotions).for_each(|action| self.step(action, Vec::new()));
    }

    /// Before anything else a quarantine is written into the ledger; an environment once a record says that it was
    /// entered, so that what enters it first is not taken for a later one by who comes after a kill.
    pub(super) fn keep_ledger(&mut self) {
        if self.seen.tampered.is_none() {
            return;
        }
        let (known, records) = (&*self.seen.ledger, Records::of(self.seen));
        let environments = self.seen.pipeline.spec.environments.iter().map(|environment| &environment.name);
        let entered = environments.filter(|name| !known.entered.contains(*name) && !records.is_untouched(name));
        let entered: Vec<String> = entered.cloned().collect();
        let held: Vec<&Release> = self.releases.iter().map(|it| &**it).filter(|it| !known.holds(it)).collect();
        if entered.is_empty() && held.is_empty() {
            return;
        }
        let mut ledger = known.clone();
        ledger.entered.extend(entered);
        held.into_iter().for_each(|release| ledger.hold(release));
        self.plan.steps.insert(0, Step { action: Action::SetLedger { ledger }, facts: Vec::new() });
    }
}

fn put_back(release: &Release) -> Step {
    let what = |quarantine: &Quarantine| {
        let (by, reason) = (quarantine.by.clone(), quarantine.reason.clone());
        let made_again = release.metadata.creation_timestamp > quarantine.at;
        // else it was cut off before it was told
        if made_again { What::HeldStill { by, reason } } else { quarantined(release, by, reason) }
    };
    let what = release.status.quarantine.as_ref().map(what);
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
