//! Texts and kustomizations that cost far more than their size: each ends in an error that names the limit.

use object::MemoryTree;
use render::kustomize::{BuildOptions, build};

const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";

/// Builds the files and gives the error, which has to name a limit.
fn check(name: &str, files: &[(&str, String)], limit: &str) {
    let tree = files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text)).tree();
    let error = build(&tree, "", &BuildOptions::default()).expect_err(name).to_string();
    assert!(error.contains(limit), "{name}: {error}");
}

fn text(name: &str, text: String, limit: &str) {
    check(name, &[("kustomization.yaml", "resources: [a.yaml]\n".to_owned()), ("a.yaml", text)], limit);
}

/// Each name stands for nine of the one before.
fn laughs() -> String {
    let mut text = format!("{HEAD}  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let nine = vec![format!("*a{}", i - 1); 9].join(", ");
        text += &format!("  a{i}: &a{i} [{nine}]\n");
    }
    text
}

fn merges() -> String {
    let levels = (1..40).map(|i| format!("  k{i}: &k{i}\n    <<: [*k{0}, *k{0}]\n    x{i}: *k{0}\n", i - 1));
    format!("{HEAD}  k0: &k0 {{a: 1, b: 2}}\n{}", levels.collect::<String>())
}

#[test]
fn texts() {
    text("aliases", laughs(), "more than 400000 values");
    text("merge keys", merges(), "more than 400000 values");
    text("anchors in anchors", format!("{HEAD}  a: &a [{}]\n", "x,".repeat(210_000)), "more than 400000 values");
    text(
        "flow depth",
        format!("{HEAD}  a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000)),
        "nested deeper than 200 levels",
    );
    text("list depth", format!("{HEAD}  a:\n    {}x\n", "- ".repeat(100_000)), "nested deeper than 200 levels");
    text("question marks", "? ".repeat(20_000), "nested deeper than 200 levels");
    text("braces", "{".repeat(100_000), "nested deeper than 200 levels");
    text("many values", format!("{HEAD}  a: [{}]\n", "x,".repeat(500_000)), "more than 400000 values");
}

/// Thirty layers, each of which holds the one below twice.
#[test]
fn bases_that_double() {
    let mut files = vec![
        ("b0/a.yaml".to_owned(), format!("{HEAD}  a: {}\n", "b".repeat(100_000))),
        ("b0/kustomization.yaml".to_owned(), "resources: [a.yaml]\n".to_owned()),
    ];
    for i in 1..30 {
        for half in ["left", "right"] {
            files.push((
                format!("{half}{i}/kustomization.yaml"),
                format!("namePrefix: {half}\nresources: [../b{}]\n", i - 1),
            ));
        }
        files.push((format!("b{i}/kustomization.yaml"), format!("resources: [../left{i}, ../right{i}]\n")));
    }
    files.push(("kustomization.yaml".to_owned(), "resources: [b29]\n".to_owned()));
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    check("doubling bases", &files, "reads more than 32 MiB");
}

fn patched(name: &str, fields: &str, limit: &str) {
    let files =
        [("kustomization.yaml", format!("resources: [a.yaml]\n{fields}")), ("a.yaml", format!("{HEAD}  a: b\n"))];
    check(name, &files, limit);
}

#[test]
fn objects_that_double() {
    let copies: String = (0..40).map(|i| format!("    - {{op: copy, from: /data, path: /data/c{i}}}\n")).collect();
    patched("copies", &format!("patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{copies}"), "grows beyond");
    let source = "source: {kind: ConfigMap, fieldPath: data.a}";
    let target =
        "targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a], options: {delimiter: '/', index: 1000000}}]";
    let doubled = format!("- {source}\n  {target}\n").repeat(40);
    patched("replacements", &format!("replacements:\n{doubled}"), "grows beyond");
    let tree = "- source: {kind: ConfigMap, fieldPath: data}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.X], options: {create: true}}]\n";
    let trees: String = (0..40).map(|i| tree.replace('X', &format!("t{i}"))).collect();
    patched("replaced trees", &format!("replacements:\n{trees}"), "grows beyond");
    let var =
        "vars:\n- name: A\n  objref: {apiVersion: v1, kind: ConfigMap, name: a}\n  fieldref: {fieldpath: data.a}\n";
    let files = [
        ("kustomization.yaml", format!("resources: [a.yaml, p.yaml]\n{var}")),
        ("a.yaml", format!("{HEAD}  a: {}\n", "x".repeat(1_000_000))),
        (
            "p.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    command: [\"{}\"]\n",
                "$(A) ".repeat(100)
            ),
        ),
    ];
    check("variables", &files, "grows beyond");
}
