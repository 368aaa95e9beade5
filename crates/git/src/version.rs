//! Version constraints on tags, with the rules of Argo CD 3.5 (Masterminds/semver 3).

use std::cmp::Ordering;

/// The highest of `tags` that fits the constraint; the first of equals. Nothing when `text` is a plain version or no
/// constraint, when none fits, and when a tag is a version that cannot be compared, as Argo CD has it.
pub(crate) fn highest<'t>(text: &str, tags: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    if Version::parse(text).is_some() {
        return None;
    }
    let constraint = Constraint::parse(text)?;
    let mut best: Option<(Version, &str)> = None;
    for tag in tags {
        let version = match Version::parse(tag) {
            None => continue,
            Some(version) => version.ok()?,
        };
        if constraint.fits(&version) && best.as_ref().is_none_or(|(known, _)| version > *known) {
            best = Some((version, tag));
        }
    }
    best.map(|(_, tag)| tag)
}

/// The version of a chart that an Application's `targetRevision` means (Argo CD 3.5): one that is listed, and any plain
/// version, as written; else the highest that fits the constraint. Nothing when it is no constraint, or none fits.
pub fn chart_version<'v>(revision: &'v str, versions: &[&'v str]) -> Option<&'v str> {
    let plain = versions.contains(&revision) || Version::parse(revision).is_some();
    if plain { Some(revision) } else { highest(revision, versions.iter().copied()) }
}

/// The tag to make after the highest that fits the constraint: its last number one higher, written alike. Nothing when
/// none fits, when it is a pre-release, and when the next one would not fit any more.
pub(crate) fn next(text: &str, tags: &[&str]) -> Option<String> {
    let highest = highest(text, tags.iter().copied())?;
    let (core, pre) = split(highest)?;
    let (start, last) = core.rsplit_once('.').map_or(("", core), |(start, last)| (start, last));
    let (mark, digits) = last.split_at(last.find(|c: char| c.is_ascii_digit())?);
    let number = digits.parse::<u64>().ok()?.checked_add(1)?;
    let dot = if start.is_empty() { "" } else { "." };
    let next = format!("{start}{dot}{mark}{number}");
    let fits = Version::parse(&next)?.is_ok_and(|version| Constraint::parse(text).is_some_and(|c| c.fits(&version)));
    (pre.is_empty() && fits && !tags.contains(&next.as_str())).then_some(next)
}

/// A version; build metadata does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: String,
}

/// It looks like a version, but a number is too large or has a leading zero where none may be.
#[derive(Debug)]
struct Incomparable;

impl Version {
    /// `v1`, `1.2`, `1.2.3-rc.1+build`; missing numbers are zero.
    fn parse(text: &str) -> Option<Result<Self, Incomparable>> {
        let (core, pre) = split(text.strip_prefix('v').unwrap_or(text))?;
        let parts: Vec<&str> = core.split('.').collect();
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if parts.len() > 3 || !parts.iter().all(digits) {
            return None;
        }
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(parts) {
            match part.parse() {
                Ok(value) => *number = value,
                Err(_) => return Some(Err(Incomparable)),
            }
        }
        let padded = |part: &str| part.len() > 1 && part.starts_with('0') && digits(&part);
        if pre.split('.').any(padded) {
            return Some(Err(Incomparable));
        }
        Some(Ok(Self { numbers, pre: pre.to_owned() }))
    }
}

/// The numbers and the pre-release of a version.
fn split(text: &str) -> Option<(&str, &str)> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fine = |list: Option<&str>| list.is_none_or(|list| list.split('.').all(word));
    (fine(pre) && fine(build)).then_some((core, pre.unwrap_or_default()))
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let pre = match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        };
        self.numbers.cmp(&other.numbers).then(pre)
    }
}

/// Numbers by value and below words; the longer of two that start the same is higher.
fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Alternatives of comparisons that must all hold.
#[derive(Debug)]
struct Constraint(Vec<Vec<Comparison>>);

#[derive(Debug)]
struct Comparison {
    operator: &'static str,
    version: Version,
    /// How many numbers are given; the rest is `x` or missing.
    given: usize,
}

/// Longer ones first.
const OPERATORS: [&str; 12] = ["!=", ">=", "=>", "<=", "=<", "~>", "=", ">", "<", "~", "^", ""];

impl Constraint {
    fn parse(text: &str) -> Option<Self> {
        text.split("||").map(alternative).collect::<Option<Vec<_>>>().map(Self)
    }

    fn fits(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|one| one.fits(version)))
    }
}

fn alternative(text: &str) -> Option<Vec<Comparison>> {
    if let Some((low, high)) = text.split_once(" - ") {
        return Some(vec![Comparison::parse(">=", low.trim())?, Comparison::parse("<=", high.trim())?]);
    }
    let mut rest = text.trim();
    let mut all = Vec::new();
    loop {
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
        rest = rest[operator.len()..].trim_start();
        let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
        all.push(Comparison::parse(operator, &rest[..end])?);
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Some(all);
        }
        // after a comma something must follow: the next round finds no version otherwise
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

impl Comparison {
    fn parse(operator: &'static str, text: &str) -> Option<Self> {
        let (core, pre) = split(text.strip_prefix('v').unwrap_or(text))?;
        let parts: Vec<&str> = core.split('.').collect();
        let wild = |part: &&str| matches!(*part, "x" | "X" | "*");
        let given = parts.iter().take_while(|part| !wild(part)).count();
        let rest_is_numbers = parts[given..].iter().all(|part| wild(part) || part.parse::<u64>().is_ok());
        if parts.len() > 3 || !rest_is_numbers {
            return None;
        }
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(&parts[..given]) {
            *number = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
        }
        Some(Self { operator, version: Version { numbers, pre: pre.to_owned() }, given })
    }

    fn fits(&self, version: &Version) -> bool {
        let wanted = &self.version;
        // pre-releases are only for those who ask for them
        if !version.pre.is_empty() && wanted.pre.is_empty() {
            return false;
        }
        let same = |count: usize| version.numbers[..count] == wanted.numbers[..count];
        match self.operator {
            "!=" if self.given < 3 => !same(self.given),
            "!=" => version != wanted,
            ">" if self.given < 3 => version.numbers[..self.given] > wanted.numbers[..self.given],
            ">" => version > wanted,
            "<" => version < wanted,
            ">=" | "=>" => version >= wanted,
            "<=" | "=<" if self.given < 3 => version.numbers[..self.given] <= wanted.numbers[..self.given],
            "<=" | "=<" => version <= wanted,
            "^" => version >= wanted && same(self.caret()),
            "=" | "" if self.given == 3 => version == wanted,
            _ if self.given == 0 || (self.given == 3 && wanted.numbers == [0; 3]) => version >= wanted,
            _ => version >= wanted && same(self.given.min(2)),
        }
    }

    /// How many numbers must be the same: up to the first that is not zero.
    fn caret(&self) -> usize {
        let first = self.version.numbers.iter().position(|number| *number > 0).map_or(3, |at| at + 1);
        first.min(self.given)
    }
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
