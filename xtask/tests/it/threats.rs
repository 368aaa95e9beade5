//! docs/threats.md names a test for each threat, or says why there is none: the names are those of tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::root;

/// How many threats each group of the list has; `X` are faults.
const THREATS: &[(&str, usize)] =
    &[("G", 17), ("H", 11), ("K", 4), ("A", 12), ("W", 15), ("R", 11), ("S", 5), ("C", 5), ("P", 11), ("X", 40)];
/// What was broken into once, `B1` to `B23`.
const BROKEN: usize = 23;

/// How a row without a test begins: what is not built comes with an issue, what cannot happen with a reason.
const NOT_YET: &str = "Not yet (issue ";
const NOT_HERE: &str = "Not here: ";
/// Letters of the shortest reason.
const REASON: usize = 20;

/// A test as `cargo test` prints it, behind the name of its crate.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["crates", "e2e", "xtask"] {
        sources(&root().join(folder), &mut files);
    }
    files.iter().flat_map(|file| tests_of(file)).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            found.push(entry);
        }
    }
}

/// `crates/git/src/wire/ssh.rs` is `git::wire::ssh`, `crates/git/tests/it/ssh.rs` is `git::ssh`.
fn module(file: &Path) -> Option<Vec<String>> {
    let path = file.strip_prefix(root()).ok()?.with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.retain(|part| part != "crates");
    let inner = parts.iter().position(|part| part == "src" || part == "tests")?;
    parts.drain(inner..=inner + usize::from(parts.get(inner)? == "tests"));
    parts.pop_if(|last| matches!(last.as_str(), "lib" | "main" | "mod"));
    Some(parts)
}

fn tests_of(file: &Path) -> Vec<String> {
    let Some(path) = module(file) else { return Vec::new() };
    let (mut found, mut inner, mut is_test) = (Vec::new(), None, false);
    for line in fs::read_to_string(file).expect("a source file").lines() {
        let rest = line.strip_prefix("pub(crate) ").unwrap_or(line);
        if let Some(name) = rest.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inner = Some(name.to_owned());
        } else if line == "}" {
            inner = None;
        }
        let attribute = line.trim_start();
        is_test |= attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test");
        let code = attribute.strip_prefix("async ").unwrap_or(attribute);
        let function = code.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
        if let Some(name) = function.filter(|_| std::mem::take(&mut is_test)) {
            let parts = path.iter().map(String::as_str).chain(inner.as_deref()).chain([name]);
            found.push(parts.collect::<Vec<_>>().join("::"));
        }
    }
    found
}

/// Rows of tables whose first cell is an id: id, and the last cell.
fn rows(document: &str) -> Vec<(String, String)> {
    let id = Regex::new(r"^[A-Z]\d+$").expect("an expression");
    let cells =
        |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines = document.lines().filter(|line| line.starts_with("| ")).map(cells);
    lines
        .filter(|cells| id.is_match(&cells[0]))
        .map(|cells| (cells[0].clone(), cells.last().cloned().unwrap_or_default()))
        .collect()
}

fn named(text: &str) -> Vec<String> {
    let name = Regex::new(r"`([a-z0-9_-]+(?:::\w+)+)`").expect("an expression");
    name.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Whether the cell says why there is no test.
fn is_reason(cell: &str) -> bool {
    let why = match (cell.strip_prefix(NOT_YET), cell.strip_prefix(NOT_HERE)) {
        (Some(rest), _) => rest.split_once("): ").filter(|(issue, _)| issue.parse::<u32>().is_ok()).map(|(_, why)| why),
        (None, why) => why,
    };
    why.is_some_and(|why| why.len() >= REASON)
}

#[test]
fn each_threat_has_a_test_or_a_reason() {
    let document = fs::read_to_string(root().join("docs/threats.md")).expect("docs/threats.md");
    let mut rows_by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, cell) in rows(&document) {
        rows_by_id.entry(id).or_default().push(cell);
    }
    let all = THREATS.iter().flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")));
    let mut wrong = Vec::new();
    for id in all.chain((1..=BROKEN).map(|number| format!("B{number}"))) {
        match rows_by_id.get(&id).map(Vec::as_slice) {
            Some([cell]) if named(cell).is_empty() && !is_reason(cell) => {
                wrong.push(format!("{id}: neither test nor reason: {cell}"))
            }
            Some([_]) => {}
            Some(several) => wrong.push(format!("{id} has {} rows", several.len())),
            None => wrong.push(format!("{id} has no row")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_test_that_is_named_exists() {
    let document = fs::read_to_string(root().join("docs/threats.md")).expect("docs/threats.md");
    let tests = tests();
    assert!(tests.len() > 800, "the walk finds {} tests", tests.len());
    assert!(tests.contains("xtask::threats::each_test_that_is_named_exists"));
    let missing: Vec<String> = named(&document).into_iter().filter(|name| !tests.contains(name)).collect();
    assert!(missing.is_empty(), "renamed, or gone: {missing:#?}");
}

#[test]
fn a_row_without_a_word_is_noticed() {
    let document =
        "| id | threat | test |\n|---|---|---|\n| G1 | links | `git::local::x`, `a::b_c::d` |\n| G2 | x | |\n";
    let rows = rows(document);
    assert_eq!(rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["G1", "G2"]);
    assert_eq!(named(&rows[0].1), ["git::local::x", "a::b_c::d"]);
    assert!(named(&rows[1].1).is_empty() && !is_reason(&rows[1].1));
    for (cell, expected) in [
        ("Not yet (issue 14): submodules are refused", true),
        ("Not yet (issue x): submodules are refused", false),
        ("Not yet: submodules are refused for now", false),
        ("Not here: too short", false),
        ("Not here: nothing listens on another port than this", true),
        ("being built", false),
    ] {
        assert_eq!(is_reason(cell), expected, "{cell}");
    }
}
