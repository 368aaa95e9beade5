//! Entries of `resources` and `components` that name a folder of another repository.

use crate::remote::RemoteRevision;

/// `https://host/org/repo//path?ref=v1` and the other forms that kustomize 5.8.1 takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBase {
    pub at: RemoteRevision,
    /// The folder in that repository; empty for its root.
    pub path: String,
}

impl RemoteBase {
    /// Reads an entry; none when it is a path.
    pub fn parse(entry: &str) -> Option<Self> {
        let entry = entry.strip_prefix("git::").unwrap_or(entry);
        let (place, query) = entry.split_once('?').unwrap_or((entry, ""));
        let (host, rest) = split_host(place)?;
        let (repository, path) = split_repository(rest, host.starts_with("file://"))?;
        let query = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let revision = query("ref").or(query("version")).unwrap_or_default().to_owned();
        let at = RemoteRevision { url: format!("{host}{repository}"), revision };
        Some(Self { at, path: path.trim_matches('/').to_owned() })
    }
}

/// Everything up to the owner of the repository, and the rest.
fn split_host(place: &str) -> Option<(String, &str)> {
    for scheme in ["https://", "http://", "ssh://"] {
        if let Some(rest) = place.strip_prefix(scheme) {
            let (host, rest) = rest.split_once('/')?;
            return Some((format!("{scheme}{host}/"), rest));
        }
    }
    if let Some(rest) = place.strip_prefix("file://") {
        return Some(("file://".to_owned(), rest));
    }
    if let Some((user_and_host, rest)) = place.split_once(':')
        && user_and_host.contains('@')
        && !user_and_host.contains('/')
    {
        return Some((format!("{user_and_host}:"), rest));
    }
    let rest = place.strip_prefix("github.com/")?;
    Some(("https://github.com/".to_owned(), rest))
}

/// The repository and the path in it: parted by `//`, else behind `.git` or `_git/NAME`, else behind two names.
fn split_repository(rest: &str, local: bool) -> Option<(&str, &str)> {
    if let Some((repository, path)) = rest.split_once("//") {
        return Some((repository, path));
    }
    if let Some(at) = rest.find(".git/") {
        return Some((&rest[..at + 4], &rest[at + 5..]));
    }
    if local || rest.ends_with(".git") {
        return Some((rest, ""));
    }
    let names = match rest.split_once("_git/") {
        Some((before, _)) => before.matches('/').count() + 2,
        None => 2,
    };
    let ends = rest.match_indices('/').map(|(at, _)| at).nth(names - 1);
    // a file of a web server, not a repository
    let is_file = [".yaml", ".yml", ".json"].iter().any(|end| rest.ends_with(end));
    (rest.contains('/') && !is_file).then(|| ends.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_remote_base() {
        for (entry, wanted) in [
            (
                "https://github.com/acme/infra//apps/shop?ref=v1",
                Some(("https://github.com/acme/infra", "apps/shop", "v1")),
            ),
            (
                "https://github.com/acme/infra/apps/shop?ref=v1&timeout=90s",
                Some(("https://github.com/acme/infra", "apps/shop", "v1")),
            ),
            ("github.com/acme/infra?ref=main", Some(("https://github.com/acme/infra", "", "main"))),
            ("https://host:3000/a/b.git/c/d?version=2", Some(("https://host:3000/a/b.git", "c/d", "2"))),
            ("git@github.com:acme/infra.git//base", Some(("git@github.com:acme/infra.git", "base", ""))),
            ("ssh://git@host/acme/infra//base?ref=x", Some(("ssh://git@host/acme/infra", "base", "x"))),
            ("git::https://host/g/s/r//p", Some(("https://host/g/s/r", "p", ""))),
            (
                "https://dev.azure.com/org/project/_git/repo/path?ref=x",
                Some(("https://dev.azure.com/org/project/_git/repo", "path", "x")),
            ),
            ("file:///srv/repo//base", Some(("file:///srv/repo", "base", ""))),
            ("https://raw.example.com/acme/infra/main/a.yaml", None),
            ("../base", None),
            ("base/https", None),
        ] {
            let read = RemoteBase::parse(entry);
            let read = read.as_ref().map(|r| (r.at.url.as_str(), r.path.as_str(), r.at.revision.as_str()));
            assert_eq!(read, wanted, "{entry}");
        }
    }
}
