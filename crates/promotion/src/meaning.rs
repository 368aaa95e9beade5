//! What images are that somebody wants: by their digests, by what registries say of their tags, else by what was promoted
//! under these.

use std::collections::{BTreeMap, BTreeSet};

use api::gantline::{Pipeline, ReleaseImage};
use object::{ImageDigest, ImageRef, canonical_repository};

use crate::owned::{Images, Records, owned};

/// What registries say that tags mean, or why they say nothing.
pub type Meanings = BTreeMap<ImageRef, Result<ImageDigest, String>>;

/// An image of an object.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) image: &'a ImageRef,
    repository: String,
    /// `None`: nobody can tell.
    pub(crate) digest: Option<&'a ImageDigest>,
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
    pub(crate) fn new(image: &'a ImageRef, digest: Option<&'a ImageDigest>) -> Self {
        Self { image, repository: image.canonical_repository(), digest }
    }

    pub(crate) fn is_of(&self, repository: &str) -> bool {
        self.repository == repository
    }

    /// By its digest or by its tag: what was bad under a tag is not good since somebody moved that.
    pub(crate) fn fit(&self, recorded: &Recorded<'_>) -> Fit {
        let is_tag = || self.image.digest.is_none() && self.image.tag.as_ref() == Some(&recorded.image.tag);
        let fit = match self.digest {
            Some(digest) if *digest == recorded.image.digest => Fit::Yes,
            _ if is_tag() => Fit::Yes,
            Some(_) => Fit::No,
            None => Fit::Maybe,
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

/// The tags of which it has to be known what they mean before anybody can say whether what has them may come in: those that
/// were promoted and may have moved since, and where nothing was promoted yet those of repositories of which something is
/// quarantined. All else is held whatever it means. A set is held by all that comes in with them and all that is there,
/// whatever Pipeline that is of.
pub fn unclear(pipeline: &Pipeline, owner: &str, records: Records<'_>, images: &Images) -> BTreeSet<ImageRef> {
    let repositories: BTreeSet<String> =
        pipeline.spec.images.iter().map(|image| canonical_repository(&image.name)).collect();
    let (environments, bad) = (owned(pipeline, owner).collect::<Vec<_>>(), records.ledger.bad(records.elsewhere));
    let is_open = environments.iter().any(|environment| records.is_untouched(environment));
    let was_put = |image: &ImageRef| environments.iter().any(|environment| records.put(environment, image));
    let matters = |image: &&ImageRef| {
        let repository = image.canonical_repository();
        repositories.contains(&repository) && (is_open && bad.may_hold(&repository) || was_put(image))
    };
    let new: Vec<&ImageRef> = images.new.iter().filter(matters).collect();
    let is_part = |image: &&ImageRef| bad.has_in_sets(&image.canonical_repository());
    let has_part = new.iter().any(is_part);
    let beside = images.new.iter().chain(&images.live).filter(|image| has_part && is_part(image));
    new.into_iter().chain(beside).filter(|image| image.digest.is_none()).cloned().collect()
}
