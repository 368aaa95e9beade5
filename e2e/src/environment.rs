//! What this machine has, and what a test says when something is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says that a test did not look, so that a green run is not taken for more than it is.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[expect(clippy::disallowed_methods, reason = "tests have no other place to be told from")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The built program: `$GANTLINE_BIN`, else the workspace's debug build.
pub fn binary() -> Option<PathBuf> {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/gantline");
    let path = variable("GANTLINE_BIN").map_or_else(built, PathBuf::from);
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    skipped(&format!("{} is not built: cargo build --bin gantline", path.display()));
    None
}

/// The kubeconfig of the real cluster that the suite shall run on, from `$E2E_KUBECONFIG`.
pub fn real_cluster() -> Option<PathBuf> {
    variable("E2E_KUBECONFIG").map(PathBuf::from)
}

/// The kubeconfig of another one, from `$E2E_KUBECONFIG_2`, that the first one's control plane deploys to.
pub fn second_cluster() -> Option<PathBuf> {
    let path = variable("E2E_KUBECONFIG_2").map(PathBuf::from);
    if path.is_none() {
        skipped("E2E_KUBECONFIG_2 does not name the kubeconfig of a second API server: make test-cluster starts one");
    }
    path
}

/// How often the tests of faults play their rounds, from `$FAULT_ROUNDS`: 1, where nothing is said.
pub fn rounds() -> u64 {
    variable("FAULT_ROUNDS").and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Whether a program is installed.
pub fn has(program: &str) -> bool {
    let arguments: &[&str] = if program == "kubectl" { &["version", "--client"] } else { &["--version"] };
    let there = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !there {
        skipped(&format!("{program} is not installed"));
    }
    there
}
