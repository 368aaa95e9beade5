//! What runs and should not, whatever its tag: an image under a tag that means another one now than was promoted, and
//! what is quarantined.

use api::gantline::{ReleaseImage, ReleasePhase};
use object::{ImageDigest, ImageRef};

use super::sight::{Runs, Sight, Written};
use super::{Draft, RunningImage};
use crate::about::outlined;
use crate::owned::Records;
use crate::parts::Content;

/// A tag that moved: what was promoted under it, and what it is now.
pub(super) struct Moved<'a> {
    image: &'a ImageRef,
    was: &'a ImageDigest,
    now: &'a ImageDigest,
}

impl<'a> Draft<'a> {
    pub(super) fn is_untouched(&self, environment: &str) -> bool {
        Records::of(self.seen).is_untouched(environment)
    }

    /// What to say of a tag that moved after it was promoted into an environment.
    pub(super) fn tag_moved(&self, environment: &str, sight: &Sight<'a>) -> Option<String> {
        // nothing is promoted into the first: there it becomes no release
        if self.is_first(environment) {
            return None;
        }
        if let Some(Moved { image, was, now }) = self.moved_in_pods(environment, sight) {
            let moved = [released(image, now)];
            let bad = self.quarantined_as(sight, &moved).map(|(_, by)| format!(", which is quarantined by {by}"));
            return Some(format!(
                "{environment}: a pod runs {image} as {now}{}, and {was} was promoted there: the tag moved; push another tag \
                 and promote it",
                bad.unwrap_or_default()
            ));
        }
        let Moved { image, was, now } = self.moved_in(environment, sight)?;
        Some(format!(
            "{environment}: {image} means {now} now, and {was} was promoted there: the tag moved, and the next pod runs \
             what it means then; push another tag and promote it"
        ))
    }

    /// As the registry says it.
    pub(super) fn moved_in(&self, environment: &str, sight: &Sight<'a>) -> Option<Moved<'a>> {
        let images: &[Written<'a>] = match sight.runs {
            Runs::Other => &sight.images,
            // what means the digest of another release now
            Runs::Release(_) => self.by_another_tag(sight).map_or(&[], std::slice::from_ref),
            Runs::Nothing | Runs::Unknown { .. } => &[],
        };
        images.iter().find_map(|written| self.moved_to(environment, written.image, written.digest))
    }

    /// An image that is not called as in the release with its digest.
    pub(super) fn by_another_tag<'s>(&self, sight: &'s Sight<'a>) -> Option<&'s Written<'a>> {
        let release = &self.run_by(sight)?.spec.images;
        sight.images.iter().find(|written| {
            let tag = written.image.tag.as_deref();
            let mut same = release.iter().filter(|own| written.digest == Some(&own.digest));
            tag.is_some() && same.clone().next().is_some() && same.all(|own| tag != Some(own.tag.as_str()))
        })
    }

    fn moved_in_pods(&self, environment: &str, sight: &Sight<'a>) -> Option<Moved<'a>> {
        let mut others = self.others_in_pods(sight);
        others.find_map(|running| self.moved_to(environment, &running.image, running.digest.as_ref()))
    }

    fn moved_to(&self, environment: &str, image: &'a ImageRef, now: Option<&'a ImageDigest>) -> Option<Moved<'a>> {
        let (was, now) = Records::of(self.seen).moved(environment, image, now)?;
        Some(Moved { image, was, now })
    }

    /// What pods run beside the release that is there.
    fn others_in_pods(&self, sight: &Sight<'a>) -> impl Iterator<Item = &'a RunningImage> {
        let release = self.run_by(sight).map_or(&[][..], |release| &release.spec.images);
        in_pods(sight)
            .filter(|it| it.digest.as_ref().is_some_and(|it| release.iter().all(|own| !Content::from(own).has(it))))
    }

    /// What is quarantined and runs, though it is no release here, or not the one that Git says.
    pub(super) fn bad_running(&self, environment: &str, sight: &Sight<'a>) -> Option<String> {
        let pods = self.others_in_pods(sight).filter_map(in_pod).filter(|_| !self.is_rolled_out(environment, sight));
        let written = sight.images.iter().filter_map(in_files).filter(|_| sight.runs == Runs::Other);
        let is_news = |other: &ReleaseImage| !self.is_first(environment) || !self.is_released(other);
        let others: Vec<ReleaseImage> = written.chain(pods).filter(is_news).collect();
        let (bad, by) = self.quarantined_as(sight, &others)?;
        let ReleaseImage { name, tag, digest, .. } = bad;
        let image = ImageRef { name: name.clone(), tag: Some(tag.clone()).filter(|tag| !tag.is_empty()), digest: None };
        Some(format!(
            "{image} is {digest}, which is quarantined by {by}, and {environment} runs it: promote another one, or roll back"
        ))
    }

    /// Pods of before go then.
    fn is_rolled_out(&self, environment: &str, sight: &Sight<'_>) -> bool {
        let entry = self.run_by(sight).and_then(|release| release.in_environment(environment));
        entry.is_some_and(|entry| entry.phase == ReleasePhase::Deploying)
    }

    /// Called what a release calls it, whichever is there.
    fn is_released(&self, image: &ReleaseImage) -> bool {
        let mut known = self.releases.iter().flat_map(|release| &release.spec.images);
        known.any(|known| known.digest == image.digest && known.tag == image.tag)
    }

    /// Which of `others` is quarantined with what runs beside it, and by whom.
    fn quarantined_as<'o>(&self, sight: &Sight<'_>, others: &'o [ReleaseImage]) -> Option<(&'o ReleaseImage, String)> {
        let (ledger, elsewhere) = (&self.seen.ledger, &self.seen.elsewhere);
        if others.is_empty() || ledger.quarantined.is_empty() && elsewhere.is_empty() {
            return None;
        }
        let (bad, quarantine) = ledger.quarantine_of_running(elsewhere, &self.all_running(sight), others)?;
        Some((bad, format!("{}: {}", quarantine.whose(), outlined(&quarantine))))
    }

    /// By its release, by its files and by its pods.
    fn all_running(&self, sight: &Sight<'_>) -> Vec<ReleaseImage> {
        let release = self.run_by(sight).into_iter().flat_map(|release| release.spec.images.iter().cloned());
        let beside = sight.images.iter().filter_map(in_files).chain(in_pods(sight).filter_map(in_pod));
        release.chain(beside).collect()
    }
}

/// What pods run now.
fn in_pods<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a RunningImage> {
    let pods = sight.place.map_or(&[][..], |place| &place.pods);
    pods.iter().filter(|pod| !pod.has_ended).flat_map(|pod| &pod.images)
}

fn in_pod(running: &RunningImage) -> Option<ReleaseImage> {
    Some(released(&running.image, running.digest.as_ref()?))
}

fn in_files(written: &Written<'_>) -> Option<ReleaseImage> {
    Some(released(written.image, written.digest?))
}

fn released(image: &ImageRef, digest: &ImageDigest) -> ReleaseImage {
    ReleaseImage {
        name: image.name.clone(),
        tag: image.tag.clone().unwrap_or_default(),
        digest: digest.clone(),
        parts: Vec::new(),
    }
}
