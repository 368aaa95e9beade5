//! The straight path on a real API server, named by `E2E_KUBECONFIG`: sync, self-heal, and one promotion.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Ran, Started, WorkTree, binary, eventually, has, real_cluster, run};
use serde_json::{Value, json};

const NAMESPACE: &str = "gantline-e2e";
const IMAGE: &str = "registry.example/shop";

/// Everything that the test has made; it goes with it.
struct Stage {
    binary: PathBuf,
    kubeconfig: String,
    room: tempfile::TempDir,
    url: String,
    server: Option<Started>,
}

#[test]
fn an_application_is_synced_healed_and_promoted_on_a_real_cluster() {
    let Some(kubeconfig) = real_cluster() else { return };
    let Some(binary) = binary().filter(|_| has("git") && has("kubectl")) else { return };
    let stage = Stage::set_up(binary, &kubeconfig);
    stage.log_in();
    stage.gantline(&["app", "wait", "shop-staging", "shop-production", "--sync", "--timeout", "60"]).succeeds();
    stage.gantline(&["app", "list"]).succeeds().says("shop-production");
    heals(&stage);
    promotes(&stage);
}

/// A commit to staging becomes a Release; an approval puts it into production by one commit.
fn promotes(stage: &Stage) {
    let clone = WorkTree::clone_of(&stage.repository(), "dana");
    clone.write("staging/kustomization.yaml", &kustomization(&format!("{NAMESPACE}-staging"), &image('b')));
    clone.git(&["commit", "--quiet", "--all", "--message", "ci: shop"]);
    clone.git(&["push", "--quiet", "origin", "HEAD:main"]);
    eventually("production waits for an approval", || {
        let shown = stage.gantline(&["explain", &format!("shop-{}", "b".repeat(12))]).out;
        if shown.contains("production waits for approval") { Ok(()) } else { Err(shown) }
    });
    stage.gantline(&["approve", "shop", "--to", "production"]).succeeds();
    let image_of = ["get", "deployment", "shop", "-n", "gantline-e2e-production", "-o", "jsonpath={..image}"];
    eventually("production runs the digest", || {
        let live = stage.kubectl(&image_of).succeeds().out;
        if live.ends_with(&image('b')) { Ok(()) } else { Err(live) }
    });
    let bare = stage.bare().display().to_string();
    let subjects = run(Command::new("git").args(["-C", &bare, "log", "--format=%s", "main"])).succeeds().out;
    let promotions = subjects.lines().filter(|subject| subject.starts_with("promote(production): shop")).count();
    assert_eq!(promotions, 1, "{subjects}");
}

fn pipeline() -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": { "name": "shop", "namespace": NAMESPACE },
        "spec": { "images": [{ "name": IMAGE }], "environments": [
            { "name": "staging", "application": "shop-staging", "auto": true },
            { "name": "production", "application": "shop-production",
                "gates": [{ "healthy": { "in": "staging", "for": "2s" } }, { "approval": { "group": "role:admin" } }] },
        ] },
    })
}

fn heals(stage: &Stage) {
    let replicas = ["get", "deployment", "shop", "-n", "gantline-e2e-staging", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(stage.kubectl(&replicas).succeeds().out, "1");
    stage.kubectl(&["scale", "deployment", "shop", "-n", "gantline-e2e-staging", "--replicas", "3"]).succeeds();
    eventually("the number of replicas is Git's again", || {
        let live = stage.kubectl(&replicas).succeeds().out;
        if live == "1" { Ok(()) } else { Err(live) }
    });
}

fn image(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn kustomization(namespace: &str, digest: &str) -> String {
    format!("namespace: {namespace}\nresources:\n- ../base\nimages:\n- name: {IMAGE}\n  digest: {digest}\n",)
}

fn application(environment: &str, repository: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": { "name": format!("shop-{environment}"), "namespace": NAMESPACE },
        "spec": {
            "project": "default",
            "source": { "repoURL": repository, "targetRevision": "main", "path": environment },
            "destination": { "server": "https://kubernetes.default.svc", "namespace": format!("{NAMESPACE}-{environment}") },
            "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "syncOptions": ["CreateNamespace=true"] },
        },
    })
}

fn deployment() -> Value {
    let labels = json!({ "app": "shop" });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "shop" },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "shop", "image": IMAGE }] } } },
    })
}

impl Stage {
    fn set_up(binary: PathBuf, kubeconfig: &Path) -> Self {
        let room = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = kubeconfig.display().to_string();
        let mut stage = Self { binary, kubeconfig, room, url: String::new(), server: None };
        run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(stage.bare())).succeeds();
        let clone = WorkTree::clone_of(&stage.repository(), "platform");
        clone.git(&["checkout", "--quiet", "-b", "main"]);
        clone.write("base/kustomization.yaml", "resources:\n- deployment.yaml\n");
        clone.write("base/deployment.yaml", &deployment().to_string());
        for environment in ["staging", "production"] {
            let namespace = format!("{NAMESPACE}-{environment}");
            clone.write(&format!("{environment}/kustomization.yaml"), &kustomization(&namespace, &image('a')));
        }
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", "The shop"]);
        clone.git(&["push", "--quiet", "origin", "HEAD:main"]);
        stage.kubectl(&["create", "namespace", NAMESPACE]).succeeds();
        let cache = stage.room.path().join("cache").display().to_string();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--install-crds", "--cache", &cache];
        let cluster = ["--kubeconfig", &stage.kubeconfig, "--namespace", NAMESPACE];
        let server = Started::new(&stage.binary, stage.room.path(), &[&serve[..], &cluster[..]].concat());
        stage.url = server.url();
        stage.server = Some(server);
        let repository = stage.repository();
        for object in [application("staging", &repository), application("production", &repository), pipeline()] {
            let file = stage.room.path().join("object.json");
            std::fs::write(&file, object.to_string()).expect("a written file");
            stage.kubectl(&["apply", "-f", &file.display().to_string()]).succeeds();
        }
        stage
    }

    fn log_in(&self) {
        let secret = ["get", "secret", "argocd-initial-admin-secret", "-n", NAMESPACE, "-o"];
        let template = "go-template={{.data.password | base64decode}}";
        let password = self.kubectl(&[&secret[..], &[template]].concat()).succeeds().out;
        self.gantline(&["login", &self.url, "--password", &password]).succeeds();
    }

    fn bare(&self) -> PathBuf {
        self.room.path().join("shop.git")
    }

    fn repository(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        run(Command::new("kubectl").env("KUBECONFIG", &self.kubeconfig).args(arguments))
    }

    fn gantline(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.binary);
        command.env("HOME", self.room.path()).env("GANTLINE_CONFIG", self.room.path().join("config.json"));
        run(command.args(arguments))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.server.take());
        let names = ["", "-staging", "-production"].map(|suffix| format!("{NAMESPACE}{suffix}"));
        for name in names {
            self.kubectl(&["delete", "namespace", &name, "--wait=false"]);
        }
    }
}
