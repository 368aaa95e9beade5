//! What runs and should not, whatever its tag: an image under a tag that means another one now than was promoted, and
//! what is quarantined.

use api::gantline::{ReleaseImage, ReleasePhase};
use object::{ImageDigest, ImageRef};

use super::sight::{Runs, Sight, Written};
use super::{Draft, RunningImage};
use crate::about::outlined;
use crate::owned::Records;

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
        if self.seen.pipeline.spec.environments.first().is_some_and(|first| first.name == environment) {
            return None;
        }
        if let Some(Moved { image, was, now }) = self.moved_in_pods(environment, sight) {
            let bad = self.quarantined_as(&[released(image, now)]).map(|by| format!(", which is quarantined by {by}"));
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
        let pods = sight.place.map_or(&[][..], |place| &place.pods);
        let running = pods.iter().filter(|pod| !pod.has_ended).flat_map(|pod| &pod.images);
        running.filter(|it| it.digest.as_ref().is_some_and(|digest| release.iter().all(|own| own.digest != *digest)))
    }

    /// What is quarantined and runs, though it is no release here, or not the one that Git says.
    pub(super) fn bad_running(&self, environment: &str, sight: &Sight<'a>) -> Option<String> {
        let (ledger, elsewhere) = (&self.seen.ledger, &self.seen.elsewhere);
        if ledger.quarantined.is_empty() && elsewhere.is_empty() {
            return None;
        }
        let written = sight.images.iter().filter_map(|written| Some((written.image, written.digest?)));
        let written = written.filter(|_| sight.runs == Runs::Other);
        let pods = self.others_in_pods(sight).filter_map(|running| Some((&running.image, running.digest.as_ref()?)));
        let pods = pods.filter(|_| !self.is_rolled_out(environment, sight));
        let all: Vec<(&ImageRef, &ImageDigest)> = written.chain(pods).collect();
        let (image, digest) = all.iter().find(|(_, digest)| ledger.knows_as_bad(elsewhere, digest))?;
        let images: Vec<ReleaseImage> = all.iter().map(|(image, digest)| released(image, digest)).collect();
        let by = self.quarantined_as(&images)?;
        Some(format!(
            "{image} is {digest}, which is quarantined by {by}, and {environment} runs it: promote another one, or roll back"
        ))
    }

    /// Pods of before go then.
    fn is_rolled_out(&self, environment: &str, sight: &Sight<'_>) -> bool {
        let entry = self.run_by(sight).and_then(|release| release.in_environment(environment));
        entry.is_some_and(|entry| entry.phase == ReleasePhase::Deploying)
    }

    fn quarantined_as(&self, images: &[ReleaseImage]) -> Option<String> {
        let quarantine = self.seen.ledger.quarantine_of_images(&self.seen.elsewhere, images)?;
        Some(format!("{}: {}", quarantine.whose(), outlined(&quarantine)))
    }
}

fn released(image: &ImageRef, digest: &ImageDigest) -> ReleaseImage {
    ReleaseImage { name: image.name.clone(), tag: image.tag.clone().unwrap_or_default(), digest: digest.clone() }
}
