//! An unmodified kubectl on the sandbox.

use e2e::{Demo, Ran, demo, eventually, has};
use serde_json::{Value, json};

const IMAGE: &str = "nginx:1.21.6-alpine";
const OTHER_IMAGE: &str = "ghcr.io/acme/checkout-service:9b1c64d2f0a8e35d7741c06fb2e98a5d31f7c480";

/// The demo, with a namespace that the test has for itself.
fn namespace(name: &str) -> Option<&'static Demo> {
    let demo = demo().filter(|_| has("kubectl"))?;
    demo.kubectl(&["create", "namespace", name]).succeeds().says("created");
    Some(demo)
}

fn deployment(namespace: &str) -> Value {
    let labels = json!({ "app": "web" });
    let container = json!({ "name": "web", "image": IMAGE, "ports": [{ "containerPort": 80 }] });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace, "labels": labels },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } },
    })
}

fn replicas(demo: &Demo, namespace: &str) -> String {
    demo.kubectl(&["-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]).succeeds().out
}

#[test]
fn a_deployment_is_made_changed_and_deleted() {
    let name = "e2e-write";
    let Some(demo) = namespace(name) else { return };
    let kubectl =
        |line: &str| -> Ran { demo.kubectl(&[&["-n", name], &line.split(' ').collect::<Vec<_>>()[..]].concat()) };
    demo.apply(&deployment(name));
    kubectl("rollout status deployment/web --timeout=30s").succeeds().says("successfully rolled out");
    kubectl("get deployments").succeeds().says("READY").says("1/1");
    kubectl("get deployment web -o wide").succeeds().says("IMAGES").says(IMAGE);
    kubectl("get deployment web -o name").succeeds().says("deployment.apps/web");
    kubectl("get pods -l app=web --show-labels").succeeds().says("Running").says("pod-template-hash");
    kubectl("describe deployment web").succeeds().says("1 desired").says("NewReplicaSet").says("ScalingReplicaSet");
    kubectl("scale deployment web --replicas 3").succeeds().says("scaled");
    assert_eq!(replicas(demo, name), "3");
    kubectl("label deployment web tier=front").succeeds().says("labeled");
    kubectl("get deployments -l tier=front").succeeds().says("web");
    kubectl("annotate deployment web note=seen").succeeds();
    kubectl("patch deployment web --type=merge -p {\"spec\":{\"replicas\":2}}").succeeds().says("patched");
    kubectl("patch deployment web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":4}]")
        .succeeds();
    assert_eq!(replicas(demo, name), "4");
    kubectl("patch deployment web -p {\"spec\":{\"replicas\":-1}}").exits(1).says("spec.replicas").says("Invalid");
    kubectl("delete deployment web").succeeds().says("deleted");
    kubectl("get deployment web").exits(1).says("NotFound");
    eventually("the pods are collected", || {
        let left = kubectl("get pods -o name").succeeds().out;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    kubectl("delete namespace e2e-write --timeout=30s").succeeds();
    kubectl("get namespace e2e-write").exits(1).says("not found");
}

#[test]
fn an_editor_changes_a_deployment() {
    let name = "e2e-edit";
    let Some(demo) = namespace(name) else { return };
    demo.apply(&deployment(name));
    let mut command = demo.kubectl_command();
    command.env("EDITOR", "sed -i s/replicas:.1/replicas:\\ 2/").args(["-n", name, "edit", "deployment", "web"]);
    e2e::run(&mut command).succeeds().says("edited");
    assert_eq!(replicas(demo, name), "2");
}

#[test]
fn a_rollout_is_watched_and_undone() {
    let name = "e2e-rollout";
    let Some(demo) = namespace(name) else { return };
    let kubectl =
        |line: &str| -> Ran { demo.kubectl(&[&["-n", name], &line.split(' ').collect::<Vec<_>>()[..]].concat()) };
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    demo.apply(&deployment(name));
    kubectl("rollout status deployment/web --timeout=30s").succeeds();
    kubectl("logs deployment/web").succeeds().says("web");
    kubectl(&format!("set image deployment/web web={OTHER_IMAGE}")).succeeds().says("image updated");
    kubectl("rollout status deployment/web --timeout=30s").succeeds().says("successfully rolled out");
    kubectl("rollout history deployment/web").succeeds().says("REVISION").says("2");
    assert_eq!(kubectl(image).succeeds().out, OTHER_IMAGE);
    kubectl("rollout undo deployment/web").succeeds().says("rolled back");
    kubectl("rollout status deployment/web --timeout=30s").succeeds();
    assert_eq!(kubectl(image).succeeds().out, IMAGE);
    kubectl("set image deployment/web web=ghcr.io/acme/checkout-service:absent").succeeds();
    eventually("a pod cannot pull its image", || {
        let pods = kubectl("get pods").succeeds().out;
        if pods.contains("ImagePullBackOff") || pods.contains("ErrImagePull") { Ok(()) } else { Err(pods) }
    });
    kubectl("events").succeeds().says("Failed to pull image");
    kubectl("get events --field-selector reason=ScalingReplicaSet").succeeds().says("deployment/web");
}

#[test]
fn server_side_apply_tells_owners_apart() {
    let name = "e2e-apply";
    let Some(demo) = namespace(name) else { return };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().display().to_string();
    let apply = |replicas: u32, arguments: &[&str]| {
        let mut object = deployment(name);
        object["spec"]["replicas"] = json!(replicas);
        std::fs::write(&path, object.to_string()).expect("a written file");
        demo.kubectl(&[&["apply", "-f", &path], arguments].concat())
    };
    apply(1, &["--server-side", "--field-manager=one"]).succeeds().says("serverside-applied");
    let conflict = apply(2, &["--server-side", "--field-manager=two"]).exits(1);
    conflict.says("conflict").says("\"one\"").says(".spec.replicas");
    assert_eq!(replicas(demo, name), "1");
    apply(2, &["--server-side", "--field-manager=two", "--force-conflicts"]).succeeds();
    assert_eq!(replicas(demo, name), "2");
    apply(3, &["--server-side", "--field-manager=two", "--dry-run=server"]).succeeds().says("server dry run");
    assert_eq!(replicas(demo, name), "2");
    let shown = demo.kubectl(&["-n", name, "get", "deployment", "web", "-o", "json", "--show-managed-fields"]);
    let object = shown.succeeds().json();
    let owners = object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let owners: Vec<&str> = owners.iter().filter_map(|entry| entry["manager"].as_str()).collect();
    assert!(owners.contains(&"one") && owners.contains(&"two"), "{owners:?}");
}

#[test]
fn the_api_describes_itself() {
    let Some(demo) = demo().filter(|_| has("kubectl")) else { return };
    let check = |line: &str, code: i32, says: &[&str]| {
        let ran = demo.kubectl(&line.split(' ').collect::<Vec<_>>()).exits(code);
        says.iter().fold(ran, |ran, text| ran.says(text));
    };
    check("version", 0, &["Server Version"]);
    check("api-versions", 0, &["apps/v1", "argoproj.io/v1alpha1", "gantline.dev/v1alpha1"]);
    check("api-resources", 0, &["deployments", "deploy", "pipelines", "applications"]);
    check("explain deployment.spec.replicas", 0, &["FIELD: replicas <integer>"]);
    check("explain pipeline.spec.environments", 0, &["gates"]);
    check("auth can-i create deployments.apps", 0, &["yes"]);
    check("auth can-i --list", 0, &["*.*"]);
    check("auth whoami", 0, &["Username"]);
    check("get nodes", 0, &["Ready"]);
    check("get applications -n argocd", 0, &["frontend-shell-production"]);
    check("get pipelines,releases -n argocd", 0, &["pipeline.gantline.dev/myapp", "RUNS", "PHASE"]);
    check(
        "get pipelines myapp -n argocd --no-headers",
        0,
        &["dev=1.21.6-alpine staging=1.21.6-alpine prod=1.21.6-alpine"],
    );
    check("get releases -n argocd --no-headers", 0, &["1.21.6-alpine", "prod", "Verified"]);
    check("get all -n myapp-prod", 0, &["deployment.apps/myapp", "service/myapp", "replicaset.apps/myapp"]);
    check("get deployment absent -n dev", 1, &["NotFound"]);
    check("get unknownkind", 1, &["the server doesn't have a resource type"]);
    check("describe node", 0, &["Capacity", "Allocatable"]);
    check("describe application myapp-prod -n argocd", 0, &["Sync Policy"]);
}

/// As `kubectl get -o json` prints them: kubectl looks up their schemas elsewhere than those of single objects.
#[test]
fn a_list_is_applied_and_what_is_wrong_in_it_is_refused() {
    let Some(demo) = demo().filter(|_| has("kubectl")) else { return };
    let map = |name: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
            "data": {"a": "b"}})
    };
    let list = |items: Value| json!({"apiVersion": "v1", "kind": "List", "items": items});
    demo.apply(&list(json!([map("list-one"), map("list-two")])));
    demo.kubectl(&["get", "configmap", "list-two", "-o", "name"]).succeeds();
    let mut wrong = map("list-three");
    wrong["dta"] = json!({});
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), list(json!([wrong])).to_string()).expect("a written file");
    demo.kubectl(&["apply", "-f", &file.path().display().to_string()]).exits(1).says("unknown field \"dta\"");
    demo.kubectl(&["delete", "configmap", "list-one", "list-two"]).succeeds();
}

#[test]
fn jobs_and_configuration_live() {
    let name = "e2e-kinds";
    let Some(demo) = namespace(name) else { return };
    let kubectl =
        |line: &str| -> Ran { demo.kubectl(&[&["-n", name], &line.split(' ').collect::<Vec<_>>()[..]].concat()) };
    kubectl("create configmap settings --from-literal=colour=blue").succeeds();
    kubectl("get configmap settings -o jsonpath={.data.colour}").succeeds().says("blue");
    kubectl("create secret generic keys --from-literal=token=abc").succeeds();
    kubectl("describe secret keys").succeeds().says("3 bytes");
    kubectl(&format!("create job once --image={IMAGE}")).succeeds();
    kubectl("wait --for=condition=complete job/once --timeout=30s").succeeds().says("condition met");
    kubectl(&format!("create deployment web --image={IMAGE} --port=80")).succeeds();
    kubectl("expose deployment web --port 80").succeeds().says("exposed");
    kubectl("wait --for=condition=available deployment/web --timeout=30s").succeeds();
    kubectl("get endpoints web").succeeds().does_not_say("<none>");
    kubectl("create configmap settings").exits(1).says("already exists");
}
