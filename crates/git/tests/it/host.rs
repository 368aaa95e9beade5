//! A Git host on loopback that starts the real `git`, and may spoil what it says.

use git::{Credentials, Repositories, Repository};
use test_support::{Answer, GitRepo, Request, WebServer, git_answer};

/// The host of `repo`, whose answers go through `spoil` first.
pub(crate) fn start(repo: &GitRepo, spoil: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> WebServer {
    let path = repo.path();
    WebServer::start(move |request| spoil(request, git_answer(&path, request)))
}

pub(crate) fn open(repo: &GitRepo, server: &WebServer) -> Repository {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("{}/shop.git", server.url());
    Repositories::new(repo.beside("copies")).open(&url, &Credentials::default()).unwrap()
}
