//! What differs between two trees, by path.

use std::collections::BTreeMap;

use crate::files::{Entry, EntryKind, FileTree, TreeError, TreeReader};
use crate::path;

/// Every path with another entry in `new`, or with one in only one of them: files, links, and folders up to the root. A
/// [`ReadSet`](crate::ReadSet) that holds in `old` holds in `new` exactly when it has none of these paths. Nothing is
/// recorded, and folders that are the same are not looked into.
///
/// # Errors
/// When the storage fails, or more paths differ than anybody can use.
pub fn differences(old: &FileTree, new: &FileTree) -> Result<Vec<String>, TreeError> {
    let (old, new) = (old.reader().as_ref(), new.reader().as_ref());
    let mut todo = vec![(String::new(), old.entry("")?, new.entry("")?)];
    let mut found = Vec::new();
    while let Some((path, was, is)) = todo.pop() {
        if was.as_ref().map(|entry| &entry.id) == is.as_ref().map(|entry| &entry.id) {
            continue;
        }
        let mut pairs: BTreeMap<String, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for entry in entries(old, &path, was.as_ref())? {
            let (was, _) = pairs.entry(entry.name.clone()).or_default();
            *was = Some(entry);
        }
        for entry in entries(new, &path, is.as_ref())? {
            let (_, is) = pairs.entry(entry.name.clone()).or_default();
            *is = Some(entry);
        }
        if todo.len() + pairs.len() > DIFFERENCES_MAX {
            return Err(TreeError::TooMany { path, limit: DIFFERENCES_MAX });
        }
        todo.extend(pairs.into_iter().map(|(name, (was, is))| (path::child(&path, &name), was, is)));
        if found.len() >= DIFFERENCES_MAX {
            return Err(TreeError::TooMany { path, limit: DIFFERENCES_MAX });
        }
        found.push(path);
    }
    Ok(found)
}

/// Folders that are the same object in many places make more paths than any machine can list.
const DIFFERENCES_MAX: usize = 200_000;

fn entries(tree: &dyn TreeReader, path: &str, entry: Option<&Entry>) -> Result<Vec<Entry>, TreeError> {
    match entry {
        Some(entry) if entry.kind == EntryKind::Folder => Ok(tree.list(path)?.unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTree;

    fn tree(files: &[(&str, &str)]) -> FileTree {
        files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text)).tree()
    }

    #[test]
    fn folders_above_a_change_differ_and_those_beside_it_do_not() {
        let old = [("a/b/x", "1"), ("a/c/y", "1"), ("z", "1")];
        for (new, expected) in [
            (&old[..], &[][..]),
            (&[("a/b/x", "2"), ("a/c/y", "1"), ("z", "1")], &["", "a", "a/b", "a/b/x"]),
            (&[("a/c/y", "1"), ("z", "1")], &["", "a", "a/b", "a/b/x"]),
            (&[("a/b/x", "1"), ("a/c/y", "1"), ("z/w", "1")], &["", "z", "z/w"]),
        ] {
            let mut found = differences(&tree(&old), &tree(new)).unwrap();
            found.sort();
            assert_eq!(found, expected, "{new:?}");
        }
    }

    /// Random trees, edits and reads: a record holds exactly when no path of it differs.
    #[test]
    fn a_record_holds_exactly_when_none_of_its_paths_differs() {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut held, mut broken) = (0, 0);
        for _ in 0..3000 {
            let names = ["a", "b", "a/a", "a/b", "b/a", "b/a/a", "b/a/b", "c/a/a/a"];
            let mut files: BTreeMap<&str, String> = BTreeMap::new();
            for _ in 0..random(8) {
                let name = names[random(8) as usize];
                let clashes = |(other, _): (&&str, &String)| {
                    other.starts_with(&format!("{name}/")) || name.starts_with(&format!("{other}/"))
                };
                if !files.iter().any(clashes) {
                    files.insert(name, random(2).to_string());
                }
            }
            let mut edited = files.clone();
            for _ in 0..=random(2) {
                let name = names[random(8) as usize];
                match random(3) {
                    0 => drop(edited.remove(name)),
                    text if files.contains_key(name) => drop(edited.insert(name, text.to_string())),
                    _ => {}
                }
            }
            let as_tree = |files: &BTreeMap<&str, String>| {
                tree(&files.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>())
            };
            let (old, new) = (as_tree(&files), as_tree(&edited));
            for _ in 0..1 + random(3) {
                let path = ["", "a", "b", "a/a", "b/a", "b/a/b", "c", "c/a/a/a", "none"][random(9) as usize];
                let _ = if random(2) == 0 { old.read(path).map(drop) } else { old.list(path).map(drop) };
            }
            let differing = differences(&old, &new).unwrap();
            let reads = old.reads();
            let touched = reads.paths().any(|path| differing.iter().any(|other| other == path));
            assert_eq!(reads.holds_in(&new), !touched, "{files:?} -> {edited:?}: {reads:?}");
            *if touched { &mut broken } else { &mut held } += 1;
        }
        assert!(held > 300 && broken > 300, "{held} held, {broken} did not");
    }
}
