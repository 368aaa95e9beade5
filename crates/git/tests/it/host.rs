//! A Git host on loopback that starts the real `git`, and may spoil what it says.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use git::{Credentials, Repositories, Repository};
use test_support::{Answer, GitRepo, Request, WebServer};

/// The host of `repo`, whose answers go through `spoil` first.
pub(crate) fn start(repo: &GitRepo, spoil: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> WebServer {
    let path = repo.path();
    WebServer::start(move |request| spoil(request, answer(&path, request)))
}

/// What `git http-backend` would say to somebody who reads.
pub(crate) fn answer(repository: &Path, request: &Request) -> Answer {
    if request.path.ends_with("/info/refs?service=git-upload-pack") {
        let told = git(&["upload-pack", "--stateless-rpc", "--advertise-refs"], repository, b"");
        return Answer::ok([b"001e# service=git-upload-pack\n0000".as_slice(), &told].concat());
    }
    if request.path.ends_with("/git-upload-pack") {
        return Answer::ok(git(&["upload-pack", "--stateless-rpc"], repository, &request.body));
    }
    Answer::status(404)
}

/// What `git` prints.
pub(crate) fn git(arguments: &[&str], repository: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.args(arguments).arg(repository).stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove("GIT_PROTOCOL");
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}

pub(crate) fn open(repo: &GitRepo, server: &WebServer) -> Repository {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("{}/shop.git", server.url());
    Repositories::new(repo.beside("copies")).open(&url, &Credentials::default()).unwrap()
}
