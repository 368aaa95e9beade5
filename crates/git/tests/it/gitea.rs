//! Against a real Git host over HTTP: a token, a wrong token, a protected branch, a lost race.

use std::path::{Path, PathBuf};
use std::process::Command;

use git::{Credentials, GitError, PushError, Repositories, Repository, Secret, Write};
use serde_json::json;
use test_support::{GitRepo, shared};

struct Gitea {
    scripts: PathBuf,
    folder: tempfile::TempDir,
    url: String,
    token: String,
    user: String,
}

impl Drop for Gitea {
    fn drop(&mut self) {
        let _ = Command::new(self.scripts.join("stop")).arg("--dir").arg(self.folder.path()).status();
    }
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("version").output().is_ok_and(|o| o.status.success())
}

impl Gitea {
    fn start() -> Option<Self> {
        let scripts = shared("gitea")?;
        if !installed("go") {
            eprintln!("SKIPPED: Go is not installed, so no Git host can be built");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let started = Command::new(scripts.join("start")).arg("--dir").arg(folder.path()).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let env = std::fs::read_to_string(Path::new(folder.path()).join("env")).unwrap();
        let value = |key: &str| {
            let line = env.lines().find_map(|l| l.trim_start_matches("export ").strip_prefix(&format!("{key}=")));
            line.unwrap().trim_matches(['\'', '"']).to_owned()
        };
        Some(Self { url: value("GITEA_URL"), token: value("GITEA_TOKEN"), user: value("GITEA_USER"), scripts, folder })
    }

    async fn api(&self, method: reqwest::Method, path: &str, body: serde_json::Value) {
        let client = reqwest::Client::new();
        let url = format!("{}/api/v1/{path}", self.url.trim_end_matches('/'));
        let answer = client
            .request(method, url)
            .header("Authorization", format!("token {}", self.token))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), answer.text().await.unwrap());
    }

    fn open(&self, cache: &str, token: &str) -> Repository {
        let credentials =
            Credentials { username: self.user.clone(), password: Secret::new(token), ..Credentials::default() };
        let url = format!("{}/{}/infra.git", self.url.trim_end_matches('/'), self.user);
        Repositories::new(self.folder.path().join(cache)).open(&url, &credentials).unwrap()
    }
}

fn write(base: git::CommitId, content: &str) -> Write {
    let (author, committer) = (GitRepo::author("bot"), GitRepo::author("bot"));
    let edits = vec![("README.md".to_owned(), Some(content.as_bytes().to_vec()))];
    Write {
        branch: "main".into(),
        base,
        merge: None,
        edits,
        tag: None,
        message: "Change it".into(),
        sign: None,
        author,
        committer,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_git_host() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(gitea) = Gitea::start() else { return };
    let repo = json!({ "name": "infra", "auto_init": true, "default_branch": "main", "private": true });
    gitea.api(reqwest::Method::POST, "user/repos", repo).await;

    let wrong = gitea.open("wrong", "no-such-token").refresh().await.unwrap_err();
    assert!(matches!(wrong, GitError::Unauthorized { .. }), "{wrong}");
    assert!(!wrong.to_string().contains("no-such-token"));

    let (one, two) = (gitea.open("one", &gitea.token), gitea.open("two", &gitea.token));
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    let base = one.head_of("main").await.unwrap();
    let won = one.commit_and_push(write(base, "one")).await.unwrap();
    let lost = two.commit_and_push(write(base, "two")).await.unwrap_err();
    assert!(matches!(lost, PushError::Stale { .. }), "{lost}");
    two.refresh().await.unwrap();
    assert_eq!(two.head_of("main").await.unwrap(), won);
    let tree = two.tree(won).await.unwrap();
    assert_eq!(tree.read("README.md").unwrap().unwrap().as_ref(), b"one");
    // nothing new: no pack is asked for
    two.refresh().await.unwrap();

    let tagged = |base, content| Write { tag: Some("v1.0".into()), ..write(base, content) };
    let won = two.commit_and_push(tagged(won, "three")).await.unwrap();
    let taken = two.commit_and_push(tagged(won, "four")).await.unwrap_err();
    assert!(matches!(taken, PushError::Stale { .. }), "{taken}");
    one.refresh().await.unwrap();
    assert_eq!(one.highest_tag("v1.*").await.unwrap(), Some(("v1.0".to_owned(), won)));
    assert_eq!(one.head_of("main").await.unwrap(), won, "all or nothing");

    let rule = json!({ "rule_name": "main", "branch_name": "main", "enable_push": false });
    gitea.api(reqwest::Method::POST, &format!("repos/{}/infra/branch_protections", gitea.user), rule).await;
    let declined = two.commit_and_push(write(won, "two")).await.unwrap_err();
    assert!(matches!(declined, PushError::Declined { .. }), "{declined}");
    one.refresh().await.unwrap();
    assert_eq!(one.head_of("main").await.unwrap(), won);
}
