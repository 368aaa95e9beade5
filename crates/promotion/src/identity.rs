//! What a release is: the set of its digests. Names follow from it.

use std::borrow::Cow;

use api::gantline::{Environment, Pipeline, Release, ReleaseImage};
use object::{ImageDigest, ImageRef};
use sha2::{Digest, Sha256};

/// The digest of the only image, or a hash of the sorted digests of several: what approvals and pins are bound to.
/// `None` where there is no image.
pub fn identity(images: &[ReleaseImage]) -> Option<ImageDigest> {
    match images {
        [] => None,
        [image] => Some(image.digest.clone()),
        several => {
            let mut digests: Vec<&str> = several.iter().map(|image| image.digest.as_str()).collect();
            digests.sort_unstable();
            format!("sha256:{}", hex::encode(Sha256::digest(digests.join("\n")))).parse().ok()
        }
    }
}

/// What people call a release: its tag, or the different tags of its images.
pub fn label(images: &[ReleaseImage]) -> Cow<'_, str> {
    match images {
        [] => Cow::Borrowed(""),
        [first, rest @ ..] if rest.iter().all(|image| image.tag == first.tag) => Cow::Borrowed(&first.tag),
        several => {
            let mut tags: Vec<&str> = several.iter().map(|image| image.tag.as_str()).collect();
            tags.dedup();
            Cow::Owned(tags.join(" + "))
        }
    }
}

/// Whether an object names the image of a release: by its digest, else by the tag.
pub(crate) fn is_image(image: &ImageRef, known: &ReleaseImage) -> bool {
    let is_same = match (&image.digest, &image.tag) {
        (Some(digest), _) => *digest == known.digest,
        (None, Some(tag)) => *tag == known.tag,
        (None, None) => false,
    };
    is_same && image.same_repository(&known.name)
}

/// `PIPELINE-DIGEST12`
pub fn release_name(pipeline: &Pipeline, images: &[ReleaseImage]) -> String {
    format!("{}-{}", pipeline.metadata.name, short(identity(images).as_ref()))
}

/// `PIPELINE-ENVIRONMENT-DIGEST12`: of the first attempt.
pub(crate) fn promotion_name(environment: &Environment, release: &Release) -> String {
    format!("{}-{}-{}", release.spec.pipeline, environment.name, short(identity(&release.spec.images).as_ref()))
}

/// The first twelve digits: enough to tell releases apart.
pub(crate) fn short(digest: Option<&ImageDigest>) -> &str {
    digest.map_or("", ImageDigest::short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: &str) -> ReleaseImage {
        let digest = format!("sha256:{}", digit.repeat(64)).parse().unwrap();
        ReleaseImage { name: "shop".into(), tag: String::new(), digest, parts: Vec::new() }
    }

    #[test]
    fn one_image_is_its_digest_and_several_are_a_set() {
        let mut pipeline = Pipeline::default();
        pipeline.metadata.name = "shop".into();
        assert_eq!(release_name(&pipeline, &[image("a")]), "shop-aaaaaaaaaaaa");
        let both = release_name(&pipeline, &[image("a"), image("b")]);
        assert_eq!(both, release_name(&pipeline, &[image("b"), image("a")]));
        assert_eq!(both.len(), "shop-".len() + 12);
        assert_ne!(both, release_name(&pipeline, &[image("a"), image("c")]));
    }
}
