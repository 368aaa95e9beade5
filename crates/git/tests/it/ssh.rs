//! Over ssh, against a server in this process that starts the real `git`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use git::{Credentials, GitError, PushError, Repositories, Repository, Secret, Write};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use test_support::GitRepo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

const HOST: u8 = 1;
const FRIEND: u8 = 2;

/// Lets the friend in and runs Git on the one repository it has.
#[derive(Clone)]
struct Server {
    repository: PathBuf,
    channel: Arc<Mutex<Option<Channel<Msg>>>>,
    /// Takes requests and does not answer them.
    silent: Arc<AtomicBool>,
    /// So many bytes are answered, then the connection ends.
    most: Arc<AtomicU64>,
}

impl Server {
    async fn start(repository: PathBuf) -> u16 {
        Self::start_with(repository, &Arc::default()).await
    }

    async fn start_with(repository: PathBuf, silent: &Arc<AtomicBool>) -> u16 {
        Self::start_cutting(repository, silent, &Arc::new(AtomicU64::new(u64::MAX))).await
    }

    async fn start_cutting(repository: PathBuf, silent: &Arc<AtomicBool>, most: &Arc<AtomicU64>) -> u16 {
        let (silent, most) = (Arc::clone(silent), Arc::clone(most));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::new(server::Config { keys: vec![key(HOST)], ..server::Config::default() });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Self {
                    repository: repository.clone(),
                    channel: Arc::default(),
                    silent: Arc::clone(&silent),
                    most: Arc::clone(&most),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, server).await {
                        let _ = session.await;
                    }
                });
            }
        });
        port
    }
}

impl server::Handler for Server {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, shown: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let shown: &PublicKey = shown.public_key;
        let friend = user == "git" && shown.key_data() == key(FRIEND).public_key().key_data();
        Ok(if friend { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        *self.channel.lock().unwrap() = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        if self.silent.load(Ordering::SeqCst) {
            return Ok(());
        }
        let command = String::from_utf8_lossy(command).into_owned();
        let (service, path) = command.split_once(' ').unwrap();
        let service = service.trim_start_matches("git-").to_owned();
        let (handle, repository) = (session.handle(), self.repository.clone());
        let channel = self.channel.lock().unwrap().take().unwrap();
        let most = self.most.load(Ordering::SeqCst);
        if path != "'/it''s/shop.git'".replace("''", "'\\''") {
            tokio::spawn(async move {
                let _ = handle.extended_data(id, 1, &b"ERROR: Repository not found.\n"[..]).await;
                let _ = handle.exit_status_request(id, 128).await;
                let _ = handle.close(id).await;
            });
            return Ok(());
        }
        tokio::spawn(async move {
            let mut git = Command::new("git");
            git.arg(service).arg(repository).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut git = git.kill_on_drop(true).spawn().unwrap();
            let (mut input, output) = (git.stdin.take().unwrap(), git.stdout.take().unwrap());
            let mut output = output.take(most);
            let (mut from, mut to) = tokio::io::split(channel.into_stream());
            let feed = tokio::spawn(async move { tokio::io::copy(&mut from, &mut input).await });
            let _ = tokio::io::copy(&mut output, &mut to).await;
            feed.abort();
            drop(output);
            let status = git.wait().await.unwrap().code().unwrap_or(1).unsigned_abs();
            let _ = handle.exit_status_request(id, status).await;
            let _ = handle.eof(id).await;
            let _ = handle.close(id).await;
        });
        Ok(())
    }
}

fn known(port: u16, seed: u8) -> String {
    format!("[127.0.0.1]:{port} {}", key(seed).public_key().to_openssh().unwrap())
}

fn open(repo: &GitRepo, cache: &str, address: &str, with: u8, known_hosts: String) -> Repository {
    let private = key(with).to_openssh(LineEnding::LF).unwrap();
    let credentials =
        Credentials { ssh_private_key: Secret::new(private.as_str()), known_hosts, ..Credentials::default() };
    Repositories::new(repo.beside(cache)).open(address, &credentials).unwrap()
}

#[tokio::test]
async fn fetches_and_pushes_over_ssh() {
    let repo = GitRepo::with_files(&[("app/a.yaml", "a: 1\n")]);
    let port = Server::start(repo.path()).await;
    let address = format!("ssh://git@127.0.0.1:{port}/it's/shop.git");
    let remote = open(&repo, "copy", &address, FRIEND, known(port, HOST));
    let head = remote.resolve("main").await.unwrap();
    assert_eq!(&*remote.tree(head).await.unwrap().read("app/a.yaml").unwrap().unwrap(), b"a: 1\n");

    let author = GitRepo::author("ci");
    let write = |base| Write {
        branch: "main".into(),
        base,
        merge: None,
        tag: None,
        sign: None,
        edits: vec![("app/a.yaml".into(), Some(b"a: 2\n".to_vec()))],
        message: "Change a".into(),
        author: author.clone(),
        committer: author.clone(),
    };
    let pushed = remote.commit_and_push(write(head)).await.unwrap();
    assert_eq!(repo.text("app/a.yaml").await, "a: 2\n");

    // somebody else was faster
    let theirs = repo.commit("other", &[("app/b.yaml", Some("b: 1\n"))], "Add b").await;
    let error = remote.commit_and_push(write(pushed)).await.unwrap_err();
    assert!(matches!(error, PushError::Stale { .. }), "{error}");
    remote.refresh().await.unwrap();
    assert_eq!(remote.resolve("main").await.unwrap(), theirs);
    assert_eq!(&*remote.tree(theirs).await.unwrap().read("app/b.yaml").unwrap().unwrap(), b"b: 1\n");
}

#[tokio::test]
async fn who_reads_waits_for_no_host_that_hangs() {
    let repo = GitRepo::with_files(&[("app/a.yaml", "a: 1\n")]);
    let silent = Arc::default();
    let port = Server::start_with(repo.path(), &silent).await;
    let remote = open(&repo, "copy", &format!("ssh://git@127.0.0.1:{port}/it's/shop.git"), FRIEND, known(port, HOST));
    let head = remote.resolve("main").await.unwrap();
    silent.store(true, Ordering::SeqCst);
    let mut hanging = tokio::spawn({
        let remote = remote.clone();
        async move { remote.refresh().await.map(drop) }
    });
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut hanging).await.is_err(), "it does not hang");
    let read = tokio::time::timeout(Duration::from_secs(5), remote.resolve("main")).await;
    assert_eq!(read.expect("it waits for the fetch").unwrap(), head);
    hanging.abort();
}

#[tokio::test]
async fn a_set_of_references_that_was_cut_is_an_error() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let most = Arc::new(AtomicU64::new(u64::MAX));
    let port = Server::start_cutting(repo.path(), &Arc::default(), &most).await;
    let address = format!("ssh://git@127.0.0.1:{port}/it's/shop.git");
    let remote = open(&repo, "copy", &address, FRIEND, known(port, HOST));
    let first = remote.resolve("main").await.unwrap();
    repo.point("refs/tags/v1.0.0", first);
    repo.commit("dev", &[("a", Some("2"))], "later").await;
    for cut in [0, 3, 4, 60, 200, 300] {
        most.store(cut, Ordering::SeqCst);
        let error = remote.refresh().await.unwrap_err();
        assert!(matches!(error, GitError::Incomplete { .. } | GitError::NotFound { .. }), "{cut}: {error}");
        assert_eq!(remote.resolve("main").await.unwrap(), first, "{cut}");
    }
    most.store(u64::MAX, Ordering::SeqCst);
    remote.refresh().await.unwrap();
    assert_ne!(remote.resolve("main").await.unwrap(), first);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let port = Server::start(repo.path()).await;
    let address = format!("ssh://git@127.0.0.1:{port}/it's/shop.git");
    let missing = format!("ssh://git@127.0.0.1:{port}/other.git");
    let cases: [(&str, &str, u8, String, &[&str]); 4] = [
        ("host", &address, FRIEND, String::new(), &["is not known", "argocd-ssh-known-hosts-cm", &known(port, HOST)]),
        ("changed", &address, FRIEND, known(port, 9), &["not the one that is known (line 1"]),
        ("stranger", &address, 8, known(port, HOST), &["refuses the credentials", "SHA256:"]),
        ("missing", &missing, FRIEND, known(port, HOST), &["ERROR: Repository not found."]),
    ];
    for (cache, address, with, known_hosts, expected) in cases {
        let error = open(&repo, cache, address, with, known_hosts).refresh().await.unwrap_err();
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{cache}: {text}");
    }
    let broken = Credentials { ssh_private_key: Secret::new("no key"), ..Credentials::default() };
    let error = Repositories::new(repo.beside("broken")).open(&address, &broken).unwrap_err();
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error}");
}
