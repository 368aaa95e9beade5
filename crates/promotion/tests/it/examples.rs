//! Every environment of the example repositories takes a promotion as an edit of one line.

use std::path::{Path, PathBuf};

use object::{FileTree, ImageRef, MemoryTree};
use promotion::{locate, plan_write};
use render::{RenderContext, Source};

fn example(name: &str) -> FileTree {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).join(name);
    add(MemoryTree::default(), &root, &root).tree()
}

fn add(mut tree: MemoryTree, root: &Path, folder: &Path) -> MemoryTree {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree = add(tree, root, &path);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            tree = tree.file(&name, std::fs::read(&path).unwrap());
        }
    }
    tree
}

fn text(tree: &FileTree, file: &str) -> String {
    String::from_utf8(tree.read(file).unwrap().unwrap().to_vec()).unwrap()
}

/// Promotes `image` to `tag` below `path`: one line differs, and in that line only `old` became `tag`.
fn check(tree: &FileTree, path: &str, image: &str, tag: &str) {
    let source = Source::auto(path);
    let before = locate(tree, &source, &RenderContext::default(), image).unwrap();
    let old = before.image.tag.clone().unwrap();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let wanted: ImageRef = format!("{image}:{tag}@{digest}").parse().unwrap();
    let plan =
        plan_write(tree, &source, &RenderContext::default(), &wanted).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(plan.file, format!("{path}/kustomization.yaml"));
    let (was, is) = (text(tree, &plan.file), String::from_utf8(plan.content.clone()).unwrap());
    let differ: Vec<(&str, &str)> = was.split('\n').zip(is.split('\n')).filter(|(was, is)| was != is).collect();
    assert_eq!(was.split('\n').count(), is.split('\n').count(), "{path}");
    assert_eq!(differ.len(), 1, "{path}: {differ:?}");
    assert_eq!(differ[0].0.replace(&old, tag), differ[0].1, "{path}");
    let edited = tree.with_file(&plan.file, plan.content);
    let after = locate(&edited, &source, &RenderContext::default(), image).unwrap();
    assert_eq!(after.image.tag.as_deref(), Some(tag), "{path}");
    assert_eq!((after.file, after.place), (before.file, before.place), "{path}: found again in the same place");
}

#[test]
fn every_service_and_environment_of_the_shop() {
    let tree = example("ecommerce-infra");
    let tag = "0123456789abcdef0123456789abcdef01234567";
    for service in ["checkout-service", "catalog-service", "inventory-service", "payments-service", "frontend-shell"] {
        // what differs between environments is the same in every service
        let all = ["dev", "staging", "production"];
        let environments = if service == "checkout-service" { &all[..] } else { &all[2..] };
        for environment in environments {
            let path = format!("apps/{service}/overlays/{environment}");
            check(&tree, &path, &format!("ghcr.io/acme/{service}"), tag);
        }
    }
}

#[test]
fn a_value_inside_a_patch() {
    let tree = example("my-gitops-repo");
    for environment in ["dev", "staging", "prod"] {
        check(&tree, &format!("environments/{environment}/myapp"), "nginx", "1.99.0-alpine");
    }
}
