//! The recorded tables of Argo CD 3.5.1 against the types that people write.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why"
)]

mod fuzz;
mod rbac;

use std::path::PathBuf;

use serde_json::Value;

/// Runs a table and demands that at least `reached` cases agree, printing those that do not.
fn check(name: &str, reached: usize, agrees: impl Fn(&Value) -> Result<(), String>) {
    let shared = std::env::var_os("GANTLINE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let file = shared.join("conformance").join(name).join("cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: no table at {}; set GANTLINE_SHARED to the folder that holds conformance/", file.display());
        return;
    };
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failures: Vec<String> =
        cases.iter().filter_map(|case| agrees(case).err().map(|why| format!("{}: {why}", case["id"]))).collect();
    let passed = cases.len() - failures.len();
    println!("{name}: {passed} of {}", cases.len());
    failures.iter().for_each(|failure| println!("  {failure}"));
    assert!(passed >= reached, "{name}: {passed} of {} cases agree, at least {reached} must", cases.len());
}

fn equal(found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found}, expected {expected}")) }
}
