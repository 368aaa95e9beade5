//! An Application that nobody syncs by itself: looked at, synced, deleted by hand; and the healing of one that is.

use e2e::{Demo, WorkTree, demo, eventually, has};
use serde_json::json;

fn manifests(replicas: u32) -> String {
    let labels = json!({ "app": "manual" });
    let container = json!({ "name": "manual", "image": "nginx:1.21.6-alpine" });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "manual" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } },
    });
    let settings =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "a": "b" } });
    format!("{deployment}\n---\n{settings}\n")
}

fn application(demo: &Demo) -> serde_json::Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "e2e-manual", "namespace": "argocd" },
        "spec": {
            "project": "default",
            "source": { "repoURL": demo.repository("my-gitops-repo"), "targetRevision": "main", "path": "e2e/manual" },
            "destination": { "server": "https://kubernetes.default.svc", "namespace": "e2e-manual" },
            "syncPolicy": { "syncOptions": ["CreateNamespace=true"] },
        },
    })
}

#[test]
fn an_application_is_synced_by_hand() {
    let Some(demo) = demo().filter(|_| has("git") && has("kubectl")) else { return };
    let (developer, name) = (demo.log_in("developer"), "e2e-manual");
    let clone = WorkTree::clone_of(&demo.repository("my-gitops-repo"), "dana");
    clone.write("e2e/manual/all.yaml", &manifests(1));
    clone.push("Add a folder that is synced by hand");
    demo.apply(&application(demo));
    let status = |expected: &str| {
        eventually(&format!("{name} is {expected}"), || {
            let seen = developer.gantline(&["app", "get", name]);
            if seen.out.contains(expected) { Ok(()) } else { Err(seen.out + &seen.err) }
        });
    };
    status("OutOfSync");
    developer.gantline(&["app", "diff", name]).exits(1).says("/Deployment/").says("+");
    developer.gantline(&["explain", name]).succeeds().says("OutOfSync");
    developer.gantline(&["app", "diff", "nowhere"]).exits(20).says("nowhere");
    developer.gantline(&["app", "sync", name, "--dry-run"]).succeeds().says("create  apps/Deployment/");
    demo.kubectl(&["-n", name, "get", "deployment", "manual"]).exits(1).says("NotFound");
    developer.gantline(&["app", "sync", name, "--resource", "x"]).exits(2).says("GROUP:KIND:NAME");
    developer.gantline(&["app", "sync", name, "--timeout", "30"]).succeeds().says("Succeeded");
    developer.gantline(&["app", "wait", name, "--timeout", "30"]).succeeds().says("Synced Healthy");
    developer.gantline(&["app", "diff", name]).succeeds();
    developer.gantline(&["app", "history", name, "-o", "wide"]).succeeds().says("developer");

    clone.write("e2e/manual/all.yaml", &manifests(2));
    clone.push("One more");
    status("OutOfSync");
    developer.gantline(&["app", "diff", name, "-o", "json"]).exits(1).says("replicas");
    developer.gantline(&["app", "sync", name, "--resource", "apps:Deployment:manual"]).succeeds().says("Succeeded");
    status("Sync Status:       Synced");

    let kubeconfig = demo.kubeconfig().display().to_string();
    let delete = ["app", "delete", name, "--yes", "--core", "--kubeconfig", &kubeconfig];
    demo.stranger().gantline(&delete).succeeds().says("deleted");
    eventually("what it deployed goes with it", || {
        let left = demo.kubectl(&["-n", name, "get", "deployments,configmaps", "-o", "name"]);
        let left = left.out.lines().filter(|line| !line.contains("kube-root-ca")).collect::<Vec<_>>().join(" ");
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    developer.gantline(&["app", "get", name]).exits(1).says("there is no Application");
}

#[test]
fn a_change_behind_gits_back_is_healed() {
    let Some(demo) = demo().filter(|_| has("kubectl")) else { return };
    let deployment = ["-n", "staging", "get", "deployment", "inventory-service", "-o", "jsonpath={.spec.replicas}"];
    let wanted = demo.kubectl(&deployment).succeeds().out;
    demo.kubectl(&["-n", "staging", "scale", "deployment", "inventory-service", "--replicas", "9"]).succeeds();
    eventually("the number of replicas is Git's again", || {
        let live = demo.kubectl(&deployment).succeeds().out;
        if live == wanted { Ok(()) } else { Err(live) }
    });
    demo.kubectl(&["-n", "staging", "delete", "service", "inventory-service"]).succeeds();
    eventually("the Service is there again", || {
        let live = demo.kubectl(&["-n", "staging", "get", "service", "inventory-service"]);
        if live.code == 0 { Ok(()) } else { Err(live.err) }
    });
    let developer = demo.log_in("developer");
    developer.gantline(&["app", "wait", "inventory-service-staging", "--timeout", "30"]).succeeds();
}

/// A push that an Application does not read moves where it is proven, and not its revision.
#[test]
fn an_application_is_proven_at_what_was_pushed_last() {
    let Some(demo) = demo().filter(|_| has("git")) else { return };
    let developer = demo.log_in("developer");
    let seen = || developer.gantline(&["app", "get", "myapp-dev", "-o", "json"]).succeeds().json()["status"].clone();
    let revision = seen()["sync"]["revision"].clone();
    let clone = WorkTree::clone_of(&demo.repository("my-gitops-repo"), "dana");
    clone.write("e2e/proven.md", "Nobody reads this.\n");
    clone.push("Add a page that nothing reads");
    eventually("the Application is proven at a later commit", || {
        clone.git(&["pull", "--quiet", "--rebase"]);
        let (head, status) = (clone.git(&["rev-parse", "HEAD"]), seen());
        if status["provenAt"] == head.trim() { Ok(()) } else { Err(format!("{status} at {head}")) }
    });
    assert_eq!(seen()["sync"]["revision"], revision, "where it was");
    let head = clone.git(&["rev-parse", "HEAD"]);
    developer.gantline(&["app", "get", "myapp-dev"]).succeeds().says(&format!("Proven At:         {}", head.trim()));
}
