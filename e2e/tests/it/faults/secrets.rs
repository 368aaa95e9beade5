//! What lets somebody in, and what is secret, is put everywhere it can be, and looked for everywhere else: in all answers,
//! streams, logs, statuses, Events, on terminals and in files.

use std::path::Path;
use std::process::Command;

use e2e::{Rest, eventually, patiently, run};
use serde_json::{Value, json};
use test_support::Answer;

use super::plane::{APPLICATIONS, NAMESPACE, OURS, Plane, config_map, files, items};

/// In Secrets, passwords, tokens, keys and addresses.
const CANARY: &str = "c4n4ry-5ecret";
/// The same in base64, as Secrets hold it, and as it stands in an address.
const FORMS: [&str; 3] = [CANARY, "YzRuNHJ5LTVlY3JldA", "c4n4ry%2D5ecret"];

fn secret(name: &str, kind: &str, mut data: Value) -> Value {
    let labels = json!({ "argocd.argoproj.io/secret-type": kind });
    let mut object = config_map(name, Value::Null);
    data["type"] = "git".into();
    object["kind"] = "Secret".into();
    object["metadata"]["labels"] = labels;
    object.as_object_mut().expect("an object").remove("data");
    object["stringData"] = data;
    object
}

/// Manifests with what is secret in them: one that is well, one that differs from what is there, some that are broken.
fn manifests() -> Vec<(String, String)> {
    let secret = |name: &str, data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{data}");
    vec![
        ("secret/well.yaml".into(), secret("well", &format!("stringData: {{password: {CANARY}}}\n"))),
        ("secret/other.yaml".into(), secret("other", &format!("data: {{password: {}}}\n", "YzRuNHJ5LTVlY3JldA=="))),
        (
            "broken/broken.yaml".into(),
            secret("broken", &format!("stringData:\n  password: {CANARY}\n   {CANARY}: [\n")),
        ),
        ("typed/typed.yaml".into(), secret("typed", &format!("data: {{password: [\"{CANARY}\"]}}\n"))),
        ("typed/no.yaml".into(), secret("no", &format!("data: {{password: \"{CANARY}\"}}\n"))),
        ("chart/Chart.yaml".into(), "apiVersion: v2\nname: chart\nversion: 1.0.0\n".into()),
        (
            "chart/templates/x.yaml".into(),
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  a: {{{{ .Values.password | nindent }}}}\n# {CANARY}\n"
            ),
        ),
    ]
}

/// Applications whose addresses and parameters hold something.
fn leaky(plane: &Plane) -> Vec<Value> {
    let mut all: Vec<Value> = ["secret", "broken", "typed", "chart"].map(|path| plane.application(path, path)).into();
    all[3]["spec"]["source"]["helm"] = json!({ "valuesObject": { "password": 1 } });
    for (name, url) in [
        ("login", format!("https://me:{CANARY}@127.0.0.1:9/x.git")),
        ("query", format!("https://127.0.0.1:9/x.git?token={CANARY}")),
        ("odd", format!("ssh://me:{CANARY}@127.0.0.1:9/x.git")),
    ] {
        let mut app = plane.application(name, ".");
        app["spec"]["source"]["repoURL"] = url.into();
        all.push(app);
    }
    all
}

#[test]
fn what_is_secret_stands_nowhere_but_where_it_was_put() {
    let Some(plane) = Plane::start(5, 1, &[("GANTLINE_LOG", "trace")]) else { return };
    plane.commit(&manifests(), "Add secrets");
    let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----\n");
    let login = json!({ "url": plane.repository(), "username": "me", "password": CANARY });
    plane.apply(&secret("repository", "repository", login));
    let keyed = json!({ "url": "ssh://git@127.0.0.1:9/keyed.git", "sshPrivateKey": private });
    plane.apply(&secret("keyed", "repository", keyed));
    let config = json!({ "bearerToken": CANARY, "tlsClientConfig": { "insecure": true } }).to_string();
    plane.apply(&secret("far", "cluster", json!({ "name": "far", "server": "https://127.0.0.1:9", "config": config })));
    plane.deploy();
    let apps = leaky(&plane);
    apps.iter().for_each(|app| plane.apply(app));
    let mut far = plane.application("far", "kept");
    far["spec"]["destination"] = json!({ "name": "far", "namespace": "shop" });
    plane.apply(&far);
    patiently(60, "the first round is there", || plane.has_arrived(0));
    patiently(60, "all Applications are looked at", || {
        let all = plane.api.get(APPLICATIONS);
        let told = |app: &Value| !app["status"]["sync"]["status"].is_null() || app["status"]["conditions"].is_array();
        let blind = items(&all).find(|app| !told(app)).cloned();
        blind.map_or(Ok(()), |app| Err(app.to_string()))
    });
    // the live Secret differs from what is wanted, and the host asks for another password
    let drift = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "other", "namespace": "shop" },
        "data": { "more": "YzRuNHJ5LTVlY3JldA==" } });
    plane.apply(&drift);
    plane.spoil(|_, _| Answer::status(401).header("www-authenticate", "Basic realm=\"x\""));
    let admin = eventually("admin is let in", || plane.admin().ok_or_else(|| plane.said()));
    let names: Vec<String> = plane.names(APPLICATIONS).into_iter().collect();
    let mut searched = Searched::default();
    searched.answers(&admin, &names);
    searched.terminal(&plane, &admin, &names);
    for path in [APPLICATIONS, &format!("{OURS}/pipelines"), &format!("{OURS}/releases"), &format!("{OURS}/promotions")]
    {
        let list = plane.api.get(path);
        // where somebody wrote it, it stays
        let told: Vec<String> = items(&list).map(|item| item["status"].to_string()).collect();
        searched.look(&format!("the statuses of {path}"), &told.concat());
    }
    searched.look("Events", &plane.api.get("/api/v1/events").to_string());
    assert!(plane.said().contains("TRACE"), "the log says little");
    searched.look("the log", &plane.said());
    for file in files(&plane.room.path().join("a")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        searched.look(&file.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
    searched.look_for(admin.token(), "the log", &plane.said());
    println!("canary sweep: {} places, {} with something secret in them", searched.places, searched.found.len());
    assert!(searched.found.is_empty(), "{:#?}", searched.found);
    assert!(searched.places > 100, "{} places", searched.places);
    let there = plane.api.get(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/repository"));
    assert!(there.to_string().contains(FORMS[1]), "the test would find nothing");
}

#[derive(Default)]
struct Searched {
    places: usize,
    found: Vec<String>,
}

impl Searched {
    fn look(&mut self, place: &str, text: &str) {
        self.places += 1;
        FORMS.iter().for_each(|form| self.note(form, place, text));
    }

    fn look_for(&mut self, what: &str, place: &str, text: &str) {
        self.places += 1;
        self.note(what, place, text);
    }

    fn note(&mut self, what: &str, place: &str, text: &str) {
        if let Some(at) = text.find(what) {
            let around: String = text.chars().skip(text[..at].chars().count().saturating_sub(160)).take(260).collect();
            self.found.push(format!("{place}: ...{around}..."));
        }
    }

    /// Every route that is read, and the stream.
    fn answers(&mut self, admin: &Rest, names: &[String]) {
        let document = admin.get("/api/openapi.json").json();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            if methods.get("get").is_none() {
                continue;
            }
            let filled = |name: &str| {
                let part = |part: &str| if part.starts_with('{') { name.to_owned() } else { part.to_owned() };
                path.split('/').map(part).collect::<Vec<_>>().join("/")
            };
            let own = ["shop", "far", "in-cluster"].map(str::to_owned);
            let all: Vec<String> = names.iter().chain(&own).map(|name| filled(name)).collect();
            let few = if path.contains('{') { all.as_slice() } else { &all[..1] };
            for path in few {
                let answer = admin.get(path);
                assert!(answer.status != 500, "{path}: {answer:?}");
                self.look(path, &format!("{}{}", answer.head, answer.body));
            }
        }
    }

    /// What a person sees.
    fn terminal(&mut self, plane: &Plane, admin: &Rest, names: &[String]) {
        let url = plane.replicas[0].url();
        let home: &Path = plane.room.path();
        let mut gantline = |words: &[&str]| {
            let mut command = Command::new(&plane.binary);
            let asked = ["--server", &url, "--token", admin.token(), "--verbose"];
            let ran = run(command.args(words).args(asked).env("HOME", home).env("GANTLINE_LOG", "trace"));
            self.look(&words.join(" "), &format!("{}{}", ran.out, ran.err));
        };
        for form in ["wide", "json", "yaml"] {
            ["app list", "cluster list", "pipeline list", "release list shop"]
                .iter()
                .for_each(|line| gantline(&[&line.split(' ').collect::<Vec<_>>()[..], &["-o", form]].concat()));
        }
        for name in names {
            ["get", "diff", "history", "events", "logs"].iter().for_each(|verb| gantline(&["app", verb, name]));
            gantline(&["app", "get", name, "-o", "yaml"]);
            gantline(&["explain", name]);
        }
    }
}
