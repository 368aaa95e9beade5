//! Charts from web servers and registries that behave well, and from others.

use std::sync::Arc;
use std::time::Duration;

use git::{ChartError, ChartRepositories, ChartRepository, ChartRepositoryOptions, Credentials, Secret};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use test_support::{Answer, Request, WebServer};

use crate::revision::recorded;

const TGZ: &[u8] = b"a packed chart";

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn index(url: &str, digest: &str) -> String {
    format!(
        "apiVersion: v1\nentries:\n  shop:\n  - name: shop\n    version: 1.2.0\n    digest: {digest}\n    urls: [{url}]\n"
    )
}

fn login() -> Credentials {
    Credentials { username: "ann".into(), password: Secret::new("secret"), ..Credentials::default() }
}

fn prepare() -> (tempfile::TempDir, ChartRepositories) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let repositories = ChartRepositories::new(folder.path());
    (folder, repositories)
}

async fn pull(repository: &ChartRepository, constraint: &str) -> Result<Arc<[u8]>, ChartError> {
    let version = repository.resolve("shop", constraint).await?;
    repository.pull(&version).await
}

fn authorized(request: &Request) -> bool {
    request.header("authorization").is_some_and(|value| value.starts_with("Basic "))
}

#[tokio::test]
async fn an_index_is_asked_for_when_it_is_old_and_a_chart_once() {
    let server = WebServer::start(|request| match request.path.as_str() {
        "/charts/index.yaml?t=1" if request.header("if-none-match") == Some("\"1\"") => Answer::status(304),
        "/charts/index.yaml?t=1" => Answer::ok(index("shop-1.2.0.tgz", &sha256(TGZ))).header("etag", "\"1\""),
        "/charts/shop-1.2.0.tgz?t=1" => Answer::ok(TGZ),
        _ => Answer::status(404),
    });
    let (folder, repositories) = prepare();
    let url = format!("{}/charts?t=1", server.url());
    let repository = repositories.open(&url, &login()).unwrap();
    assert_eq!(&*pull(&repository, "^1").await.unwrap(), TGZ);
    assert_eq!(&*pull(&repository, "1.2.0").await.unwrap(), TGZ);
    assert_eq!(server.requests().len(), 2);
    assert!(server.requests().iter().all(authorized));

    let old = ChartRepositoryOptions { index_age: Duration::ZERO, ..ChartRepositoryOptions::default() };
    // another process with the same folder
    let repositories = ChartRepositories::new(folder.path());
    let repository = repositories.open_with(&url, &login(), &old).unwrap();
    assert_eq!(&*pull(&repository, "").await.unwrap(), TGZ);
    let asked: Vec<_> = server.requests().into_iter().skip(2).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("if-none-match"), Some("\"1\""));

    // whoever does not log in gets no copy of what others saw
    let anonymous = repositories.open(&url, &Credentials::default()).unwrap();
    anonymous.versions("shop").await.unwrap();
    assert_eq!(server.requests().last().unwrap().header("if-none-match"), None);

    let missing = repository.resolve("shop", ">=2").await.unwrap_err().to_string();
    assert!(missing.contains("no version of shop that fulfils \">=2\"; it has 1.2.0"), "{missing}");
    let missing = repository.versions("other").await.unwrap_err().to_string();
    assert!(missing.contains("has no chart other") && !missing.contains("t=1"), "{missing}");
}

#[tokio::test]
async fn credentials_stay_at_their_host() {
    let other = WebServer::start(|_| Answer::ok(TGZ));
    let (elsewhere, moved) = (format!("{}/x.tgz", other.url()), format!("{}/moved.tgz", other.url()));
    let server = WebServer::start(move |request| match request.path.as_str() {
        "/a/index.yaml" => Answer::ok(index(&elsewhere, &sha256(TGZ))),
        "/b/index.yaml" => Answer::ok(index("/moved.tgz", &sha256(TGZ))),
        "/moved.tgz" => Answer::status(302).header("location", moved.clone()),
        _ => Answer::status(404),
    });
    let seen = || other.requests().last().map(authorized);
    for (path, pass, expected) in [("a", false, false), ("a", true, true), ("b", false, false), ("b", true, false)] {
        let (_folder, repositories) = prepare();
        let options = ChartRepositoryOptions { pass_credentials: pass, ..ChartRepositoryOptions::default() };
        let repository = repositories.open_with(&format!("{}/{path}", server.url()), &login(), &options).unwrap();
        assert_eq!(&*pull(&repository, "").await.unwrap(), TGZ);
        assert_eq!(seen(), Some(expected), "{path} {pass}");
        assert!(server.requests().iter().all(authorized));
    }
    let exposed = prepare().1.open("http://charts.example.com", &login()).unwrap_err().to_string();
    assert!(exposed.contains("plain http") && !exposed.contains("secret"), "{exposed}");
}

/// What a server with this index and this chart leads to.
async fn failure(index: Answer, chart: Answer) -> String {
    let server = WebServer::start(move |request| match request.path.as_str() {
        "/index.yaml" => index.clone(),
        "/loop" => Answer::status(301).header("location", "/loop"),
        _ => chart.clone(),
    });
    let (folder, repositories) = prepare();
    let repository = repositories.open(&server.url(), &Credentials::default()).unwrap();
    let error = pull(&repository, "").await.unwrap_err().to_string();
    let files = std::fs::read_dir(folder.path().join("artifacts")).map_or(0, Iterator::count);
    let drafts = std::fs::read_dir(folder.path().join("indexes")).into_iter().flatten().flatten();
    let drafts = drafts.filter(|f| f.path().extension().is_some_and(|e| e == "tmp")).count();
    assert_eq!((files, drafts), (0, 0), "{error}");
    error
}

#[tokio::test]
async fn bad_answers_are_refused() {
    let good = || Answer::ok(index("shop.tgz", &sha256(TGZ)));
    let large = 33 << 20;
    for (index, chart, part) in [
        (good(), Answer::ok("another chart"), "is not what was announced"),
        (good(), Answer { missing: 5, ..Answer::ok(TGZ) }, "cannot be reached"),
        (good(), Answer::status(404), "has no shop-1.2.0"),
        (good(), Answer::status(500), "shop-1.2.0: 500"),
        (good(), Answer::status(401), "refuses the credentials"),
        (good(), Answer::status(302).header("location", "/loop"), "more than 5 redirects"),
        (good(), Answer::status(302), "a redirect without a target"),
        (good(), Answer::status(302).header("location", "file:///etc/passwd"), "redirects from http to file"),
        (good(), Answer::ok(vec![0; large]), "larger than 32 MiB"),
        (Answer::ok(index("shop.tgz", "abc")), Answer::ok(TGZ), "expected sha256:abc"),
        (Answer::ok("<html>"), Answer::ok(TGZ), "no index of a chart repository"),
        (Answer { missing: 5, ..good() }, Answer::ok(TGZ), "cannot be reached"),
        (Answer::ok("text").header("content-encoding", "gzip"), Answer::ok(TGZ), "index.yaml"),
        (Answer::ok(bomb()).header("content-encoding", "gzip"), Answer::ok(TGZ), "larger than 64 MiB"),
        (Answer::status(403), Answer::ok(TGZ), "refuses the credentials"),
    ] {
        let error = failure(index, chart).await;
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// 65 MiB of blanks.
fn bomb() -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&vec![b' '; 1 << 20]).unwrap();
    packed.finish().unwrap().repeat(65)
}

/// A registry with the chart acme/shop that wants a token.
struct Registry {
    tampered: &'static str,
    config: &'static str,
}

impl Registry {
    fn manifest(&self) -> String {
        let layer = format!("sha256:{}", sha256(TGZ));
        let kind = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "config": { "mediaType": self.config },
            "layers": [{ "mediaType": "application/x" }, { "mediaType": kind, "digest": layer }],
        });
        manifest.to_string()
    }

    fn answer(&self, request: &Request, host: &str) -> Answer {
        if request.path.starts_with("/token?scope=repository%3Aacme%2Fshop%3Apull&service=r") {
            return if authorized(request) { Answer::ok(r#"{"token":"t1"}"#) } else { Answer::status(401) };
        }
        if request.header("authorization") != Some("Bearer t1") {
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"r\"");
            return Answer::status(401).header("www-authenticate", challenge);
        }
        let manifest = self.manifest();
        let blob = format!("/v2/acme/shop/blobs/sha256:{}", sha256(TGZ));
        match request.path.as_str() {
            "/v2/acme/shop/tags/list" => Answer::ok(r#"{"tags":["latest","1.0.0","v3.0.0"]}"#)
                .header("link", "</v2/acme/shop/tags/list?last=1>; rel=\"next\""),
            "/v2/acme/shop/tags/list?last=1" => Answer::ok(r#"{"tags":["1.2.0_build.1","2.0.0-rc.1"]}"#),
            "/v2/acme/shop/manifests/1.2.0_build.1" if self.tampered == "manifest" => {
                Answer::ok(manifest).header("docker-content-digest", format!("sha256:{}", sha256(b"x")))
            }
            "/v2/acme/shop/manifests/1.2.0_build.1" => {
                let digest = format!("sha256:{}", sha256(manifest.as_bytes()));
                Answer::ok(manifest).header("docker-content-digest", digest)
            }
            path if path == blob && self.tampered == "blob" => Answer::ok("other"),
            path if path == blob => Answer::ok(TGZ),
            _ => Answer::status(404),
        }
    }

    fn start(tampered: &'static str, config: &'static str) -> WebServer {
        let registry = Self { tampered, config };
        WebServer::start(move |request| {
            let host = request.header("host").unwrap_or_default().to_owned();
            registry.answer(request, &host)
        })
    }
}

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

#[tokio::test]
async fn a_registry_is_asked_for_tags_manifests_and_layers() {
    let server = Registry::start("", CONFIG);
    let (_folder, repositories) = prepare();
    let repository = repositories.open(&format!("oci://{}/acme", server.host()), &login()).unwrap();
    let versions = repository.versions("shop").await.unwrap();
    let names: Vec<&str> = versions.iter().map(|v| v.version.as_str()).collect();
    assert_eq!(names, ["2.0.0-rc.1", "1.2.0+build.1", "1.0.0"]);
    let version = repository.resolve("shop", "^1").await.unwrap();
    assert_eq!(version.version, "1.2.0+build.1");
    assert_eq!(version.digest, Some(format!("sha256:{}", sha256(TGZ))));
    assert_eq!(&*repository.pull(&version).await.unwrap(), TGZ);
    let asked = server.requests().len();
    assert_eq!(&*repository.pull(&version).await.unwrap(), TGZ);
    assert_eq!(server.requests().len(), asked);
    // the login was needed once
    assert_eq!(server.requests().iter().filter(|r| r.path.starts_with("/token")).count(), 1);

    let wrong = repository.resolve("shop", "9.9.9").await.unwrap_err().to_string();
    assert!(wrong.contains("has no shop:9.9.9"), "{wrong}");
    let wrong = repository.resolve("../shop", "1.0.0").await.unwrap_err().to_string();
    assert!(wrong.contains("no name in a registry"), "{wrong}");
    let anonymous = repositories.open(&format!("oci://{}/acme", server.host()), &Credentials::default()).unwrap();
    assert!(matches!(anonymous.versions("shop").await, Err(ChartError::Unauthorized { .. })));
}

#[tokio::test]
async fn bad_registries_are_refused() {
    for (tampered, config, part) in [
        ("manifest", CONFIG, "shop:1.2.0_build.1 of the chart repository"),
        ("blob", CONFIG, "shop-1.2.0+build.1 of the chart repository"),
        ("", "application/vnd.oci.image.config.v1+json", "it is no chart"),
    ] {
        let server = Registry::start(tampered, config);
        let (_folder, repositories) = prepare();
        let options = ChartRepositoryOptions { oci: true, ..ChartRepositoryOptions::default() };
        let repository = repositories.open_with(&format!("{}/acme", server.host()), &login(), &options).unwrap();
        let error = pull(&repository, "1.2.0+build.1").await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_index_may_name_a_registry() {
    let registry = Registry::start("", CONFIG);
    let host = registry.host();
    let entry = index(&format!("oci://{host}/acme/shop:1.2.0_build.1"), &sha256(TGZ));
    let server = WebServer::start(move |_| Answer::ok(entry.clone()));
    let (_folder, repositories) = prepare();
    for (pass, fine) in [(false, false), (true, true)] {
        let options = ChartRepositoryOptions { pass_credentials: pass, ..ChartRepositoryOptions::default() };
        let repository = repositories.open_with(&server.url(), &login(), &options).unwrap();
        let pulled = pull(&repository, "").await;
        assert_eq!(pulled.is_ok(), fine, "{pulled:?}");
    }
    assert!(!registry.requests().iter().any(|r| r.path.starts_with("/v2/") && authorized(r)));
}

/// Each case's versions are a chart of their own. A text that Argo CD hands on to Helm as it is, which then finds no such
/// version, is not judged here: versions that are not listed, and words.
#[tokio::test]
async fn versions_are_chosen_as_recorded() {
    let Some(cases) = recorded() else { return };
    let cases: Vec<Value> = cases.into_iter().filter(|case| case["input"]["op"] == "helm").collect();
    let entry = |chart: usize, version: &Value| json!({"name": format!("c{chart}"), "version": version, "urls": ["c.tgz"], "apiVersion": "v2"});
    let entries: serde_json::Map<String, Value> = cases
        .iter()
        .enumerate()
        .map(|(chart, case)| {
            let versions = case["input"]["versions"].as_array().unwrap();
            (format!("c{chart}"), versions.iter().map(|version| entry(chart, version)).collect())
        })
        .collect();
    let index = json!({"apiVersion": "v1", "entries": entries}).to_string();
    let server = WebServer::start(move |_| Answer::ok(index.clone()));
    let (_folder, repositories) = prepare();
    let repository = repositories.open(&server.url(), &Credentials::default()).unwrap();
    let mut judged = 0;
    for (chart, case) in cases.iter().enumerate() {
        let (revision, expected) = (case["input"]["revision"].as_str().unwrap(), case["output"]["version"].as_str());
        let listed = case["input"]["versions"].as_array().unwrap().iter().any(|version| version == revision);
        if expected == Some(revision) && (!listed || revision == "latest") {
            continue;
        }
        let found = repository.resolve(&format!("c{chart}"), revision).await;
        assert_eq!(found.as_ref().map(|found| found.version.as_str()).ok(), expected, "{case}: {found:?}");
        judged += 1;
    }
    assert!(judged >= 25, "{judged}");
}
