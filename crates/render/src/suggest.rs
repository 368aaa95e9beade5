//! "Did you mean …": the nearest existing paths.

use std::collections::{BTreeSet, VecDeque};

use object::{EntryKind, FileTree, distance, path};

use crate::remote;

/// Folders looked at in search of a near name: enough for any real repository, bounded for the rest.
const FOLDERS_MAX: usize = 500;

/// Up to three existing paths (relative to `base`) that end like `wanted` or are spelled nearly so. What is looked at
/// here is not recorded: a hint does not decide a result.
fn near_paths(tree: &FileTree, base: &str, wanted: &str, folders_only: bool) -> Vec<String> {
    let tree = tree.fresh();
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for above in ancestors(base) {
        let mut queue = VecDeque::from([above.to_owned()]);
        while let Some(folder) = queue.pop_front() {
            if seen.len() > FOLDERS_MAX || !seen.insert(folder.clone()) {
                continue;
            }
            for entry in tree.list(&folder).ok().flatten().unwrap_or_default() {
                let full = path::child(&folder, &entry.name);
                let is_folder = entry.kind == EntryKind::Folder;
                if is_folder || (!folders_only && entry.kind == EntryKind::File) {
                    found.push(full.clone());
                }
                if is_folder && !entry.name.starts_with('.') {
                    queue.push_back(full);
                }
            }
        }
    }
    let mut ranked: Vec<(usize, String)> = found.into_iter().filter_map(|p| Some((rank(&p, wanted)?, p))).collect();
    ranked.sort();
    ranked.into_iter().take(3).map(|(_, p)| path::relative(base, &p)).collect()
}

/// How far above `base` the search begins: outside of a repository, all of the machine is above.
const LEVELS_UP: usize = 4;

/// `base` and the folders above it, the nearest first.
fn ancestors(base: &str) -> Vec<&str> {
    let root = remote::repository_of(base).unwrap_or_default();
    let mut all = vec![base];
    while let Some(last) = all.last().filter(|last| **last != root && all.len() <= LEVELS_UP) {
        all.push(path::parent(last));
    }
    all
}

/// Lower is nearer; none when the paths have nothing to do with each other.
fn rank(candidate: &str, wanted: &str) -> Option<usize> {
    let same_end = candidate.rsplit('/').zip(wanted.rsplit('/')).take_while(|(a, b)| a == b).count();
    let far = distance(candidate, wanted);
    let near_name = distance(path::file_name(candidate), path::file_name(wanted)) <= 2;
    (same_end > 0 || near_name || far <= wanted.len() / 3).then(|| far + 100 - same_end.min(10) * 10)
}

fn hint(paths: &[String], otherwise: &str) -> String {
    match paths {
        [] => otherwise.to_owned(),
        [one] => format!("did you mean {one}?"),
        [first, rest @ ..] => format!("did you mean {first}? (or {})", rest.join(", ")),
    }
}

/// A hint that names the nearest existing folders, as seen from `base`.
pub(crate) fn folders_hint(tree: &FileTree, base: &str, wanted: &str) -> String {
    hint(&near_paths(tree, base, wanted, true), "no folder of a similar name exists")
}

/// A hint that names the nearest existing files and folders, as seen from `base`.
pub(crate) fn paths_hint(tree: &FileTree, base: &str, wanted: &str) -> String {
    hint(&near_paths(tree, base, wanted, false), "nothing of a similar name exists")
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn folders_that_are_near() {
        let tree = MemoryTree::default().file("applications/base/myapp/deployment.yaml", "").tree();
        let base = "environments/dev/myapp";
        let hint = folders_hint(&tree, base, "base/myapp");
        assert!(hint.starts_with("did you mean ../../../applications/base/myapp?"), "{hint}");
    }
}
