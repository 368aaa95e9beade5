//! What a route does not take is refused in one shape, and says what it takes.

use axum::http::header;
use control::{TimelineEntry, TimelineKind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::house::{House, POLICY, application, apply, pause, policy};

/// Method, path, body; what is answered, and what the message tells.
type Case = (&'static str, &'static str, Option<Value>, u16, &'static [&'static str]);

#[tokio::test]
async fn what_is_not_understood_is_told_in_one_shape() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let promote = "/api/v1/pipelines/shop/promote";
    let wish = |name: &str| Some(json!({ "environment": "production", name: "x" }));
    let cases: &[Case] = &[
        ("POST", promote, wish("releas"), 400, &["unknown field `releas`", "`release`", "write it right"]),
        ("POST", "/api/v1/pipelines/shop/rollback", wish("release"), 400, &["unknown field `release`", "`reason`"]),
        ("POST", "/api/v1/pipelines/shop/unpin", wish("reason"), 400, &["unknown field `reason`", "`environment`"]),
        (
            "POST",
            "/api/v1/promotions/shop-production-1/approve",
            Some(json!({ "why": "x" })),
            400,
            &["`why`", "`reason`"],
        ),
        ("POST", "/api/v1/releases/shop-1/lift", Some(json!({ "why": "x" })), 400, &["`why`", "`reason`"]),
        (
            "POST",
            "/api/v1/applications/web/sync",
            Some(json!({ "resources": [{ "nam": "x" }] })),
            400,
            &["`nam`", "`kind`"],
        ),
        (
            "POST",
            promote,
            Some(json!({ "environment": 1 })),
            400,
            &["the body is not what this route takes", "invalid type"],
        ),
        ("POST", promote, Some(json!({})), 400, &["missing field `environment`"]),
        ("GET", "/api/v1/pipelines?project=shop", None, 400, &["/api/v1/pipelines knows no ?project=", "nothing"]),
        ("GET", "/api/v1/releases?project=shop", None, 400, &["knows no ?project=", "it takes pipeline"]),
        ("GET", "/api/v1/applications?limit=many", None, 400, &["the query is not what this route takes", "digit"]),
        ("GET", "/api/v1/where", None, 400, &["missing field `image`"]),
        ("GET", "/api/v1/applications/web?project=bank", None, 400, &["web belongs to project shop, not to bank"]),
        ("GET", "/api/v1/applications/%FF", None, 400, &["the path names nothing"]),
        ("GET", "/api/v1/clusters/nowhere", None, 404, &["there is no cluster", "cluster list"]),
        (
            "GET",
            "/api/v1/pipelines/shop/promotee",
            None,
            404,
            &["no GET /api/v1/pipelines/shop/promotee", "{name}/promote"],
        ),
        ("GET", "/api/v1/pipelines/shp", None, 404, &["no Pipeline \"shp\"", "did you mean shop?"]),
        ("GET", "/api/v1/applications/wep", None, 404, &["no Application \"wep\"", "did you mean web?"]),
        ("GET", "/api/v1/releases/shop-2", None, 404, &["no release \"shop-2\"", "did you mean shop-1?"]),
        ("GET", "/api/v1/releases?pipeline=shp", None, 404, &["no Pipeline \"shp\"", "did you mean shop?"]),
        ("GET", "/api/v1/promotions?pipeline=shp", None, 404, &["no Pipeline \"shp\"", "did you mean shop?"]),
        ("POST", promote, Some(json!({ "environment": "prduction" })), 404, &["did you mean production?"]),
        ("GET", "/api/v2/pipelines", None, 404, &["/api/openapi.json"]),
        ("GET", promote, None, 405, &["takes no GET: it takes POST"]),
        ("DELETE", "/api/v1/clusters", None, 405, &["takes no DELETE: it takes GET"]),
    ];
    for (method, path, body, expected, told) in cases {
        let (status, answer) = house.call(&otto, method, path, body.clone()).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!((status, &answer["error"]), (*expected, &json!(message)), "{path}: {answer}");
        assert!(answer["code"].is_u64(), "{path}: {answer}");
        told.iter().for_each(|text| assert!(message.contains(text), "{path}: {text} is missing in {message}"));
    }
    let wrong = house.send_text(&otto, promote, "{\"environment\": ").await;
    assert_eq!(wrong.0, 400, "{}", wrong.1);
    assert!(wrong.1["message"].as_str().unwrap().starts_with("the body is no JSON"), "{}", wrong.1);
}

#[tokio::test]
async fn filters_are_honoured() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    apply(&house.cluster, application("vault", "bank")).await;
    let names = async |query: &str| -> Vec<String> {
        let (status, list) = house.get(&otto, &format!("/api/v1/applications?{query}")).await;
        assert_eq!(status, 200, "{query}: {list}");
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| app["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for _ in 0..100 {
        if names("").await.len() == 2 {
            break;
        }
        pause().await;
    }
    assert_eq!(names("project=bank").await, ["vault"]);
    assert_eq!(names("projects=bank&projects=shop").await, ["vault", "web"]);
    assert_eq!(names("projects=bank,shop&name=web").await, ["web"]);
    assert_eq!(names("appNamespace=team").await, [""; 0]);
    assert_eq!(names("repo=https%3A%2F%2Fgit.test%2Frepo.git").await, ["vault", "web"]);
    assert_eq!(names("repo=https%3A%2F%2Fgit.test%2Fother").await, [""; 0]);
    for path in ["web?appNamespace=argocd&project=shop", "argocd%2Fweb"] {
        let (status, app) = house.get(&otto, &format!("/api/v1/applications/{path}")).await;
        assert_eq!((status, &app["metadata"]["name"]), (200, &json!("web")), "{path}: {app}");
    }
    assert_eq!(house.get(&otto, "/api/v1/applications/web?appNamespace=team").await.0, 404);
    for path in ["https%3A%2F%2Fkubernetes.default.svc", "in-cluster?id.type=name"] {
        let (status, cluster) = house.get(&otto, &format!("/api/v1/clusters/{path}")).await;
        assert_eq!((status, &cluster["name"]), (200, &json!("in-cluster")), "{path}: {cluster}");
    }
    let (_, clusters) = house.get(&otto, "/api/v1/clusters?server=https%3A%2F%2Fother.test").await;
    assert_eq!(clusters["items"], json!([]));
}

#[tokio::test]
async fn a_beginning_that_is_too_short_is_told() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    for (image, noted) in [("9b1", true), ("sha256:9b1", true), ("9b1c64", false), ("no-such-image", false)] {
        let (status, found) = house.get(&otto, &format!("/api/v1/where?image={image}")).await;
        assert_eq!((status, &found["items"]), (200, &json!([])), "{image}");
        let note = found["note"].as_str().unwrap_or_default();
        assert_eq!(note.contains("6 characters"), noted, "{image}: {found}");
    }
}

/// By the server's own clock, which may run faster than the wall's.
#[tokio::test]
async fn answers_say_when_they_were_given() {
    let house = House::start().await;
    for (path, expected) in [("/healthz", 200), ("/api/v1/nowhere", 404), ("/api/v1/overview", 401)] {
        let response = house.send("", "GET", path, None, None).await;
        assert_eq!(response.status().as_u16(), expected, "{path}");
        let date = response.headers()[header::DATE].to_str().unwrap();
        let date = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
        let now = crate::house::now();
        assert!(now.as_second() - date.as_second() < 60, "{date} is not {now}");
    }
}

#[tokio::test]
async fn the_document_says_what_kind_a_text_is() {
    let house = House::start().await;
    let document = server::openapi();
    for path in ["/", "/app.css", "/app.js", "/healthz", "/metrics"] {
        let response = house.send("", "GET", path, None, None).await;
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let content = document["paths"][path]["get"]["responses"]["200"]["content"].as_object().unwrap();
        assert_eq!(content.keys().collect::<Vec<_>>(), [kind], "{path}");
    }
    let items = &document["components"]["schemas"]["ApplicationList"]["properties"]["items"]["items"]["anyOf"];
    assert!(items[1]["description"].as_str().unwrap().contains("`fields`"), "{items}");
}

#[tokio::test]
async fn who_syncs_is_answered_with_what_is_under_way() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let body = Some(json!({ "prune": true }));
    let (status, app) = house.call(&otto, "POST", "/api/v1/applications/web/sync", body).await;
    let sync = &app["operation"]["sync"];
    assert_eq!((status, &sync["prune"]), (200, &json!(true)), "{app}");
}

/// What `web` said when a release failed in staging.
const SECRET: &str = "web is Degraded: https://git.internal";

impl House {
    /// `eve` may do everything with Pipelines, and see no Application. `shop-1` failed in staging.
    async fn with_a_failure(&self) {
        let all = ["pipelines", "releases", "promotions"].map(|kind| format!("p, eve, {kind}, *, *, allow\n"));
        apply(&self.cluster, policy(&format!("{POLICY}{}", all.concat()))).await;
        let quarantine = json!({ "by": "gantline", "reason": format!("failed in staging: {SECRET}") });
        self.record("Release", "shop-1", json!({ "environments": [], "quarantine": quarantine })).await;
    }

    /// An answer once it tells of something.
    async fn until(&self, token: &str, call: (&str, &str, Option<Value>), tells: &str) -> (u16, Value) {
        for _ in 0..200 {
            let (status, answer) = self.call(token, call.0, call.1, call.2.clone()).await;
            if answer.to_string().contains(tells) {
                return (status, answer);
            }
            pause().await;
        }
        panic!("{} never tells of {tells:?}", call.1)
    }
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_an_application_that_may_not_be_seen() {
    let house = House::start().await;
    let (eve, otto) = (house.log_in("eve").await, house.log_in("otto").await);
    house.with_a_failure().await;
    let wish = json!({ "environment": "production", "release": "shop-1" });
    let promote = || ("POST", "/api/v1/pipelines/shop/promote", Some(wish.clone()));
    let (status, told) = house.until(&otto, promote(), "is quarantined by gantline").await;
    assert!(status == 409 && told.to_string().contains(SECRET), "who may see it is told: {told}");
    let (status, told) = house.until(&eve, promote(), "is quarantined by gantline").await;
    assert!(status == 409 && told.to_string().contains("how staging does"), "{told}");
    assert!(!told.to_string().contains("git.internal"), "{told}");
}

#[tokio::test]
async fn the_timeline_tells_nothing_of_an_application_that_may_not_be_seen() {
    let house = House::start().await;
    let (eve, otto) = (house.log_in("eve").await, house.log_in("otto").await);
    house.with_a_failure().await;
    let entry = |message: &str, tells_of: &str| TimelineEntry {
        environment: "staging".into(),
        tells_of: tells_of.into(),
        ..TimelineEntry::of_pipeline(TimelineKind::Progress, Timestamp::UNIX_EPOCH, "shop", message).because(SECRET)
    };
    for (message, tells_of) in [("soaks again", "staging"), ("gone", "nowhere"), ("is asked for", "")] {
        house.controller.timeline().add(entry(message, tells_of));
    }
    let overview = || ("GET", "/api/v1/overview", None);
    let reasons = |overview: &Value| -> Vec<bool> {
        let entries = overview["timeline"].as_array().unwrap();
        entries.iter().filter(|it| it["environment"] == "staging").map(|it| it["reason"] == SECRET).collect()
    };
    let (_, seen) = house.until(&otto, overview(), "is asked for").await;
    assert_eq!(reasons(&seen), [true, true, true], "{seen}");
    let (_, seen) = house.until(&eve, overview(), "is asked for").await;
    assert_eq!(reasons(&seen), [false, false, true], "what a person said is for all: {seen}");
}
