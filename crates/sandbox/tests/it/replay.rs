//! The recorded answers of a real API server, asked of the sandbox: as many cases as ever have to be the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::{Ids, ScaledClock};
use sandbox::{AnyImage, Sandbox, SandboxOptions};

/// How many of the cases that wait for no controller were the same when this was last raised.
const REACHED: usize = 372;

/// What cases need that are left out here: they wait, and a test should not.
const LEFT_OUT: &str = "controllers,workloads,namespace-deletion,quota,limits,pod-security,cel,webhooks";

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_answers_stay_the_same() {
    let Some(shared) = shared() else { return };
    let sandbox = Sandbox::start(SandboxOptions {
        clock: Arc::new(ScaledClock::wall()),
        ids: Ids::random(),
        folder: None,
        images: Arc::new(AnyImage),
    })
    .unwrap();
    let address = sandbox.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mut replay = tokio::process::Command::new("python3");
    replay.arg(shared.join("conformance/api.py")).arg("replay").arg("--server").arg(format!("http://{address}"));
    replay.arg("--cases").arg(shared.join("conformance/api")).args(["--without", LEFT_OUT]);
    replay.args(["--patience", "1", "--jobs", "4", "--quiet"]);
    let output = match replay.output().await {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIPPED: the replay needs python3: {error}"),
    };
    sandbox.stop();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let same = text.lines().last().and_then(|line| line.split(' ').next()?.parse::<usize>().ok());
    let same =
        same.unwrap_or_else(|| panic!("the replay counts nothing: {text}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(same >= REACHED, "only {same} cases are the same, {REACHED} were: {text}");
}

/// The folder with the recordings; `None`, loudly, when it is not there.
fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("GANTLINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if shared.join("conformance/api.py").is_file() {
        return Some(shared);
    }
    eprintln!(
        "SKIPPED: no recordings at {}; set GANTLINE_SHARED to the folder that holds conformance/",
        shared.display()
    );
    None
}
