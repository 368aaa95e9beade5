//! Who may be asked, and who sees credentials, when servers lead elsewhere.

use git::{
    ChartRepositories, ChartRepositoryOptions, Credentials, GitError, Permitted, Policy, Reach, RegistryClient,
    Repositories, Repository, Secret,
};
use test_support::{Answer, GitRepo, Request, WebServer, git_answer};

use crate::host;

fn login() -> Credentials {
    Credentials { username: "ann".into(), password: Secret::new("secret"), ..Credentials::default() }
}

fn open(repo: &GitRepo, cache: &str, url: &str, policy: &Policy) -> Repository {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Repositories::new(repo.beside(cache)).open_with(url, &login(), policy).unwrap()
}

fn found(permitted: &str) -> Policy {
    Policy { reach: Reach::Found(Permitted::new(permitted)), ..Policy::default() }
}

fn configured(permitted: &str) -> Policy {
    Policy { reach: Reach::Configured(Permitted::new(permitted)), ..Policy::default() }
}

fn with_login(server: &WebServer) -> Vec<bool> {
    server.requests().iter().map(|request| request.header("authorization").is_some()).collect()
}

/// Sends everybody on to `base`.
fn moved(base: String) -> WebServer {
    WebServer::start(move |request| Answer::status(302).header("location", format!("{base}{}", request.path)))
}

#[tokio::test]
async fn credentials_stay_with_their_scheme_host_and_port() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let back = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let other = WebServer::start({
        let back = std::sync::Arc::clone(&back);
        move |request: &Request| {
            let target = format!("{}/back{}", back.get().unwrap(), request.path);
            Answer::status(307).header("location", target)
        }
    });
    let elsewhere = other.url().replace("http://", "http://eve:guess@");
    let path = repo.path();
    let home = WebServer::start(move |request| match request.path.strip_prefix("/shop.git") {
        Some(rest) => Answer::status(307).header("location", format!("/same{rest}")),
        None if request.path.starts_with("/same") => {
            Answer::status(302).header("location", format!("{elsewhere}{}", request.path))
        }
        None => git_answer(&path, request),
    });
    back.set(home.url()).unwrap();
    let git = open(&repo, "copy", &format!("{}/shop.git", home.url()), &Policy::default());
    let head = git.resolve("main").await.unwrap();
    assert_eq!(git.tree(head).await.unwrap().read("a").unwrap().unwrap().as_ref(), b"1");
    // of each of two requests: itself, the one on the same server, and the one that came back
    assert_eq!(with_login(&home), [true, true, false, true, true, false]);
    assert_eq!(with_login(&other), [false, false]);
    assert!(home.requests()[5].path.ends_with("/git-upload-pack") && !home.requests()[5].body.is_empty());
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_sixth() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let path = repo.path();
    let home = WebServer::start(move |request| match request.path.split_at(2) {
        ("/0", _) => git_answer(&path, request),
        (hops, rest) => {
            let left = hops[1..].parse::<u32>().unwrap() - 1;
            Answer::status(307).header("location", format!("/{left}{rest}"))
        }
    });
    let at = |hops: u32| open(&repo, "copy", &format!("{}/{hops}/shop.git", home.url()), &Policy::default());
    at(5).refresh().await.unwrap();
    let error = at(6).refresh().await.unwrap_err().to_string();
    assert!(error.contains("more than 5 redirects"), "{error}");
}

#[tokio::test]
async fn what_nobody_configured_may_not_be_private() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let server = host::start(&repo, |_, answer| answer);
    let port = server.host().rsplit_once(':').unwrap().1.to_owned();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0", "127.1"] {
        let url = format!("http://{host}:{port}/shop.git");
        let opened = Repositories::new(repo.beside("copy")).open_with(&url, &Credentials::default(), &found(""));
        let error = opened.unwrap().refresh().await.unwrap_err().to_string();
        assert!(error.contains("repositories.private.hosts"), "{host}: {error}");
    }
    let ssh = format!("ssh://git@localhost:{port}/shop.git");
    let error = Repositories::new(repo.beside("copy")).open_with(&ssh, &Credentials::default(), &found("")).unwrap();
    assert!(error.refresh().await.unwrap_err().to_string().contains("repositories.private.hosts"));
    let local = Repositories::new(repo.beside("copy")).open_with(&repo.url(), &Credentials::default(), &found(""));
    assert!(matches!(local, Err(GitError::Address { .. })));
    let platform = open(&repo, "copy", "https://169.254.169.254/latest", &configured("*"));
    let error = platform.refresh().await.unwrap_err().to_string();
    assert!(error.contains("metadata"), "{error}");
    assert_eq!(server.requests(), [], "nobody was asked");

    for permitted in ["127.0.0.1", "*", "127.0.0.0/8", &format!("x, 127.0.0.1:{port}")] {
        open(&repo, "copy", &format!("{}/shop.git", server.url()), &found(permitted)).refresh().await.unwrap();
    }
    open(&repo, "copy", &format!("{}/shop.git", server.url()), &configured("")).refresh().await.unwrap();
}

#[tokio::test]
async fn a_configured_host_does_not_lead_to_a_private_one() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let inner = host::start(&repo, |_, answer| answer);
    let home = moved(inner.url());
    let url = format!("{}/shop.git", home.url());
    let error = open(&repo, "copy", &url, &configured("")).refresh().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && error.contains("repositories.private.hosts"), "{error}");
    assert_eq!(inner.requests(), []);
    open(&repo, "copy", &url, &configured(&inner.host())).refresh().await.unwrap();
}

#[tokio::test]
async fn an_index_and_a_registry_lead_to_no_private_host() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let inner = WebServer::start(|_| Answer::ok("x"));
    let (chart, realm) = (format!("{}/x.tgz", inner.url()), format!("Bearer realm=\"{}/token\"", inner.url()));
    let home = WebServer::start(move |request| match request.path.as_str() {
        "/index.yaml" => {
            Answer::ok(format!("entries:\n  shop:\n  - name: shop\n    version: 1.0.0\n    urls: [{chart}]\n"))
        }
        _ => Answer::status(401).header("www-authenticate", realm.clone()),
    });
    let charts = ChartRepositories::new(folder.path());
    let options = |policy: Policy| {
        let index_age = std::time::Duration::ZERO;
        ChartRepositoryOptions { policy, index_age, ..ChartRepositoryOptions::default() }
    };
    for (policy, passes) in [(configured(""), false), (configured(&inner.host()), true)] {
        let web = charts.open_with(&home.url(), &login(), &options(policy.clone())).unwrap();
        let version = web.resolve("shop", "1.0.0").await.unwrap();
        let pulled = web.pull(&version).await;
        assert_eq!(pulled.is_ok(), passes, "{pulled:?}");
        let oci = charts.open_with(&format!("oci://{}/a", home.host()), &login(), &options(policy.clone())).unwrap();
        let error = oci.resolve("shop", "1.0.0").await.unwrap_err().to_string();
        assert_eq!(error.contains("repositories.private.hosts"), !passes, "{error}");
        let registry = RegistryClient::new([("r.test".to_owned(), home.url())].into()).unwrap().with_policy(policy);
        let error = registry.resolve(&"r.test/a:1".parse().unwrap()).await.unwrap_err().to_string();
        assert_eq!(error.contains("repositories.private.hosts"), !passes, "{error}");
        assert_eq!(inner.requests().is_empty(), !passes);
    }
    let error =
        charts.open_with(&home.url(), &login(), &options(found(""))).unwrap().versions("shop").await.unwrap_err();
    assert!(error.to_string().contains("repositories.private.hosts"), "{error}");
}

#[tokio::test]
async fn another_server_may_not_ask_for_a_login() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let eve = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let other = WebServer::start({
        let eve = std::sync::Arc::clone(&eve);
        move |request: &Request| match request.path.as_str() {
            "/token" => Answer::ok(r#"{"token":"x"}"#),
            _ => {
                Answer::status(401).header("www-authenticate", format!("Bearer realm=\"{}/token\"", eve.get().unwrap()))
            }
        }
    });
    eve.set(other.url()).unwrap();
    let home = moved(other.url());
    let registry = RegistryClient::new([("r.test".to_owned(), home.url())].into()).unwrap();
    registry.with_credentials("r.test", login()).resolve(&"r.test/a:1".parse().unwrap()).await.unwrap_err();
    let folder = tempfile::tempdir().unwrap();
    let charts = ChartRepositories::new(folder.path()).open(&format!("oci://{}/a", home.host()), &login()).unwrap();
    charts.resolve("shop", "1.0.0").await.unwrap_err();
    assert_eq!(with_login(&other), [false, false]);
}
