//! Every route by every verb, for everybody, with every payload: nobody gets a 5xx, nobody gets what is not theirs, and an
//! error is one line of JSON that obeys nobody.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::house::{House, application, apply, gantline, pause, pipeline, policy};

/// Stands in everything of project `bank`, and in nothing else.
const CANARY: &str = "b4nk-c4n4ry";
const VERBS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// What says what it says to everybody.
const OPEN: &[&str] = &[
    "GET /",
    "GET /app.css",
    "GET /app.js",
    "GET /healthz",
    "GET /metrics",
    "GET /api/version",
    "GET /api/openapi.json",
    "POST /api/v1/session",
    "GET /api/v1/session/userinfo",
];
/// Tells whoever is logged in of what they may get, which may be nothing.
const LISTS: &[&str] = &[
    "/api/v1/overview",
    "/api/v1/stream/overview",
    "/api/v1/applications",
    "/api/v1/clusters",
    "/api/v1/pipelines",
    "/api/v1/releases",
    "/api/v1/promotions",
    "/api/v1/timeline",
    "/api/v1/where",
    "/api/v1/session",
];
/// The rights of one project: to look, and to deploy.
const RIGHTS: &str = "p, rita, applications, get, shop/*, allow\np, rita, pipelines, get, shop, allow\n\
                      p, tina, applications, *, shop/*, allow\np, tina, logs, get, shop/*, allow\n\
                      p, tina, pipelines, *, shop*, allow\np, tina, releases, *, shop*, allow\n\
                      p, tina, promotions, *, shop*, allow\ng, otto, role:admin\n";

struct Payload {
    what: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

fn payloads() -> Vec<Payload> {
    let json = |what, body: Value| Payload { what, kind: "application/json", body: body.to_string().into_bytes() };
    let raw = |what, kind, body: &[u8]| Payload { what, kind, body: body.to_vec() };
    vec![
        raw("none", "", b""),
        json("an empty object", json!({})),
        json("a wish", json!({ "environment": "production", "release": "bank-1", "reason": "x", "name": "vault" })),
        json(
            "another project's",
            json!({ "username": "otto", "password": "x", "project": "bank", "appNamespace": "bank",
            "environment": "\u{1b}]0;x\u{7}", "reason": "<script>\u{202e}" }),
        ),
        json("another type", json!([[[], null, 1e308, "\u{0}"]])),
        json("long", json!({ "reason": "x".repeat(70_000), "environment": "y".repeat(70_000) })),
        raw("junk", "application/json", b"{\"environment\": \x1b[31m"),
        raw("no UTF-8", "application/json", b"{\"reason\": \"\xff\xfe\x00\"}"),
        raw("deep", "application/json", &[vec![b'['; 20_000], vec![b']'; 20_000]].concat()),
        raw("huge", "application/json", &vec![b' '; (1 << 20) + 1]),
        raw("a form", "application/x-www-form-urlencoded", b"environment=production&reason=%1b"),
        raw("YAML", "application/yaml", b"environment: production"),
    ]
}

/// A name that is there and may be seen, one of another project, and ones that harm.
fn names(path: &str) -> Vec<String> {
    let (own, other) = match path {
        path if path.starts_with("/api/v1/pipelines") => ("shop", "bank"),
        path if path.starts_with("/api/v1/releases") => ("shop-1", "bank-1"),
        path if path.starts_with("/api/v1/promotions") => ("shop-production-1", "bank-production-1"),
        path if path.starts_with("/api/v1/clusters") => ("in-cluster", CANARY),
        _ => ("web", "vault"),
    };
    let harm = ["..%2F..%2Fsecrets", "%00", "%1b%5D52%3Bc", "a%0d%0aX-Y%3A%20z", "%F0%9F%92%A9", "%2e%2e"];
    let long = "n".repeat(5000);
    [own, other].into_iter().chain(harm).map(str::to_owned).chain([long]).collect()
}

fn filled(path: &str, name: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { name.to_owned() } else { part.to_owned() };
    let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
    if path == "/api/v1/where" { format!("{path}?image={CANARY}") } else { path }
}

/// A project that nobody here but the admin may see.
async fn add_bank(house: &House) {
    let mut app = application("vault", "bank");
    app["spec"]["source"]["path"] = json!(CANARY);
    apply(&house.cluster, app).await;
    let mut line = pipeline("bank");
    line["spec"]["environments"][0]["application"] = json!("vault");
    line["spec"]["environments"][1]["application"] = json!("vault");
    line["spec"]["images"][0]["name"] = json!(CANARY);
    apply(&house.cluster, line).await;
    let digest = format!("sha256:{}", "cd".repeat(32));
    let images = json!([{ "name": CANARY, "digest": digest }]);
    apply(&house.cluster, gantline("Release", "bank-1", json!({ "pipeline": "bank", "images": images }))).await;
    let spec = json!({ "pipeline": "bank", "environment": "production", "release": "bank-1", "digest": digest, "tag": CANARY });
    apply(&house.cluster, gantline("Promotion", "bank-production-1", spec)).await;
}

struct Case<'a> {
    verb: &'a str,
    path: String,
    token: &'a str,
    payload: &'a Payload,
}

struct Seen {
    status: u16,
    kind: String,
    text: String,
}

async fn seen(house: &House, case: &Case<'_>) -> Option<Seen> {
    let mut request = Request::builder().method(case.verb).uri(&case.path);
    if !case.token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", case.token));
    }
    if !case.payload.kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, case.payload.kind);
    }
    let answer = house.ask(request.body(Body::from(case.payload.body.clone())).ok()?).await;
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    let (status, kind) = (answer.status().as_u16(), kind.unwrap_or_default());
    if kind == "text/event-stream" {
        return Some(Seen { status, kind, text: String::new() });
    }
    let bytes = to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    Some(Seen { status, kind, text: String::from_utf8(bytes.to_vec()).unwrap() })
}

/// What is wrong with an answer.
fn wrong(route: &str, known: &BTreeSet<String>, who: &str, case: &Case<'_>, seen: &Seen) -> Option<&'static str> {
    let Seen { status, kind, text } = seen;
    let path = route.split_once(' ').unwrap().1;
    if *status >= 500 {
        return Some("a failure of the server");
    }
    if *status >= 400 && case.verb != "HEAD" {
        let told: Value = serde_json::from_str(text).unwrap_or_default();
        if kind != "application/json" || !told["message"].is_string() || told["error"] != told["message"] {
            return Some("no error in the one shape");
        }
        if text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)) {
            return Some("an error that commands a terminal");
        }
    }
    if !known.contains(route) {
        let head = case.verb == "HEAD" && known.contains(&format!("GET {path}"));
        return (!head && *status != 405).then_some("a verb that nobody knows was taken");
    }
    if OPEN.contains(&route) {
        return None;
    }
    if who.is_empty() {
        return (*status != 401).then_some("anonymous");
    }
    if who != "otto" && text.contains(CANARY) && !case.path.contains(CANARY) {
        return Some("another project's");
    }
    let closed = !LISTS.contains(&path);
    if who == "eve" && closed && !matches!(status, 400 | 403 | 404 | 413 | 415) {
        return Some("without a right");
    }
    let others = ["/vault", "/bank"].iter().any(|name| case.path.contains(name));
    if closed && others && who != "otto" && !matches!(status, 400 | 403 | 404 | 413 | 415) {
        return Some("another project's object");
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_by_every_verb_for_everybody_with_every_payload() {
    let house = House::start().await;
    add_bank(&house).await;
    apply(&house.cluster, policy(RIGHTS)).await;
    let document = server::openapi();
    let paths: BTreeMap<&String, &Value> = document["paths"].as_object().unwrap().iter().collect();
    let known: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase()))
        })
        .collect();
    let mut people = vec![("", String::new())];
    for name in ["eve", "rita", "tina", "otto"] {
        people.push((name, house.log_in(name).await));
    }
    // the policy has come to the server once rita sees what it gives her, and bank to its stores
    while house.get(&people[2].1, "/api/v1/applications/web").await.0 != 200
        || house.get(&people[4].1, "/api/v1/applications/vault").await.0 != 200
    {
        pause().await;
    }
    let (payloads, mut wrongs, mut count) = (payloads(), Vec::new(), 0);
    for (path, verb) in paths.keys().flat_map(|path| VERBS.map(|verb| (*path, verb))) {
        let route = format!("{verb} {path}");
        // logins are throttled, and a session that ends is over for what comes after
        let skipped = ["POST /api/v1/session", "DELETE /api/v1/session"].contains(&route.as_str());
        for (who, token) in people.iter().filter(|(who, _)| !skipped || who.is_empty()) {
            for (index, name) in names(path).iter().enumerate() {
                let plain = !path.contains('{');
                let several = matches!(verb, "POST" | "DELETE") && known.contains(&route) && index < 2;
                for payload in payloads.iter().take(if several { payloads.len() } else { 2 }) {
                    let case = Case { verb, path: filled(path, name), token, payload };
                    let Some(seen) = seen(&house, &case).await else { continue };
                    count += 1;
                    if let Some(why) = wrong(&route, &known, who, &case, &seen) {
                        wrongs.push(format!(
                            "{why}: {verb} {:.90} by {who:?} with {}: {} {:.200}",
                            case.path, payload.what, seen.status, seen.text
                        ));
                    }
                }
                if plain {
                    break;
                }
            }
        }
    }
    println!("matrix: {} routes x {} verbs, {count} requests, {} wrong", paths.len(), VERBS.len(), wrongs.len());
    assert!(wrongs.is_empty(), "{:#?}", &wrongs[..wrongs.len().min(40)]);
}

/// A route that the matrix does not know to be open is closed: this list is what a reader has to agree to.
#[tokio::test]
async fn what_is_open_to_everybody_is_listed() {
    let (document, house) = (server::openapi(), House::start().await);
    let mut open = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            let answer = house.call("", &method.to_uppercase(), &filled(path, "web"), None).await;
            if answer.0 != 401 || route == "POST /api/v1/session" {
                open.insert(route.clone());
            }
            assert_eq!(operation["x-needs"] == "nothing", OPEN.contains(&route.as_str()), "{route}");
        }
    }
    assert_eq!(open, OPEN.iter().map(|route| (*route).to_owned()).collect());
}
