//! Images of charts: which values file is edited, how, and what is refused.

use object::{FileTree, ImageRef, MemoryTree};
use promotion::{WritePlan, locate, plan_write};
use render::{HelmOptions, HelmParameter, RenderContext, Source, ToolChoice};

const SPLIT: &str = "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}";
const DEFAULTS: &str = "image:\n  repository: ghcr.io/acme/shop\n  tag: \"\"\n";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// A chart whose container has an image by this template, and the environment's value file.
fn tree(image: &str, prod: &str) -> MemoryTree {
    MemoryTree::default()
        .file("c/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: \"1.0\"\n")
        .file("c/values.yaml", DEFAULTS)
        .file(
            "c/templates/pod.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\n  labels:\n    app.kubernetes.io/version: {{{{ .Values.image.tag | default .Chart.AppVersion | quote }}}}\nspec:\n  containers:\n  - name: shop\n    image: \"{image}\"\n"
            ),
        )
        .file("env/prod.yaml", prod)
}

fn source(options: HelmOptions) -> Source {
    Source { path: "c".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() }
}

fn files(names: &[&str]) -> HelmOptions {
    HelmOptions { value_files: names.iter().map(|n| (*n).to_owned()).collect(), ..HelmOptions::default() }
}

fn plan(tree: &FileTree, options: HelmOptions, tag: &str) -> Result<WritePlan, String> {
    let image: ImageRef = format!("ghcr.io/acme/shop:{tag}@{}", digest('b')).parse().unwrap();
    plan_write(tree, &source(options), &RenderContext::default(), &image).map_err(|error| error.to_string())
}

/// The text of the environment's value file after a promotion.
#[track_caller]
fn check(image: &str, prod: &str, tag: &str, expected: &str) {
    let plan = plan(&tree(image, prod).tree(), files(&["/env/prod.yaml"]), tag).unwrap();
    assert_eq!((plan.file.as_str(), plan.reference.as_str()), ("env/prod.yaml", ""));
    assert_eq!(String::from_utf8(plan.content).unwrap(), expected);
}

#[test]
fn a_tag_keeps_its_form() {
    for (before, tag, after) in [
        ("image:\n  tag: v1 # CI\n", "v2", "image:\n  tag: v2 # CI\n"),
        ("image:\n    tag: 'v1'\n", "v2", "image:\n    tag: 'v2'\n"),
        ("image: {tag: v1, x: y}\n", "v2", "image: {tag: v2, x: y}\n"),
        ("# ours\r\nimage:\r\n  tag: v1\r\nl:\r\n- a\r\n", "v2", "# ours\r\nimage:\r\n  tag: v2\r\nl:\r\n- a\r\n"),
        ("image:\n  tag: \"14\"\n", "15", "image:\n  tag: \"15\"\n"),
        ("image:\n  tag: 14\n", "15", "image:\n  tag: 15\n"),
        ("image:\n  tag: v1\n", "1.10", "image:\n  tag: \"1.10\"\n"),
        ("image:\n  tag: 1.9\n", "1.10", "image:\n  tag: \"1.10\"\n"),
    ] {
        check(SPLIT, before, tag, after);
    }
}

#[test]
fn what_the_environment_does_not_set_is_added_to_its_file() {
    check(SPLIT, "replicas: 3\n", "v2", "replicas: 3\nimage:\n  tag: v2\n");
    check(SPLIT, "image:\n  pullPolicy: Always\n", "v2", "image:\n  pullPolicy: Always\n  tag: v2\n");
    let shared = tree(SPLIT, "replicas: 3\n").file("env/all.yaml", "image: {tag: v1}\n").tree();
    let plan = plan(&shared, files(&["/env/all.yaml", "/env/prod.yaml"]), "v2").unwrap();
    assert_eq!(plan.file, "env/prod.yaml");
}

#[test]
fn without_a_value_file_the_charts_own_is_edited() {
    let files = tree(SPLIT, "").tree();
    let plan = plan(&files, HelmOptions::default(), "v2").unwrap();
    assert_eq!(plan.file, "c/values.yaml");
    assert_eq!(String::from_utf8(plan.content.clone()).unwrap(), DEFAULTS.replace("\"\"", "\"v2\""));
    assert!(plan.beside[0].contains("app.kubernetes.io/version: 1.0 becomes v2"), "{:?}", plan.beside);
    let edited = files.with_file("c/values.yaml", plan.content);
    let source = source(HelmOptions::default());
    let found = locate(&edited, &source, &RenderContext::default(), "ghcr.io/acme/shop").unwrap();
    assert_eq!((found.image.tag.as_deref(), found.file.as_str()), (Some("v2"), "c/values.yaml"));
}

#[test]
fn whole_images_and_digests() {
    let (old, new) = (digest('a'), digest('b'));
    let whole = |version: &str| format!("image: {{tag: t}}\nshop: ghcr.io/acme/shop{version}\n");
    for (before, after) in
        [(":v1", ":v2"), (&format!(":v1@{old}"), &format!(":v2@{new}")), (&format!("@{old}"), &format!("@{new}"))]
    {
        check("{{ .Values.shop }}", &whole(before), "v2", &whole(after));
    }
    let with_digest = "ghcr.io/acme/shop:{{ .Values.t }}@{{ .Values.d }}";
    check(with_digest, &format!("t: v1\nd: {old}\n"), "v2", &format!("t: v2\nd: {new}\n"));
    check("ghcr.io/acme/shop:{{ .Values.t }}", &format!("t: v1@{old}\n"), "v2", &format!("t: v2@{new}\n"));
    check("ghcr.io/acme/shop:{{ .Values.t }}-alpine", "t: v1\n", "v2-alpine", "t: v2\n");
}

#[test]
fn value_files_of_another_source() {
    let values = MemoryTree::default().file("prod.yaml", "image: {tag: v1}\n").tree();
    let context = RenderContext { references: [("v".to_owned(), values)].into(), ..RenderContext::default() };
    let image: ImageRef = format!("ghcr.io/acme/shop:v2@{}", digest('b')).parse().unwrap();
    let plan = plan_write(&tree(SPLIT, "").tree(), &source(files(&["$v/prod.yaml"])), &context, &image).unwrap();
    assert_eq!((plan.reference.as_str(), plan.file.as_str()), ("v", "prod.yaml"));
    assert_eq!(plan.content, b"image: {tag: v2}\n");
}

#[track_caller]
fn refused(tree: MemoryTree, options: HelmOptions, parts: &[&str]) {
    let error = plan(&tree.tree(), options, "v2").unwrap_err();
    for part in parts {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn refusals_name_the_place_and_what_to_do() {
    let prod = || files(&["/env/prod.yaml"]);
    let tag = HelmParameter { name: "image.tag".into(), value: "v1".into(), force_string: false };
    let parameters = HelmOptions { parameters: vec![tag], ..prod() };
    refused(tree(SPLIT, ""), parameters, &["spec.source.helm.parameters (image.tag)", "value file"]);
    let values = HelmOptions { values: "image: {tag: v1}".into(), ..prod() };
    refused(tree(SPLIT, ""), values, &["spec.source.helm.values", "image.tag"]);
    refused(tree("ghcr.io/acme/shop:v1", ""), prod(), &["c/templates/pod.yaml:10", "no key of the values"]);
    let anchored = "image:\n  tag: &tag v1\nother: *tag\n";
    refused(tree(SPLIT, anchored), prod(), &["env/prod.yaml:2", "image.tag"]);
    let also = "ghcr.io/acme/shop:{{ .Values.image.tag }}";
    let selector = tree(also, "image: {tag: v1}\n").file(
        "c/templates/config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  version: {{ .Values.image.tag }}\n",
    );
    refused(selector, prod(), &["more than the image", "ConfigMap/a.data.version"]);
    let list = tree("ghcr.io/acme/shop:{{ (index .Values.l 0).tag }}", "x: 1\n")
        .file("c/values.yaml", "image: {}\nl:\n- tag: v1\n");
    refused(list, prod(), &["c/values.yaml:3", "item of a list"]);
}
