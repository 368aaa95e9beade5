//! What a revision means among what a repository lists (the rules of Argo CD 3.5.1).

use gotemplate::semver::{Constraints, Version};

use crate::references::TAGS;
use crate::version::highest;

/// A reference as a repository lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    pub name: &'a str,
    pub target: Target<'a>,
}

/// Where a reference leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Commit(&'a str),
    Reference(&'a str),
}

/// As what a revision is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub constraint: bool,
    pub version: bool,
    /// All 40 digits of a commit.
    pub commit: bool,
    pub abbreviated_commit: bool,
    pub short_name: bool,
}

impl Seen {
    pub fn of(revision: &str) -> Self {
        let version = Version::parse(revision).is_ok();
        let digits = revision.bytes().all(|b| b.is_ascii_hexdigit());
        Self {
            constraint: !version && Constraints::parse(revision).is_ok(),
            version,
            commit: digits && revision.len() == 40,
            abbreviated_commit: digits && revision.len() >= 7,
            short_name: short(revision) == revision,
        }
    }
}

/// A name as people write it: `main` of `refs/heads/main`, `pull/7/head` of `refs/pull/7/head`.
fn short(name: &str) -> &str {
    let Some(rest) = name.strip_prefix("refs/").filter(|rest| !rest.is_empty()) else { return name };
    let kinds = ["tags/", "heads/", "remotes/"];
    kinds.iter().find_map(|kind| rest.strip_prefix(kind)).filter(|short| !short.is_empty()).unwrap_or(rest)
}

/// The version that a revision means among tags (or versions of a chart), with the prefix that all of them have. A plain
/// version means itself, whether it is there or not; a constraint the highest that fits it. Nothing where a revision
/// is neither, and where a tag is a version that cannot be compared.
pub fn version_of<'t>(revision: &str, tags: impl Iterator<Item = &'t str> + Clone, prefix: &str) -> Option<String> {
    let seen = Seen::of(revision);
    let mut own = tags.filter_map(|tag| tag.strip_prefix(prefix));
    if seen.version {
        return Some(format!("{prefix}{revision}"));
    }
    if !seen.constraint {
        let is_there = prefix.is_empty() && own.any(|tag| tag == revision);
        return is_there.then(|| revision.to_owned());
    }
    highest(revision, own).map(|tag| format!("{prefix}{tag}"))
}

/// The commit that a revision means among references in the order in which they are listed: the first that is called so.
/// What could be a commit is one.
pub fn commit_of(refs: &[Listed<'_>], revision: &str, prefix: &str) -> Option<String> {
    if Seen::of(revision).commit {
        return Some(revision.to_owned());
    }
    let revision = if revision.is_empty() { "HEAD" } else { revision };
    let tags = refs.iter().filter_map(|listed| listed.name.strip_prefix(TAGS));
    let wanted = version_of(revision, tags, prefix).unwrap_or_else(|| revision.to_owned());
    let seen = Seen::of(&wanted);
    let is_called = |name: &str| name == wanted || seen.short_name && short(name) == wanted;
    let named = refs.iter().filter(|listed| is_called(listed.name));
    let commit = named.clone().find_map(|listed| match listed.target {
        Target::Commit(commit) => Some(commit),
        Target::Reference(_) => None,
    });
    let followed = || {
        let target = named.clone().rev().find_map(|listed| match listed.target {
            Target::Reference(name) => Some(name),
            Target::Commit(_) => None,
        })?;
        refs.iter().rev().find_map(|listed| match listed.target {
            Target::Commit(commit) if listed.name == target => Some(commit),
            _ => None,
        })
    };
    let found = commit.or_else(followed).map(str::to_owned);
    found.or_else(|| seen.abbreviated_commit.then_some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_as_in_git() {
        for (name, expected) in [
            ("refs/heads/main", "main"),
            ("refs/tags/v1", "v1"),
            ("refs/pull/7/head", "pull/7/head"),
            ("refs/remotes/o/main", "o/main"),
            ("HEAD", "HEAD"),
            ("refs/", "refs/"),
            ("heads/main", "heads/main"),
        ] {
            assert_eq!(short(name), expected, "{name}");
        }
    }

    #[test]
    fn a_prefix_is_of_versions_and_of_nothing_else() {
        let tags = ["web/1.0.0", "web/1.2.0", "2.0.0", "stable"].into_iter();
        let version = |revision: &str, prefix: &str| version_of(revision, tags.clone(), prefix);
        assert_eq!(version("1.x", "web/").as_deref(), Some("web/1.2.0"));
        assert_eq!(version("3.0.0", "web/").as_deref(), Some("web/3.0.0"));
        assert_eq!(version("stable", "web/"), None);
        assert_eq!(version("stable", "").as_deref(), Some("stable"));
        assert_eq!(version("*", "").as_deref(), Some("2.0.0"));
    }
}
