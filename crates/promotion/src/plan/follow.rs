//! Releases move along in every environment where they are.

use std::borrow::Cow;

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{Quarantine, Release, ReleaseEnvironment, ReleaseImage, ReleasePhase, ReleaseStatus};
use jiff::Timestamp;
use object::ImageDigest;

use super::ledger::quarantined;
use super::sight::{Runs, Sight};
use super::{Action, Draft, PlaceApplication, RunningImage, entry};
use crate::about;
use crate::facts::{Fact, What};
use crate::machine::{Observation, Reach, advance, deadline};
use crate::owned::Records;
use crate::parts::Content;

impl Draft<'_> {
    pub(crate) fn follow(&mut self) {
        for index in 0..self.releases.len() {
            let (moved, facts) = self.moved_on(index);
            let Some(status) = moved else { continue };
            let release = self.releases[index].change();
            release.status = status.clone();
            let name = release.metadata.name.clone();
            self.step(Action::SetRelease { name, status }, facts);
        }
    }

    /// The release's status where it changes.
    fn moved_on(&mut self, index: usize) -> (Option<ReleaseStatus>, Vec<Fact>) {
        let release = self.releases[index].clone();
        let (mut next, mut facts) = (Cow::Borrowed(&release.status), Vec::new());
        for (place, environment) in self.seen.pipeline.spec.environments.iter().enumerate() {
            let here = self.sights[place].runs == Runs::Release(index);
            let found = next.environments.iter().position(|entry| entry.name == environment.name);
            let Some(found) = found else {
                if here {
                    let entry = self.arrival(&release, place);
                    let what = What::ByHand { environment: environment.name.clone() };
                    let by_hand = entry.by_hand.then(|| Fact::of_release(&release.metadata.name, &release.spec, what));
                    facts.extend(by_hand);
                    next.to_mut().environments.push(entry);
                }
                continue;
            };
            let before = &next.environments[found];
            if before.phase == ReleasePhase::Replaced && here {
                // what people put back is no more here than before: that it was, a rollback goes by
                if !before.by_hand && place > 0 && self.is_by_hand(&release, &environment.name) {
                    continue;
                }
                next.to_mut().environments[found] = self.arrival(&release, place);
                continue;
            }
            let moved = self.observed(&release, index, place, before).map(|seen| advance(before, &seen));
            self.wake_for(moved.as_deref().unwrap_or(before), place);
            let Some(Cow::Owned(moved)) = moved else { continue };
            facts.extend(Self::progress(&release, before, &moved));
            let fails = moved.phase == ReleasePhase::Failed && next.quarantine.is_none();
            let reason = about::failure(&moved.name, &moved.message);
            next.to_mut().environments[found] = moved;
            if fails {
                let (quarantine, fact) = self.quarantine(&release, about::OURSELVES, &reason);
                next.to_mut().quarantine = Some(quarantine);
                facts.push(fact);
            }
        }
        self.in_the_order_of_the_way(&mut next);
        match next {
            Cow::Borrowed(_) => (None, facts),
            Cow::Owned(status) => (Some(status), facts),
        }
    }

    /// The last entry says how far a release is, also where it was found in one environment after another in no order. What is
    /// no environment any more comes first.
    fn in_the_order_of_the_way(&self, status: &mut Cow<'_, ReleaseStatus>) {
        let spec = &self.seen.pipeline.spec;
        let place = |entry: &ReleaseEnvironment| spec.environments.iter().position(|it| it.name == entry.name);
        if !status.environments.iter().map(place).is_sorted() {
            status.to_mut().environments.sort_by_key(place);
        }
    }

    /// The entry of a release that was just seen in an environment.
    fn arrival(&self, release: &Release, place: usize) -> ReleaseEnvironment {
        let app = self.sights[place].place.and_then(|place| place.application.as_ref());
        let name = &self.seen.pipeline.spec.environments[place].name;
        let source = &release.spec.source;
        // what a rollback takes back; others may have committed since
        let own = source.environment == *name && !source.commit.is_empty() && release.in_environment(name).is_none();
        let commit = if own { source.commit.as_str() } else { app.map_or("", |app| app.commit.as_str()) };
        let by_hand = place > 0 && self.is_by_hand(release, name);
        ReleaseEnvironment { by_hand, ..entry(name, commit, self.seen.now) }
    }

    /// Whether nobody put a release into an environment into which others were, or something else since.
    fn is_by_hand(&self, release: &Release, environment: &str) -> bool {
        let records = Records::of(self.seen);
        !records.is_untouched(environment) && !records.stands(release, environment)
    }

    /// What is seen of a release where it was put; `None` where there is nothing to say.
    fn observed(
        &self,
        release: &Release,
        index: usize,
        place: usize,
        entry: &ReleaseEnvironment,
    ) -> Option<Observation> {
        if matches!(entry.phase, ReleasePhase::Failed | ReleasePhase::Replaced) {
            return None;
        }
        let sight = &self.sights[place];
        let watched = sight.place?.watched_since?;
        let reach = self.reach(release, index, sight, entry)?;
        let soak = sight.soak;
        let examined = soak.is_some() && (entry.phase != ReleasePhase::Verified || self.travels(release));
        let unexamined = examined && entry.watched_since.is_none_or(|before| before < watched);
        let gap = entry.healthy_since.and_then(|since| gap(sight, since, unexamined && since < watched));
        Some(Observation { reach, soak, gap, watched_since: watched, examined, now: self.seen.now })
    }

    /// Whether it wants to go anywhere: only then the break of a watch matters to what was verified.
    fn travels(&self, release: &Release) -> bool {
        let name = &release.metadata.name;
        self.promotions.iter().any(|p| p.status.phase.is_open() && p.spec.release == *name)
    }

    fn reach(&self, release: &Release, index: usize, sight: &Sight<'_>, entry: &ReleaseEnvironment) -> Option<Reach> {
        let deploying = entry.phase == ReleasePhase::Deploying;
        match &sight.runs {
            Runs::Unknown { asked: true, .. } => None,
            // what cannot be found is not somewhere else
            Runs::Unknown { why, asked: false } => deploying.then(|| Reach::Unknown(why.clone())),
            Runs::Nothing => Some(Reach::Under("the Application does not exist".to_owned())),
            _ if deploying && is_held_back(release, sight) => Some(Reach::Held(held(sight))),
            Runs::Release(here) if *here == index => {
                let app = sight.place?.application.as_ref()?;
                Some(converging(app, deploying).unwrap_or_else(|| running(release, sight)))
            }
            Runs::Release(_) | Runs::Other if deploying && !self.is_followed(release, &entry.name) => {
                let not_yet = || Reach::Under("its commit is not synced yet".to_owned());
                Some(sight.outage().map_or_else(not_yet, Reach::Unknown))
            }
            Runs::Release(_) | Runs::Other => Some(Reach::Elsewhere),
        }
    }

    /// Whether another release was put there later; within one second, whether it is the one that runs.
    fn is_followed(&self, release: &Release, environment: &str) -> bool {
        let at = |other: &Release| other.in_environment(environment).map(|entry| entry.deployed_at);
        let later = self.releases.iter().any(|other| at(other) > at(release));
        later || self.runs(environment).is_some_and(|here| at(here) == at(release))
    }

    fn wake_for(&mut self, entry: &ReleaseEnvironment, place: usize) {
        let sight = &self.sights[place];
        match entry.phase {
            ReleasePhase::Deploying => {
                let watched = sight.place.and_then(|place| place.watched_since);
                self.wake(deadline(entry, watched.unwrap_or(Timestamp::MIN)));
            }
            ReleasePhase::Soaking => {
                let end = sight.soak.zip(entry.healthy_since);
                self.wake(end.and_then(|(soak, since)| since.checked_add(soak).ok()));
            }
            ReleasePhase::Converged | ReleasePhase::Verified | ReleasePhase::Failed | ReleasePhase::Replaced => {}
        }
    }

    /// A step forward, or a soak that begins again.
    fn progress(release: &Release, old: &ReleaseEnvironment, new: &ReleaseEnvironment) -> Option<Fact> {
        let (environment, why) = (new.name.clone(), new.message.clone());
        let fact = |what| Fact::of_release(&release.metadata.name, &release.spec, what);
        if new.restarts > old.restarts {
            return Some(fact(What::SoakBeganAgain { environment, why }));
        }
        let told = new.phase != old.phase && new.phase != ReleasePhase::Replaced;
        told.then(|| fact(What::Moved { environment, phase: new.phase, why }))
    }

    pub(super) fn quarantine(&self, release: &Release, by: &str, reason: &str) -> (Quarantine, Fact) {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let (at, release_of) = (Some(self.seen.now), String::new());
        let quarantine = Quarantine { by: by.clone(), reason: reason.clone(), at, release: release_of };
        let what = quarantined(release, by, reason);
        (quarantine, Fact::of_release(&release.metadata.name, &release.spec, what))
    }
}

/// Whether gates hold what the Application would bring. Of what runs already its pods tell how it does.
fn is_held_back(release: &Release, sight: &Sight<'_>) -> bool {
    let Some((place, app)) = sight.place.and_then(|place| Some((place, place.application.as_ref()?))) else {
        return false;
    };
    let is_its = |digest: &ImageDigest| release.spec.images.iter().any(|image| Content::from(image).has(digest));
    let mut in_pods = place.pods.iter().flat_map(|pod| &pod.images).filter_map(|running| running.digest.as_ref());
    let shows = matches!(app.health, HealthStatusCode::Degraded | HealthStatusCode::Progressing) && in_pods.any(is_its);
    app.is_held && !shows
}

fn held(sight: &Sight<'_>) -> String {
    let name = sight.place.and_then(|place| place.application.as_ref()).map_or("", |app| &app.name);
    format!("{name} is not synced, because gates hold what it would bring: see gantline explain {name}")
}

/// Why an Application that holds the release is not there yet.
fn converging(app: &PlaceApplication, deploying: bool) -> Option<Reach> {
    let name = &app.name;
    match (app.health, app.outage()) {
        // of what is not there yet its health tells nothing, else that a soak is over is known by it alone
        (_, Some(outage)) if deploying => Some(Reach::Unknown(outage)),
        (HealthStatusCode::Degraded, _) => Some(Reach::Degraded(format!("{name} is Degraded: {}", app.cause))),
        (HealthStatusCode::Progressing, _) => Some(Reach::Under(format!("{name} is Progressing"))),
        (_, Some(outage)) => Some(Reach::Unknown(outage)),
        _ if app.sync != SyncStatusCode::Synced => Some(Reach::Under(format!("{name} is {}", app.sync))),
        (HealthStatusCode::Healthy, None) => None,
        (health, None) => Some(Reach::Under(format!("{name} is {health}"))),
    }
}

/// The pods have to run the digests, too, and be ready: what an Application says of its health leaves out what people let
/// it leave out.
fn running(release: &Release, sight: &Sight<'_>) -> Reach {
    let pods = sight.place.map_or(&[][..], |place| &place.pods);
    let pods = || pods.iter().filter(|pod| !pod.has_ended);
    let of = |running: &RunningImage| {
        let is = |name: &str| running.image.name == name || running.image.same_repository(name);
        release.spec.images.iter().find(|image| is(&image.name))
    };
    let has = |image: &ReleaseImage, running: &RunningImage| {
        running.digest.as_ref().is_some_and(|digest| Content::from(image).has(digest))
    };
    let is_other =
        |running: &&RunningImage| running.digest.is_some() && of(running).is_some_and(|image| !has(image, running));
    if let Some(running) = pods().flat_map(|pod| &pod.images).find(is_other) {
        return Reach::Under(format!("a pod still runs {}", running.image));
    }
    // by a mirror's name, or with an image that could not be pulled, it is the release's as well
    let is_its =
        |running: &&RunningImage| of(running).is_some() || release.spec.images.iter().any(|image| has(image, running));
    let mut unready = pods().filter(|pod| pod.ready_since.is_none() && !pod.is_to_end).flat_map(|pod| &pod.images);
    match unready.find(is_its) {
        Some(running) => {
            Reach::Under(format!("a pod that runs {} is not ready, whatever is said of its health", running.image))
        }
        None => Reach::Converged,
    }
}

/// Why the time since `since` does not count as healthy. A break may fall between two looks: the Application says since
/// when it is Healthy. For a time that nobody watched, pods say since when they are ready.
fn gap(sight: &Sight<'_>, since: Timestamp, unexamined: bool) -> Option<String> {
    let place = sight.place?;
    let app = place.application.as_ref()?;
    if app.health_since.is_some_and(|healthy| healthy > since) {
        return Some(format!("{} was not Healthy for a moment", app.name));
    }
    let unproven = unexamined && place.ready_since().is_none_or(|ready| ready > since);
    unproven.then(|| format!("nobody saw {} for a while", app.name))
}
