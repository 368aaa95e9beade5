//! Which keys of the values feed the images of charts.

use object::{FileTree, MemoryTree};
use render::{
    HelmOptions, ImageOrigin, ImageOriginKind, ImagePart, RenderContext, Source, ToolChoice, trace_images_in,
};

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: \"3.2\"\n";

fn pod(image: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\nspec:\n  containers:\n  - name: shop\n{image}")
}

fn tree(image: &str, values: &str) -> MemoryTree {
    MemoryTree::default()
        .file("c/Chart.yaml", CHART)
        .file("c/values.yaml", values)
        .file("c/templates/pod.yaml", pod(image))
}

fn traced(tree: &FileTree, options: HelmOptions) -> ImageOrigin {
    let source = Source { path: "c".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
    let rendered = render::render(tree, &source);
    assert!(rendered.complete(), "{:?}", rendered.problems);
    let origins = trace_images_in(tree, &source, &RenderContext::default());
    let [origin] = origins.as_slice() else { panic!("{origins:?}") };
    origin.clone()
}

/// The keys that feed the only image, as `part+part path file:line`.
fn keys(origin: &ImageOrigin) -> Vec<String> {
    let ImageOriginKind::Chart(chart) = &origin.kind else { panic!("{origin:?}") };
    let part = |part: &ImagePart| match part {
        ImagePart::Name => "name",
        ImagePart::Tag => "tag",
        ImagePart::Digest => "digest",
    };
    let key = |key: &render::ImageKey| {
        let (file, line) = key.from.place();
        let parts: Vec<&str> = key.parts.iter().map(part).collect();
        format!("{} {} {file}:{line}", parts.join("+"), object::yaml::edit::shown(&key.path))
    };
    let mut keys: Vec<String> = chart.keys.iter().map(key).collect();
    keys.sort();
    keys
}

#[track_caller]
fn check(image: &str, values: &str, expected: &[&str]) {
    let origin = traced(&tree(image, values).tree(), HelmOptions::default());
    assert_eq!(keys(&origin), expected, "{origin:?}");
}

#[test]
fn keys_are_found_through_every_function() {
    let values = "image:\n  repository: acme/shop\n  tag: v1.2.3\n";
    let split = ["name image.repository c/values.yaml:2", "tag image.tag c/values.yaml:3"];
    for image in [
        "    image: {{ .Values.image.repository }}:{{ .Values.image.tag }}\n",
        "    image: \"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\"\n",
        "    image: {{ printf \"%s:%s\" .Values.image.repository .Values.image.tag | quote }}\n",
        "{{- with .Values.image }}\n    image: {{ .repository }}:{{ .tag }}\n{{- end }}\n",
        "{{- $i := .Values.image }}\n{{- $t := $i.tag }}\n    image: {{ $i.repository }}:{{ $t }}\n",
        "    image: {{ tpl \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\" . }}\n",
        "    image: {{ get .Values.image \"repository\" }}:{{ index .Values \"image\" \"tag\" }}\n",
        "    image: {{ list .Values.image.repository .Values.image.tag | join \":\" }}\n",
        "    image: {{ (merge (dict) .Values.image).repository }}:{{ (deepCopy .Values.image).tag }}\n",
        "{{- define \"i\" }}{{ .r.repository }}:{{ .r.tag }}{{ end }}\n    image: {{ include \"i\" (dict \"r\" .Values.image) }}\n",
        "    {{- range $k, $v := dict \"a\" .Values.image }}\n    image: {{ $v.repository }}:{{ $v.tag }}\n    {{- end }}\n",
        "    image: {{ required \"a name\" .Values.image.repository }}:{{ coalesce .Values.other .Values.image.tag }}\n",
    ] {
        check(image, values, &split);
    }
}

#[test]
fn every_way_to_write_an_image() {
    check("    image: {{ .Values.image }}\n", "image: acme/shop:1.0\n", &["tag image c/values.yaml:1"]);
    check(
        "    image: {{ (index .Values.images 1).name }}:{{ (index .Values.images 1).tag }}\n",
        "images:\n- {name: a, tag: 1}\n- {name: b, tag: 2}\n",
        &["name images[1].name c/values.yaml:3", "tag images[1].tag c/values.yaml:3"],
    );
    check(
        "{{- toYaml .Values.container | nindent 4 }}\n",
        "container:\n  image: acme/shop:1\n",
        &["tag container.image c/values.yaml:2"],
    );
    let registry = "    image: {{ with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}\n";
    let digest = format!("sha256:{}", "a".repeat(64));
    check(
        registry,
        &format!("image: {{registry: r.io, repository: shop, tag: 15, digest: '{digest}'}}\n"),
        &[
            "digest image.digest c/values.yaml:1",
            "name image.registry c/values.yaml:1",
            "name image.repository c/values.yaml:1",
        ],
    );
    check("    image: shop:{{ .Values.tag | trimPrefix \"v\" }}\n", "tag: v1.2\n", &["tag tag c/values.yaml:1"]);
}

#[test]
fn a_key_that_nothing_sets() {
    let image = "    image: acme/shop:{{ .Values.image.tag | default .Chart.AppVersion }}\n";
    check(image, "image: {tag: \"\"}\n", &["tag image.tag c/values.yaml:1"]);
    check(image, "image: {pullPolicy: Always}\n", &["tag image.tag :0"]);
    let variable = "{{- $tag := .Values.image.tag | default .Chart.AppVersion }}\n    image: {{ .Values.image.repository }}:{{ $tag }}\n";
    check(variable, "image: {repository: acme/shop}\n", &["name image.repository c/values.yaml:1", "tag image.tag :0"]);
    check("    image: acme/shop:{{ .Chart.AppVersion }}\n", "", &[]);
}

#[test]
fn the_source_that_wins_is_named() {
    let image = "    image: acme/shop:{{ .Values.image.tag }}\n";
    let files =
        tree(image, "image: {tag: v1}\n").file("env/a.yaml", "image:\n  tag: v2\n").file("env/b.yaml", "x: 1\n");
    let options =
        HelmOptions { value_files: vec!["/env/a.yaml".into(), "/env/b.yaml".into()], ..HelmOptions::default() };
    let check = |options: HelmOptions, expected: &str| {
        assert_eq!(keys(&traced(&files.clone().tree(), options)), [expected]);
    };
    check(options.clone(), "tag image.tag env/a.yaml:2");
    check(
        HelmOptions { values: "image: {tag: v3}".into(), ..options.clone() },
        "tag image.tag spec.source.helm.values:0",
    );
    let parameters = vec![render::HelmParameter { name: "image.tag".into(), value: "v4".into(), force_string: false }];
    check(HelmOptions { parameters, ..options }, "tag image.tag spec.source.helm.parameters (image.tag):0");
}

#[test]
fn values_of_subcharts_belong_to_the_parent() {
    let sub = |alias: &str| format!("{CHART}dependencies:\n- name: sub\n  version: 1.0.0\n{alias}");
    let files = |chart: &str, values: &str| {
        MemoryTree::default()
            .file("c/Chart.yaml", chart)
            .file("c/values.yaml", values)
            .file("c/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n")
            .file("c/charts/sub/values.yaml", "image:\n  tag: v1\nglobal: {registry: r.io}\n")
            .file(
                "c/charts/sub/templates/pod.yaml",
                pod("    image: {{ .Values.global.registry }}/shop:{{ .Values.image.tag }}\n"),
            )
            .tree()
    };
    let check = |chart: &str, values: &str, expected: &[&str]| {
        assert_eq!(keys(&traced(&files(chart, values), HelmOptions::default())), expected);
    };
    check(
        &sub(""),
        "",
        &["name sub.global.registry c/charts/sub/values.yaml:3", "tag sub.image.tag c/charts/sub/values.yaml:2"],
    );
    check(
        &sub("  alias: web\n"),
        "global: {registry: s.io}\nweb: {image: {tag: v2}}\n",
        &["name global.registry c/values.yaml:1", "tag web.image.tag c/values.yaml:2"],
    );
}
