//! What a registry says of a tag: a manifest has a digest, and nothing else has.

use git::RegistryClient;
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
