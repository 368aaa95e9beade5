//! What a repository can ask for, and does not get: the machine, the network, programs, other files.

use object::MemoryTree;
use render::{HelmOptions, RenderContext, Rendered, Source, ToolChoice, render, render_in};

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";

fn errors(rendered: &Rendered) -> String {
    rendered.errors().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a template gives, in the middle of a chart whose repository holds a secret beside it.
fn template(text: &str) -> Result<String, String> {
    let tree = MemoryTree::default()
        .file("app/Chart.yaml", CHART)
        .file("app/own.txt", "own")
        .file("secret.txt", "beside")
        .link("app/link.txt", "../secret.txt")
        .file("app/templates/a.yaml", GOOD.replace("a: b", &format!("a: {{{{ printf \"%v\" ({text}) | quote }}}}")));
    let tool = ToolChoice::Helm(Box::default());
    let source = Source { path: "app".into(), tool, ..Source::default() };
    let rendered = render_in(&tree.tree(), &source, &RenderContext::default());
    match rendered.manifests.first().filter(|_| rendered.complete()) {
        Some(only) => Ok(only.manifest.value()["data"]["a"].as_str().unwrap().to_owned()),
        None => Err(errors(&rendered)),
    }
}

#[test]
fn templates_see_the_chart_and_nothing_else() {
    for (text, gives) in [
        ("getHostByName \"localhost\"", ""),
        ("getHostByName \"kubernetes.default.svc\"", ""),
        ("lookup \"v1\" \"Secret\" \"argocd\" \"argocd-secret\"", "map[]"),
        ("lookup \"v1\" \"Namespace\" \"\" \"\"", "map[]"),
        (".Files.Get \"own.txt\"", "own"),
        (".Files.Get \"../secret.txt\"", ""),
        (".Files.Get \"/etc/passwd\"", ""),
        (".Files.Get \"templates/../../secret.txt\"", ""),
        ("len (.Files.Glob \"/**\")", "0"),
        ("len (.Files.Glob \"../*\")", "0"),
        ("len (.Files.Glob \"{../,}secret*\")", "0"),
    ] {
        assert_eq!(template(text).as_deref(), Ok(gives), "{text}");
    }
    for text in ["env \"HOME\"", "expandenv \"$HOME\"", "readFile \"/etc/passwd\"", "exec \"id\"", "call .Files.Get"] {
        let error = template(text).unwrap_err();
        assert!(error.contains("a.yaml"), "{text}: {error}");
    }
    // a link inside of the repository is a file of the chart, as in Argo CD's checkout
    assert_eq!(template(".Files.Get \"link.txt\"").as_deref(), Ok("beside"));
}

/// One kustomization beside a file of the repository that is not its own, and with one that is.
fn kustomize(fields: &str) -> Rendered {
    let tree = MemoryTree::default()
        .file("app/kustomization.yaml", format!("resources: [a.yaml]\n{fields}\n"))
        .file("app/a.yaml", GOOD)
        .file("other/secret.yaml", GOOD.replace("name: a", "name: secret"));
    render(&tree.tree(), &Source::auto("app"))
}

#[test]
fn every_field_that_names_a_file_stays_inside() {
    let outside = ["../../etc/passwd", "../../../x.yaml", "../other/secret.yaml", "/etc/passwd"];
    let fields = [
        "patches: [{path: PATH}]",
        "patchesStrategicMerge: [PATH]",
        "patchesJson6902: [{path: PATH, target: {version: v1, kind: ConfigMap, name: a}}]",
        "configMapGenerator: [{name: c, files: [PATH]}]",
        "configMapGenerator: [{name: c, files: [\"key=PATH\"]}]",
        "configMapGenerator: [{name: c, envs: [PATH]}]",
        "configMapGenerator: [{name: c, env: PATH}]",
        "secretGenerator: [{name: c, files: [PATH]}]",
        "secretGenerator: [{name: c, envs: [PATH]}]",
        "crds: [PATH]",
        "configurations: [PATH]",
        "openapi: {path: PATH}",
        "replacements: [{path: PATH}]",
    ];
    for field in fields {
        for path in outside {
            let rendered = kustomize(&field.replace("PATH", path));
            assert!(!rendered.complete(), "{field} {path}");
        }
    }
    // bases may stand anywhere in the repository, and nowhere else
    for field in ["resources", "components", "bases", "generators", "transformers", "validators"] {
        for path in ["../../etc/passwd", "../../../x.yaml", "/etc/passwd"] {
            let rendered = kustomize("").manifests.len();
            assert_eq!(rendered, 1);
            let tree = MemoryTree::default().file("app/kustomization.yaml", format!("{field}: [{path}]\n"));
            let rendered = render(&tree.tree(), &Source::auto("app"));
            assert!(!rendered.complete(), "{field} {path}");
        }
    }
}

#[test]
fn no_program_and_no_server_is_asked() {
    let plugin = "apiVersion: example.com/v1\nkind: Plugin\nmetadata:\n  name: p\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n";
    let container = plugin.replace("exec: {path: ./run.sh}", "container: {image: example.com/x:1, network: true}");
    let starlark = plugin.replace("exec: {path: ./run.sh}", "starlark: {path: ./run.star}");
    for (kind, text) in [("exec", plugin.to_owned()), ("container", container), ("starlark", starlark)] {
        for field in ["generators", "transformers", "validators"] {
            let tree = MemoryTree::default()
                .file("app/kustomization.yaml", format!("resources: [a.yaml]\n{field}: [plugin.yaml]\n"))
                .file("app/a.yaml", GOOD)
                .file("app/run.sh", "#!/bin/sh\ntouch /tmp/gantline-was-here\n")
                .file("app/plugin.yaml", &text);
            let rendered = render(&tree.tree(), &Source::auto("app"));
            assert!(!rendered.complete() && !errors(&rendered).is_empty(), "{kind} in {field}");
        }
    }
    for fields in [
        "helmGlobals: {chartHome: ../../charts}\nhelmCharts: [{name: shop}]",
        "helmGlobals: {chartHome: /usr/share}\nhelmCharts: [{name: shop}]",
        "helmCharts: [{name: shop, valuesFile: ../../../values.yaml}]",
        "helmCharts: [{name: shop, additionalValuesFiles: [/etc/passwd]}]",
        "helmCharts: [{name: ../shop}]",
        "helmCharts: [{name: shop, repo: \"file:///etc\"}]",
        "helmCharts: [{name: shop, repo: \"https://charts.example.com\", version: 1.0.0}]",
    ] {
        let rendered = kustomize(fields);
        assert!(!rendered.complete(), "{fields}");
    }
    for remote in
        ["ext::sh -c touch", "git::--upload-pack=/x//y", "file:///etc//x?ref=main", "http://169.254.169.254/latest"]
    {
        let tree = MemoryTree::default().file("app/kustomization.yaml", format!("resources: [\"{remote}\"]\n"));
        let rendered = render(&tree.tree(), &Source::auto("app"));
        assert!(!rendered.complete(), "{remote}");
    }
}

#[test]
fn value_files_stay_in_the_repository() {
    for file in [
        "../../values.yaml",
        "../../../etc/passwd",
        "/../values.yaml",
        "a/../../../values.yaml",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "https://user:pass@values.test/x.yaml",
        "$x/../../values.yaml",
        "link.yaml",
        "../**/../../../*.yaml",
    ] {
        let tree = MemoryTree::default()
            .file("charts/app/Chart.yaml", CHART)
            .file("charts/app/templates/a.yaml", GOOD)
            .link("charts/app/link.yaml", "../../../etc/passwd");
        let options = HelmOptions { value_files: vec![file.to_owned()], ..HelmOptions::default() };
        let source =
            Source { path: "charts/app".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
        let rendered = render(&tree.tree(), &source);
        assert!(!rendered.complete() && rendered.manifests.is_empty(), "{file}");
        assert!(!errors(&rendered).contains("user:pass"), "{}", errors(&rendered));
    }
}
