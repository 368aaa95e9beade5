//! What is in an image. One for several platforms is an index, and whoever writes to a registry may make one of what is
//! there: so what is bad is bad in whatever it is wrapped, and of an index all that is in it.

use api::gantline::ReleaseImage;
use object::ImageDigest;

/// What a registry says of an image with a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// The manifests that are in it; none where it is no index.
    Known(Vec<ImageDigest>),
    /// More than anybody looks at, or nothing that can be read: what is in it nobody can tell. Why.
    Unreadable(String),
    /// The registry does not tell; why.
    Untold(String),
}

/// An image by all its digests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) digest: &'a ImageDigest,
    pub(crate) parts: &'a [ImageDigest],
}

impl<'a> From<&'a ReleaseImage> for Content<'a> {
    fn from(image: &'a ReleaseImage) -> Self {
        Self { digest: &image.digest, parts: &image.parts }
    }
}

impl Content<'_> {
    /// Whether it is this image, or has it in it.
    pub(crate) fn has(self, digest: &ImageDigest) -> bool {
        self.digest == digest || self.parts.contains(digest)
    }

    /// Whether anything of one is in the other.
    pub(crate) fn shares(self, other: Content<'_>) -> bool {
        self.has(other.digest) || other.parts.iter().any(|part| self.has(part))
    }
}
