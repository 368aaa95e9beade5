//! Arrows point down only: each crate imports what its ring allows, and nothing else of ours.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::DependencyKind;

use super::metadata;

/// Crate, and what of ours it may import outside of its tests.
const RINGS: &[(&str, &[&str])] = &[
    ("object", &[]),
    ("clock", &[]),
    ("failpoint", &[]),
    ("api", &["object"]),
    ("gotemplate", &["object"]),
    ("render", &["object", "api", "gotemplate"]),
    ("engine", &["object", "api"]),
    ("lua", &["object", "api"]),
    ("promotion", &["object", "api", "render"]),
    ("git", &["object", "failpoint", "gotemplate"]),
    ("cluster", &["object", "clock"]),
    ("sandbox", &["object", "clock", "failpoint"]),
    ("control", &["object", "api", "clock", "failpoint", "render", "engine", "lua", "promotion", "git", "cluster"]),
    ("server", &["object", "api", "clock", "failpoint", "engine", "promotion", "cluster", "control"]),
    (
        "cli",
        &[
            "object",
            "api",
            "clock",
            "failpoint",
            "gotemplate",
            "render",
            "engine",
            "promotion",
            "git",
            "cluster",
            "sandbox",
            "control",
            "server",
        ],
    ),
    ("test-support", &["object", "api", "clock", "git", "sandbox"]),
    ("xtask", &["object"]),
    ("e2e", &["test-support"]),
];

#[test]
fn each_crate_imports_only_what_its_ring_allows() {
    let rings: BTreeMap<&str, BTreeSet<&str>> =
        RINGS.iter().map(|(name, allowed)| (*name, allowed.iter().copied().collect())).collect();
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = rings.get(package.name.as_str()) else {
            wrong.push(format!("{}: a new crate: give it a ring here and a reason in ARCHITECTURE.md", package.name));
            continue;
        };
        let ours = package.dependencies.iter().filter(|d| rings.contains_key(d.name.as_str()));
        for dependency in ours.filter(|d| d.kind == DependencyKind::Normal) {
            if !allowed.contains(dependency.name.as_str()) {
                wrong.push(format!("{} imports {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_one_crate_knows_each_heavy_library() {
    // test-support mounts the sandbox as a kube client; everything else reaches a cluster through `cluster`
    let homes: &[(&str, &[&str])] = &[
        ("kube", &["cluster", "test-support"]),
        ("k8s-openapi", &["cluster"]),
        ("gix", &["git"]),
        ("russh", &["git"]),
        ("clap", &["cli", "xtask"]),
        ("mlua", &["lua"]),
    ];
    for package in metadata().workspace_packages() {
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            if let Some((library, allowed)) = homes.iter().find(|(library, _)| *library == dependency.name) {
                assert!(allowed.contains(&package.name.as_str()), "{} imports {library}", package.name);
            }
        }
    }
}
