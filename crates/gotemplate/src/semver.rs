//! Versions and constraints as `Masterminds/semver` 3.5 reads them: what `semverCompare` and chart dependencies use.

mod constraint;

use std::cmp::Ordering;
use std::fmt;

pub use constraint::Constraints;

/// Longer version texts are refused.
const VERSION_MAX: usize = 256;

/// Why a text is no version or no constraint, in the words of `Masterminds/semver`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SemverError {
    #[error("invalid semantic version")]
    Invalid,
    #[error("version string is too long (max {VERSION_MAX} bytes)")]
    VersionTooLong,
    #[error("version segment starts with 0")]
    SegmentStartsWithZero,
    #[error("invalid prerelease string")]
    InvalidPrerelease,
    #[error("invalid metadata string")]
    InvalidMetadata,
    #[error("error parsing version segment: strconv.ParseUint: parsing {0:?}: value out of range")]
    SegmentOutOfRange(String),
    #[error("constraint string is too long (max 512 bytes)")]
    ConstraintTooLong,
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
    #[error("improper constraint: {0:?}")]
    ImproperConstraint(String),
    #[error("constraint parser error")]
    ConstraintParser,
    #[error("{part} version increment would overflow uint64")]
    Overflow { part: &'static str },
}

/// A semantic version; missing parts (`v1`, `1.2`) count as zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
    pub prerelease: String,
    pub metadata: String,
    /// The text it was read from, with its `v`.
    pub original: String,
}

impl Version {
    /// Reads `text` leniently: a leading `v`, missing parts and leading zeros are fine.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > VERSION_MAX {
            return Err(SemverError::VersionTooLong);
        }
        let shape = Shape::read(text, |c| c.is_ascii_digit()).ok_or(SemverError::Invalid)?;
        if shape.length != text.len() {
            return Err(SemverError::Invalid);
        }
        let version = Self {
            major: segment(shape.major)?,
            minor: segment(shape.minor)?,
            patch: segment(shape.patch)?,
            prerelease: shape.prerelease.to_owned(),
            metadata: shape.metadata.to_owned(),
            original: text.to_owned(),
        };
        if !version.prerelease.is_empty() {
            check_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// Whether the version is one by the letter of semver.org: three numbers, no `v`, no leading zeros.
    pub fn is_strict(text: &str) -> bool {
        let zero_led = |part: &str| part.is_empty() || (part.len() > 1 && part.starts_with('0'));
        let Some(shape) = Shape::read(text, |c| c.is_ascii_digit()) else { return false };
        let numbers_fine = ![shape.major, shape.minor, shape.patch].into_iter().any(zero_led);
        numbers_fine && !text.starts_with('v') && Self::parse(text).is_ok()
    }

    /// The next patch version; of a pre-release, the release it leads to.
    ///
    /// # Errors
    /// The number is the greatest there is.
    pub fn next_patch(&self) -> Result<Self, SemverError> {
        let step = u64::from(self.prerelease.is_empty());
        Ok(self.with_numbers(self.major, self.minor, increment(self.patch, step, "patch")?))
    }

    /// The next minor version, without pre-release.
    ///
    /// # Errors
    /// The number is the greatest there is.
    pub fn next_minor(&self) -> Result<Self, SemverError> {
        Ok(self.with_numbers(self.major, increment(self.minor, 1, "minor")?, 0))
    }

    /// The next major version, without pre-release.
    ///
    /// # Errors
    /// The number is the greatest there is.
    pub fn next_major(&self) -> Result<Self, SemverError> {
        Ok(self.with_numbers(increment(self.major, 1, "major")?, 0, 0))
    }

    /// The same version with another pre-release.
    ///
    /// # Errors
    /// The text is no pre-release.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, SemverError> {
        if !prerelease.is_empty() {
            check_prerelease(prerelease)?;
        }
        Ok(Self { prerelease: prerelease.to_owned(), ..self.clone() }.renamed(self))
    }

    /// The same version with other metadata.
    ///
    /// # Errors
    /// The text is no metadata.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, SemverError> {
        let fine = |part: &str| !part.is_empty() && part.chars().all(is_identifier);
        if !metadata.is_empty() && !metadata.split('.').all(fine) {
            return Err(SemverError::InvalidMetadata);
        }
        Ok(Self { metadata: metadata.to_owned(), ..self.clone() }.renamed(self))
    }

    /// The order of precedence; metadata does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| compare_prerelease(&self.prerelease, &other.prerelease))
    }

    fn with_numbers(&self, major: u64, minor: u64, patch: u64) -> Self {
        let next =
            Self { major, minor, patch, prerelease: String::new(), metadata: String::new(), original: String::new() };
        next.renamed(self)
    }

    /// Sets the original text to the version's own, with the `v` of `model`.
    fn renamed(mut self, model: &Self) -> Self {
        let v = if model.original.starts_with('v') { "v" } else { "" };
        self.original = format!("{v}{self}");
        self
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// The parts of a version at the start of a text; absent ones are empty.
#[derive(Debug)]
struct Shape<'t> {
    major: &'t str,
    minor: &'t str,
    patch: &'t str,
    prerelease: &'t str,
    metadata: &'t str,
    /// Bytes read.
    length: usize,
}

impl<'t> Shape<'t> {
    /// Reads as much as looks like a version whose numbers consist of `number` characters.
    fn read(text: &'t str, number: fn(char) -> bool) -> Option<Self> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (major, mut rest) = run(rest, number);
        if major.is_empty() {
            return None;
        }
        let minor = dotted(&mut rest, number);
        let patch = dotted(&mut rest, number);
        let prerelease = identifiers(&mut rest, '-');
        let metadata = identifiers(&mut rest, '+');
        Some(Self { major, minor, patch, prerelease, metadata, length: text.len() - rest.len() })
    }
}

/// Splits the leading characters off that fit.
fn run(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !fits(c)).unwrap_or(text.len()))
}

/// `.123` at the start of `rest`, without the dot.
fn dotted<'t>(rest: &mut &'t str, number: fn(char) -> bool) -> &'t str {
    let Some((part, after)) = rest.strip_prefix('.').map(|r| run(r, number)) else { return "" };
    if !part.is_empty() {
        *rest = after;
    }
    part
}

/// `-alpha.1` at the start of `rest`, without the mark.
fn identifiers<'t>(rest: &mut &'t str, mark: char) -> &'t str {
    let Some(text) = rest.strip_prefix(mark) else { return "" };
    let mut end = run(text, is_identifier).0.len();
    if end == 0 {
        return "";
    }
    while let Some(more) = text[end..].strip_prefix('.').map(|r| run(r, is_identifier).0.len()).filter(|n| *n > 0) {
        end += 1 + more;
    }
    *rest = &text[end..];
    &text[..end]
}

fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn segment(text: &str) -> Result<u64, SemverError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| SemverError::SegmentOutOfRange(text.to_owned()))
}

fn increment(number: u64, step: u64, part: &'static str) -> Result<u64, SemverError> {
    number.checked_add(step).ok_or(SemverError::Overflow { part })
}

fn check_prerelease(text: &str) -> Result<(), SemverError> {
    for part in text.split('.') {
        if part.is_empty() || !part.chars().all(is_identifier) {
            return Err(SemverError::InvalidPrerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SemverError::SegmentStartsWithZero);
        }
    }
    Ok(())
}

/// A release is greater than its pre-releases.
fn compare_prerelease(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => compare_identifiers(a, b),
    }
}

fn compare_identifiers(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => compare_identifier(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers are smaller than texts.
fn compare_identifier(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_leniently() {
        let cases = [
            ("1.2.3", Ok("1.2.3")),
            ("v1", Ok("1.0.0")),
            ("1.02", Ok("1.2.0")),
            ("1.2.3-alpha.1+build.5", Ok("1.2.3-alpha.1+build.5")),
            ("1-rc+m", Ok("1.0.0-rc+m")),
            ("", Err(SemverError::Invalid)),
            ("V1", Err(SemverError::Invalid)),
            ("1.2.3.4", Err(SemverError::Invalid)),
            ("1.", Err(SemverError::Invalid)),
            ("1.2.3-", Err(SemverError::Invalid)),
            ("1.2.3-01", Err(SemverError::SegmentStartsWithZero)),
            ("99999999999999999999", Err(SemverError::SegmentOutOfRange("99999999999999999999".to_owned()))),
        ];
        for (text, want) in cases {
            assert_eq!(Version::parse(text).map(|v| v.to_string()), want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn orders_by_precedence() {
        let ordered =
            ["0.9", "1.0.0-1", "1.0.0-2", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0", "1.0.1", "2"];
        for pair in ordered.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|t| Version::parse(t).expect(t));
            assert_eq!(a.compare(&b), Ordering::Less, "{a} < {b}");
        }
    }

    #[test]
    fn counts_up() {
        let version = Version::parse("v1.2.3-rc.1+m").expect("a version");
        assert_eq!(version.next_patch().expect("no overflow").original, "v1.2.3");
        assert_eq!(version.next_minor().expect("no overflow").to_string(), "1.3.0");
        assert_eq!(version.next_major().expect("no overflow").to_string(), "2.0.0");
        let last = Version::parse("1.2.18446744073709551615").expect("a version");
        assert_eq!(last.next_patch(), Err(SemverError::Overflow { part: "patch" }));
    }

    #[test]
    fn knows_strict_versions() {
        for (text, want) in [("1.2.3", true), ("v1.2.3", false), ("1.2", false), ("1.02.3", false), ("1.2.3-a+b", true)]
        {
            assert_eq!(Version::is_strict(text), want, "{text}");
        }
    }
}
