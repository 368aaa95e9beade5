//! The open corpus of recorded `helm template` runs, in process.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use crate::helm_flags::Command;

/// Cases that must pass; raise it with every step forward.
const REACHED: usize = 614;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("GANTLINE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let corpus = shared.join("conformance/helm");
    corpus.is_dir().then_some(corpus)
}

/// One recorded command.
struct Case {
    folder: PathBuf,
    id: String,
    arguments: Vec<String>,
}

fn texts(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned()))
}

fn cases(folder: &Path) -> Vec<Case> {
    let Ok(text) = fs::read_to_string(folder.join("case.json")) else { return Vec::new() };
    let file: Value = serde_json::from_str(&text).unwrap();
    let case = |case: &Value| {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let mut arguments = vec![text("release"), case["chart"].as_str().unwrap_or("chart").to_owned()];
        arguments.retain(|name| !name.is_empty());
        arguments.extend(["-n".to_owned(), text("namespace"), "--kube-version".to_owned(), text("kube_version")]);
        arguments.extend(texts(&case["api_versions"]).flat_map(|v| ["--api-versions".to_owned(), v]));
        arguments.extend(case["include_crds"].as_bool().unwrap_or_default().then(|| "--include-crds".to_owned()));
        arguments.extend(texts(&case["values"]).flat_map(|v| ["-f".to_owned(), v]));
        arguments.extend(texts(&case["args"]));
        Case { folder: folder.to_owned(), id: text("id"), arguments }
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

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
