//! What people get wrong, and what they are told.

use object::MemoryTree;
use render::{KustomizeOptions, Rendered, Source, ToolChoice, render};

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: myapp\nspec:\n  template:\n    spec:\n      containers:\n      - name: myapp\n        image: acme/myapp:1\n";
const BASE: &str = "applications/base/myapp/kustomization.yaml";

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::default().file("applications/base/myapp/deployment.yaml", DEPLOYMENT);
    for (name, text) in files {
        tree = tree.file(name, text);
    }
    tree
}

fn render_dev(tree: MemoryTree) -> Rendered {
    render(&tree.tree(), &Source::auto("environments/dev/myapp"))
}

/// The problem of building `environments/dev/myapp` from `files`: its place and parts of its text.
fn check(files: &[(&str, &str)], place: &str, parts: &[&str]) {
    check_tree(tree(files), place, parts);
}

fn check_tree(tree: MemoryTree, place: &str, parts: &[&str]) {
    let rendered = render_dev(tree);
    assert!(!rendered.complete(), "{rendered:?}");
    let problem = rendered.errors().next().unwrap();
    assert_eq!(problem.place(), place, "{problem}");
    for part in parts {
        assert!(problem.to_string().contains(part), "{problem}\nlacks {part:?}");
    }
}

const DEV: &str = "environments/dev/myapp/kustomization.yaml";
const GOOD_BASE: (&str, &str) = (BASE, "resources:\n- deployment.yaml\n");

#[test]
fn a_base_without_a_kustomization_file_gets_one_printed() {
    let files = [
        (DEV, "resources:\n- ../../../applications/base/myapp\n"),
        ("applications/base/myapp/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: myapp}\n"),
    ];
    let file = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- deployment.yaml\n- service.yaml\n";
    check(&files, BASE, &["\"applications/base/myapp\" has no kustomization file", file]);
}

#[test]
fn a_wrong_path_lists_the_nearest_folders() {
    let dev = "resources:\n- ../base/myapp\n";
    let place = "environments/dev/myapp/kustomization.yaml:2";
    check(
        &[(DEV, dev), GOOD_BASE],
        place,
        &["../base/myapp does not exist", "did you mean ../../../applications/base/myapp"],
    );
}

#[test]
fn a_patch_that_matches_nothing_names_the_candidates() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: my-app\n";
    let dev = "resources:\n- ../../../applications/base/myapp\npatches:\n- path: patch.yaml\n";
    let files = [(DEV, dev), GOOD_BASE, ("environments/dev/myapp/patch.yaml", patch)];
    let parts = ["there is no Deployment.apps my-app to patch", "of that kind there are: Deployment.apps myapp"];
    check(&files, "environments/dev/myapp/patch.yaml:1", &parts);
}

#[test]
fn unknown_fields_name_the_nearest_known_one() {
    let dev = "resources:\n- ../../../applications/base/myapp\nnamePrefx: dev-\n";
    check(&[(DEV, dev), GOOD_BASE], "environments/dev/myapp/kustomization.yaml:3:1", &["did you mean namePrefix?"]);
    let dev = "images:\n- name: a\n  newtag: 1\n";
    let parts = ["images[0].newTag: expected a text", "put it in quotes"];
    check(&[(DEV, dev), GOOD_BASE], "environments/dev/myapp/kustomization.yaml:3:11", &parts);
    let dev = "images:\n- name: a\n  tag: x\n";
    check(
        &[(DEV, dev), GOOD_BASE],
        "environments/dev/myapp/kustomization.yaml:3:3",
        &["unknown field \"tag\" in images[0]"],
    );
}

#[test]
fn nothing_outside_the_repository_is_read() {
    let dev = "resources:\n- ../../../../etc\n";
    check(&[(DEV, dev)], "environments/dev/myapp/kustomization.yaml:2", &["leaves the repository"]);
    let linked =
        tree(&[(DEV, "resources:\n- out.yaml\n")]).link("environments/dev/myapp/out.yaml", "../../../../etc/passwd");
    check_tree(linked, "environments/dev/myapp/kustomization.yaml:2", &["points to ../../../../etc/passwd"]);
    let dev = "configMapGenerator:\n- name: c\n  files:\n  - ../../../applications/base/myapp/deployment.yaml\n";
    let parts = ["is outside of the folder \"environments/dev/myapp\""];
    check(&[(DEV, dev)], "environments/dev/myapp/kustomization.yaml:4", &parts);
}

#[test]
fn cycles_are_named() {
    let files =
        [(DEV, "resources:\n- ../../../a\n"), ("a/kustomization.yaml", "resources:\n- ../environments/dev/myapp\n")];
    check(&files, "a/kustomization.yaml:2", &["is a cycle", "environments/dev/myapp -> a -> environments/dev/myapp"]);
}

#[test]
fn malformed_yaml_has_file_line_and_column() {
    let files = [(DEV, "resources:\n- bad.yaml\n"), ("environments/dev/myapp/bad.yaml", "kind: [x\na: 1\n")];
    check(&files, "environments/dev/myapp/bad.yaml:2:2", &[]);
}

#[test]
fn objects_that_are_there_twice_name_both_places() {
    let dev = "resources:\n- ../../../applications/base/myapp\n- again.yaml\n";
    let files = [(DEV, dev), GOOD_BASE, ("environments/dev/myapp/again.yaml", DEPLOYMENT)];
    let parts = ["Deployment.apps myapp is in the build twice", "applications/base/myapp/deployment.yaml:1"];
    check(&files, "environments/dev/myapp/again.yaml:1", &parts);
}

#[test]
fn what_the_seed_repository_does_works() {
    let dev = "resources:\n- ../../../applications/base/myapp\npatches:\n- target:\n    kind: Deployment\n    name: myapp\n  patch: |-\n    - op: replace\n      path: /metadata/namespace\n      value: dev\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: acme/myapp:2\n";
    let rendered = render_dev(tree(&[(DEV, dev), GOOD_BASE]));
    assert!(rendered.complete(), "{:?}", rendered.problems);
    let manifest = &rendered.manifests[0].manifest;
    assert_eq!(manifest.namespace(), "dev");
    assert_eq!(manifest.value().pointer("/spec/template/spec/containers/0/image").unwrap(), "acme/myapp:2");
    assert_eq!(rendered.manifests[0].origin.file, "applications/base/myapp/deployment.yaml");
    let reads: Vec<&str> = rendered.reads.paths().collect();
    assert!(reads.contains(&"applications/base/myapp/deployment.yaml") && reads.contains(&DEV), "{reads:?}");
}

#[test]
fn an_application_overrides_the_file() {
    let options = KustomizeOptions {
        name_prefix: "p-".into(),
        namespace: "ns".into(),
        images: vec!["acme/myapp=ghcr.io/acme/myapp:9".into()],
        replicas: vec![("myapp".into(), 3)],
        common_labels: [("team".to_owned(), "a".to_owned())].into(),
        ..KustomizeOptions::default()
    };
    let tree = tree(&[(DEV, "resources:\n- ../../../applications/base/myapp\n"), GOOD_BASE]);
    let source = Source {
        path: "environments/dev/myapp".into(),
        tool: ToolChoice::Kustomize(Box::new(options)),
        ..Source::default()
    };
    let rendered = render(&tree.tree(), &source);
    assert!(rendered.complete(), "{:?}", rendered.problems);
    let manifest = &rendered.manifests[0].manifest;
    assert_eq!((manifest.name(), manifest.namespace(), manifest.label("team")), ("p-myapp", "ns", Some("a")));
    let at = |pointer: &str| manifest.value().pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/spec/template/spec/containers/0/image"), "ghcr.io/acme/myapp:9");
    assert_eq!(at("/spec/replicas"), 3);
}

#[test]
fn deprecated_fields_are_warned_of() {
    let rendered = render_dev(tree(&[(DEV, "bases:\n- ../../../applications/base/myapp\n"), GOOD_BASE]));
    assert!(rendered.complete());
    let text = rendered.problems[0].to_string();
    assert_eq!(
        text,
        "environments/dev/myapp/kustomization.yaml:1: bases is deprecated; use resources instead, `gantline kustomize edit fix` does it"
    );
}

/// Errors come into conditions, which more people read than the Secret.
#[test]
fn what_a_secret_holds_is_in_no_error() {
    let secret = (
        "environments/dev/myapp/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: CANARY}\n",
    );
    let refused = |more: &str| {
        let kustomization = format!("resources: [secret.yaml, ../../../applications/base/myapp]\n{more}");
        let rendered = render_dev(tree(&[GOOD_BASE, secret, (DEV, &kustomization)]));
        let texts: Vec<String> = rendered.errors().map(ToString::to_string).collect();
        assert!(!texts.is_empty() && !texts.concat().contains("CANARY"), "{texts:?}");
        texts.concat()
    };
    let patch = |path: &str, value: &str| {
        let operations = format!("[{{\"op\": \"test\", \"path\": \"{path}\", \"value\": \"{value}\"}}]");
        refused(&format!("patches:\n- target: {{kind: Secret}}\n  patch: '{operations}'\n"))
    };
    assert!(patch("/stringData/password", "other").contains("/stringData/password has another value"));
    patch("/stringData/other", "CANARY-2");
    let source = "source: {kind: Secret, fieldPath: stringData.password, options: {delimiter: '-', index: 9}}";
    let targets = "targets: [{select: {kind: Deployment}, fieldPaths: [metadata.labels.x], options: {create: true}}]";
    let told = refused(&format!("replacements:\n- {source}\n  {targets}\n"));
    assert!(told.contains("index 9 is not there: the delimiter makes 1 parts"), "{told}");
}
