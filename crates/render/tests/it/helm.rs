//! The open corpus of recorded `helm template` runs, in process.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use crate::helm_cases::{Case, cases, corpus};
use crate::helm_flags::Command;

/// Cases that must pass; raise it with every step forward.
const REACHED: usize = 614;

/// Why a case fails; nothing when it passes.
fn failure(case: &Case) -> Option<String> {
    // it would write outside of a test's own folders
    if case.arguments.iter().any(|a| a == "--output-dir") {
        return None;
    }
    let run = || Command::parse(case.arguments.iter().cloned(), &case.folder)?.run();
    let Ok(result) = std::panic::catch_unwind(AssertUnwindSafe(run)) else { return Some("it panicked".to_owned()) };
    let expected = fs::read_to_string(case.folder.join(format!("expected/{}.yaml", case.id)));
    match (result, expected) {
        (Err(_), Err(_)) => None,
        (Ok(_), Err(_)) => Some("no error, but helm fails".to_owned()),
        (Err(error), Ok(_)) => Some(format!("error: {error}")),
        (Ok((text, _)), Ok(expected)) if text == expected => None,
        (Ok((text, _)), Ok(expected)) => Some(first_difference(&text, &expected)),
    }
}

fn first_difference(got: &str, expected: &str) -> String {
    let same = got.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("the end").to_owned();
    format!("line {}: got {:?}, expected {:?}", same + 1, line(got), line(expected))
}

#[test]
fn renders_match_the_recorded_ones() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: ../shared/conformance/helm is absent");
        return;
    };
    let mut folders: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let cases: Vec<Case> = folders.iter().flat_map(|folder| cases(folder)).collect();
    let failures: Mutex<Vec<(String, String)>> = Mutex::default();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(threads)) {
            let failures = &failures;
            scope.spawn(move || {
                let failed = part.iter().filter_map(|case| Some((case.id.clone(), failure(case)?)));
                failed.for_each(|failed| failures.lock().unwrap().push(failed));
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    for (name, reason) in &failures {
        println!("FAILED {name}: {reason}");
    }
    let passed = cases.len() - failures.len();
    println!("{passed} of {} cases pass", cases.len());
    assert!(passed >= REACHED, "{passed} of {} cases pass, {REACHED} did before", cases.len());
}
