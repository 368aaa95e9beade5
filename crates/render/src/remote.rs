//! Bases in other repositories. A render reaches for nothing: it says which revisions it wants ([`wanted`]), and uses
//! those that it is given ([`Remotes`]), each pinned to a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use object::{FileTree, path};
use serde::{Deserialize, Serialize};

use crate::kustomize::{self, RemoteBase};
use crate::{Source, ToolChoice, source};

/// A revision of another repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteRevision {
    /// What `git clone` takes.
    pub url: String,
    /// A branch, tag or commit; empty for the repository's default branch.
    pub revision: String,
}

impl fmt::Display for RemoteRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = if self.revision.is_empty() { "HEAD" } else { &self.revision };
        write!(f, "{} at {revision}", self.url)
    }
}

/// A revision that was fetched.
#[derive(Debug, Clone)]
pub struct RemoteTree {
    /// The full commit id that the revision means now.
    pub commit: String,
    pub tree: FileTree,
}

/// Revisions of other repositories that a render may use.
#[derive(Debug, Clone, Default)]
pub struct Remotes(BTreeMap<RemoteRevision, RemoteTree>);

impl PartialEq for Remotes {
    fn eq(&self, other: &Self) -> bool {
        self.commits().eq(other.commits())
    }
}

/// How often to ask [`wanted`] again: remote bases may name further ones.
pub const ROUNDS: usize = 8;

/// The folder of the render's tree below which other repositories appear. Git allows no folder of that name.
const MOUNTS: &str = ".git/remote";

impl Remotes {
    pub fn insert(&mut self, revision: RemoteRevision, tree: RemoteTree) {
        self.0.insert(revision, tree);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which commit each revision stands for.
    pub fn commits(&self) -> impl Iterator<Item = (&RemoteRevision, &str)> {
        self.0.iter().map(|(revision, remote)| (revision, remote.commit.as_str()))
    }

    /// The folder of a base in the mounted tree, if its repository was fetched.
    pub fn folder_of(&self, base: &RemoteBase) -> Option<String> {
        path::join(&self.mount_of(&base.at)?, &base.path)
    }

    /// The folder where a revision appears, if it is there.
    pub(crate) fn mount_of(&self, revision: &RemoteRevision) -> Option<String> {
        self.0.get(revision).map(|remote| mount(revision, &remote.commit))
    }

    /// The tree with the repositories in it.
    pub(crate) fn mounted(&self, tree: &FileTree) -> FileTree {
        if self.0.is_empty() {
            return tree.clone();
        }
        tree.with_mounts(self.0.iter().map(|(revision, r)| (mount(revision, &r.commit), r.tree.clone())))
    }
}

fn mount(revision: &RemoteRevision, commit: &str) -> String {
    let url: String =
        revision.url.replace("://", "/").split('/').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/");
    format!("{MOUNTS}/{url}@{commit}")
}

/// The repository that holds a path of a mounted tree; none for the render's own.
pub(crate) fn repository_of(file: &str) -> Option<&str> {
    let inside = file.strip_prefix(MOUNTS)?;
    let commit = inside.find('@')?;
    let end = inside[commit..].find('/').map_or(inside.len(), |at| commit + at);
    file.get(..MOUNTS.len() + end)
}

/// A path of the mounted tree for people: `github.com/acme/infra@3f2a9c1e7b60/base/a.yaml` for those of other repositories.
pub fn shown(file: &str) -> String {
    let Some(repository) = repository_of(file) else { return file.to_owned() };
    let name = repository[MOUNTS.len()..].trim_start_matches('/').split_once('/').map_or(repository, |(_, rest)| rest);
    let (url, commit) = name.split_once('@').unwrap_or((name, ""));
    format!("{url}@{}{}", commit.get(..12).unwrap_or(commit), &file[repository.len()..])
}

/// What `source` still wants: the revisions that it names and that are not among its [`Source::remotes`]. Those that a
/// remote base names in turn are known once it is there: ask again.
pub fn wanted(tree: &FileTree, source: &Source) -> BTreeSet<RemoteRevision> {
    let tree = source.remotes.mounted(tree).fresh();
    let Some(folder) = path::join("", &source.path) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    if let ToolChoice::Kustomize(_) = source::resolved(&tree, &folder, &source.tool) {
        let mut seen = BTreeSet::new();
        let mut todo = vec![folder];
        while let Some(folder) = todo.pop() {
            if !seen.insert(folder.clone()) {
                continue;
            }
            for entry in kustomize::entries(&tree, &folder) {
                match RemoteBase::parse(&entry).filter(|_| !is_local(&tree, &folder, &entry)) {
                    None => todo.extend(path::join(&folder, &entry)),
                    Some(base) => match source.remotes.folder_of(&base) {
                        Some(folder) => todo.push(folder),
                        None => drop(found.insert(base.at)),
                    },
                }
            }
        }
    }
    found
}

fn is_local(tree: &FileTree, folder: &str, entry: &str) -> bool {
    path::join(folder, entry).is_some_and(|full| tree.entry(&full).is_ok_and(|found| found.is_some()))
}
