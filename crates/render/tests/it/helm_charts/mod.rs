//! Charts in kustomizations against recorded runs of kustomize 5.8.1 with Helm 4.2.4 (`cases.json`, by `record.py`), and
//! charts from elsewhere.

use std::path::Path;

use object::{FileTree, MemoryTree};
use render::helm::Surroundings;
use render::kustomize::{self, BuildOptions, HelmFlags, LoadRestrictor};
use render::{FetchedChart, RemoteChart, Source, remote, render};
use serde_json::Value;

fn table() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/helm_charts/cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn tree(parts: &[&Value]) -> FileTree {
    let files = parts.iter().flat_map(|part| part["files"].as_object().unwrap());
    files.fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text.as_str().unwrap())).tree()
}

fn helm() -> HelmFlags {
    let surroundings = Surroundings { unix_seconds: 0, nanoseconds: 0, seed: [7; 32] };
    HelmFlags { surroundings: Some(surroundings), ..HelmFlags::default() }
}

fn options(case: &Value) -> BuildOptions {
    let flags: Vec<&str> = case["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    let value = |name: &str| flags.iter().position(|flag| *flag == name).and_then(|at| flags.get(at + 1).copied());
    let none = value("--load-restrictor") == Some("LoadRestrictionsNone");
    BuildOptions {
        load_restrictor: if none { LoadRestrictor::None } else { LoadRestrictor::RootOnly },
        helm: flags.contains(&"--enable-helm").then(|| HelmFlags {
            kube_version: value("--helm-kube-version").unwrap_or_default().to_owned(),
            api_versions: value("--helm-api-versions").into_iter().map(str::to_owned).collect(),
            ..helm()
        }),
        ..BuildOptions::default()
    }
}

/// What is wrong with our result of a case, if anything.
fn fault(case: &Value, shared: &Value) -> Option<String> {
    let folder = case["folder"].as_str().unwrap_or_default();
    let built = kustomize::build(&tree(&[shared, case]), folder, &options(case));
    match (built, case["kustomize"]["build"].as_str()) {
        (Ok(built), Some(wanted)) if built.text() == wanted => None,
        (Ok(built), Some(wanted)) => Some(format!("--- ours\n{}--- kustomize\n{wanted}", built.text())),
        (Ok(built), None) => Some(format!("kustomize fails: {}\n--- ours\n{}", case["kustomize"], built.text())),
        (Err(error), Some(_)) => Some(format!("fails: {error}")),
        (Err(_), None) => None,
    }
}

#[test]
fn charts_as_kustomize_builds_them() {
    let table = table();
    let cases = table["cases"].as_array().unwrap();
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| fault(case, &table).map(|fault| format!("## {}\n{fault}", case["name"].as_str().unwrap())))
        .collect();
    assert!(cases.len() > 100);
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

const KUSTOMIZATION: &str = "namespace: prod\nhelmCharts:\n- name: shop\n  repo: https://charts.example.com/stable/\n  version: ^1.2\n  releaseName: r\n  valuesInline: {replicas: 3}\n- name: local\n  repo: oci://registry.example.com/charts\n  releaseName: l\ngenerators:\n- gen.yaml\n";
const GENERATOR: &str = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: other\nrepo: oci://registry.example.com/charts\ndevel: true\nvaluesFile: charts/other/prod.yaml\n";

fn chart(name: &str) -> MemoryTree {
    MemoryTree::default()
        .file("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: 1.2.9\n"))
        .file("values.yaml", "replicas: 1\n")
        .file("prod.yaml", "replicas: 7\n")
        .file("templates/a.yaml", format!("kind: Thing\napiVersion: v1\nmetadata:\n  name: {name}\n  namespace: {{{{ .Release.Namespace }}}}\nspec: {{{{ .Values.replicas }}}}\n"))
}

fn wanted(repo: &str, name: &str, version: &str, devel: bool) -> RemoteChart {
    RemoteChart { repo: repo.into(), name: name.into(), version: version.into(), devel }
}

#[test]
fn charts_from_elsewhere() {
    let own = MemoryTree::default().file("app/kustomization.yaml", KUSTOMIZATION).file("app/gen.yaml", GENERATOR);
    let own = [("Chart.yaml", "apiVersion: v2\nname: local\nversion: 1.0.0\n"), ("values.yaml", "")]
        .iter()
        .fold(own, |tree, (name, text)| tree.file(&format!("app/charts/local/{name}"), text));
    let tree = own.tree();
    let mut source = Source::auto("app");
    assert!(remote::wanted(&tree, &source).is_empty(), "charts are not enabled");
    source.build.helm = Some(helm());
    let shop = wanted("https://charts.example.com/stable/", "shop", "^1.2", false);
    let other = wanted("oci://registry.example.com/charts", "other", "", true);
    assert_eq!(remote::wanted(&tree, &source).charts.into_iter().collect::<Vec<_>>(), [shop.clone(), other.clone()]);
    let without = render(&tree, &source).problems[0].to_string();
    assert!(without.contains("was not fetched") && without.contains("app/kustomization.yaml:3"), "{without}");

    let fetched =
        |name: &str| FetchedChart { version: "1.2.9".into(), digest: "c0ffee".into(), tree: chart(name).tree() };
    source.remotes.insert_chart(shop, fetched("shop"));
    source.remotes.insert_chart(other, fetched("other"));
    assert!(remote::wanted(&tree, &source).is_empty());
    let rendered = render(&tree, &source);
    assert_eq!(rendered.problems, []);
    let shown: Vec<String> = rendered
        .manifests
        .iter()
        .map(|m| {
            let (key, spec) = (m.manifest.key(), &m.manifest.value()["spec"]);
            format!("{}/{} {spec} {}:{}", key.namespace, key.name, remote::shown(&m.origin.file), m.origin.line)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "default/other 7 registry.example.com/charts/other-1.2.9@c0ffee/templates/a.yaml:1",
            "prod/shop 3 charts.example.com/stable/shop-1.2.9@c0ffee/templates/a.yaml:1",
        ]
    );
    assert!(rendered.reads.holds_in(&tree));
    assert!(rendered.reads.paths().all(|path| path.starts_with("app")), "{:?}", rendered.reads);
}
