//! A running `gantline demo`, and how tests act in it: as somebody who is logged in, with kubectl, with git.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::command::{Ran, eventually, run};
use crate::environment::{binary, real_cluster, skipped};

/// A demo; it ends, and its folder goes, with the process that started it.
#[derive(Debug)]
pub struct Demo {
    pub binary: PathBuf,
    /// What `--keep` names.
    pub folder: PathBuf,
    pub url: String,
    /// Its input is a pipe that closes when this process ends, however it ends.
    _keeper: Child,
}

/// Starts the program, waits for the end of its input, then ends the program and removes the folder.
const KEEPER: &str = r#"folder=$1; shift; "$@" >"$folder/said" 2>&1 & child=$!; cat >/dev/null; kill "$child"; wait "$child"; rm -rf "$folder""#;

/// The demo that the tests of this process share, all green; none when the program is not built, or when the suite shall
/// run on a real cluster.
pub fn demo() -> Option<&'static Demo> {
    static SHARED: OnceLock<Option<Demo>> = OnceLock::new();
    SHARED.get_or_init(start_shared).as_ref()
}

fn start_shared() -> Option<Demo> {
    if real_cluster().is_some() {
        skipped("the tests of the sandbox, because E2E_KUBECONFIG names a real cluster");
        return None;
    }
    let demo = Demo::start(binary()?);
    demo.wait_until_green();
    Some(demo)
}

impl Demo {
    fn start(binary: PathBuf) -> Self {
        let room = tempfile::Builder::new().prefix("gantline-e2e-").tempdir().expect("a temporary folder").keep();
        let folder = room.join("demo");
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&room)
            .arg(&binary)
            .args(["demo", "--speed", "60", "--listen", "127.0.0.1:0", "--keep"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let url = eventually("the demo prints its URL", || {
            let said = std::fs::read_to_string(room.join("said")).unwrap_or_default();
            let url = said.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).map(str::to_owned);
            url.ok_or(said)
        });
        Self { binary, folder, url, _keeper: keeper }
    }

    fn wait_until_green(&self) {
        let developer = self.log_in("developer");
        eventually("all Applications are Synced and Healthy", || {
            let apps = developer.gantline(&["app", "list", "-o", "json"]).succeeds().json();
            let apps = apps["items"].as_array().cloned().unwrap_or_default();
            let red = apps.iter().find(|app| {
                app.pointer("/status/sync/status") != Some(&"Synced".into())
                    || app.pointer("/status/health/status") != Some(&"Healthy".into())
            });
            match red {
                None if apps.len() == 24 => Ok(()),
                red => Err(format!("{} Applications; {red:?}", apps.len())),
            }
        });
    }

    /// A session of an account whose password is its name.
    ///
    /// # Panics
    /// When the login is refused.
    pub fn log_in(&self, account: &str) -> Session<'_> {
        let session = self.stranger();
        session.gantline(&["login", &self.url, "--username", account, "--password", account]).succeeds();
        session
    }

    /// Somebody who has not logged in.
    ///
    /// # Panics
    /// When there is no temporary folder.
    pub fn stranger(&self) -> Session<'_> {
        Session { demo: self, home: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Runs the kubectl of this machine on the sandbox.
    pub fn kubectl(&self, arguments: &[&str]) -> Ran {
        run(self.kubectl_command().args(arguments))
    }

    /// The same, with more to say about it.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", self.folder.join("home"));
        command
    }

    /// Applies a manifest with kubectl.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn apply(&self, manifest: &Value) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), manifest.to_string()).expect("a written file");
        self.kubectl(&["apply", "-f", &file.path().display().to_string()]).succeeds();
    }

    /// A URL of one of the demo's bare repositories.
    pub fn repository(&self, name: &str) -> String {
        format!("file://{}", self.folder.join("git").join(format!("{name}.git")).display())
    }

    /// Pushes an image that differs in its digest, as CI would: the manifest of `from` with a note, under another tag.
    ///
    /// # Panics
    /// When the registry does not take it.
    pub fn push_image(&self, repository: &str, from: &str, tag: &str) {
        let running = std::fs::read_to_string(self.folder.join("sandbox.json")).expect("sandbox.json");
        let running: Value = serde_json::from_str(&running).expect("JSON");
        let address = running["registry"].as_str().unwrap_or_default().trim_start_matches("http://").to_owned();
        let (_, manifest) = http(&address, "GET", &format!("/v2/{repository}/manifests/{from}"), "", "");
        let mut manifest: Value = serde_json::from_str(&manifest).expect("a manifest");
        manifest["annotations"] = serde_json::json!({ "org.opencontainers.image.version": tag });
        let kind = manifest["mediaType"].as_str().unwrap_or_default().to_owned();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (status, answer) = http(&address, "PUT", &path, &kind, &manifest.to_string());
        assert!(status.contains("201"), "{status} {answer}");
    }
}

/// One request by HTTP/1.0: the status line and the body.
pub(crate) fn http(address: &str, method: &str, path: &str, kind: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("a server");
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// A person at a terminal, with a configuration file of their own.
#[derive(Debug)]
pub struct Session<'a> {
    demo: &'a Demo,
    home: tempfile::TempDir,
}

impl Session<'_> {
    pub fn gantline(&self, arguments: &[&str]) -> Ran {
        self.gantline_with(arguments, &[])
    }

    /// With more variables in its environment.
    pub fn gantline_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(&self.demo.binary);
        command.env("GANTLINE_CONFIG", self.home.path().join("config.json"));
        command.env_remove("KUBECONFIG").env_remove("COLUMNS").env("HOME", self.home.path());
        run(command.envs(variables.iter().copied()).args(arguments))
    }

    /// Where the session is kept.
    pub fn config(&self) -> PathBuf {
        self.home.path().join("config.json")
    }
}

/// A clone, worked on with real Git.
#[derive(Debug)]
pub struct WorkTree {
    folder: tempfile::TempDir,
    author: String,
}

impl WorkTree {
    /// Clones as somebody.
    ///
    /// # Panics
    /// When Git cannot.
    pub fn clone_of(url: &str, author: &str) -> Self {
        let tree = Self { folder: tempfile::tempdir().expect("a temporary folder"), author: author.to_owned() };
        tree.git(&["clone", "--quiet", url, "."]);
        tree
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs Git and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.try_git(arguments).succeeds().out
    }

    fn try_git(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("git");
        command.current_dir(self.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &self.author);
            command.env(format!("GIT_{role}_EMAIL"), format!("{}@acme.example", self.author));
        }
        run(command.args(arguments))
    }

    /// # Panics
    /// When the file is not there.
    pub fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
    }

    /// Commits all changes and pushes them, again where somebody else was faster.
    ///
    /// # Panics
    /// When Git cannot.
    pub fn push(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        eventually("the push goes through", || {
            let pushed = self.try_git(&["push", "--quiet", "origin", "HEAD:main"]);
            if pushed.code == 0 {
                return Ok(());
            }
            self.git(&["pull", "--quiet", "--rebase"]);
            Err(pushed.err)
        });
    }
}
