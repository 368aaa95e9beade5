//! The parts of a reference to an image, also of one that is malformed.

use std::ops::Range;

use super::origin::ImagePart;

/// The bytes of each part that a reference to an image has, also of one that is malformed.
pub fn ranges(image: &str) -> Vec<(ImagePart, Range<usize>)> {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let colon = rest.rfind(':').filter(|at| !rest[*at..].contains('/'));
    let mut parts = vec![(ImagePart::Name, 0..colon.unwrap_or(rest.len()))];
    parts.extend(colon.map(|at| (ImagePart::Tag, at + 1..rest.len())));
    parts.extend(digest.map(|digest| (ImagePart::Digest, image.len() - digest.len()..image.len())));
    parts
}

/// The parts that differ.
pub(crate) fn changed(old: &str, new: &str) -> Vec<ImagePart> {
    let text = |image: &str, part: ImagePart| {
        let found = ranges(image).into_iter().find(|(p, _)| *p == part);
        found.and_then(|(_, range)| image.get(range)).map(str::to_owned)
    };
    let all = [ImagePart::Name, ImagePart::Tag, ImagePart::Digest];
    all.into_iter().filter(|part| text(old, *part) != text(new, *part)).collect()
}

#[cfg(test)]
mod tests {
    use super::ImagePart::{Digest, Name, Tag};
    use super::*;

    #[test]
    fn parts_of_images() {
        for (old, new, parts) in [
            ("a:1", "a:2", vec![Tag]),
            ("h:80/a", "h:80/b", vec![Name]),
            ("h:80/a:1@sha256:0", "h:80/a:1@sha256:1", vec![Digest]),
            ("a:1", "b:2", vec![Name, Tag]),
            ("a:1", "a@sha256:1", vec![Tag, Digest]),
            ("a", "a", vec![]),
        ] {
            assert_eq!(changed(old, new), parts, "{old} {new}");
        }
    }
}
