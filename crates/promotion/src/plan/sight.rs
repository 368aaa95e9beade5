//! What each environment runs, by what Git, registries and pods say. What nobody has answered yet is not known.

use std::sync::Arc;

use api::gantline::{Environment, ImageSource, PipelineConditionKind, Release, ReleaseImage};
use jiff::SignedDuration;
use object::{ImageDigest, ImageRef};

use super::{Draft, Place};
use crate::answers::{Answer, Question, Spot};
use crate::gates::soaks;

/// One environment.
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) place: Option<&'a Place>,
    /// In the order of the Pipeline's images; empty where one is not known.
    pub(crate) images: Vec<Written<'a>>,
    pub(crate) runs: Runs,
    /// How long later gates want a release to be healthy here.
    pub(crate) soak: Option<SignedDuration>,
}

/// An image as the environment's files say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) image: &'a ImageRef,
    /// `None`: nobody knows, and the tag has to do.
    pub(crate) digest: Option<&'a ImageDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    /// By its place among the releases.
    Release(usize),
    /// Something that is no release.
    Other,
    /// There is no Application.
    Nothing,
    Unknown {
        why: String,
        /// An answer is to come: nothing is decided until then.
        asked: bool,
    },
}

impl<'a> Draft<'a> {
    /// Fills in what the environments run.
    pub(super) fn look(&mut self) {
        let spec = &self.seen.pipeline.spec;
        self.sights.reserve_exact(spec.environments.len());
        let names: Vec<Arc<str>> = spec.images.iter().map(|image| image.name.as_str().into()).collect();
        for (index, (environment, soak)) in spec.environments.iter().zip(soaks(&self.seen.pipeline)).enumerate() {
            let place = self.seen.places.get(index);
            let sight = match self.see(environment, place, &names) {
                Ok(images) => Sight { place, runs: self.found(&images), images, soak },
                Err(runs) => Sight { place, runs, images: Vec::new(), soak },
            };
            self.blind.extend(sight.blind().map(|why| (environment.name.clone(), why)));
            self.sights.push(sight);
        }
    }

    pub(super) fn sight(&self, environment: &str) -> Option<&Sight<'a>> {
        let index = self.seen.pipeline.spec.environments.iter().position(|known| known.name == environment)?;
        self.sights.get(index)
    }

    /// All images of the Pipeline as an environment has them.
    fn see(
        &mut self,
        environment: &Environment,
        place: Option<&'a Place>,
        images: &[Arc<str>],
    ) -> Result<Vec<Written<'a>>, Runs> {
        let Some((place, app)) = place.and_then(|place| Some((place, place.application.as_ref()?))) else {
            let message = format!("{}: there is no Application {}", environment.name, environment.application);
            self.condition(PipelineConditionKind::ApplicationMissing, message);
            return Err(Runs::Nothing);
        };
        if app.commit.is_empty() {
            return Err(Runs::Unknown { why: format!("{} was not compared yet", app.name), asked: true });
        }
        images.iter().map(|image| self.written(&environment.name, place, app.spot(image))).collect()
    }

    fn written(&mut self, environment: &str, place: &'a Place, spot: Spot) -> Result<Written<'a>, Runs> {
        let name = Arc::clone(&spot.image);
        let image = match self.ask(Question::Located(spot)) {
            Some(Answer::Located(Ok(located))) => &located.image,
            Some(Answer::Located(Err(why))) => {
                self.condition(PipelineConditionKind::ImageNotFound, format!("{environment}: {why}"));
                return Err(Runs::Unknown { why: why.clone(), asked: false });
            }
            _ => {
                let why = format!("the place of {name} in {environment} is being looked for");
                return Err(Runs::Unknown { why, asked: true });
            }
        };
        let digest = match &image.digest {
            Some(digest) => Some(digest),
            None => self.digest(environment, place, image)?,
        };
        Ok(Written { image, digest })
    }

    /// What a tag means: the registry's answer, else what the pods report. Never invented.
    fn digest(
        &mut self,
        environment: &str,
        place: &'a Place,
        image: &ImageRef,
    ) -> Result<Option<&'a ImageDigest>, Runs> {
        let why = match self.ask(Question::Digest(image.clone())) {
            Some(Answer::Digest(Ok(digest))) => return Ok(Some(digest)),
            Some(Answer::Digest(Err(why))) => why,
            _ => {
                return Err(Runs::Unknown {
                    why: format!("the registry is asked for the digest of {image}"),
                    asked: true,
                });
            }
        };
        let running = place.pods.iter().flat_map(|pod| &pod.images);
        let same = running.filter(|r| r.image.same_repository(&image.name) && r.image.tag == image.tag);
        let mut digests: Vec<&ImageDigest> = same.filter_map(|running| running.digest.as_ref()).collect();
        digests.sort();
        digests.dedup();
        let pods = match digests.as_slice() {
            [digest] => return Ok(Some(digest)),
            [] => "no pod reports one",
            _ => "the pods report several",
        };
        let message = format!("{environment}: the digest of {image} is not known: {why}; and {pods}");
        self.condition(PipelineConditionKind::DigestUnknown, message);
        Ok(None)
    }

    /// The release with just these images.
    fn found(&self, images: &[Written<'_>]) -> Runs {
        let names = &self.seen.pipeline.spec.images;
        let holds = |release: &Release| {
            let has = |(name, written): (&ImageSource, &Written<'_>)| {
                release.spec.images.iter().any(|image| written.is(image) && image.name == name.name)
            };
            release.spec.images.len() == images.len() && names.iter().zip(images).all(has)
        };
        self.releases.iter().position(|release| holds(release)).map_or(Runs::Other, Runs::Release)
    }
}

impl Sight<'_> {
    /// An answer is to come that says what it runs.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.runs, Runs::Unknown { asked: true, .. })
    }

    /// Why nobody can tell now how a release does here.
    fn blind(&self) -> Option<String> {
        match &self.runs {
            _ if self.place.is_some_and(|place| place.watched_since.is_none()) => {
                Some("nobody watches its Application and pods now".to_owned())
            }
            Runs::Unknown { why, .. } => Some(why.clone()),
            Runs::Release(_) | Runs::Other | Runs::Nothing => self.outage(),
        }
    }

    /// What to say while Git or the cluster does not answer.
    pub(super) fn outage(&self) -> Option<String> {
        self.place?.application.as_ref()?.outage()
    }
}

impl Written<'_> {
    fn is(&self, image: &ReleaseImage) -> bool {
        match (self.digest, &self.image.tag) {
            (Some(digest), _) => *digest == image.digest,
            // a tag that moves is refused: it says which release it is
            (None, Some(tag)) => *tag == image.tag,
            (None, None) => false,
        }
    }
}

impl super::PlaceApplication {
    /// Where one of its images is.
    pub(crate) fn spot(&self, image: &Arc<str>) -> Spot {
        Spot { application: Arc::clone(&self.name), image: Arc::clone(image), at: Arc::clone(&self.at) }
    }
}
