//! A sandbox is killed while clients write: what they were told of is there, what they deleted stays away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use clock::{Ids, ScaledClock};
use http_body_util::BodyExt;
use jiff::Timestamp;
use sandbox::{AnyImage, OnDamage, Sandbox, SandboxOptions, StoreFolder};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Names the folder of the sandbox that a process of this test runs until it is killed.
const FOLDER: &str = "SANDBOX_TO_KILL";
/// The versions of objects that it begins with.
const FIRST: &str = "SANDBOX_FIRST";
const CLIENTS: usize = 8;

/// What an object is like: its number, or not there.
type Fate = Option<u64>;

/// What is known of one object.
#[derive(Debug, Default)]
struct Known {
    told: Fate,
    /// A write that was begun, and nobody was told how it ended.
    begun: Option<Fate>,
}

/// `KILLS` says how often; 200 takes some minutes.
#[test]
fn acknowledged_writes_survive_kills() {
    let kills = std::env::var_os("KILLS").and_then(|kills| kills.to_str()?.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let (mut known, mut told, mut time) = (BTreeMap::new(), 0, Timestamp::MIN);
    for round in 0..kills {
        let moment = usize::try_from(Ids::seeded(round).jitter(Duration::from_secs(60)).as_secs()).unwrap();
        told += run_and_kill(folder.path(), round, moment, &mut known);
        time = check(folder.path(), &mut known, time);
    }
    eprintln!("{kills} kills, {told} acknowledged writes, none lost, none back");
}

/// Runs a sandbox until that many writes were acknowledged; so many really were.
fn run_and_kill(folder: &Path, round: u64, moment: usize, known: &mut BTreeMap<String, Known>) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kills::a_sandbox_that_is_killed", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder).env(FIRST, (round * 1_000_000).to_string());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut told, mut killed) = (0, false);
    // what was said before the kill is in the pipe
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let [verb @ ("begins" | "ends"), name, number] = words.as_slice() else { continue };
        let object = known.entry((*name).to_owned()).or_default();
        let fate: Fate = number.parse().ok();
        if *verb == "begins" {
            object.begun = Some(fate);
            continue;
        }
        *object = Known { told: fate, begun: None };
        told += 1;
        if told > moment && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "the sandbox ended by itself after {told} writes: {:?}", child.wait());
    child.wait().unwrap();
    told
}

/// Opens the folder as the next process would, and compares. The latest time that was seen.
fn check(folder: &Path, known: &mut BTreeMap<String, Known>, before: Timestamp) -> Timestamp {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = StoreFolder::open(folder, OnDamage::Refuse).unwrap();
    let reached = store.reached().unwrap();
    assert!(reached >= before, "the clock went back from {before} to {reached}");
    let list = runtime.block_on(async {
        let router = start(store).router();
        ask(&router, Method::GET, "", &json!(null)).await.1
    });
    let items = list["items"].as_array().unwrap();
    let found: BTreeMap<&str, u64> = items
        .iter()
        .filter_map(|item| Some((item["metadata"]["name"].as_str()?, item["data"]["n"].as_str()?.parse().ok()?)))
        .collect();
    for (name, object) in known.iter_mut() {
        let is = found.get(name.as_str()).copied();
        assert!(is == object.told || Some(is) == object.begun, "{name} is {is:?}, and was {object:?}");
        *object = Known { told: is, begun: None };
    }
    assert!(found.keys().all(|name| known.contains_key(*name)));
    let made = items.iter().filter_map(|item| item["metadata"]["creationTimestamp"].as_str()?.parse().ok());
    let made = made.max().unwrap_or(Timestamp::MIN);
    assert!(reached >= made, "the next clock would begin at {reached}, before {made}");
    reached
}

fn start(store: StoreFolder) -> Sandbox {
    let now = ScaledClock::starting_now(3600.0);
    let reached = store.reached().map_or(now.starts_at(), |reached| reached.max(now.starts_at()));
    let clock = Arc::new(ScaledClock::new(now.origin(), reached, 3600.0));
    let options = SandboxOptions { clock, ids: Ids::random(), folder: None, images: Arc::new(AnyImage) };
    Sandbox::resume(store, options)
}

/// Not a test: the process that is killed. Its clients say what they begin and what they were told.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that acknowledged_writes_survive_kills starts"]
async fn a_sandbox_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let first: u64 = std::env::var_os(FIRST).and_then(|first| first.to_str()?.parse().ok()).unwrap_or(0);
    let sandbox = start(StoreFolder::open(Path::new(&folder), OnDamage::Refuse).unwrap());
    let clients = (0..CLIENTS).map(|client| tokio::spawn(write(sandbox.router(), client, first)));
    futures::future::join_all(clients).await;
}

/// Creates, changes and deletes objects of its own, again and again.
async fn write(router: Router, client: usize, first: u64) {
    for n in first.. {
        let name = format!("c{client}-{}", n % 3);
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "n": n.to_string() } });
        let (method, path, fate) = match n % 5 {
            4 => (Method::DELETE, format!("/{name}"), "gone".to_owned()),
            _ => (Method::PATCH, format!("/{name}?fieldManager=kills&force=true"), n.to_string()),
        };
        println!("begins {name} {fate}");
        let (status, answer) = ask(&router, method, &path, &body).await;
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{answer}");
        println!("ends {name} {fate}");
    }
}

async fn ask(router: &Router, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let body = if method == Method::PATCH { Body::from(body.to_string()) } else { Body::empty() };
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/namespaces/kube-public/configmaps{path}"))
        .header("content-type", "application/apply-patch+yaml");
    let answer = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}
