//! Go's `filepath.Glob` over a tree of files.

use object::{FileTree, path};

use super::super::error::{KustomizeError, Result};
use object::go_match;

/// The entries of `tree` that a pattern, as seen from `folder`, stands for. Hidden ones only where the pattern names
/// them (a leading dot). A pattern without wildcards stands for itself if it is there.
///
/// # Errors
/// When the pattern is malformed or leaves the repository: the error is about `file`.
pub(crate) fn glob(tree: &FileTree, folder: &str, file: &str, pattern: &str) -> Result<Vec<String>> {
    let mut found = entries(tree, folder, file, pattern)?;
    if !path::file_name(pattern).starts_with('.') {
        found.retain(|entry| !path::file_name(entry).starts_with('.'));
    }
    Ok(found)
}

fn entries(tree: &FileTree, folder: &str, file: &str, pattern: &str) -> Result<Vec<String>> {
    let at = |entry: &str| {
        path::join(folder, entry).filter(|_| !entry.starts_with('/')).ok_or_else(|| {
            KustomizeError::new(file, format!("{entry} leaves the repository"))
                .hint("only files of this repository can be used, by paths relative to the folder")
        })
    };
    let failed = |e| KustomizeError::tree(file, &e);
    if !pattern.contains(['*', '?', '[', '\\']) {
        let there = !pattern.is_empty() && tree.entry(&at(pattern)?).map_err(failed)?.is_some();
        return Ok(if there { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let (above, last) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    let malformed = || KustomizeError::new(file, format!("the pattern {pattern:?} is malformed"));
    go_match::check(last).map_err(|_| malformed().hint("close [, and write \\ before a character"))?;
    let fits = |name: &str| go_match::matches(last, name).unwrap_or(false);
    let mut found = Vec::new();
    for above in entries(tree, folder, file, above)? {
        let listed = tree.list(&at(&above)?).map_err(failed)?.unwrap_or_default();
        let fitting = listed.iter().filter(|entry| fits(&entry.name));
        found.extend(fitting.map(|entry| cleaned(&format!("{above}/{}", entry.name))));
    }
    Ok(found)
}

/// Go's `path.Clean` of a relative path: without `.`, `//` and the `..` that can be resolved.
pub(crate) fn cleaned(relative: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in relative.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn globs_find_entries_as_seen_from_the_folder() {
        let tree = MemoryTree::default();
        let tree = ["a/x.yaml", "a/.h.yaml", "a/b/y.yaml", "c/z.yaml"].iter().fold(tree, |t, f| t.file(f, "")).tree();
        let check = |pattern: &str, expected: &[&str]| {
            assert_eq!(glob(&tree, "a", "a/kustomization.yaml", pattern).unwrap(), expected, "{pattern}");
        };
        check("*.yaml", &["x.yaml"]);
        check("./*.yaml", &["x.yaml"]);
        check(".*", &[".h.yaml"]);
        check("./x.yaml", &["./x.yaml"]);
        check("../*", &["../a", "../c"]);
        check("*/*.yaml", &["b/y.yaml"]);
        check("../[c]/z.yaml", &["../c/z.yaml"]);
        check("none", &[]);
        assert!(
            glob(&tree, "a", "a/kustomization.yaml", "../../x")
                .unwrap_err()
                .to_string()
                .contains("leaves the repository")
        );
        assert!(glob(&tree, "a", "a/kustomization.yaml", "[").unwrap_err().to_string().contains("malformed"));
    }
}
