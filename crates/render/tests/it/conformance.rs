//! The open corpus of recorded `kustomize build` runs, in process.

use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use render::kustomize::{self, BuildOptions, LoadRestrictor, Reorder};

use crate::folder::Folder;

/// Cases that must pass; raise it with every step forward.
const REACHED: usize = 978;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("GANTLINE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let corpus = shared.join("conformance/kustomize");
    corpus.is_dir().then_some(corpus)
}

fn options(case: &Path) -> BuildOptions {
    let text = fs::read_to_string(case.join("options.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let flags: Vec<&str> = value["flags"].as_array().unwrap().iter().filter_map(|f| f.as_str()).collect();
    let has = |flag: &str| flags.contains(&flag);
    BuildOptions {
        reorder: if has("none") { Reorder::None } else { Reorder::Legacy },
        load_restrictor: if has("LoadRestrictionsNone") { LoadRestrictor::None } else { LoadRestrictor::RootOnly },
        enable_managedby_label: has("--enable-managedby-label"),
        ..BuildOptions::default()
    }
}

/// Why a case fails; nothing when it passes.
fn failure(case: &Path) -> Option<String> {
    let folder = fs::read_to_string(case.join("build.txt")).unwrap();
    let folder = object::path::join("", folder.trim()).unwrap();
    let tree = Folder::tree(case.join("input"));
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| kustomize::build(&tree, &folder, &options(case))));
    let Ok(result) = result else { return Some("it panicked".to_owned()) };
    let expected = fs::read_to_string(case.join("expected.yaml"));
    match (result, expected) {
        (Err(_), Err(_)) => None,
        (Ok(_), Err(_)) => {
            let wanted = fs::read_to_string(case.join("expected_error.txt")).unwrap_or_default();
            Some(format!("no error, but kustomize says {}", wanted.trim()))
        }
        (Err(error), Ok(_)) => Some(format!("error: {error}")),
        (Ok(build), Ok(expected)) => first_difference(&build.text(), &of_this_version(&expected)),
    }
}

/// The recording program calls its version `(devel)`.
fn of_this_version(expected: &str) -> String {
    expected.replace("managed-by: kustomize-(devel)", "managed-by: kustomize-v5.8.1")
}

fn first_difference(got: &str, expected: &str) -> Option<String> {
    if got == expected {
        return None;
    }
    let (mut got_lines, mut expected_lines) = (got.lines(), expected.lines());
    for line in 1.. {
        match (got_lines.next(), expected_lines.next()) {
            (None, None) => break,
            (a, b) if a != b => {
                return Some(format!("line {line}: got {:?}, expected {:?}", a.unwrap_or("end"), b.unwrap_or("end")));
            }
            _ => {}
        }
    }
    Some("the ends differ".to_owned())
}

#[test]
fn builds_match_the_recorded_ones() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: ../shared/conformance/kustomize is absent");
        return;
    };
    let mut cases: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|c| c.is_dir());
    cases.sort();
    let failures: Mutex<Vec<(String, String)>> = Mutex::default();
    thread::scope(|scope| {
        for half in cases.chunks(cases.len().div_ceil(2)) {
            let failures = &failures;
            scope.spawn(move || {
                for case in half {
                    if let Some(reason) = failure(case) {
                        let name = case.file_name().unwrap().to_string_lossy().into_owned();
                        failures.lock().unwrap().push((name, reason));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let mut by_tag: BTreeMap<String, usize> = BTreeMap::new();
    for (name, reason) in &failures {
        println!("FAILED {name}: {reason}");
        let path = cases.iter().find(|c| c.ends_with(name)).unwrap().join("tags.txt");
        for tag in fs::read_to_string(path).unwrap_or_default().split([',', '\n']).filter(|t| !t.is_empty()) {
            *by_tag.entry(tag.to_owned()).or_default() += 1;
        }
    }
    println!("failures by tag: {by_tag:?}");
    let passed = cases.len() - failures.len();
    println!("{passed} of {} cases pass", cases.len());
    assert!(passed >= REACHED, "{passed} of {} cases pass, {REACHED} did before", cases.len());
}
