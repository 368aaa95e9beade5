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

/// A chart of a Helm repository or of a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteChart {
    /// `https://…` of a repository with an `index.yaml`, or `oci://…`.
    pub repo: String,
    pub name: String,
    /// A version or a constraint such as `^1.2`; empty for the newest.
    pub version: String,
    /// Versions that are no releases count, too.
    pub devel: bool,
}

impl RemoteChart {
    /// The version or constraint to look for; empty for the newest release.
    pub fn constraint(&self) -> &str {
        if self.version.is_empty() && self.devel { ">0.0.0-0" } else { &self.version }
    }
}

impl fmt::Display for RemoteChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.version.is_empty() { "the newest version" } else { &self.version };
        write!(f, "{} of {} at {version}", self.name, self.repo)
    }
}

/// A chart that was fetched.
#[derive(Debug, Clone)]
pub struct FetchedChart {
    /// The version that was chosen.
    pub version: String,
    /// Of its files, in hexadecimal digits.
    pub digest: String,
    /// The folder of the chart is the root.
    pub tree: FileTree,
}

impl FetchedChart {
    /// `tree` holds the chart at its root.
    pub fn new(version: String, tree: FileTree) -> Self {
        let digest = content_digest(&tree);
        Self { version, digest, tree }
    }
}

/// SHA-256 of all files of a tree, in hexadecimal digits.
pub fn content_digest(tree: &FileTree) -> String {
    let root = tree.fresh().entry("").ok().flatten();
    root.map(|entry| entry.id.0.to_string()).unwrap_or_default()
}

/// A revision that was fetched.
#[derive(Debug, Clone)]
pub struct RemoteTree {
    /// The full commit id that the revision means now.
    pub commit: String,
    pub tree: FileTree,
}

/// Revisions of other repositories, and charts, that a render may use.
#[derive(Debug, Clone, Default)]
pub struct Remotes {
    revisions: BTreeMap<RemoteRevision, RemoteTree>,
    charts: BTreeMap<RemoteChart, FetchedChart>,
}

impl PartialEq for Remotes {
    fn eq(&self, other: &Self) -> bool {
        self.commits().eq(other.commits()) && self.digests().eq(other.digests())
    }
}

/// What a source wants from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub revisions: BTreeSet<RemoteRevision>,
    pub charts: BTreeSet<RemoteChart>,
}

impl Wanted {
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty() && self.charts.is_empty()
    }
}

/// How often to ask [`wanted`] again: remote bases may name further ones.
pub const ROUNDS: usize = 8;

/// The folder of the render's tree below which other repositories appear. Git allows no folder of that name.
const MOUNTS: &str = ".git/remote";

impl Remotes {
    pub fn insert(&mut self, revision: RemoteRevision, tree: RemoteTree) {
        self.revisions.insert(revision, tree);
    }

    pub fn insert_chart(&mut self, chart: RemoteChart, fetched: FetchedChart) {
        self.charts.insert(chart, fetched);
    }

    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty() && self.charts.is_empty()
    }

    /// The revisions with their files.
    pub fn revisions(&self) -> impl Iterator<Item = (&RemoteRevision, &RemoteTree)> {
        self.revisions.iter()
    }

    /// The charts with their files.
    pub fn charts(&self) -> impl Iterator<Item = (&RemoteChart, &FetchedChart)> {
        self.charts.iter()
    }

    /// Which archive each chart stands for.
    pub fn digests(&self) -> impl Iterator<Item = (&RemoteChart, &str)> {
        self.charts.iter().map(|(chart, fetched)| (chart, fetched.digest.as_str()))
    }

    /// A chart, if it was fetched, and the folder where its files seem to be.
    pub(crate) fn chart(&self, wanted: &RemoteChart) -> Option<(String, &FetchedChart)> {
        let fetched = self.charts.get(wanted)?;
        let repository = wanted.repo.trim_end_matches('/');
        let name = format!("{repository}/{}-{}", wanted.name, fetched.version);
        Some((mount(&name, &fetched.digest), fetched))
    }

    /// The repository that holds a path of a mounted tree: where it appears, its files, and the path in it.
    pub(crate) fn inside(&self, file: &str) -> Option<(String, &FileTree, String)> {
        let at = repository_of(file)?;
        let (_, remote) = self.revisions.iter().find(|(revision, r)| mount(&revision.url, &r.commit) == at)?;
        Some((at.to_owned(), &remote.tree, file[at.len()..].trim_start_matches('/').to_owned()))
    }

    /// Which commit each revision stands for.
    pub fn commits(&self) -> impl Iterator<Item = (&RemoteRevision, &str)> {
        self.revisions.iter().map(|(revision, remote)| (revision, remote.commit.as_str()))
    }

    /// The folder of a base in the mounted tree, if its repository was fetched.
    pub fn folder_of(&self, base: &RemoteBase) -> Option<String> {
        path::join(&self.mount_of(&base.at)?, &base.path)
    }

    /// The folder where a revision appears, if it is there.
    pub(crate) fn mount_of(&self, revision: &RemoteRevision) -> Option<String> {
        self.revisions.get(revision).map(|remote| mount(&revision.url, &remote.commit))
    }

    /// The tree with the repositories in it.
    pub(crate) fn mounted(&self, tree: &FileTree) -> FileTree {
        if self.revisions.is_empty() {
            return tree.clone();
        }
        tree.with_mounts(self.revisions.iter().map(|(revision, r)| (mount(&revision.url, &r.commit), r.tree.clone())))
    }
}

fn mount(url: &str, commit: &str) -> String {
    let url: String = url.replace("://", "/").split('/').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/");
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

/// What `source` still wants: the revisions and charts that it names and that are not among its [`Source::remotes`].
/// Those that a remote base names in turn are known once it is there: ask again.
pub fn wanted(tree: &FileTree, source: &Source) -> Wanted {
    let tree = source.remotes.mounted(tree).fresh();
    let Some(folder) = path::join("", &source.path) else { return Wanted::default() };
    let ToolChoice::Kustomize(options) = source::resolved(&tree, &folder, source) else { return Wanted::default() };
    let remotes = &source.remotes;
    let (mut found, mut seen, mut todo) = (Wanted::default(), BTreeSet::new(), vec![folder]);
    while let Some(folder) = todo.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        if options.build.helm.is_some() {
            let charts = kustomize::wanted_charts(&tree, &folder);
            found.charts.extend(charts.into_iter().filter(|chart| remotes.chart(chart).is_none()));
        }
        for entry in kustomize::entries(&tree, &folder) {
            match RemoteBase::parse(&entry).filter(|_| !is_local(&tree, &folder, &entry)) {
                None => todo.extend(path::join(&folder, &entry)),
                Some(base) => match remotes.folder_of(&base) {
                    Some(folder) => todo.push(folder),
                    None => drop(found.revisions.insert(base.at)),
                },
            }
        }
    }
    found
}

fn is_local(tree: &FileTree, folder: &str, entry: &str) -> bool {
    path::join(folder, entry).is_some_and(|full| tree.entry(&full).is_ok_and(|found| found.is_some()))
}
