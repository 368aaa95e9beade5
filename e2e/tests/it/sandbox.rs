//! What a sandbox promises of the folder that it is kept in: nothing that was acknowledged is lost, nothing is lost in silence,
//! and nobody else gets in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Ran, Started, binary, has, real_cluster, run};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

/// A folder, and the program that serves it.
struct Stage {
    binary: PathBuf,
    room: tempfile::TempDir,
}

impl Stage {
    fn new() -> Option<Self> {
        if real_cluster().is_some() || !has("kubectl") {
            return None;
        }
        Some(Self { binary: binary()?, room: tempfile::tempdir().expect("a folder") })
    }

    fn folder(&self) -> PathBuf {
        self.room.path().join("stage")
    }

    fn journal(&self) -> PathBuf {
        self.folder().join("cluster/objects.journal")
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let folder = self.folder().display().to_string();
        let serve = ["serve", "--speed", "600", "--listen", "127.0.0.1:0", "--sandbox", &folder];
        serve.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn start(&self, more: &[&str]) -> Started {
        let arguments = self.arguments(more);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let started = Started::new(&self.binary, self.room.path(), &words);
        started.url();
        started
    }

    /// A start that ends by itself.
    fn refused(&self, more: &[&str]) -> Ran {
        run(Command::new(&self.binary).args(self.arguments(more)).env("HOME", self.room.path())).exits(1)
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", self.folder().join("kubeconfig")).env("HOME", self.room.path());
        run(command.args(arguments))
    }

    fn create(&self, name: &str) -> Ran {
        self.kubectl(&["create", "configmap", name, "--from-literal", "text=something that takes some room"])
    }

    /// When it was made, by the sandbox's clock.
    fn made(&self, name: &str) -> String {
        self.kubectl(&["get", "configmap", name, "-o", "jsonpath={.metadata.creationTimestamp}"]).succeeds().out
    }

    fn names(&self) -> Vec<String> {
        let list = self.kubectl(&["get", "configmaps", "-n", "default", "-o", "json"]).succeeds().json();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let names = items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str().map(str::to_owned));
        names.filter(|name| name != "kube-root-ca.crt").collect()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn a_killed_sandbox_goes_on_where_it_was() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.start(&[]);
    stage.create("before").succeeds();
    let before = stage.made("before");
    let other = run(Command::new(&stage.binary).args(["demo", "--keep"]).arg(stage.folder())).exits(1);
    other.says(&format!("in use by process {}", first.id())).says("cluster/lock");
    // a second server joins the first
    drop(stage.start(&[]));
    first.signal("KILL");
    drop(first);
    let second = stage.start(&[]);
    stage.create("after").succeeds();
    let after = stage.made("after");
    assert!(after > before, "the clock went back from {before} to {after}");
    assert_eq!(stage.names(), ["after", "before"]);
    assert_eq!(second.interrupt(), 0);
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_what_was_acknowledged() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.start(&[]);
    stage.create("before").succeeds();
    let room = std::fs::metadata(stage.journal()).expect("a journal").len() + 100;
    limit(&first, Some(room));
    for n in 0..10 {
        stage.create(&format!("refused-{n}")).exits(1).says("cannot be written").says("objects.journal");
        stage.kubectl(&["delete", "configmap", "before"]).exits(1).says("nothing of this write was kept");
    }
    assert_eq!(stage.names(), ["before"]);
    limit(&first, None);
    stage.create("again").succeeds();
    first.signal("KILL");
    drop(first);
    let second = stage.start(&[]);
    assert_eq!(stage.names(), ["again", "before"]);
    assert_eq!(second.interrupt(), 0);
}

/// No file of the process may grow longer.
fn limit(started: &Started, length: Option<u64>) {
    let pid = Pid::from_raw(started.id().try_into().expect("a process")).expect("a process");
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: length.or(maximum), maximum }).expect("a limit");
}

#[test]
fn a_flipped_byte_is_told_and_what_is_whole_recovered() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.start(&[]);
    stage.create("damaged").succeeds();
    stage.create("whole").succeeds();
    assert_eq!(first.interrupt(), 0);
    let mut bytes = std::fs::read(stage.journal()).expect("a journal");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let record = text.lines().find(|line| line.contains(r#""name":"damaged"}"#)).expect("its record");
    let start = text.find(record).expect("its place");
    bytes[start + record.len() - 2] ^= 1;
    std::fs::write(stage.journal(), &bytes).expect("a written file");
    let place = format!("damaged at byte {start}");
    stage.refused(&[]).says(&place).says("cluster/objects.journal").says("--recover");
    assert_eq!(std::fs::read(stage.journal()).expect("a journal"), bytes, "a refused start changed the file");
    let second = stage.start(&["--recover"]);
    assert!(second.said().contains("configmaps default/damaged"), "{}", second.said());
    assert_eq!(stage.names(), ["whole"]);
    assert_eq!(second.interrupt(), 0);
    assert_eq!(stage.start(&[]).interrupt(), 0);
}

#[test]
fn only_who_has_the_kubeconfig_gets_in() {
    let Some(stage) = Stage::new() else { return };
    std::fs::create_dir(stage.folder()).expect("a folder");
    std::fs::set_permissions(stage.folder(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let first = stage.start(&[]);
    for name in ["", "cluster", "registry"] {
        assert_eq!(mode(&stage.folder().join(name)), 0o700, "{name}");
    }
    for name in ["kubeconfig", "sandbox.json", "cluster/objects.journal", "cluster/lock"] {
        assert_eq!(mode(&stage.folder().join(name)), 0o600, "{name}");
    }
    stage.kubectl(&["get", "secrets", "-A"]).succeeds();
    stage.kubectl(&["get", "secrets", "-A", "--token", "wrong"]).exits(1).does_not_say("argocd-secret");
    let running = std::fs::read_to_string(stage.folder().join("sandbox.json")).expect("sandbox.json");
    let running: Value = serde_json::from_str(&running).expect("JSON");
    let server = running["server"].as_str().expect("a server").to_owned();
    let bare = ["--kubeconfig", "/dev/null", "--insecure-skip-tls-verify", "--server", &server, "get", "secrets", "-A"];
    stage.kubectl(&bare).exits(1).does_not_say("argocd-secret");
    let registry = running["registry"].as_str().expect("a registry").trim_start_matches("http://").to_owned();
    let status = |headers: &str| {
        let mut stream = TcpStream::connect(&registry).expect("a registry");
        stream.write_all(format!("GET /v2/ HTTP/1.0\r\n{headers}\r\n").as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status(&format!("Host: {registry}\r\n")), "200");
    assert_eq!(status("Host: evil.example\r\n"), "421");
    assert_eq!(status(&format!("Host: {registry}\r\nOrigin: http://evil.example\r\n")), "403");
    assert_eq!(first.interrupt(), 0);
}
