//! What `gantline install` prints, on a real API server: the program with the token of its account does what the manifests
//! permit, and where they do not, it says what to do.

use std::path::PathBuf;
use std::process::Command;

use e2e::{Ran, Started, WorkTree, binary, eventually, has, real_cluster, run};
use serde_json::{Value, json};

/// A control plane with the rights of some flags, and namespaces around it.
struct Stage {
    binary: PathBuf,
    admin: String,
    room: tempfile::TempDir,
    name: &'static str,
    server: Option<Started>,
}

impl Stage {
    /// None without a real API server: the sandbox lets everybody do everything.
    fn set_up(name: &'static str, flags: &[&str]) -> Option<Self> {
        let admin = real_cluster()?.display().to_string();
        let binary = binary().filter(|_| has("git") && has("kubectl"))?;
        let room = tempfile::tempdir().expect("a temporary folder");
        let mut stage = Self { binary, admin, room, name, server: None };
        for namespace in [String::new(), stage.open(), stage.closed()] {
            let namespace = if namespace.is_empty() { name.to_owned() } else { namespace };
            stage.kubectl(&["create", "namespace", &namespace]).succeeds();
        }
        stage.kubectl(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"]).succeeds();
        stage.install(flags);
        stage.push();
        stage.server = Some(stage.serve());
        Some(stage)
    }

    fn open(&self) -> String {
        format!("{}-open", self.name)
    }

    fn closed(&self) -> String {
        format!("{}-closed", self.name)
    }

    fn install(&self, flags: &[&str]) {
        let flags = [&["install", "--into", self.name, "--image", "registry.example/gantline:1"], flags].concat();
        let manifests = run(Command::new(&self.binary).args(flags)).succeeds().out;
        let file = self.room.path().join("install.yaml");
        std::fs::write(&file, manifests).expect("a written file");
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file.display().to_string()]).succeeds();
    }

    /// As the pod would run, outside of it: nothing is there but the token of the account.
    fn serve(&self) -> Started {
        let token = self.kubectl(&["create", "token", "gantline", "-n", self.name]).succeeds().out;
        let mut config: Value =
            serde_json::from_str(&self.kubectl(&["config", "view", "--raw", "-o", "json"]).succeeds().out)
                .expect("a kubeconfig");
        config["users"] = json!([{ "name": "gantline", "user": { "token": token.trim() } }]);
        config["contexts"][0]["context"]["user"] = "gantline".into();
        let kubeconfig = self.room.path().join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).expect("a written file");
        let (kubeconfig, cache) =
            (kubeconfig.display().to_string(), self.room.path().join("cache").display().to_string());
        let flags = ["serve", "--listen", "127.0.0.1:0", "--poll", "1", "--cache", &cache, "--namespace", self.name];
        let server =
            Started::new(&self.binary, self.room.path(), &[&flags[..], &["--kubeconfig", &kubeconfig]].concat());
        server.url();
        server
    }

    fn push(&self) {
        let bare = self.bare();
        run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(&bare)).succeeds();
        let clone = WorkTree::clone_of(&self.repository(), "platform");
        clone.git(&["checkout", "--quiet", "-b", "main"]);
        let map = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "by": "git" } });
        clone.write("map.yaml", &map("settings").to_string());
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", "One map"]);
        clone.git(&["push", "--quiet", "origin", "HEAD:main"]);
    }

    fn application(&self, name: &str, namespace: &str) {
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": name, "namespace": self.name, "finalizers": ["resources-finalizer.argocd.argoproj.io"] },
            "spec": {
                "project": "default", "source": { "repoURL": self.repository(), "targetRevision": "main", "path": "." },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": namespace },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true } },
            },
        });
        let file = self.room.path().join(format!("{name}.json"));
        std::fs::write(&file, application.to_string()).expect("a written file");
        self.kubectl(&["apply", "-f", &file.display().to_string()]).succeeds();
    }

    /// Until the Application's status, as text, has all of the words.
    fn until(&self, name: &str, words: &[&str]) {
        let status = ["get", "application", name, "-n", self.name, "-o", "jsonpath={.status}"];
        eventually(&format!("{name} says {words:?}"), || {
            let told = self.kubectl(&status).out;
            let logs = || self.server.as_ref().map(Started::said).unwrap_or_default();
            if words.iter().all(|word| told.contains(word)) { Ok(()) } else { Err(format!("{told}\n{}", logs())) }
        });
    }

    fn map_in(&self, namespace: &str) -> String {
        self.kubectl(&["get", "configmap", "settings", "-n", namespace, "--ignore-not-found", "-o", "name"])
            .succeeds()
            .out
    }

    /// Whether the account may do it, as the API server says.
    fn may(&self, verb: &str, kind: &str, place: &[&str]) -> bool {
        let account = format!("--as=system:serviceaccount:{}:gantline", self.name);
        self.kubectl(&[&["auth", "can-i", verb, kind, &account][..], place].concat()).out.trim() == "yes"
    }

    fn gone(&self, name: &str) {
        self.kubectl(&["delete", "application", name, "-n", self.name, "--timeout", "60s"]).succeeds();
    }

    fn bare(&self) -> PathBuf {
        self.room.path().join("shop.git")
    }

    fn repository(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        run(Command::new("kubectl").env("KUBECONFIG", &self.admin).args(arguments))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.server.take());
        for namespace in [self.name, &self.open(), &self.closed()] {
            self.kubectl(&["delete", "namespace", namespace, "--wait=false", "--ignore-not-found"]);
        }
        // shared by all variants: of the one that made it last
        self.kubectl(&["delete", "clusterrole,clusterrolebinding", "gantline", "--ignore-not-found"]);
    }
}

/// One after the other: what stands on the cluster has one name.
#[test]
fn each_set_of_rights_gives_what_it_says_and_no_more() {
    namespaced();
    reading_everything();
    all_rights();
}

fn namespaced() {
    let Some(stage) = Stage::set_up("gantline-rights-named", &["--manage", "gantline-rights-named-open"]) else {
        return;
    };
    // the pod stands, where Pod Security's strictest rules are enforced
    let ready = ["get", "deployment", "gantline", "-n", stage.name, "-o", "jsonpath={.status.readyReplicas}"];
    eventually("the pod of the manifests is let in", || match stage.kubectl(&ready).out.as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    });
    stage.kubectl(&["scale", "deployment", "gantline", "-n", stage.name, "--replicas", "0"]).succeeds();
    for (verb, kind, place) in [
        ("list", "secrets", "--all-namespaces"),
        ("list", "configmaps", "--all-namespaces"),
        ("create", "clusterrolebindings", "--all-namespaces"),
    ] {
        assert!(!stage.may(verb, kind, &[place]), "{verb} {kind}");
    }
    assert!(!stage.may("patch", "configmap/argocd-rbac-cm", &["-n", stage.name]), "the policy is not its own to write");
    assert!(!stage.may("escalate", "roles", &["-n", &stage.open()]));

    stage.application("open", &stage.open());
    stage.until("open", &["\"status\":\"Synced\"", "\"status\":\"Healthy\""]);
    assert_ne!(stage.map_in(&stage.open()), "");
    stage.application("closed", &stage.closed());
    stage.until("closed", &["namespace", "is not managed"]);
    assert_eq!(stage.map_in(&stage.closed()), "");

    // one namespace more by name, and no rights there yet: the other one goes on, and what to do is said
    let namespaces = format!("{},{}", stage.open(), stage.closed());
    let patch = json!({ "stringData": { "namespaces": namespaces } }).to_string();
    stage.kubectl(&["patch", "secret", "cluster-in-cluster", "-n", stage.name, "-p", &patch]).succeeds();
    stage.until("closed", &["cannot list resource", "gantline install --manage gantline-rights-named-closed"]);
    stage.kubectl(&["delete", "configmap", "settings", "-n", &stage.open()]).succeeds();
    eventually("the other namespace is healed meanwhile", || match stage.map_in(&stage.open()).as_str() {
        "" => Err(stage.server.as_ref().map(Started::said).unwrap_or_default()),
        _ => Ok(()),
    });
    let warned = stage.server.as_ref().map(Started::said).unwrap_or_default();
    let warned =
        warned.lines().filter(|line| line.contains("live objects may be old") && line.contains("ConfigMap")).count();
    assert!(warned <= 1, "a missing right is said once a kind, not {warned} times");
    stage.install(&["--manage", &namespaces]);
    stage.kubectl(&["scale", "deployment", "gantline", "-n", stage.name, "--replicas", "0"]).succeeds();
    stage.until("closed", &["\"status\":\"Synced\"", "\"status\":\"Healthy\""]);
    stage.gone("open");
    stage.gone("closed");
    assert_eq!(stage.map_in(&stage.open()), "");
}

fn reading_everything() {
    let flags = ["--read-everything", "--manage", "gantline-rights-read-open"];
    let Some(stage) = Stage::set_up("gantline-rights-read", &flags) else { return };
    assert!(stage.may("list", "nodes", &[]) && !stage.may("create", "namespaces", &[]));
    stage.application("open", &stage.open());
    stage.until("open", &["\"status\":\"Synced\"", "\"status\":\"Healthy\""]);
    stage.application("closed", &stage.closed());
    stage.until(
        "closed",
        &["\"status\":\"OutOfSync\"", "cannot", "gantline install --manage gantline-rights-read-closed"],
    );
    assert_eq!(stage.map_in(&stage.closed()), "");
    stage.gone("open");
    stage.kubectl(&[
        "patch",
        "application",
        "closed",
        "-n",
        stage.name,
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
}

fn all_rights() {
    let Some(stage) = Stage::set_up("gantline-rights-all", &["--all-rights"]) else { return };
    assert!(stage.may("escalate", "clusterroles", &[]));
    for (name, namespace) in [("open", stage.open()), ("closed", stage.closed())] {
        stage.application(name, &namespace);
        stage.until(name, &["\"status\":\"Synced\"", "\"status\":\"Healthy\""]);
        stage.gone(name);
    }
    // what was wider is taken back by applying what is narrower
    stage.install(&["--read-everything"]);
    assert!(stage.may("list", "nodes", &[]) && !stage.may("create", "namespaces", &[]));
}
