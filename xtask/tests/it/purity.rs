//! The core knows no clock, network, disk or environment: neither by what it links nor by what it writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, PackageId};
use regex::Regex;

use super::{metadata, root};

const PURE: &[&str] = &["object", "api", "render", "engine", "lua", "promotion"];
const IMPURE_LIBRARIES: &[&str] = &["tokio", "kube", "gix", "reqwest", "hyper", "rand", "tempfile", "async-std", "mio"];

/// Everything that `name` links, itself left out; build scripts and tests do not count.
fn linked(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let start = metadata.workspace_packages().iter().find(|p| p.name == name).map(|p| p.id.clone()).expect("the crate");
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
    while let Some(id) = todo.pop() {
        for dependency in &nodes[&id].deps {
            let normal = dependency.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
            if normal && seen.insert(names[&dependency.pkg].to_owned()) {
                todo.push(dependency.pkg.clone());
            }
        }
    }
    seen
}

#[test]
fn the_core_links_nothing_that_does_things() {
    let metadata = metadata();
    for name in PURE {
        let linked = linked(&metadata, name);
        let bad: Vec<_> = IMPURE_LIBRARIES.iter().filter(|l| linked.contains(**l)).collect();
        assert!(bad.is_empty(), "{name} links {bad:?}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_core_names_nothing_that_does_things() {
    let ban =
        Regex::new(r"std::(fs|env|net|process|thread)\b|Timestamp::now|SystemTime|Instant::now|Zoned::now").unwrap();
    let mut bad = Vec::new();
    for name in PURE {
        let mut files = Vec::new();
        sources(&root().join("crates").join(name).join("src"), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (index, line) in code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
                if ban.is_match(line) {
                    bad.push(format!("{}:{}: {}", file.display(), index + 1, line.trim()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
