//! Three servers on one cluster: each works on its share, and takes over what another leaves.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Ran, Started, WorkTree, binary, demo, eventually, has, patiently, real_cluster, run};
use serde_json::{Value, json};

const APPLICATIONS: usize = 12;

#[test]
fn three_replicas_share_the_work_and_take_over_from_one_that_is_killed() {
    let Some(stage) = Stage::set_up("gantline-replicas") else { return };
    let servers = stage.serve_three(&[]);
    stage.all_let_admin_in(&servers);
    stage.say("one");
    for number in 0..APPLICATIONS {
        let name = format!("app-{number}");
        stage.apply(&stage.application(&name, json!({ "path": name })));
    }
    stage.all_are_live("one");
    let owned = servers.each_ref().map(|server| server.metric("gantline_owned_keys"));
    assert_eq!(owned.iter().sum::<u64>(), APPLICATIONS as u64, "{owned:?}");
    assert!(owned.iter().all(|count| *count > 0), "{owned:?}");
    let rendered = servers.each_ref().map(|server| server.metric("gantline_renders_total"));
    assert_eq!(rendered, owned, "each Application is rendered once, by its owner");

    let since = now();
    let [a, b, c] = servers;
    // SIGKILL
    drop(b);
    stage.say("two");
    stage.all_are_live("two");
    let took = since.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    let left = [&a, &c].map(|server| server.metric("gantline_owned_keys"));
    assert_eq!(left.iter().sum::<u64>(), APPLICATIONS as u64, "{left:?}");

    let since = now();
    assert_eq!(c.interrupt(), 0);
    eventually("the last one has everything", || is(a.metric("gantline_owned_keys"), APPLICATIONS as u64));
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}: it let go of its Lease");
    stage.say("three");
    stage.all_are_live("three");
}

fn is<T: PartialEq + std::fmt::Debug>(seen: T, wanted: T) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> Instant {
    Instant::now()
}

/// Stopped right before its push, and woken when another has long pushed: what it wanted to push is refused.
#[test]
fn a_replica_that_stood_still_pushes_nothing_late() {
    let Some(stage) = Stage::set_up("gantline-stalled") else { return };
    stage.write(&[
        ("base/kustomization.yaml", "resources: [deployment.yaml]\n".to_owned()),
        ("base/deployment.yaml", deployment().to_string()),
        ("staging/kustomization.yaml", kustomization("staging", 'a')),
        ("production/kustomization.yaml", kustomization("production", 'a')),
    ]);
    let servers = stage.serve_three(&["--stop-at", "Pushed:before"]);
    for environment in ["staging", "production"] {
        stage.apply(&stage.application(&format!("replicated-{environment}"), json!({ "path": environment })));
    }
    stage.apply(&pipeline(stage.namespace));
    let first = |environment: &Value| environment["release"].as_str().is_some_and(|name| !name.is_empty());
    stage.until_pipeline("the first release is everywhere", |all| all.len() == 2 && all.iter().all(first));
    stage.write(&[("staging/kustomization.yaml", kustomization("staging", 'b'))]);
    let stopped = eventually("the owner is about to push", || {
        let found = REPLICAS.iter().position(|replica| stage.stop_file(replica).exists());
        found.ok_or_else(|| stage.kubectl(&["get", "promotions", "-n", stage.namespace, "-o", "yaml"]).out)
    });
    servers[stopped].signal("STOP");
    let others = || servers.iter().enumerate().filter(|(at, _)| *at != stopped).map(|(_, server)| server);
    eventually("it is missed", || is(others().map(|it| it.metric("gantline_members")).collect(), vec![2, 2]));
    stage.until_pipeline("production has the release", |all| {
        REPLICAS.iter().for_each(|replica| drop(std::fs::remove_file(stage.stop_file(replica))));
        all.iter().all(|environment| environment["release"] == all[0]["release"] && environment["sync"] == "Synced")
            && all[0]["release"].as_str().is_some_and(|name| name.contains("bbbb"))
    });
    servers[stopped].signal("CONT");
    eventually("it is a member again", || is(servers[stopped].metric("gantline_members"), 3));
    let bare = stage.bare().display().to_string();
    let subjects = run(Command::new("git").args(["-C", &bare, "log", "--format=%s", "main"])).succeeds().out;
    let promotions = subjects.lines().filter(|subject| subject.starts_with("promote(production): shop")).count();
    assert_eq!(promotions, 1, "{subjects}");
}

const REPLICAS: [&str; 3] = ["a", "b", "c"];
const IMAGE: &str = "registry.example/shop";

/// Both environments are in one namespace.
fn kustomization(environment: &str, digit: char) -> String {
    let digest = digit.to_string().repeat(64);
    format!("resources: [../base]\nnameSuffix: -{environment}\nimages:\n- name: {IMAGE}\n  digest: sha256:{digest}\n")
}

/// Nothing runs, and so nothing is pulled.
fn deployment() -> Value {
    let labels = json!({ "app": "shop" });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "shop" },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "shop", "image": IMAGE }] } } },
    })
}

fn pipeline(namespace: &str) -> Value {
    let environment = |name: &str| json!({ "name": name, "application": format!("replicated-{name}"), "auto": true });
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": { "name": "shop", "namespace": namespace },
        "spec": { "images": [{ "name": IMAGE }], "environments": [environment("staging"), environment("production")] },
    })
}

/// A namespace for the servers and what they deploy, and a repository.
struct Stage {
    namespace: &'static str,
    binary: PathBuf,
    kubeconfig: String,
    room: tempfile::TempDir,
}

impl Stage {
    fn set_up(namespace: &'static str) -> Option<Self> {
        let binary = binary().filter(|_| has("git") && has("kubectl"))?;
        let kubeconfig = real_cluster().or_else(|| demo().map(e2e::Demo::kubeconfig))?.display().to_string();
        let stage = Self { namespace, binary, kubeconfig, room: tempfile::tempdir().expect("a temporary folder") };
        run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(stage.bare())).succeeds();
        stage.kubectl(&["create", "namespace", namespace]).succeeds();
        Some(stage)
    }

    /// With the password that the first start left; and each goes by the sessions of the others.
    fn all_let_admin_in(&self, servers: &[Started; 3]) {
        let template = "go-template={{.data.password | base64decode}}";
        let secret = ["get", "secret", "argocd-initial-admin-secret", "-n", self.namespace, "-o", template];
        let password = self.kubectl(&secret).succeeds().out;
        let config = self.room.path().join("config.json");
        let gantline =
            |words: &[&str]| run(Command::new(&self.binary).env("GANTLINE_CONFIG", &config).args(words)).succeeds();
        for server in servers {
            gantline(&["login", &server.url(), "--username", "admin", "--password", &password])
                .says("'admin' logged in");
        }
        let known: Value = serde_json::from_str(&std::fs::read_to_string(&config).expect("a file")).expect("JSON");
        let token = known["servers"][servers[0].url()].as_str().expect("a session").to_owned();
        for server in servers {
            gantline(&["app", "list", "--server", &server.url(), "--token", &token]);
        }
    }

    /// Three that start at the same moment, the first time, and then know each other.
    fn serve_three(&self, more: &[&str]) -> [Started; 3] {
        let servers = REPLICAS.map(|replica| self.serve(replica, more));
        servers.iter().for_each(|server| drop(server.url()));
        eventually("all know three members", || is(servers.each_ref().map(|it| it.metric("gantline_members")), [3; 3]));
        servers
    }

    fn stop_file(&self, replica: &str) -> PathBuf {
        self.room.path().join(format!("{replica}-stopped"))
    }

    fn serve(&self, replica: &str, more: &[&str]) -> Started {
        let cache = self.room.path().join(replica).display().to_string();
        let file = self.stop_file(replica).display().to_string();
        let serve = [
            "serve",
            "--stop-file",
            &file,
            "--listen",
            "127.0.0.1:0",
            "--install-crds",
            "--replica",
            replica,
            "--cache",
            &cache,
        ];
        let cluster = ["--kubeconfig", &self.kubeconfig, "--namespace", self.namespace];
        Started::new(&self.binary, self.room.path(), &[&serve[..], &cluster[..], more].concat())
    }

    /// Every Application gets a ConfigMap that says so.
    fn say(&self, says: &str) {
        let map = |number: usize| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{number}") },
                "data": { "says": says },
            })
        };
        let paths: Vec<String> = (0..APPLICATIONS).map(|number| format!("app-{number}/map.yaml")).collect();
        let files = paths.iter().enumerate().map(|(number, path)| (path.as_str(), map(number).to_string()));
        self.write(&files.collect::<Vec<_>>());
    }

    /// Commits files.
    fn write(&self, files: &[(&str, String)]) {
        let clone = WorkTree::clone_of(&self.repository(), "dana");
        files.iter().for_each(|(path, text)| clone.write(path, text));
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", "Write"]);
        clone.git(&["push", "--quiet", "origin", "HEAD:main"]);
    }

    /// Waits until the environments in the Pipeline's status are as wanted.
    #[track_caller]
    fn until_pipeline(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) {
        let get = ["get", "pipeline", "shop", "-n", self.namespace, "-o", "json"];
        patiently(90, what, || {
            let status = self.kubectl(&get).succeeds().json()["status"].take();
            let environments = status["environments"].as_array().cloned().unwrap_or_default();
            if wanted(&environments) { Ok(()) } else { Err(format!("{status}\n{}", self.records())) }
        });
    }

    /// What promotions wait for, and what is written in Git.
    fn records(&self) -> String {
        let records = self.kubectl(&["get", "promotions,releases", "-n", self.namespace, "-o", "yaml"]).out;
        let log = run(Command::new("git").arg("-C").arg(self.bare()).args(["log", "--format=%h %an %s", "main"])).out;
        format!("{records}\n{log}")
    }

    fn application(&self, name: &str, mut source: Value) -> Value {
        source["repoURL"] = self.repository().into();
        source["targetRevision"] = "main".into();
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "project": "default", "source": source,
                "destination": { "server": "https://kubernetes.default.svc", "namespace": self.namespace },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true } },
            },
        })
    }

    #[track_caller]
    fn all_are_live(&self, says: &str) {
        let maps = ["get", "configmaps", "-n", self.namespace, "-o", "jsonpath={.items[*].data.says}"];
        eventually("all say it", || {
            let said = self.kubectl(&maps).succeeds().out;
            is(said.split_whitespace().filter(|word| *word == says).count(), APPLICATIONS)
        });
    }

    fn apply(&self, object: &Value) {
        let file = self.room.path().join("object.json");
        std::fs::write(&file, object.to_string()).expect("a written file");
        self.kubectl(&["apply", "-f", &file.display().to_string()]).succeeds();
    }

    fn bare(&self) -> PathBuf {
        self.room.path().join("apps.git")
    }

    fn repository(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        run(Command::new("kubectl").env("KUBECONFIG", &self.kubeconfig).env("HOME", self.room.path()).args(arguments))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kubectl(&["delete", "namespace", self.namespace, "--wait=false"]);
    }
}
