//! Each way in which an image can be written, and what is refused.

use object::{FileTree, ImageRef, MemoryTree};
use promotion::plan_write;
use render::{RenderContext, Source};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
      - name: shop
        image: ghcr.io/acme/shop:v1
";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn tree(kustomization: &str, more: &[(&str, &str)]) -> FileTree {
    let tree = MemoryTree::default()
        .file("base/kustomization.yaml", "resources: [d.yaml]\n")
        .file("base/d.yaml", DEPLOYMENT)
        .file("o/kustomization.yaml", kustomization);
    more.iter().fold(tree, |tree, (path, text)| tree.file(path, text)).tree()
}

fn release(tag: &str) -> ImageRef {
    format!("ghcr.io/acme/shop:{tag}@{}", digest('b')).parse().unwrap()
}

/// The lines that a promotion to `tag` takes away and puts there.
fn edit(tree: &FileTree, file: &str, tag: &str) -> (Vec<String>, Vec<String>) {
    let plan = plan_write(tree, &Source::auto("o"), &RenderContext::default(), &release(tag))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.file, file);
    let was = String::from_utf8(tree.read(file).unwrap().unwrap().to_vec()).unwrap();
    let is = String::from_utf8(plan.content).unwrap();
    let without = |a: &str, b: &str| -> Vec<String> {
        let other: Vec<&str> = b.split('\n').collect();
        a.split('\n').filter(|line| !other.contains(line)).map(str::to_owned).collect()
    };
    (without(&was, &is), without(&is, &was))
}

fn check(kustomization: &str, more: &[(&str, &str)], file: &str, tag: &str, old: &str, new: &str) {
    let (was, is) = edit(&tree(kustomization, more), file, tag);
    assert_eq!((was, is), (vec![old.to_owned()], vec![new.to_owned()]), "{kustomization}");
}

const HERE: &str = "o/kustomization.yaml";

#[test]
fn what_is_written_keeps_its_form() {
    let images = |entry: &str| format!("resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n{entry}\n");
    let (old, new) = (digest('c'), digest('b'));
    check(&images("  newTag: v1"), &[], HERE, "v2", "  newTag: v1", "  newTag: v2");
    check(&images("  newTag: \"v1\" # CI"), &[], HERE, "v2", "  newTag: \"v1\" # CI", "  newTag: \"v2\" # CI");
    check(&images("  newTag: 'v1'"), &[], HERE, "v2", "  newTag: 'v1'", "  newTag: 'v2'");
    let (a, b) = (format!("  digest: {old}"), format!("  digest: {new}"));
    check(&images(&a), &[], HERE, "v2", &a, &b);
    // a tag that is a number for YAML is a text for Kustomize
    check(&images("  newTag: v1"), &[], HERE, "15", "  newTag: v1", "  newTag: \"15\"");
    check(&images("  newTag: \"14\""), &[], HERE, "15", "  newTag: \"14\"", "  newTag: \"15\"");
}

#[test]
fn a_tag_that_yaml_would_read_as_something_else_is_quoted() {
    for tag in ["true", "null", "1_000", "2026-11-21", "0o17", "1e3", "no", "1.20"] {
        let kustomization = "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newTag: v1\n";
        let files = tree(kustomization, &[]);
        let plan = plan_write(&files, &Source::auto("o"), &RenderContext::default(), &release(tag))
            .unwrap_or_else(|e| panic!("{tag}: {e}"));
        let edited = files.with_file(HERE, plan.content);
        let found =
            promotion::locate(&edited, &Source::auto("o"), &RenderContext::default(), "ghcr.io/acme/shop").unwrap();
        assert_eq!(found.image.tag.as_deref(), Some(tag));
    }
}

#[test]
fn patches_are_edited_where_they_stand() {
    let json = |value: &str| {
        format!(
            "resources: [../base]\npatches:\n- target: {{kind: Deployment}}\n  patch: |-\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: {value} # ours\n"
        )
    };
    let (old, new) = (digest('c'), digest('b'));
    let line = |value: &str| format!("      value: {value} # ours");
    for (was, is) in [
        ("ghcr.io/acme/shop:v1".to_owned(), "ghcr.io/acme/shop:v2".to_owned()),
        (format!("ghcr.io/acme/shop:v1@{old}"), format!("ghcr.io/acme/shop:v2@{new}")),
        (format!("ghcr.io/acme/shop@{old}"), format!("ghcr.io/acme/shop@{new}")),
    ] {
        check(&json(&was), &[], HERE, "v2", &line(&was), &line(&is));
    }
    let patch = "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: ghcr.io/acme/shop:v1\n";
    check(
        "resources: [../base]\npatches:\n- target: {kind: Deployment}\n  path: image.yaml\n",
        &[("o/image.yaml", patch)],
        "o/image.yaml",
        "v2",
        "  value: ghcr.io/acme/shop:v1",
        "  value: ghcr.io/acme/shop:v2",
    );
    let merge = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n      containers:\n      - name: shop\n        image: ghcr.io/acme/shop:v1\n";
    check(
        "resources: [../base]\npatches:\n- path: image.yaml\n",
        &[("o/image.yaml", merge)],
        "o/image.yaml",
        "v2",
        "        image: ghcr.io/acme/shop:v1",
        "        image: ghcr.io/acme/shop:v2",
    );
}

#[test]
fn windows_line_ends_and_comments_stay() {
    let kustomization = "# ours\r\nresources: [../base]\r\nimages:\r\n- name: ghcr.io/acme/shop\r\n  newTag: v1\r\n";
    let files = tree(kustomization, &[]);
    let plan = plan_write(&files, &Source::auto("o"), &RenderContext::default(), &release("v2")).unwrap();
    assert_eq!(String::from_utf8(plan.content).unwrap(), kustomization.replace("v1", "v2"));
}

fn refused(files: &FileTree, tag: &str, parts: &[&str]) {
    let error =
        plan_write(files, &Source::auto("o"), &RenderContext::default(), &release(tag)).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn refusals_name_the_place_and_what_to_do() {
    let images = "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newTag: v2\n";
    refused(&tree(images, &[]), "v2", &["o/kustomization.yaml:4", "already"]);
    refused(&tree("resources: [../gone]\n", &[]), "v2", &["does not render"]);
    // the same entry sets a second environment's objects too: both containers change, which is one image
    let two = DEPLOYMENT.replace("shop:v1", "shop:v1\n      - name: side\n        image: ghcr.io/acme/shop:v1");
    let both = tree("resources: [d.yaml]\n", &[("o/d.yaml", &two)]);
    refused(&both, "v2", &["several places", "o/d.yaml:14", "o/d.yaml:16"]);
    let other = DEPLOYMENT.replace("acme/shop", "acme/other");
    refused(&tree("resources: [d.yaml]\n", &[("o/d.yaml", &other)]), "v2", &["ghcr.io/acme/shop", "spec.images"]);
}

/// An entry whose `newName` makes another repository of the image is not ours to edit.
#[test]
fn an_edit_must_reach_the_image_that_travels() {
    let kustomization =
        "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newName: mirror/shop\n  newTag: v1\n";
    refused(&tree(kustomization, &[]), "v2", &["runs no container with image ghcr.io/acme/shop"]);
}
