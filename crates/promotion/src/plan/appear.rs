//! Releases come into being: somebody set release tags in the first environment.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use api::gantline::{ImageSource, PipelineConditionKind, Release, ReleaseImage, ReleaseSource, ReleaseSpec};

use object::ImageRef;

use super::sight::{Runs, Written};
use super::{Action, Draft, Known};
use crate::about::is_believed;
use crate::answers::{Answer, Question};
use crate::appeared::{Appearance, brought};
use crate::facts::{Fact, What};
use crate::identity::release_name;
use crate::parts::Parts;

impl Draft<'_> {
    /// What runs in the first environment and is no release yet becomes one.
    pub(super) fn appear(&mut self) {
        let Some(first) = self.seen.pipeline.spec.environments.first().map(|first| first.name.as_str()) else { return };
        let Some(sight) = self.sight(first) else { return };
        let (runs, images) = (sight.runs.clone(), sight.images.clone());
        if let Runs::Release(index) = runs {
            return self.prove(first, index);
        }
        let new = runs == Runs::Other;
        let Some(released) = released(&self.seen.pipeline.spec.images, &images).filter(|_| new) else { return };
        if !self.are_releases(first, &images) {
            return;
        }
        let images = released;
        let name = release_name(&self.seen.pipeline, &images);
        if self.moved(&images) || self.release(&name).is_some() {
            return;
        }
        // asked at the same time
        let (with_parts, source) = (self.with_parts(first, &images), self.source(first, &images));
        let Some((images, source)) = with_parts.zip(source) else { return };
        let what = What::released(&images, &source);
        let spec = ReleaseSpec { pipeline: self.seen.pipeline.metadata.name.clone(), images, source };
        self.appearance = Appearance::of(&spec, self.before(first).map(|before| &*before.spec.images));
        let fact = Fact::of_release(&name, &spec, what);
        self.step(Action::CreateRelease { name, spec }, vec![fact]);
    }

    /// With what is in them: kept now, as whoever may write to the registry may take it away. One of which nobody can tell that
    /// is no release; where the registry does not tell, its digest alone is known.
    fn with_parts(&mut self, first: &str, images: &[ReleaseImage]) -> Option<Vec<ReleaseImage>> {
        let asked: Vec<_> = images.iter().map(|image| self.ask(Question::Parts(by_digest(image)))).collect();
        let mut all = Vec::new();
        for (image, answer) in images.iter().zip(asked) {
            let parts = match answer {
                Some(Answer::Parts(Parts::Known(parts))) => parts.clone(),
                Some(Answer::Parts(Parts::Untold(_))) => Vec::new(),
                Some(Answer::Parts(Parts::Unreadable(why))) => {
                    let message = format!(
                        "{first}: {why}: so nobody can tell whether something quarantined is in it, and it is no release; push \
                         an image with the platforms that are needed"
                    );
                    self.condition(PipelineConditionKind::DigestUnknown, message);
                    return None;
                }
                _ => return None,
            };
            all.push(ReleaseImage { parts, ..image.clone() });
        }
        Some(all)
    }

    /// What the first environment runs came to the Pipeline, though its record was not to be believed once: who is behind
    /// it is looked for.
    fn prove(&mut self, first: &str, index: usize) {
        let release = self.releases[index].clone();
        if is_believed(&release) || self.has_appeared(&release.spec) {
            return;
        }
        let images = &release.spec.images;
        let Some(source) = self.source(first, images) else { return };
        let spec = ReleaseSpec { source, ..release.spec.clone() };
        self.appearance = Appearance::of(&spec, self.before(first).map(|before| &*before.spec.images));
    }

    /// The newest release that came by the first environment.
    fn before(&self, first: &str) -> Option<&Release> {
        let came = |release: &&Known<'_, Release>| release.spec.source.environment == first && is_believed(release);
        self.releases.iter().find(came).map(|release| &**release)
    }

    fn are_releases(&mut self, first: &str, images: &[Written<'_>]) -> bool {
        let known = &self.seen.pipeline.spec.images;
        let tag = |written: &Written<'_>| written.image.tag.clone().unwrap_or_default();
        let ignored = known.iter().zip(images).find(|(image, written)| !image.is_release(&tag(written)));
        if let Some((image, written)) = ignored {
            let tag = tag(written);
            let message = format!("{first}: tag {tag:?} does not match {:?}: it starts no Release", image.tags);
            self.condition(PipelineConditionKind::TagIgnored, message);
        }
        ignored.is_none()
    }

    /// Whether a tag means another image than in a release before.
    fn moved(&mut self, images: &[ReleaseImage]) -> bool {
        let same = |known: &&ReleaseImage, image: &ReleaseImage| {
            known.name == image.name && known.tag == image.tag && known.digest != image.digest
        };
        let all = || self.releases.iter().flat_map(|release| &release.spec.images);
        let tagged = images.iter().filter(|image| !image.tag.is_empty());
        let moved = tagged.filter_map(|image| Some((image, all().find(|known| same(known, image))?))).next();
        let message = moved.map(|(image, known)| {
            format!(
                "tag {} of {} moved from {} to {}: that is no release, and is promoted nowhere; push another tag",
                image.tag, image.name, known.digest, image.digest
            )
        });
        let refused = message.is_some();
        message.into_iter().for_each(|message| self.condition(PipelineConditionKind::TagMoved, message));
        refused
    }

    /// The newest commit that set one of the images that no release has yet; who wrote the others is kept, too, and who was
    /// behind them when they came before, also by releases that are gone. `None` while that is being looked for: without
    /// its author nobody could tell who may approve.
    fn source(&mut self, first: &str, images: &[ReleaseImage]) -> Option<ReleaseSource> {
        let app = self.sight(first)?.place?.application.as_ref()?;
        let known: Vec<&str> =
            self.seen.releases.iter().flat_map(|release| &release.spec.images).map(|i| i.digest.as_str()).collect();
        let fresh: Vec<&ReleaseImage> = images.iter().filter(|i| !known.contains(&i.digest.as_str())).collect();
        // a new set of known images: whoever set any of them may have made it
        let set = if fresh.is_empty() { images.iter().collect() } else { fresh };
        let before = self.before(first).map(|before| before.spec.clone());
        let known = || self.seen.ledger.appeared.commit();
        let since: Arc<str> = before.as_ref().map_or_else(known, |before| before.source.commit.as_str()).into();
        let question = |image: &&ReleaseImage| {
            let spot = app.spot(&image.name.as_str().into());
            Question::Source { spot, since: Arc::clone(&since) }
        };
        let asked: Vec<_> = set.iter().map(|image| self.ask(question(image))).collect();
        let mut sources = Vec::new();
        for answer in asked {
            let Some(Answer::Source(source)) = answer else { return None };
            sources.push(source);
        }
        let newest = sources.iter().max_by_key(|source| source.time)?;
        let mut people: BTreeSet<String> =
            sources.iter().flat_map(|source| source.everybody()).map(Cow::into_owned).collect();
        let mut unread = sources.iter().map(|source| source.unread.clone()).find(|why| !why.is_empty());
        let appeared = &self.seen.ledger.appeared;
        let brought: Vec<&ReleaseImage> = brought(images, before.as_ref().map(|before| &*before.images)).collect();
        for past in appeared.of_images(brought.iter().copied()) {
            people.extend(past.people.iter().cloned());
            unread = unread.or_else(|| Some(past.unread.clone()).filter(|why| !why.is_empty()));
        }
        if let Some(image) = brought.into_iter().find(|image| appeared.may_be_forgotten(image)) {
            let forgotten =
                || format!("{} may have come long before, and who was behind it then is not kept", image.tag);
            unread = unread.or_else(|| Some(forgotten()));
        }
        Some(ReleaseSource {
            environment: first.to_owned(),
            people: people.into_iter().collect(),
            unread: unread.unwrap_or_default(),
            ..(*newest).clone()
        })
    }
}

fn by_digest(image: &ReleaseImage) -> ImageRef {
    let tag = Some(image.tag.clone()).filter(|tag| !tag.is_empty());
    ImageRef { name: image.name.clone(), tag, digest: Some(image.digest.clone()) }
}

/// `None` where the digest of one is not known.
fn released(names: &[ImageSource], images: &[Written<'_>]) -> Option<Vec<ReleaseImage>> {
    let image = |(source, written): (&ImageSource, &Written<'_>)| {
        let (name, tag) = (source.name.clone(), written.image.tag.clone().unwrap_or_default());
        Some(ReleaseImage { name, tag, digest: written.digest?.clone(), parts: Vec::new() })
    };
    names.iter().zip(images).map(image).collect()
}
