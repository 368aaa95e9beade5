//! Applications with charts from a repository of charts.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use api::argocd::{Application, ConditionType, SyncStatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use test_support::{Answer, Request, WebServer};

use crate::fixtures::{URL, World, apply};

/// `ann:secret`
const LOGIN: &str = "Basic YW5uOnNlY3JldA==";

/// A repository of charts that lets only one person in.
struct ChartServer {
    server: WebServer,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    entries: BTreeMap<String, String>,
}

fn packed(files: &[(&str, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("shop/{path}"), text.as_bytes()).unwrap();
    }
    let mut compressed = archive.into_inner().unwrap();
    compressed.flush().unwrap();
    compressed.finish().unwrap()
}

fn config_map(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  version: {{{{ .Chart.Version | quote }}}}\n  size: {{{{ .Values.size | quote }}}}\n"
    )
}

/// A version of the chart `shop` with these config maps, packed.
fn shop(version: &str, names: &[&str]) -> Vec<u8> {
    let mut files = vec![
        ("Chart.yaml", format!("apiVersion: v2\nname: shop\nversion: {version}\n")),
        ("values.yaml", "size: small\n".to_owned()),
    ];
    let templates: Vec<(String, String)> =
        names.iter().map(|name| (format!("templates/{name}.yaml"), config_map(name))).collect();
    files.extend(templates.iter().map(|(path, text)| (path.as_str(), text.clone())));
    packed(&files)
}

impl ChartServer {
    fn start() -> Self {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let served = Arc::clone(&files);
        let server = WebServer::start(move |request: &Request| {
            if request.header("authorization") != Some(LOGIN) {
                return Answer::status(401);
            }
            let files = served.lock().unwrap();
            files.get(&request.path).map_or(Answer::status(404), |bytes| Answer::ok(bytes.clone()))
        });
        Self { server, files, entries: BTreeMap::new() }
    }

    fn url(&self) -> String {
        format!("{}/stable", self.server.url())
    }

    /// Puts a version of the chart `shop` with these config maps there; `announced`: what the index says of its digest.
    fn publish(&mut self, version: &str, names: &[&str], announced: Option<&str>) {
        let bytes = shop(version, names);
        let digest = announced.map_or_else(|| hex::encode(Sha256::digest(&bytes)), str::to_owned);
        self.entries.insert(
            version.to_owned(),
            format!("  - {{name: shop, version: {version}, digest: {digest}, urls: [shop-{version}.tgz]}}\n"),
        );
        let list: String = self.entries.values().cloned().collect();
        let index = format!("apiVersion: v1\nentries:\n  shop:\n{list}");
        let mut files = self.files.lock().unwrap();
        files.insert(format!("/stable/shop-{version}.tgz"), bytes);
        files.insert("/stable/index.yaml".to_owned(), index.into_bytes());
    }
}

async fn secret(world: &World, url: &str) {
    let value = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "charts", "namespace": world.name, "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"type": "helm", "url": url, "username": "ann", "password": "secret"},
    });
    apply(&world.cluster, value).await;
}

/// The chart with values of the Git repository.
fn sources(url: &str, constraint: &str) -> Value {
    json!({"spec": {"source": null, "sources": [
        {"repoURL": url, "chart": "shop", "targetRevision": constraint,
         "helm": {"valueFiles": ["$values/prod/values.yaml"]}},
        {"repoURL": URL, "targetRevision": "main", "ref": "values"},
    ]}})
}

fn synced_to<'a>(revisions: [&'a str; 2]) -> impl Fn(&Application) -> bool + use<'a> {
    move |app| app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revisions == revisions
}

async fn refresh(world: &World, app: &Application) {
    control::requests::refresh(&world.controller, app, false).await.unwrap();
}

async fn data(world: &World, name: &str) -> Option<Value> {
    Some(world.live("", "ConfigMap", name).await?.value()["data"].clone())
}

#[tokio::test]
async fn a_chart_follows_its_constraint() {
    let world = World::start().await;
    let mut charts = ChartServer::start();
    charts.publish("1.0.0", &["a", "b"], None);
    charts.publish("2.0.0", &["other"], None);
    let commit = world.repository.commit(&[("prod/values.yaml", "size: large\n".to_owned())]);
    world.application(sources(&charts.url(), "^1.0")).await;
    let app = world
        .until("refused", |app| app.status.conditions.iter().any(|c| c.kind == ConditionType::ComparisonError))
        .await;
    let message = &app.status.conditions[0].message;
    assert!(message.contains("refuses the credentials"), "{message}");

    secret(&world, &charts.url()).await;
    let app = world.until("synced", synced_to(["1.0.0", &commit])).await;
    assert_eq!(app.status.source_types, ["Helm", ""]);
    assert_eq!(app.status.history[0].revisions, ["1.0.0", &commit]);
    assert_eq!(data(&world, "a").await, Some(json!({"version": "1.0.0", "size": "large"})));

    charts.publish("1.1.0", &["a", "b"], None);
    refresh(&world, &app).await;
    world.until("upgraded", synced_to(["1.1.0", &commit])).await;
    assert_eq!(data(&world, "a").await.unwrap()["version"], "1.1.0");

    // the archive is not the one of the index: what is there stays, also what the new version does not have
    charts.publish("1.2.0", &["a"], Some(&"f0".repeat(32)));
    refresh(&world, &app).await;
    let app = world
        .until("not loaded", |app| app.status.conditions.iter().any(|c| c.kind == ConditionType::ComparisonError))
        .await;
    let message = &app.status.conditions[0].message;
    assert!(message.contains("is not what was announced") && message.contains("shop"), "{message}");
    assert_eq!(app.status.sync.status, SyncStatusCode::Unknown);
    assert_eq!(data(&world, "b").await.unwrap()["version"], "1.1.0");

    charts.publish("1.2.0", &["a"], None);
    refresh(&world, &app).await;
    world.until("upgraded again", synced_to(["1.2.0", &commit])).await;
    assert_eq!(data(&world, "b").await, None, "pruned");

    // the same version with other content
    charts.publish("1.2.0", &["a", "c"], None);
    refresh(&world, &app).await;
    for _ in 0..200 {
        if data(&world, "c").await.is_some() {
            break;
        }
        crate::fixtures::pause(50).await;
    }
    assert!(data(&world, "c").await.is_some(), "published again");
    world.end().await;
}

/// A registry with shop 1.0.0 and 1.1.0 that lets only one person in.
fn registry() -> WebServer {
    let charts: BTreeMap<String, Vec<u8>> =
        ["1.0.0", "1.1.0"].into_iter().map(|version| (version.to_owned(), shop(version, &["a"]))).collect();
    let digest = |bytes: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    WebServer::start(move |request: &Request| {
        if request.header("authorization") != Some(LOGIN) {
            return Answer::status(401).header("www-authenticate", "Basic realm=\"charts\"".to_owned());
        }
        let path = request.path.strip_prefix("/v2/acme/shop/").unwrap_or_default();
        match path.split_once('/') {
            Some(("tags", "list")) => Answer::ok(json!({"tags": charts.keys().collect::<Vec<_>>()}).to_string()),
            Some(("manifests", version)) => charts.get(version).map_or(Answer::status(404), |bytes| {
                let layer = json!({"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": digest(bytes)});
                let config = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json"});
                Answer::ok(json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string())
            }),
            Some(("blobs", wanted)) => {
                charts.values().find(|bytes| digest(bytes) == wanted).map_or(Answer::status(404), |bytes| Answer::ok(bytes.clone()))
            }
            _ => Answer::status(404),
        }
    })
}

/// In both ways in which Argo CD names a chart of a registry, each with the login of a prefix of its address.
#[tokio::test]
async fn a_chart_of_a_registry_with_a_login_for_all_below_it() {
    let world = World::start().await;
    let registry = registry();
    let url = format!("{}/acme", registry.host());
    let login = |name: &str, kind: &str, url: String| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": name, "namespace": world.name, "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
            },
            "stringData": {"type": kind, "url": url, "enableOCI": "true", "username": "ann", "password": "secret"},
        })
    };
    apply(&world.cluster, login("charts", "helm", registry.host())).await;
    apply(&world.cluster, login("artifacts", "oci", format!("oci://{}", registry.host()))).await;
    let source = json!({"repoURL": url, "chart": "shop", "targetRevision": "~1.0"});
    world.application(json!({"spec": {"source": null, "sources": [source]}})).await;
    let synced = |revision: &'static str| {
        move |app: &Application| {
            app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revisions == [revision]
        }
    };
    world.until("synced", synced("1.0.0")).await;
    assert_eq!(data(&world, "a").await, Some(json!({"version": "1.0.0", "size": "small"})));

    // as an artifact: the revision is its digest
    let source = json!({"repoURL": format!("oci://{url}/shop"), "path": ".", "targetRevision": "1.1.0"});
    world.application(json!({"spec": {"source": null, "sources": [source]}})).await;
    let is_digest = |app: &Application| app.status.sync.revisions.first().is_some_and(|r| r.starts_with("sha256:"));
    let app = world
        .until("synced to the artifact", |app| app.status.sync.status == SyncStatusCode::Synced && is_digest(app))
        .await;
    assert_eq!(app.status.source_types, ["Helm"]);
    assert_eq!(data(&world, "a").await.unwrap()["version"], "1.1.0");
    world.end().await;
}

const OVERLAY: &str = "helmCharts:\n- name: shop\n  repo: REPO\n  version: ~1.0.0\n  valuesInline: {size: medium}\n";

#[tokio::test]
async fn charts_of_kustomizations_are_fetched() {
    let world = World::start().await;
    let mut charts = ChartServer::start();
    charts.publish("1.0.3", &["a"], None);
    secret(&world, &charts.url()).await;
    apply(
        &world.cluster,
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "argocd-cm", "namespace": world.name, "labels": {"app.kubernetes.io/part-of": "argocd"}},
            "data": {"kustomize.buildOptions": "--enable-helm"},
        }),
    )
    .await;
    let overlay = OVERLAY.replace("REPO", &charts.url());
    let commit = world.repository.commit(&[("app/kustomization.yaml", overlay)]);
    world.application(json!({})).await;
    let synced = |app: &Application| app.status.sync.status == SyncStatusCode::Synced;
    let app = world.until("synced", synced).await;
    assert_eq!((app.status.sync.revision.as_str(), app.status.source_type.as_str()), (&*commit, "Kustomize"));
    assert_eq!(data(&world, "a").await, Some(json!({"version": "1.0.3", "size": "medium"})));
    world.end().await;
}

#[tokio::test]
async fn a_file_beside_the_chart_changes_its_parameters() {
    let world = World::start().await;
    let files = |size: &str| {
        [
            ("app/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n".to_owned()),
            ("app/templates/a.yaml", config_map("a")),
            ("app/.argocd-source.yaml", "helm: {parameters: [{name: size, value: all}]}\n".to_owned()),
            ("app/.argocd-source-APP.yaml", format!("helm: {{parameters: [{{name: size, value: {size}}}]}}\n")),
        ]
    };
    let commit = |size: &str| {
        let named = format!("app/.argocd-source-{}.yaml", world.name);
        let files = files(size);
        let list: Vec<(&str, String)> = files
            .iter()
            .map(|(path, text)| (if path.ends_with("APP.yaml") { named.as_str() } else { *path }, text.clone()))
            .collect();
        world.repository.commit(&list)
    };
    let synced = |revision: String| {
        move |app: &Application| {
            app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revision == revision
        }
    };
    let first = commit("own");
    world.application(json!({})).await;
    world.until("synced", synced(first)).await;
    assert_eq!(data(&world, "a").await.unwrap()["size"], "own");
    let second = commit("other");
    world.until("rendered again", synced(second)).await;
    assert_eq!(data(&world, "a").await.unwrap()["size"], "other");
    world.end().await;
}
