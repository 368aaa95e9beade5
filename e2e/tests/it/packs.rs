//! Packs of a hostile Git host are unpacked apart: what they take, they do not take of the controller.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::{Ran, Started, binary, eventually, has, run};
use serde_json::{Value, json};

/// Over the limit of one object, in bytes.
const HUGE: u64 = 700 << 20;
/// Within that limit, and over that of the process that unpacks.
const LARGE: u64 = 90 << 20;
const MEMORY: u64 = 64 << 20;

/// What `program` prints, given `input`.
fn git(repository: &Path, arguments: &[&str], input: impl Read) -> Vec<u8> {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let person = [("GIT_AUTHOR_NAME", "e2e"), ("GIT_AUTHOR_EMAIL", "e2e@localhost")];
    let committer = [("GIT_COMMITTER_NAME", "e2e"), ("GIT_COMMITTER_EMAIL", "e2e@localhost")];
    let mut child = command.envs(person).envs(committer).env_remove("GIT_PROTOCOL").spawn().unwrap();
    let (mut to, mut input) = (child.stdin.take().unwrap(), input);
    std::io::copy(&mut input, &mut to).unwrap();
    drop(to);
    child.wait_with_output().unwrap().stdout
}

/// A repository with one file.
fn repository(path: &Path, name: &str, content: impl Read) {
    run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(path)).succeeds();
    commit(path, name, content);
}

/// Makes it the only file of the branch, in a commit after the one before.
fn commit(path: &Path, name: &str, content: impl Read) {
    let id = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    let blob = id(git(path, &["hash-object", "-w", "--stdin"], content));
    let tree = id(git(path, &["mktree"], format!("100644 blob {blob}\t{name}\n").as_bytes()));
    let before = id(git(path, &["rev-parse", "--verify", "--quiet", "main"], std::io::empty()));
    let parent = if before.is_empty() { Vec::new() } else { vec!["-p", before.as_str()] };
    let words = [&["commit-tree", "-m", "One file"][..], &parent, &[&tree]].concat();
    let commit = id(git(path, &words, std::io::empty()));
    git(path, &["update-ref", "refs/heads/main", &commit], std::io::empty());
}

/// Serves the repositories in the folder to who reads, until the test ends; gives the address.
fn host(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || answer(&folder, stream));
        }
    });
    format!("http://{address}")
}

fn answer(folder: &Path, stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0_u64);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let (name, rest) = path.split_once('/').unwrap_or_default();
    let repository = folder.join(name);
    let body = if rest.starts_with("info/refs") {
        let told = git(&repository, &["upload-pack", "--stateless-rpc", "--advertise-refs", "."], std::io::empty());
        [b"001e# service=git-upload-pack\n0000".as_slice(), &told].concat()
    } else {
        git(&repository, &["upload-pack", "--stateless-rpc", "."], (&mut reader).take(length))
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let stream = reader.get_mut();
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

struct Stage {
    room: tempfile::TempDir,
    server: Started,
    host: String,
}

/// A repository's name, and its only file.
type Hosted<'a> = (&'a str, &'a str, Box<dyn Read>);

fn map(name: &str) -> std::io::Cursor<String> {
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
    std::io::Cursor::new(map.to_string())
}

impl Stage {
    fn with(binary: &Path, hosted: Vec<Hosted>) -> Self {
        let room = tempfile::tempdir().unwrap();
        let repositories = room.path().join("host");
        std::fs::create_dir(&repositories).unwrap();
        for (repository_name, file, content) in hosted {
            repository(&repositories.join(repository_name), file, content);
        }
        let host = host(repositories);
        let folder = |name: &str| room.path().join(name).display().to_string();
        let (sandbox, cache) = (folder("stage"), folder("cache"));
        let serve = ["serve", "--sandbox", &sandbox, "--listen", "127.0.0.1:0", "--poll", "1", "--cache", &cache];
        let server = Started::new(binary, room.path(), &serve);
        server.url();
        let named = || if server.said().contains("KUBECONFIG=") { Ok(()) } else { Err(server.said()) };
        eventually("the kubeconfig is named", named);
        Self { room, server, host }
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        let said = self.server.said();
        let kubeconfig = said.split_once("KUBECONFIG=").map(|(_, rest)| rest.lines().next().unwrap()).unwrap();
        run(Command::new("kubectl").env("KUBECONFIG", kubeconfig).args(arguments))
    }

    fn apply(&self, object: &Value) {
        let file = self.room.path().join("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.kubectl(&["apply", "-f", &file.display().to_string()]).succeeds();
    }

    fn application(&self, name: &str, url: &str) {
        self.apply(&json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": name, "namespace": "argocd" },
            "spec": {
                "project": "default", "source": { "repoURL": url, "targetRevision": "main", "path": "." },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": "default" },
                "syncPolicy": { "automated": {} },
            },
        }));
    }

    fn limits(&self, data: &Value) {
        self.apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "argocd-cmd-params-cm", "namespace": "argocd" }, "data": data }));
    }

    fn until(&self, name: &str, words: &str) {
        let status = ["get", "application", name, "-n", "argocd", "-o", "jsonpath={.status}"];
        eventually(&format!("{name} says {words}"), || {
            let told = self.kubectl(&status).out;
            if told.contains(words) { Ok(()) } else { Err(format!("{told}\n{}", self.server.said())) }
        });
    }

    /// The most memory that the controller had since this was asked last, in MiB.
    fn peak(&self) -> u64 {
        let process = format!("/proc/{}", self.server.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        std::fs::write(format!("{process}/clear_refs"), "5").unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10
    }

    /// The processes that unpack for the controller, by number.
    fn unpackers(&self) -> Vec<String> {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let is_one = |folder: PathBuf| {
            let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            let child = text("stat").rsplit(')').next().and_then(|rest| rest.split(' ').nth(2).map(str::to_owned));
            child == Some(self.server.id().to_string()) && text("cmdline").contains("unpack-worker")
        };
        let found = all.filter(|entry| is_one(entry.path()));
        found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

#[test]
fn a_small_pack_with_a_huge_file_takes_no_memory_of_the_controller() {
    let Some(binary) = binary().filter(|_| cfg!(target_os = "linux") && has("git") && has("kubectl")) else { return };
    let hashes = |number| Box::new(std::io::repeat(b'#').take(number));
    let hosted: Vec<Hosted> = vec![
        ("bomb", "huge.yaml", hashes(HUGE)),
        ("large", "large.yaml", hashes(LARGE)),
        ("good", "map.json", Box::new(map("good"))),
    ];
    let stage = Stage::with(&binary, hosted);
    let (host, cache) = (stage.host.clone(), stage.room.path().join("cache"));
    stage.application("good", &format!("{host}/good"));
    stage.until("good", "\"status\":\"Synced\"");
    assert_eq!(stage.unpackers().len(), 1, "one process unpacked, and waits for the next pack");
    stage.peak();
    let before = stage.peak();
    stage.application("bomb", &format!("{host}/bomb"));
    stage.until("bomb", "git.limit.object.bytes");
    stage.until("bomb", &format!("repository {host}/bomb"));
    stage.limits(&json!({ "git.limit.unpack.memory.bytes": MEMORY.to_string() }));
    stage.application("large", &format!("{host}/large"));
    stage.until("large", "git.limit.unpack.memory.bytes");
    let after = stage.peak();
    assert!(after < before + 64, "from {before} MiB to {after} MiB");
    let copies: Vec<PathBuf> = std::fs::read_dir(&cache).unwrap().flatten().map(|copy| copy.path()).collect();
    let largest = copies.iter().map(|copy| size(copy)).max();
    assert!(largest < Some(10 << 20), "nothing of it stays on the disk: {largest:?}");
    assert_eq!(stage.kubectl(&["get", "configmap", "good", "-o", "name"]).succeeds().out.trim(), "configmap/good");
}

#[test]
fn a_process_that_was_killed_is_followed_by_another() {
    let Some(binary) = binary().filter(|_| cfg!(target_os = "linux") && has("git") && has("kubectl")) else { return };
    let stage = Stage::with(&binary, vec![("good", "map.json", Box::new(map("good")))]);
    let good = stage.room.path().join("host/good");
    stage.application("good", &format!("{}/good", stage.host));
    stage.until("good", "\"status\":\"Synced\"");
    for process in stage.unpackers() {
        run(Command::new("kill").args(["-s", "KILL", &process])).succeeds();
    }
    commit(&good, "map.json", map("better"));
    eventually("what was pushed then is there", || {
        let ran = stage.kubectl(&["get", "configmap", "better", "-o", "name"]);
        if ran.code == 0 { Ok(()) } else { Err(format!("{}{}", ran.err, stage.server.said())) }
    });
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return path.metadata().map_or(0, |meta| meta.len()) };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}
