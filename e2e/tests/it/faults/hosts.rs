//! Git hosts and registries that fail or lie: what they say wrong is told, and costs no object.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::{Rest, WorkTree, patiently, run};
use serde_json::{Value, json};
use test_support::{Answer, Manner, Request, WebServer, git_answer};

use super::plane::{APPLICATIONS, Losses, OURS, Plane, digest, items};

/// What a host does instead of answering well.
type Harm = Box<dyn Fn(&Request, Answer) -> Answer + Send + Sync>;

fn refs(request: &Request) -> bool {
    request.path.contains("/info/refs")
}

/// Only what is advertised is spoiled: that is where a repository seems to be empty.
fn of_refs(spoil: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Harm {
    Box::new(move |request, answer| if refs(request) { spoil(answer) } else { answer })
}

/// A repository of one branch with another name, or of none.
fn another(plane: &Plane, name: &str, branch: Option<&str>) -> PathBuf {
    let path = plane.room.path().join(name);
    run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(&path)).succeeds();
    if let Some(branch) = branch {
        let clone = WorkTree::clone_of(&format!("file://{}", path.display()), "dana");
        clone.write("read.me", "nothing to deploy");
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", "Another"]);
        clone.git(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
    }
    path
}

fn harms(plane: &Plane, elsewhere: &WebServer) -> Vec<(&'static str, Harm, &'static str)> {
    let (empty, renamed) = (another(plane, "empty.git", None), another(plane, "renamed.git", Some("old")));
    let instead = |path: PathBuf| -> Harm { Box::new(move |request, _| git_answer(&path, request)) };
    let location = format!("{}/apps.git/info/refs?service=git-upload-pack", elsewhere.url());
    vec![
        ("500", Box::new(|_, _| Answer::status(500)), "500"),
        ("a cut advertisement", of_refs(|answer| answer.cut()), ""),
        (
            "an advertisement without its end",
            of_refs(|mut answer| {
                answer.body.truncate(answer.body.len() - 4);
                answer
            }),
            "cut",
        ),
        ("elsewhere", of_refs(move |_| Answer::status(302).header("location", location.clone())), ""),
        ("credentials", Box::new(|_, _| Answer::status(401).header("www-authenticate", "Basic realm=\"x\"")), "401"),
        ("an empty repository", instead(empty), "main"),
        ("a deleted default branch", instead(renamed), "main"),
        ("a page", of_refs(|_| Answer::ok("<html>Sign in</html>").header("content-type", "text/html")), ""),
        ("no answer", Box::new(|_, answer| answer.manner(Manner::Lost)), ""),
        (
            "an answer without an end",
            of_refs(|answer| Answer { body: answer.body.repeat(64), ..answer }.manner(Manner::Endless)),
            "",
        ),
    ]
}

fn kept(plane: &Plane) -> (String, String) {
    let app = plane.api.get(&format!("{APPLICATIONS}/shop-kept"));
    let told: Vec<&str> =
        app["status"]["conditions"].as_array().into_iter().flatten().filter_map(|c| c["message"].as_str()).collect();
    (app["status"]["sync"]["status"].as_str().unwrap_or_default().to_owned(), told.join("; "))
}

fn is_synced(plane: &Plane) -> Result<(), String> {
    let (sync, told) = kept(plane);
    if sync == "Synced" && told.is_empty() { Ok(()) } else { Err(format!("{sync}: {told}")) }
}

#[test]
fn a_git_host_that_fails_or_lies_deletes_nothing_and_is_told_of() {
    let Some(plane) = Plane::start(3, 1, &[]) else { return };
    plane.deploy();
    patiently(60, "the first round is there", || plane.has_arrived(0));
    let elsewhere = WebServer::start(|_| Answer::ok(""));
    let mut count = 0;
    for (what, harm, tells) in harms(&plane, &elsewhere) {
        plane.spoil(harm);
        patiently(60, &format!("{what} is told of"), || {
            plane.refresh("shop-kept");
            let (sync, told) = kept(&plane);
            if sync == "Unknown" && !told.is_empty() && told.contains(tells) {
                Ok(())
            } else {
                Err(format!("{sync}: {told}"))
            }
        });
        assert_eq!(plane.losses(&Default::default()), Losses::default(), "{what}");
        plane.spoil(|_, answer| answer);
        plane.refresh("shop-kept");
        patiently(60, &format!("all is well after {what}"), || is_synced(&plane));
        count += 1;
    }
    // slower than anybody waits for, and still an answer
    plane.spoil(of_refs(|answer| answer.manner(Manner::Drip(Duration::from_millis(10)))));
    plane.release(1);
    patiently(90, "a slow host is waited for", || plane.has_arrived(1));
    let losses = plane.losses(&Default::default());
    println!("hostile Git host: {} kinds of harm: {losses}", count + 1);
    assert_eq!(losses, Losses::default());
}

const TAGGED: &str = "registry.example/tagged";

fn tagged(number: u64) -> (String, String) {
    let labels = json!({ "app": "tagged" });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "tagged" },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "tagged", "image": format!("{TAGGED}:v{number}") }] } } },
    });
    ("tagged/deployment.yaml".to_owned(), deployment.to_string())
}

/// A manifest as a registry gives it; `named` is the digest that it claims.
fn manifest(named: Option<&str>) -> Answer {
    let body = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": digest(9) }, "layers": [] });
    let answer = Answer::ok(body.to_string()).header("content-type", "application/vnd.oci.image.manifest.v1+json");
    match named {
        Some(named) => answer.header("docker-content-digest", named),
        None => answer,
    }
}

#[test]
fn a_registry_that_fails_or_lies_makes_no_release_and_is_told_of() {
    let Some(mut plane) = Plane::start(4, 0, &[]) else { return };
    plane.commit(&[tagged(0)], "Tag");
    plane.start_servers(1);
    plane.apply(&plane.application("tagged", "tagged"));
    plane.apply(&json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": { "name": "tagged", "namespace": "argocd" },
        "spec": { "images": [{ "name": TAGGED }], "environments": [{ "name": "dev", "application": "tagged" }] },
    }));
    let harms: Vec<(&str, Harm)> = vec![
        ("500", Box::new(|_, _| Answer::status(500))),
        (
            "another digest",
            Box::new(|request, _| match request.method.as_str() {
                "HEAD" => Answer::ok(""),
                _ => manifest(Some(&digest(7))),
            }),
        ),
        ("a cut manifest", Box::new(|_, _| manifest(None).cut())),
        ("a redirect in a circle", Box::new(|request, _| Answer::status(307).header("location", request.path.clone()))),
        ("a page", Box::new(|_, _| Answer::ok("<html>Sign in</html>"))),
        ("no answer", Box::new(|_, answer| answer.manner(Manner::Lost))),
        ("no digest", Box::new(|_, _| Answer::ok("").header("docker-content-digest", "sha256:x"))),
    ];
    let kinds = harms.len();
    for (number, (what, harm)) in (1..).zip(harms) {
        plane
            .spoil(move |request, answer| if request.path.starts_with("/v2") { harm(request, answer) } else { answer });
        plane.commit(&[tagged(number)], "Tag");
        patiently(60, &format!("{what} is told of"), || {
            let pipeline = plane.api.get(&format!("{OURS}/pipelines/tagged"));
            let told = pipeline["status"]["conditions"].to_string();
            if told.contains(&format!("v{number}")) || told.contains("registry.example") {
                Ok(())
            } else {
                Err(pipeline["status"].to_string())
            }
        });
        let releases = plane.api.get(&format!("{OURS}/releases"));
        let made: Vec<&Value> = items(&releases).collect();
        assert!(made.is_empty(), "{what} made {made:?}");
    }
    plane.spoil(|request, answer| if request.path.starts_with("/v2") { manifest(None) } else { answer });
    plane.commit(&[tagged(99)], "Tag");
    patiently(60, "a release is made of what is well", || {
        let releases = plane.api.get(&format!("{OURS}/releases"));
        if items(&releases).count() == 1 {
            Ok(())
        } else {
            Err(plane.api.get(&format!("{OURS}/pipelines/tagged"))["status"].to_string())
        }
    });
    let alive = Rest::stranger(&plane.replicas[0].url()).get("/healthz").status;
    println!("hostile registry: {kinds} kinds of harm, 0 releases");
    assert_eq!(alive, 200);
}
