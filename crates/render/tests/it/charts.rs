//! Charts of Applications: what Argo CD's fields do, and what problems say.

use object::MemoryTree;
use render::helm::Surroundings;
use render::{HelmFileParameter, HelmOptions, HelmParameter, RenderContext, Rendered, Source, ToolChoice, render_in};
use serde_json::{Value, json};

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {{ toJson .Values }}\n";

fn chart() -> MemoryTree {
    MemoryTree::default()
        .file("charts/shop/Chart.yaml", CHART)
        .file("charts/shop/values.yaml", "a: chart\nb: chart\n")
        .file("charts/shop/templates/config.yaml", CONFIG)
}

fn render(tree: MemoryTree, options: HelmOptions, context: &RenderContext) -> Rendered {
    let source = Source { path: "charts/shop".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
    render_in(&tree.tree(), &source, context)
}

fn values(tree: MemoryTree, options: HelmOptions, context: &RenderContext) -> Value {
    let rendered = render(tree, options, context);
    assert_eq!(rendered.problems, [], "{:?}", rendered.problems);
    rendered.manifests[0].manifest.value()["data"].clone()
}

fn problem(tree: MemoryTree, options: HelmOptions) -> String {
    let rendered = render(tree, options, &RenderContext::default());
    assert!(!rendered.complete() && rendered.manifests.is_empty());
    rendered.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

fn parameter(name: &str, value: &str, force_string: bool) -> HelmParameter {
    HelmParameter { name: name.to_owned(), value: value.to_owned(), force_string }
}

#[test]
fn values_win_in_the_order_of_argo_cd() {
    let tree = || {
        chart()
            .file("charts/shop/one.yaml", "b: one\nc: one\nd: one\n")
            .file("env/dev.yaml", "c: dev\n")
            .file("charts/shop/file.txt", "text, more")
    };
    let options = HelmOptions {
        value_files: texts(&["one.yaml", "/env/$STAGE.yaml"]),
        values: "d: values\ne: 1\n".to_owned(),
        parameters: vec![
            parameter("e", "0", false),
            parameter("e", "2", false),
            parameter("f", "x,y", false),
            parameter("g", "{x,$STAGE}", false),
            parameter("h", "1", true),
        ],
        file_parameters: vec![HelmFileParameter { name: "i".to_owned(), path: "file.txt".to_owned() }],
        ..HelmOptions::default()
    };
    let environment = [("STAGE".to_owned(), "dev".to_owned())].into();
    let context = RenderContext { environment, ..RenderContext::default() };
    let expected = json!({
        "a": "chart", "b": "one", "c": "dev", "d": "values", "e": 2, "f": "x,y", "g": ["x", "dev"], "h": "1",
        "i": "text, more",
    });
    assert_eq!(values(tree(), options.clone(), &context), expected);
    let object = HelmOptions { values_object: Some(json!({"d": {"x": [1]}})), ..options };
    assert_eq!(values(tree(), object, &context)["d"], json!({"x": [1]}));
}

#[test]
fn value_files_come_by_pattern_and_from_other_sources() {
    let tree = || {
        chart()
            .file("charts/shop/env/b.yaml", "b: b\nl: b\n")
            .file("charts/shop/env/a.yaml", "a: a\nl: a\n")
            .file("charts/shop/env/deep/c.yaml", "c: c\n")
    };
    let references = [("values".to_owned(), MemoryTree::default().file("x/dev.yaml", "r: dev\n").tree())].into();
    let context = RenderContext { references, ..RenderContext::default() };
    let options = |files: &[&str]| HelmOptions { value_files: texts(files), ..HelmOptions::default() };
    let check =
        |files: &[&str], expected: Value| assert_eq!(values(tree(), options(files), &context), expected, "{files:?}");
    check(&["env/*.yaml"], json!({"a": "a", "b": "b", "l": "b"}));
    check(&["env/*.yaml", "env/a.yaml"], json!({"a": "a", "b": "b", "l": "a"}));
    check(&["env/**/*.yaml"], json!({"a": "a", "b": "b", "c": "c", "l": "b"}));
    check(&["$values/x/dev.yaml", "$values/x/*.yaml"], json!({"a": "chart", "b": "chart", "r": "dev"}));
    let rendered = render(tree(), options(&["$values/x/dev.yaml"]), &context);
    assert!(rendered.reference_reads["values"].paths().any(|p| p == "x/dev.yaml"));
    assert!(rendered.reads.paths().any(|p| p == "charts/shop/values.yaml"));
}

#[test]
fn missing_value_files_are_named_or_ignored() {
    let options = |file: &str, ignore: bool| HelmOptions {
        value_files: texts(&[file]),
        ignore_missing_value_files: ignore,
        ..HelmOptions::default()
    };
    let text = problem(chart(), options("valeus.yaml", false));
    assert!(text.contains("charts/shop/valeus.yaml does not exist; did you mean charts/shop/values.yaml?"), "{text}");
    assert!(problem(chart(), options("env/*.yaml", false)).contains("no file matches"));
    assert!(problem(chart(), options("https://example.com/v.yaml", false)).contains("not fetched"));
    assert!(problem(chart(), options("../../../v.yaml", false)).contains("outside of the repository"));
    for file in ["none.yaml", "env/*.yaml"] {
        assert_eq!(
            values(chart(), options(file, true), &RenderContext::default()),
            json!({"a": "chart", "b": "chart"})
        );
    }
}

#[test]
fn charts_learn_about_the_application_and_its_cluster() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\ndata:\n  kube: {{ .Capabilities.KubeVersion.Version }}\n  api: {{ .Capabilities.APIVersions.Has \"x/v1/Kind\" | quote }}\n";
    let tree = chart().file("charts/shop/templates/config.yaml", config);
    let context = RenderContext {
        app_name: "app".to_owned(),
        namespace: "ns".to_owned(),
        kube_version: "v1.33.4-gke.1".to_owned(),
        api_versions: texts(&["x/v1/Kind"]),
        ..RenderContext::default()
    };
    let of = |options: HelmOptions| render(tree.clone(), options, &context).manifests[0].manifest.clone();
    let manifest = of(HelmOptions::default());
    assert_eq!((manifest.name(), manifest.namespace()), ("app", "ns"));
    assert_eq!(manifest.value()["data"], json!({"kube": "v1.33.4", "api": "true"}));
    let manifest = of(HelmOptions {
        release_name: "rel".to_owned(),
        namespace: "own".to_owned(),
        kube_version: "1.30".to_owned(),
        api_versions: texts(&["y/v1"]),
        ..HelmOptions::default()
    });
    assert_eq!((manifest.name(), manifest.namespace()), ("rel", "own"));
    assert_eq!(manifest.value()["data"], json!({"kube": "v1.30", "api": "false"}));
}

#[test]
fn definitions_hooks_and_tests_come_as_asked() {
    let hook = |name: &str, hook: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: {hook}}}\n")
    };
    let tree = chart()
        .file("charts/shop/crds/x.yaml", "# first\napiVersion: x/v1\nkind: X\nmetadata: {name: x}\n---\napiVersion: x/v1\nkind: X\nmetadata: {name: z}\n")
        .file("charts/shop/templates/hooks.yaml", [hook("h", "pre-install"), hook("t", "test")].join("---\n"))
        .file("charts/shop/templates/list.yaml", "{{/* c */}}\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n");
    let of = |options: HelmOptions| {
        let rendered = render(tree.clone(), options, &RenderContext::default());
        assert_eq!(rendered.problems, []);
        let place = |m: &render::RenderedManifest| {
            format!("{} {}:{}", m.manifest.name(), m.origin.file.trim_start_matches("charts/shop/"), m.origin.line)
        };
        rendered.manifests.iter().map(place).collect::<Vec<_>>()
    };
    let (crds, rest) =
        (["x crds/x.yaml:2", "z crds/x.yaml:6"], ["a templates/config.yaml:1", "s templates/list.yaml:2"]);
    let (hook, test) = ("h templates/hooks.yaml:1", "t templates/hooks.yaml:7");
    assert_eq!(of(HelmOptions::default()), [&crds[..], &rest, &[hook, test]].concat());
    let few = HelmOptions { skip_crds: true, skip_tests: true, ..HelmOptions::default() };
    assert_eq!(of(few), [&rest[..], &[hook]].concat());
}

#[test]
fn template_errors_name_place_expression_and_the_nearest_key() {
    let check = |template: &str, parts: &[&str]| {
        let tree = chart().file("charts/shop/values.yaml", "image: {tag: 1}\n");
        let text = problem(tree.file("charts/shop/templates/config.yaml", template), HelmOptions::default());
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let place = "charts/shop/templates/config.yaml:2";
    check("a:\n  b: {{ .Values.imag.tag }}\n", &[place, "at <.Values.imag.tag>", "did you mean .Values.image?"]);
    check("a:\n  b: {{ .Values.image.tga.x }}\n", &[place, "did you mean .Values.image.tag?"]);
    check("a:\n  b: {{ .Values.image.tag.x }}\n", &[place, ".Values.image.tag has no keys below it"]);
    check("a:\n  b: {{ tpl \"{{ .Values.imag.tag }}\" . }}\n", &[place, "the text of tpl, line 1", ".Values.image?"]);
    check("a:\n  b: {{ .Values.other.tag }}\n", &[place, ".Values.other is not set"]);
    check("a:\n  b: {{ required \"set it\" .Values.x }}\n", &[place, "set it"]);
    check("a:\n  b: {{ include \"none\" . }}\n", &[place, "at <include \"none\" .>", "there is no template \"none\""]);
    check("a:\n  b: {{ if }}\n", &[place]);
    check(
        "{{ define \"d\" }}\n{{ .Values.x.y }}{{ end }}\n\n{{ include \"d\" . }}",
        &[place, "called from shop/templates/config.yaml:4"],
    );
    check("a: [\n", &["charts/shop/templates/config.yaml", "no YAML"]);
}

#[test]
fn what_changes_from_render_to_render_is_flagged() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: {{ randAlphaNum 5 | quote }}, y: {{ lookup \"v1\" \"Pod\" \"\" \"\" | len }}}\n";
    let tree = chart().file("charts/shop/templates/config.yaml", config);
    let surroundings = Some(Surroundings { unix_seconds: 0, nanoseconds: 0, seed: [1; 32] });
    let context = RenderContext { surroundings, ..RenderContext::default() };
    let rendered = render(tree.clone(), HelmOptions::default(), &context);
    assert!(rendered.complete());
    let text = rendered.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("never stays in sync") && text.contains("lookup"), "{text}");
    assert!(problem(tree, HelmOptions::default()).contains("not given here"));
}
