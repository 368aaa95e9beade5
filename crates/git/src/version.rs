//! Version constraints on tags, with the rules of Argo CD 3.5 (Masterminds/semver 3).

use gotemplate::semver::{Constraints, SemverError, Version};

/// The highest of `tags` that fits the constraint; the first of equals. Nothing when `text` is a plain version or no
/// constraint, when none fits, and when a tag is a version that cannot be compared, as Argo CD has it.
pub(crate) fn highest<'t>(text: &str, tags: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    if is_version(text) {
        return None;
    }
    let constraint = Constraints::parse(text).ok()?;
    let mut best: Option<(Version, &str)> = None;
    for tag in tags {
        let version = match Version::parse(tag) {
            Err(SemverError::Invalid) => continue,
            // a number that is too large, or has a leading zero where none may be
            incomparable_or_not => incomparable_or_not.ok()?,
        };
        if constraint.check(&version) && best.as_ref().is_none_or(|(known, _)| version.compare(known).is_gt()) {
            best = Some((version, tag));
        }
    }
    best.map(|(_, tag)| tag)
}

/// Whether a text asks for a range of versions.
pub fn is_constraint(text: &str) -> bool {
    !is_version(text) && Constraints::parse(text).is_ok()
}

/// Whether a text is a plain version, even one that cannot be compared.
fn is_version(text: &str) -> bool {
    !matches!(Version::parse(text), Err(SemverError::Invalid))
}

/// The tag to make after the highest that fits the constraint: its last number one higher, written alike. Nothing when
/// none fits, when it is a pre-release, and when the next one would not fit any more.
pub(crate) fn next(text: &str, tags: &[&str]) -> Option<String> {
    let highest = highest(text, tags.iter().copied())?;
    let core = highest.split('+').next().filter(|core| !core.contains('-'))?;
    let at = core.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let (start, last) = core.split_at(at);
    let next = format!("{start}{}", last.parse::<u64>().ok()?.checked_add(1)?);
    let fits = Constraints::parse(text).ok()?.check(&Version::parse(&next).ok()?);
    (fits && !tags.contains(&next.as_str())).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_tag_that_fits_is_taken() {
        let tags = ["0.9", "1.0.0", "1.2.3", "2.0.0-rc1", "v1.1.0", "v1.2.3", "v10.0.0", "web"];
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(highest(text, tags.into_iter()), expected, "{text}");
        };
        check("*", Some("v10.0.0"));
        check("1.x", Some("1.2.3"));
        check("~1.1", Some("v1.1.0"));
        check(">1", Some("v10.0.0"));
        check(">=1.0.0, <1.2.0", Some("v1.1.0"));
        check("1.0 - 1.1", Some("v1.1.0"));
        check("0.x || 1.0.x", Some("1.0.0"));
        check("2.x-0", Some("2.0.0-rc1"));
        check("2.x", None);
        check("!=10", Some("1.2.3"));
        for no_constraint in ["1.0.0", "v1", "main", ">>1", ">1,", "", "release-4.x"] {
            check(no_constraint, None);
        }
        assert_eq!(highest("*", ["1.0.0", "99999999999999999999.0.0"].into_iter()), None);
    }

    #[test]
    fn the_next_tag_is_written_like_the_highest() {
        let check = |text: &str, tags: &[&str], expected: Option<&str>| {
            assert_eq!(next(text, tags).as_deref(), expected, "{text} {tags:?}");
        };
        check("v1.*", &["v1.0"], Some("v1.1"));
        check("1.x", &["1.2.9", "1.2.3", "v2.0.0"], Some("1.2.10"));
        check("*", &["v7"], Some("v8"));
        check("v1.0.*", &["v1.0"], None);
        check("v1.*", &["v2.0"], None);
        check("1.x-0", &["1.3.0-rc.1"], None);
    }
}
