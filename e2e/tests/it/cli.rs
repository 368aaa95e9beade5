//! Commands that only read, their forms of output and their exit codes.

use std::process::Command;

use e2e::{Demo, WorkTree, binary, demo, has, run};
use serde_json::Value;

const TAG: &str = "4f2a9c1e7b60d83f5a1c2e9d40b7f68a3c5e1d92";

#[test]
fn commands_answer_and_exit_as_documented() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    let check = |line: &str, code: i32, says: &[&str]| {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = developer.gantline(&words).exits(code);
        says.iter().fold(ran, |ran, text| ran.says(text));
    };
    check("app list", 0, &["NAME", "SYNC STATUS", "myapp-prod", "Synced", "Healthy"]);
    check("app list -o wide", 0, &["PROJECT", "REPOSITORY", "apps/frontend-shell/overlays/dev"]);
    check("app list -o yaml", 0, &["kind: Application", "name: myapp-dev"]);
    check("app list -l environment=none", 0, &["NAME"]);
    check("app list -l environment=of=none", 1, &["label selector"]);
    check("app list -l (", 1, &["label selector"]);
    assert_eq!(developer.gantline(&["app", "list", "--namespace", "nope"]).succeeds().out.lines().count(), 1);
    for words in [["app", "get", ""].as_slice(), &["where", ""], &["release", "show", " "]] {
        developer.gantline(words).exits(2).says("it is empty: give a name");
    }
    check("app get myapp-prod", 0, &["Namespace:         myapp-prod", "Deployment", "Synced"]);
    check("app get myapp-prod -o name", 0, &["application/myapp-prod"]);
    check("app get myap-prod", 1, &["there is no Application"]);
    check("app diff myapp-prod", 0, &[]);
    check("app history myapp-prod -o wide", 0, &["REVISION", "automated sync"]);
    check("app refresh myapp-prod", 0, &["myapp-prod: Synced Healthy"]);
    check("app wait myapp-prod --health --timeout 20", 0, &["Healthy"]);
    check("cluster list", 0, &["NAME", "in-cluster", "https://kubernetes.default.svc", "v1.", "Successful", "all"]);
    check("cluster list -o name", 0, &["cluster/in-cluster"]);
    check("cluster list -o json", 0, &["applicationsCount"]);
    check("pipeline list", 0, &["checkout-service", "myapp"]);
    check("pipeline list -o name", 0, &["pipeline/myapp"]);
    check("pipeline get myapp", 0, &["staging", "myapp-staging", "sha256:"]);
    check("pipeline get nothing", 1, &["there is no Pipeline", "myapp"]);
    check("pipeline get checkout-servic", 1, &["did you mean checkout-service?"]);
    check("env checkout-servic", 1, &["did you mean checkout-service?"]);
    check("release list nope", 1, &["there is no Pipeline \"nope\""]);
    check("release show 1.21.6-alpine -o name", 0, &["release/myapp-"]);
    check("explain 1.21.6-alpine -o name", 0, &["explanation/myapp-"]);
    check("where 1.2", 1, &["nothing runs 1.2", "from 6 characters on"]);
    check("app list --namespace argocd -o name", 0, &["application/myapp-prod"]);
    check("app get myapp-prod --namespace argocd -o name", 0, &["application/myapp-prod"]);
    check("app get myapp-prod --namespace nope", 1, &["there is no Application \"nope/myapp-prod\""]);
    check("pipeline list --namespace argocd", 2, &["--namespace argocd", "--core"]);
    check("release list myapp", 0, &["1.21.6-alpine", "dev=Verified"]);
    check("release show nothing", 1, &["nothing"]);
    check("release lift nothing", 1, &["there is no release"]);
    check("env frontend-shell", 0, &["PURPOSE", "Live traffic", "approval by team-leads", "PROMOTION TRIGGER"]);
    check("where nginx", 0, &["myapp-staging", "1.21.6-alpine", "sha256:"]);
    check("where nginx:1.21.6-alpine -o name", 0, &["application/myapp-staging"]);
    check("where no-such-image", 1, &["nothing runs no-such-image"]);
    check("explain myapp-prod", 0, &["myapp-prod is Synced and Healthy"]);
    check("explain nothing", 1, &["no Application, Pipeline, environment or release \"nothing\""]);
    check("app", 2, &["Usage"]);
    check("app list -o xml", 2, &["possible values"]);
    check("promote myapp", 2, &["--to"]);
    check("approve myapp", 1, &["myapp"]);
    check("completion bash", 0, &["_gantline"]);
}

#[test]
fn lists_are_chosen_by_label_and_by_project() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    let check = |arguments: &[&str], expected: usize| {
        let words = [&["app", "list", "-o", "json"], arguments].concat();
        let list = developer.gantline(&words).succeeds().json();
        assert_eq!(list["kind"], "List");
        assert_eq!(list["items"].as_array().map(Vec::len), Some(expected), "{arguments:?}");
    };
    check(&["-l", "environment=staging,app.kubernetes.io/part-of=ecommerce"], 5);
    check(&["-l", "environment in (staging, dev)"], 10);
    check(&["-l", "environment=nowhere"], 0);
    check(&["--project", "ecommerce"], 15);
}

#[test]
fn objects_are_printed_as_they_are() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    let app = developer.gantline(&["app", "get", "frontend-shell-dev", "-o", "json"]).succeeds().json();
    assert_eq!(app["kind"], "Application");
    assert_eq!(app["spec"]["destination"]["namespace"], "dev");
    assert!(app["status"]["history"].as_array().is_some_and(|all| !all.is_empty()), "{app}");
    let pipeline = developer.gantline(&["pipeline", "get", "frontend-shell", "-o", "json"]).succeeds().json();
    assert_eq!(pipeline["kind"], "Pipeline");
    let releases = developer.gantline(&["release", "list", "frontend-shell", "-o", "json"]).succeeds().json();
    let name = releases["items"][0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    developer.gantline(&["release", "show", &name]).succeeds().says(TAG).says("production");
    developer.gantline(&["release", "show", &name, "-o", "yaml"]).succeeds().says("kind: Release");
    developer.gantline(&["explain", &name]).succeeds().says(&TAG[..10]).says("production");
}

#[test]
fn the_cluster_answers_without_a_server() {
    let Some(demo) = demo() else { return };
    let stranger = demo.stranger();
    let kubeconfig = demo.kubeconfig().display().to_string();
    let core = |words: &[&str]| stranger.gantline(&[words, &["--core", "--kubeconfig", &kubeconfig]].concat());
    core(&["app", "list"]).succeeds().says("inventory-service-dev");
    core(&["pipeline", "get", "inventory-service"]).succeeds().says("inventory-service-staging");
    core(&["explain", "inventory-service-dev"]).succeeds().says("inventory-service-dev is Synced and Healthy");
    stranger.gantline(&["app", "list", "--core", "--kubeconfig", "/nowhere"]).exits(1).says("/nowhere");
}

#[test]
fn a_clone_is_rendered_without_server_and_cluster() {
    let Some(demo) = demo() else { return };
    if !has("git") {
        return;
    }
    let clone = WorkTree::clone_of(&demo.repository("my-gitops-repo"), "dana");
    let folder = clone.path().join("environments/prod/myapp").display().to_string();
    let stranger = demo.stranger();
    stranger.gantline(&["render", &folder]).succeeds().says("kind: Deployment").says("namespace: myapp-prod");
    let objects = stranger.gantline(&["render", &folder, "-o", "json"]).succeeds().json();
    assert_eq!(objects.as_array().map(Vec::len), Some(2), "{objects}");
    stranger.gantline(&["render", &folder, "-o", "name"]).succeeds().says("myapp");
    let built = stranger.gantline(&["kustomize", "build", &folder]).succeeds().says("kind: Service");
    if has("kubectl") {
        let theirs = run(Command::new("kubectl").arg("kustomize").arg(&folder)).succeeds();
        assert_eq!(built.out, theirs.out, "kubectl kustomize builds something else");
    }
    std::fs::create_dir(clone.path().join("empty")).expect("a folder");
    let empty = clone.path().join("empty").display().to_string();
    stranger.gantline(&["render", &empty]).exits(1).says("has no manifests").says("spec.source.path");
    clone.write("environments/prod/myapp/kustomization.yaml", "resources: [nowhere]\n");
    stranger.gantline(&["kustomize", "build", &folder]).exits(1).says("nowhere");
    clone.write("environments/prod/myapp/kustomization.yaml", "resources:\n- a: [\n");
    stranger.gantline(&["render", &folder]).exits(1).says("kustomization.yaml");
}

/// The program `helm` is nowhere: charts render in process, also those of kustomizations, when that is permitted.
#[test]
fn charts_are_rendered_without_helm() {
    let Some(binary) = binary() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
    write("charts/shop/values.yaml", "image:\n  tag: one\n");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\ndata: {tag: {{ .Values.image.tag }}}\n";
    write("charts/shop/templates/map.yaml", template);
    write(
        "kustomization.yaml",
        "namePrefix: our-\nhelmCharts:\n- {name: shop, releaseName: shop, valuesInline: {image: {tag: two}}}\n",
    );
    let gantline = |words: &str| {
        let mut command = Command::new(&binary);
        run(command.args(words.split(' ')).current_dir(folder.path()).env_clear().env("HOME", folder.path()))
    };
    gantline("kustomize build --enable-helm .").succeeds().says("name: our-shop").says("tag: two");
    gantline("kustomize build .").exits(1).says("--enable-helm");
    // nothing of what says how to reach a server is mistaken for the release's
    gantline("helm template shop charts/shop").succeeds().says("namespace: default").says("tag: one");
    let changed = gantline("helm template shop charts/shop -n other --set image.tag=three").succeeds();
    changed.says("namespace: other").says("tag: three");
    write("charts/shop/templates/map.yaml", "a: {{ .Values.imag.tag }}\n");
    let wrong = gantline("helm template shop charts/shop").exits(1);
    wrong.says("charts/shop/templates/map.yaml:1:").says("<.Values.imag.tag>").says("did you mean .Values.image?");
    gantline("helm template shop charts/shop --post-renderer sh").exits(2).says("a render runs no programs");
}

#[test]
fn manifests_for_a_cluster_are_printed() {
    let Some(binary) = binary() else { return };
    let crds = run(Command::new(&binary).args(["install", "--crds-only"])).succeeds();
    for name in
        ["applications.argoproj.io", "pipelines.gantline.dev", "releases.gantline.dev", "promotions.gantline.dev"]
    {
        assert!(crds.out.contains(name), "{name}");
    }
    crds.does_not_say("kind: Deployment");
    let all = run(Command::new(&binary).args(["install", "--image", "gantline:1", "--replicas", "3"])).succeeds();
    let all = all.says("kind: Deployment").says("image: gantline:1").says("replicas: 3").says("kind: RoleBinding");
    all.does_not_say("kind: ClusterRole");
}

/// What a Pipeline's environment runs, by its status.
pub(crate) fn environment(demo: &Demo, pipeline: &str, name: &str) -> Value {
    let found = demo.log_in("developer").gantline(&["pipeline", "get", pipeline, "-o", "json"]).succeeds().json();
    let all = found.pointer("/status/environments").and_then(Value::as_array).cloned().unwrap_or_default();
    all.into_iter().find(|environment| environment["name"] == name).unwrap_or_default()
}

#[test]
fn the_gates_are_listed_without_server_and_cluster() {
    let Some(binary) = binary() else { return };
    let gantline = |words: &str| run(Command::new(&binary).args(words.split(' ')).env_clear().env("HOME", "/nowhere"));
    let listed = gantline("gates").succeeds().says("healthy: { in: staging, for: 10m }");
    listed.says("Enough members of each group have approved.").does_not_say("only Mon-Thu");
    gantline("gates -o wide").succeeds().says("only Mon-Thu 09:00-17:00 Europe/Berlin");
    assert_eq!(gantline("gates -o name").succeeds().out, "gate/healthy\ngate/approval\ngate/window\n");
    let rows = gantline("gates -o json").succeeds().json();
    assert_eq!(rows["items"][1]["says"], "approval by team-leads");
}
