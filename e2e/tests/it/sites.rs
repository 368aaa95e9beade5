//! A control plane on one real API server deploys to another one, `E2E_KUBECONFIG_2`: by a client certificate, by a token,
//! and by the token of an account that has rights in one namespace only.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Ran, Started, WorkTree, binary, eventually, has, real_cluster, run, second_cluster};
use serde_json::{Value, json};

const NAMESPACE: &str = "gantline-sites";
/// Where the Application goes, on the second API server.
const THERE: &str = "gantline-sites-there";
const ACCOUNT: &str = "gantline";

/// Everything that the test has made; it goes with it.
struct Stage {
    binary: PathBuf,
    first: String,
    second: String,
    room: tempfile::TempDir,
    server: Option<Started>,
}

#[test]
fn an_application_goes_to_a_second_cluster_by_each_way_to_log_in() {
    let (Some(first), Some(second)) = (real_cluster(), second_cluster()) else { return };
    let Some(binary) = binary().filter(|_| has("git") && has("kubectl")) else { return };
    let stage = Stage::set_up(binary, &first, &second);
    stage.describe("", &json!({ "tlsClientConfig": stage.client_certificate() }));
    stage.apply(&stage.first, &application(&stage.repository()));
    stage.until_replicas("1");
    stage.kubectl(&stage.second, &["scale", "deployment", "shop", "-n", THERE, "--replicas", "3"]).succeeds();
    stage.until_replicas("1");
    let here = stage.kubectl(&stage.first, &["get", "namespace", THERE, "--ignore-not-found"]).succeeds();
    assert_eq!(here.out, "", "nothing of it is on the first one");

    stage.give_rights("clusterrolebinding", &["--clusterrole", "cluster-admin"]);
    stage.describe("", &json!({ "bearerToken": stage.token(), "tlsClientConfig": { "caData": stage.authority() } }));
    stage.commit(2);
    stage.until_replicas("2");

    stage.kubectl(&stage.second, &["delete", "clusterrolebinding", ACCOUNT]).succeeds();
    stage.give_rights("rolebinding", &["--clusterrole", "admin", "-n", THERE]);
    stage.describe(THERE, &json!({ "bearerToken": stage.token(), "tlsClientConfig": { "caData": stage.authority() } }));
    stage.commit(3);
    stage.until_replicas("3");

    stage.kubectl(&stage.first, &["delete", "application", "shop", "-n", NAMESPACE, "--timeout", "60s"]).succeeds();
    let left = stage.kubectl(&stage.second, &["get", "deployment", "shop", "-n", THERE, "--ignore-not-found"]);
    assert_eq!(left.succeeds().out, "", "deleted with its Application");
}

fn application(repository: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {
            "name": "shop", "namespace": NAMESPACE, "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": "default",
            "source": { "repoURL": repository, "targetRevision": "main", "path": "." },
            "destination": { "name": "second", "namespace": THERE },
            "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "retry": { "limit": 5 } },
        },
    })
}

fn deployment(replicas: u32) -> String {
    let labels = json!({ "app": "shop" });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "shop" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "shop", "image": "registry.example/shop:1" }] } } },
    })
    .to_string()
}

impl Stage {
    fn set_up(binary: PathBuf, first: &Path, second: &Path) -> Self {
        let room = tempfile::tempdir().expect("a temporary folder");
        let (first, second) = (first.display().to_string(), second.display().to_string());
        let mut stage = Self { binary, first, second, room, server: None };
        run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(stage.bare())).succeeds();
        stage.commit(1);
        stage.kubectl(&stage.first, &["create", "namespace", NAMESPACE]).succeeds();
        stage.kubectl(&stage.second, &["create", "namespace", THERE]).succeeds();
        stage.kubectl(&stage.second, &["create", "serviceaccount", ACCOUNT, "-n", THERE]).succeeds();
        let cache = stage.room.path().join("cache").display().to_string();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--install-crds", "--cache", &cache];
        let cluster = ["--kubeconfig", &stage.first, "--namespace", NAMESPACE];
        let server = Started::new(&stage.binary, stage.room.path(), &[&serve[..], &cluster[..]].concat());
        server.url();
        stage.server = Some(server);
        stage
    }

    fn commit(&self, replicas: u32) {
        let clone = WorkTree::clone_of(&self.repository(), "platform");
        if replicas == 1 {
            clone.git(&["checkout", "--quiet", "-b", "main"]);
        }
        clone.write("deployment.yaml", &deployment(replicas));
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", &format!("The shop with {replicas}")]);
        clone.git(&["push", "--quiet", "origin", "HEAD:main"]);
    }

    /// Writes the Secret of the second cluster.
    fn describe(&self, namespaces: &str, config: &Value) {
        let data = json!({ "name": "second", "server": self.view("cluster.server"), "namespaces": namespaces,
            "config": config.to_string() });
        let labels = json!({ "argocd.argoproj.io/secret-type": "cluster" });
        let metadata = json!({ "name": "second", "namespace": NAMESPACE, "labels": labels });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data });
        self.apply(&self.first, &secret);
    }

    /// A field of the second kubeconfig's only cluster or user.
    fn view(&self, field: &str) -> String {
        let path = match field.split_once('.') {
            Some(("cluster", name)) => format!("{{.clusters[0].cluster.{name}}}"),
            _ => format!("{{.users[0].{field}}}"),
        };
        self.kubectl(&self.second, &["config", "view", "--raw", "-o", &format!("jsonpath={path}")]).succeeds().out
    }

    fn authority(&self) -> String {
        self.view("cluster.certificate-authority-data")
    }

    fn client_certificate(&self) -> Value {
        json!({
            "caData": self.authority(),
            "certData": self.view("user.client-certificate-data"),
            "keyData": self.view("user.client-key-data"),
        })
    }

    fn give_rights(&self, kind: &str, what: &[&str]) {
        let account = format!("{THERE}:{ACCOUNT}");
        let create = ["create", kind, ACCOUNT, "--serviceaccount", &account];
        self.kubectl(&self.second, &[&create[..], what].concat()).succeeds();
    }

    fn token(&self) -> String {
        self.kubectl(&self.second, &["create", "token", ACCOUNT, "-n", THERE]).succeeds().out.trim().to_owned()
    }

    fn until_replicas(&self, number: &str) {
        let replicas =
            ["get", "deployment", "shop", "-n", THERE, "--ignore-not-found", "-o", "jsonpath={.spec.replicas}"];
        let status = ["get", "application", "shop", "-n", NAMESPACE, "-o", "jsonpath={.status}"];
        eventually("the second cluster has what Git says, and its pods are seen to be ready", || {
            let live = self.kubectl(&self.second, &replicas).succeeds().out;
            let told = self.kubectl(&self.first, &status).out;
            let well = told.contains("\"status\":\"Synced\"") && told.contains("\"status\":\"Healthy\"");
            if live == number && well { Ok(()) } else { Err(format!("{live}: {told}")) }
        });
    }

    fn apply(&self, kubeconfig: &str, object: &Value) {
        let file = self.room.path().join("object.json");
        std::fs::write(&file, object.to_string()).expect("a written file");
        self.kubectl(kubeconfig, &["apply", "-f", &file.display().to_string()]).succeeds();
    }

    fn bare(&self) -> PathBuf {
        self.room.path().join("shop.git")
    }

    fn repository(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    fn kubectl(&self, kubeconfig: &str, arguments: &[&str]) -> Ran {
        run(Command::new("kubectl").env("KUBECONFIG", kubeconfig).args(arguments))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.server.take());
        self.kubectl(&self.first, &["delete", "namespace", NAMESPACE, "--wait=false"]);
        self.kubectl(&self.second, &["delete", "namespace", THERE, "--wait=false"]);
        self.kubectl(&self.second, &["delete", "clusterrolebinding", ACCOUNT, "--ignore-not-found"]);
    }
}
