//! What a quarantine holds, whichever Pipeline made it.
//!
//! It is of the images of a release, and holds each release that has all of them: that of one image every set with that
//! image; that of a set, of which nobody knows which image is bad, that set and each that has more. An image is had by
//! each that has anything of it in it (`parts.rs`). Within a Pipeline digests decide, whatever their repositories are
//! called now; between Pipelines the repository has to be the same, too, else whoever writes a digest into Git could hold
//! images that they have not.

use std::collections::{BTreeMap, BTreeSet};

use api::gantline::{Quarantine, ReleaseImage};
use object::{ImageDigest, canonical_repository};
use serde::{Deserialize, Serialize};

use crate::about::outlined;
use crate::identity::{identity, short};
use crate::meaning::{Fit, Recorded, Told};
use crate::parts::Content;

/// A quarantine in a ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Held {
    #[serde(flatten)]
    pub quarantine: Quarantine,
    /// Of these images together; empty where an older version wrote it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ReleaseImage>,
}

/// By what stands for all images of a release.
pub(crate) type Quarantines = BTreeMap<ImageDigest, Held>;

/// Those of one ledger that hold a release with these images.
pub(crate) fn holding<'a>(
    all: &'a Quarantines,
    images: &'a [ReleaseImage],
) -> impl Iterator<Item = (&'a ImageDigest, &'a Held)> {
    let alone = images.iter().filter_map(|image| all.get_key_value(&image.digest));
    let has_parts = images.iter().any(|image| !image.parts.is_empty());
    let inside = all.iter().filter(move |(digest, held)| match held.images.as_slice() {
        [bad] if has_parts || !bad.parts.is_empty() => {
            images.iter().all(|image| image.digest != **digest) && images.iter().any(|image| is_here(image, bad))
        }
        _ => false,
    });
    let set = (images.len() > 1 && !all.is_empty()).then(|| identity(images)).flatten();
    let in_set = move |set: ImageDigest| {
        all.iter().filter(move |(digest, held)| {
            **digest == set || held.images.len() > 1 && is_within(&held.images, images, is_here)
        })
    };
    alone.chain(inside).chain(set.into_iter().flat_map(in_set))
}

/// Whether one is the other within a Pipeline.
pub(crate) fn is_here(image: &ReleaseImage, bad: &ReleaseImage) -> bool {
    Content::from(image).shares(bad.into())
}

/// Whether one is the other between Pipelines.
pub(crate) fn is_elsewhere(image: &ReleaseImage, bad: &ReleaseImage) -> bool {
    is_here(image, bad) && canonical_repository(&image.name) == canonical_repository(&bad.name)
}

/// Whether all that is bad is among these; where it is not known what is, it is not.
fn is_within(bad: &[ReleaseImage], images: &[ReleaseImage], is: impl Fn(&ReleaseImage, &ReleaseImage) -> bool) -> bool {
    !bad.is_empty() && bad.iter().all(|bad| images.iter().any(|image| is(image, bad)))
}

/// Whether images that come in are held, of which `all` are there then: how surely, and by which of them. That is one that
/// comes in, or where nobody can tell, of which nobody can.
pub(crate) fn bars<'t, 'a>(
    bad: &[ReleaseImage],
    new: &[&'t Told<'a>],
    all: &'t [Told<'a>],
) -> Option<(Fit, &'t Told<'a>)> {
    let bad = Recorded::all(bad);
    let found = surest(new.iter().flat_map(|told| bad.iter().map(|bad| (told.fit(bad), *told))))?;
    bad.iter().try_fold(found, |found, bad| {
        let there = surest(all.iter().map(|told| (told.fit(bad), told)))?;
        Some(if there.0 < found.0 { there } else { found })
    })
}

/// The first of those that are held most surely.
fn surest<'t, 'a>(all: impl Iterator<Item = (Fit, &'t Told<'a>)>) -> Option<(Fit, &'t Told<'a>)> {
    let held = all.filter(|(fit, _)| *fit > Fit::No);
    held.reduce(|before, next| if next.0 > before.0 { next } else { before })
}

impl Held {
    /// As [`bars`], of the one that stands in a ledger under `key`: where that is of one image it decides alone.
    pub(crate) fn bars<'t, 'a>(
        &self,
        key: &ImageDigest,
        new: &[&'t Told<'a>],
        all: &'t [Told<'a>],
    ) -> Option<(Fit, &'t Told<'a>)> {
        let by = |digest: Option<&ImageDigest>| new.iter().copied().find(|told| told.digest == digest);
        if let Some(told) = by(Some(key)) {
            return Some((Fit::Yes, told));
        }
        if self.images.is_empty() { Some((Fit::Maybe, by(None)?)) } else { bars(&self.images, new, all) }
    }
}

/// The repositories of which something is quarantined.
#[derive(Debug, Default)]
pub(crate) struct Bad {
    /// An older version wrote one without saying of what.
    any: bool,
    alone: BTreeSet<String>,
    in_sets: BTreeSet<String>,
}

impl Bad {
    pub(crate) fn add(&mut self, images: &[ReleaseImage]) {
        self.any |= images.is_empty();
        let to = if images.len() > 1 { &mut self.in_sets } else { &mut self.alone };
        to.extend(images.iter().map(|image| canonical_repository(&image.name)));
    }

    pub(crate) fn may_hold(&self, repository: &str) -> bool {
        self.any || self.alone.contains(repository) || self.has_in_sets(repository)
    }

    pub(crate) fn has_in_sets(&self, repository: &str) -> bool {
        self.in_sets.contains(repository)
    }
}

/// A quarantine in the ledger of another Pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    pub pipeline: String,
    /// What stands for all its images.
    pub digest: ImageDigest,
    pub held: Held,
}

impl Elsewhere {
    pub(crate) fn holds(&self, images: &[ReleaseImage]) -> bool {
        is_within(&self.held.images, images, is_elsewhere)
    }

    /// As it is told where it holds: what an Application of the other Pipeline says is not for everybody here.
    pub(crate) fn told(&self) -> Quarantine {
        let quarantine = &self.held.quarantine;
        let release = format!("{}-{}", self.pipeline, short(Some(&self.digest)));
        Quarantine { reason: outlined(quarantine), release, ..quarantine.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(all: &[(&str, &str)]) -> Vec<ReleaseImage> {
        let one = |(name, digit): &(&str, &str)| ReleaseImage {
            name: (*name).to_owned(),
            tag: "v1".to_owned(),
            digest: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
            parts: Vec::new(),
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_quarantine_holds_what_has_all_its_images() {
        let (a, b) = (("acme/shop", "a"), ("acme/web", "b"));
        for (bad, release, own, other) in [
            (&[a][..], &[a][..], true, true),
            (&[a], &[b], false, false),
            (&[a], &[b, a], true, true),
            (&[a], &[("docker.io/acme/shop", "a")], true, true),
            (&[a], &[("mirror.io/shop", "a")], true, false),
            (&[a, b], &[b, a], true, true),
            (&[a, b], &[a, b, ("acme/job", "c")], true, true),
            (&[a, b], &[a], false, false),
            (&[a, b], &[a, ("acme/web", "c")], false, false),
        ] {
            let (bad, release) = (images(bad), images(release));
            let digest = identity(&bad).unwrap();
            let held = Held { quarantine: Quarantine::default(), images: bad };
            let ledger = Quarantines::from([(digest.clone(), held.clone())]);
            assert_eq!(holding(&ledger, &release).next().is_some(), own, "{held:?} {release:?}");
            let elsewhere = Elsewhere { pipeline: "web".to_owned(), digest: digest.clone(), held: held.clone() };
            assert_eq!(elsewhere.holds(&release), other, "{held:?} {release:?}");
            // as an older version wrote it: by its key alone
            let old = Quarantines::from([(digest.clone(), Held::default())]);
            let same = held.images.len() == 1 || identity(&release).as_ref() == Some(&digest);
            assert_eq!(holding(&old, &release).next().is_some(), own && same, "{held:?} {release:?}");
        }
    }
}
