//! What a registry says of a tag: a manifest has a digest, and nothing else has; and of an index, what is in it.

use std::collections::BTreeMap;

use git::{RegistryClient, RegistryError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use test_support::{Answer, WebServer};

const MANIFEST: &str = r#"{"schemaVersion": 2, "layers": []}"#;

async fn check(answer: Answer, told: Option<&str>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // nothing is told without the body
    let server = WebServer::start(move |request| match request.method.as_str() {
        "HEAD" => Answer::ok(""),
        _ => answer.clone(),
    });
    let registry = RegistryClient::new([("*".to_owned(), server.url())].into()).unwrap();
    let found = registry.resolve(&"registry.example/shop:v1".parse().unwrap()).await;
    match told {
        None => assert!(found.unwrap().to_string().starts_with("sha256:")),
        Some(told) => assert!(found.as_ref().is_err_and(|error| error.to_string().contains(told)), "{found:?}"),
    }
}

#[tokio::test]
async fn only_a_manifest_has_a_digest() {
    check(Answer::ok(MANIFEST), None).await;
    check(Answer::ok(""), Some("no manifest")).await;
    check(Answer::ok("<html>Sign in</html>"), Some("no manifest")).await;
    check(Answer::ok("{}"), Some("no manifest")).await;
    let another = format!("sha256:{}", "ab".repeat(32));
    check(Answer::ok(MANIFEST).header("docker-content-digest", &another), Some(&another)).await;
    check(Answer::ok(MANIFEST).cut(), Some("registry.example")).await;
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const ONE: &str = "application/vnd.oci.image.manifest.v1+json";

fn sha256(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// An index of these.
fn index(all: &[(&str, &str)]) -> String {
    let manifests: Vec<Value> =
        all.iter().map(|(kind, text)| json!({"mediaType": kind, "digest": sha256(text), "size": 9})).collect();
    json!({"schemaVersion": 2, "manifests": manifests}).to_string()
}

/// The parts of the first of what a registry has, each given as what it is, or as something else.
async fn parts(all: &[&str], lies: bool) -> Result<Vec<String>, RegistryError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shelf: BTreeMap<String, String> = all.iter().map(|text| (sha256(text), (*text).to_owned())).collect();
    let server = WebServer::start(move |request| {
        let found = request.path.strip_prefix("/v2/shop/manifests/").and_then(|digest| shelf.get(digest));
        found.map_or(Answer::status(404), |text| Answer::ok(if lies { MANIFEST } else { text.as_str() }))
    });
    let registry = RegistryClient::new([("*".to_owned(), server.url())].into()).unwrap();
    let image = format!("registry.example/shop:v1@{}", sha256(all[0]));
    Ok(registry.parts(&image.parse().unwrap()).await?.into_iter().map(String::from).collect())
}

#[tokio::test]
async fn what_is_in_an_index_is_known_on_two_levels() {
    let sorted = |all: &[&str]| {
        let mut all: Vec<String> = all.iter().map(|text| sha256(text)).collect();
        all.sort();
        all
    };
    assert_eq!(parts(&[MANIFEST], false).await.unwrap(), [""; 0]);
    let inner = index(&[(ONE, "amd64"), ("", "arm64"), (ONE, "amd64")]);
    assert_eq!(parts(&[&inner], false).await.unwrap(), sorted(&["amd64", "arm64"]), "and nobody fetches these");
    let outer = index(&[(LIST, &inner), (ONE, "s390x")]);
    let all = sorted(&["amd64", "arm64", "s390x", &inner]);
    assert_eq!(parts(&[&outer, &inner], false).await.unwrap(), all);
    assert!(matches!(parts(&[&outer], false).await, Err(RegistryError::NotFound { .. })), "who cannot tell says so");
    assert!(matches!(parts(&[&outer, &inner], true).await, Err(RegistryError::Unreachable { .. })), "it lies");

    let far = index(&[(INDEX, &outer)]);
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|text| (ONE, text.as_str())).collect();
    let other = json!({"schemaVersion": 2, "manifests": [{"digest": "sha512:00"}]}).to_string();
    for (all, why) in [
        (vec![far.as_str(), &outer, &inner], "index of indexes of indexes"),
        (vec![&index(&many)], "more than 64"),
        (vec![&other], "\"sha512:00\" is no image digest"),
        (vec![r#"{"schemaVersion": 2, "manifests": {}}"#], "no list"),
        (vec!["<html>"], "no JSON"),
    ] {
        let error = parts(&all, false).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unreadable { .. }) && error.to_string().contains(why), "{error}");
    }
    assert_eq!(parts(&[&index(&many[..64])], false).await.unwrap().len(), 64);
}
