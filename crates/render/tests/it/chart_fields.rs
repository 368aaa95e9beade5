//! Which lines of templates and which keys set the fields of a chart's objects.

use object::{FileTree, MemoryTree};
use render::{HelmOptions, RenderContext, Source, ToolChoice, trace_objects_in};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include \"shop.name\" . }}
  labels:
    {{- include \"shop.labels\" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      {{- with .Values.pod }}
      priorityClassName: {{ .priority }}
      {{- end }}
      containers:
      - name: shop
        image: \"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\"
        args:
        {{- range .Values.args }}
        - {{ . }}
        {{- end }}
        resources:
          {{- toYaml .Values.resources | nindent 10 }}
";

fn tree() -> FileTree {
    MemoryTree::default()
        .file("c/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: \"3\"\n")
        .file(
            "c/values.yaml",
            "suffix: web\nreplicas: 1\npod: {priority: high}\nimage: {repository: acme/shop, tag: \"\"}\nargs: [run, fast]\nresources:\n  limits:\n    cpu: 250m\n    memory: 1Gi\nteam: blue\n",
        )
        .file("c/templates/_helpers.tpl", "{{- define \"shop.name\" -}}{{ .Release.Name }}-{{ .Values.suffix }}{{ end }}\n{{- define \"shop.labels\" -}}\napp: shop\nteam: {{ .Values.team }}\n{{- end }}\n")
        .file("c/templates/deploy.yaml", DEPLOYMENT)
        .file("c/crds/a.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a\n")
        .file("env/prod.yaml", "replicas: 3\nimage:\n  tag: \"4\"\n")
        .tree()
}

/// The steps of a field as `by file:line`, what decided it last.
#[track_caller]
fn check(kind: &str, path: &str, expected: &[&str]) {
    let options = HelmOptions { value_files: vec!["/env/prod.yaml".into()], ..HelmOptions::default() };
    let source = Source { path: "c".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
    let context = RenderContext { app_name: "app".into(), ..RenderContext::default() };
    let traces = trace_objects_in(&tree(), &source, &context, |key| key.kind == kind).unwrap();
    let [object] = traces.as_slice() else { panic!("{traces:?}") };
    let field = object.fields.iter().find(|field| field.path == path);
    let field = field.unwrap_or_else(|| panic!("{:?}", object.fields.iter().map(|f| &f.path).collect::<Vec<_>>()));
    let steps: Vec<String> = field.steps.iter().map(|s| format!("{} {}:{}", s.by, s.file, s.line)).collect();
    assert_eq!(steps, expected, "{path}");
}

#[test]
fn each_field_names_its_line_and_its_key() {
    let d = "Deployment";
    check(d, "kind", &["template c/templates/deploy.yaml:2"]);
    check(
        d,
        "metadata.name",
        &["value suffix c/values.yaml:1", "include c/templates/_helpers.tpl:1", "template c/templates/deploy.yaml:4"],
    );
    check(d, "metadata.labels.app", &["include c/templates/_helpers.tpl:3", "template c/templates/deploy.yaml:6"]);
    check(
        d,
        "metadata.labels.team",
        &["value team c/values.yaml:10", "include c/templates/_helpers.tpl:4", "template c/templates/deploy.yaml:6"],
    );
    check(d, "spec.replicas", &["value replicas env/prod.yaml:1", "template c/templates/deploy.yaml:8"]);
    let pod = "spec.template.spec";
    check(
        d,
        &format!("{pod}.priorityClassName"),
        &["value pod.priority c/values.yaml:3", "template c/templates/deploy.yaml:12"],
    );
    let container = format!("{pod}.containers[shop]");
    check(
        d,
        &format!("{container}.image"),
        &[
            "value image.repository c/values.yaml:4",
            "value image.tag env/prod.yaml:3",
            "template c/templates/deploy.yaml:16",
        ],
    );
    check(
        d,
        &format!("{container}.args[1]"),
        &["value args[1] c/values.yaml:5", "template c/templates/deploy.yaml:19"],
    );
    check(
        d,
        &format!("{container}.resources.limits.cpu"),
        &["value resources.limits.cpu c/values.yaml:8", "template c/templates/deploy.yaml:22"],
    );
    check("CustomResourceDefinition", "metadata.name", &["manifest c/crds/a.yaml:4"]);
}
