//! What a Git host says over HTTP: the real `git` behind a [`crate::WebServer`].

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Answer, Request};

/// What `git http-backend` would say about a bare repository to somebody who may read and write it.
///
/// # Panics
/// When `git` cannot be started.
pub fn git_answer(repository: &Path, request: &Request) -> Answer {
    for (service, name) in [("git-upload-pack", "upload-pack"), ("git-receive-pack", "receive-pack")] {
        if request.path.ends_with(&format!("/info/refs?service={service}")) {
            let told = git(&[name, "--stateless-rpc", "--advertise-refs"], repository, b"");
            let title = format!("# service={service}\n");
            let first = format!("{:04x}{title}0000", title.len() + 4);
            return Answer::ok([first.as_bytes(), &told].concat());
        }
        if request.path.ends_with(&format!("/{service}")) {
            return Answer::ok(git(&[name, "--stateless-rpc"], repository, &request.body));
        }
    }
    Answer::status(404)
}

/// What `git` prints.
///
/// # Panics
/// When it cannot be started.
#[expect(clippy::expect_used, reason = "a test cannot go on without git")]
pub fn git(arguments: &[&str], repository: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.args(arguments).arg(repository).stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove("GIT_PROTOCOL");
    let mut child = command.spawn().expect("git");
    // it may end before it has read all
    let _ = child.stdin.take().expect("its input").write_all(input);
    child.wait_with_output().expect("its output").stdout
}
