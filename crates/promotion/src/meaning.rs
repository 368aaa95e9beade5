//! What images are that somebody wants: by their digests, by what registries say of their tags, else by what was promoted
//! under these.

use std::collections::{BTreeMap, BTreeSet};

use api::gantline::{Pipeline, ReleaseImage};
use object::{ImageDigest, ImageRef, canonical_repository};

use crate::owned::{Images, Records, owned};
use crate::parts::Content;

/// What registries say that images mean, or why they say nothing.
pub type Meanings = BTreeMap<ImageRef, Result<Meaning, String>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    pub digest: ImageDigest,
    /// What is in it as far as somebody looked; `None`: more than anybody looks at.
    pub parts: Option<Vec<ImageDigest>>,
}

impl From<ImageDigest> for Meaning {
    fn from(digest: ImageDigest) -> Self {
        Self { digest, parts: Some(Vec::new()) }
    }
}

/// What has to be known of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Look {
    /// Its digest.
    Tag,
    /// And what is in it.
    Inside,
}

/// An image of an object.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) image: &'a ImageRef,
    repository: String,
    /// `None`: nobody can tell.
    pub(crate) digest: Option<&'a ImageDigest>,
    /// `None`: nobody looks at all that is in it.
    parts: Option<&'a [ImageDigest]>,
}

/// An image of a release or of a quarantine.
#[derive(Debug)]
pub(crate) struct Recorded<'a> {
    image: &'a ReleaseImage,
    repository: String,
}

/// Whether one is the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    No,
    /// By a tag of which nobody can tell what it means.
    Maybe,
    Yes,
}

impl<'a> Told<'a> {
    pub(crate) fn new(image: &'a ImageRef, digest: Option<&'a ImageDigest>, parts: Option<&'a [ImageDigest]>) -> Self {
        Self { image, repository: image.canonical_repository(), digest, parts }
    }

    pub(crate) fn is_of(&self, repository: &str) -> bool {
        self.repository == repository
    }

    /// By its digest or by its tag: what was bad under a tag is not good since somebody moved that.
    pub(crate) fn fit(&self, recorded: &Recorded<'_>) -> Fit {
        let is_tag = || self.image.digest.is_none() && self.image.tag.as_ref() == Some(&recorded.image.tag);
        let bad = Content::from(recorded.image);
        let fit = match (self.digest, self.parts) {
            (Some(digest), parts) if bad.shares(Content { digest, parts: parts.unwrap_or_default() }) => Fit::Yes,
            _ if is_tag() => Fit::Yes,
            (Some(_), Some(_)) => Fit::No,
            (None, _) | (_, None) => Fit::Maybe,
        };
        if fit == Fit::No || self.is_of(&recorded.repository) { fit } else { Fit::No }
    }
}

impl<'a> Recorded<'a> {
    pub(crate) fn all(images: &'a [ReleaseImage]) -> Vec<Self> {
        let one = |image: &'a ReleaseImage| Self { image, repository: canonical_repository(&image.name) };
        images.iter().map(one).collect()
    }
}

/// The images of which it has to be known what they mean before anybody can say whether what has them may come in: tags
/// that were promoted and may have moved since, and where nothing was promoted yet all of repositories of which something
/// is quarantined, with what is in them. All else is held whatever it means. A set is held by all that comes in with them
/// and all that is there, whatever Pipeline that is of.
pub fn unclear(pipeline: &Pipeline, owner: &str, records: Records<'_>, images: &Images) -> BTreeMap<ImageRef, Look> {
    let repositories: BTreeSet<String> =
        pipeline.spec.images.iter().map(|image| canonical_repository(&image.name)).collect();
    let (environments, bad) = (owned(pipeline, owner).collect::<Vec<_>>(), records.ledger.bad(records.elsewhere));
    let is_open = environments.iter().any(|environment| records.is_untouched(environment));
    let was_put = |image: &ImageRef| environments.iter().any(|environment| records.put(environment, image));
    let look = |image: &ImageRef| {
        let repository = image.canonical_repository();
        match () {
            () if !repositories.contains(&repository) => None,
            () if is_open && bad.may_hold(&repository) => Some(Look::Inside),
            () => was_put(image).then_some(Look::Tag),
        }
    };
    let new: Vec<(&ImageRef, Look)> = images.new.iter().filter_map(|image| Some((image, look(image)?))).collect();
    let is_part = |image: &&ImageRef| bad.has_in_sets(&image.canonical_repository());
    let has_part = new.iter().any(|(image, _)| is_part(image));
    let beside = images.new.iter().chain(&images.live).filter(|image| has_part && is_part(image));
    let all = new.into_iter().chain(beside.map(|image| (image, Look::Inside)));
    // a later look at the same image is the closer one
    let asked = all.filter(|(image, look)| image.digest.is_none() || *look == Look::Inside);
    asked.map(|(image, look)| (image.clone(), look)).collect()
}
