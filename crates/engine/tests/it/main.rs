//! The recorded tables of Argo CD 3.5.1 against the engine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why"
)]

mod health;
mod hooks;

use std::path::PathBuf;

use serde_json::Value;

/// The folder of a corpus; `None`, loudly, when the shared tables are not there.
fn corpus(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("GANTLINE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("conformance").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no corpus at {}; set GANTLINE_SHARED to the folder that holds conformance/", folder.display());
    None
}

/// One case of a table.
struct Case {
    id: String,
    input: Value,
    /// `None`: it has to fail.
    output: Option<Value>,
}

fn cases(name: &str) -> Option<Vec<Case>> {
    let text = std::fs::read_to_string(corpus(name)?.join("cases.jsonl")).expect("the table can be read");
    let case = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("a case is JSON");
        Case {
            id: value["id"].as_str().expect("an id").to_owned(),
            input: value["input"].take(),
            output: value.get("output").cloned(),
        }
    };
    Some(text.lines().map(case).collect())
}

/// Runs a table and demands that at least `reached` cases agree, printing those that do not.
fn check(name: &str, reached: usize, agrees: impl Fn(&Case) -> Result<(), String>) {
    let Some(cases) = cases(name) else { return };
    let failures: Vec<String> =
        cases.iter().filter_map(|case| agrees(case).err().map(|why| format!("{}: {why}", case.id))).collect();
    let passed = cases.len() - failures.len();
    println!("{name}: {passed} of {}", cases.len());
    failures.iter().for_each(|failure| println!("  {failure}"));
    assert!(passed >= reached, "{name}: {passed} of {} cases agree, at least {reached} must", cases.len());
}

fn equal(found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("\n    found    {found}\n    expected {expected}")) }
}
