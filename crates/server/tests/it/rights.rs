//! Who may do what: every route, for everybody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::house::House;

/// What each route answers: without a session, to a stranger, to one with `role:readonly`, to a member of the group of
/// production's gate, to an admin. 400, 404 and 409 are said to who may: there are no pods, and there is no Git.
const MATRIX: &[(&str, [u16; 5])] = &[
    ("GET /", [200, 200, 200, 200, 200]),
    ("GET /app.css", [200, 200, 200, 200, 200]),
    ("GET /app.js", [200, 200, 200, 200, 200]),
    ("GET /healthz", [200, 200, 200, 200, 200]),
    ("GET /metrics", [200, 200, 200, 200, 200]),
    ("GET /api/version", [200, 200, 200, 200, 200]),
    ("GET /api/openapi.json", [200, 200, 200, 200, 200]),
    ("POST /api/v1/session", [200, 200, 200, 200, 200]),
    ("GET /api/v1/session/userinfo", [200, 200, 200, 200, 200]),
    ("GET /api/v1/overview", [401, 200, 200, 200, 200]),
    ("GET /api/v1/stream/overview", [401, 200, 200, 200, 200]),
    ("GET /api/v1/applications", [401, 200, 200, 200, 200]),
    ("GET /api/v1/applications/{name}", [401, 403, 200, 403, 200]),
    ("GET /api/v1/applications/{name}/managed-resources", [401, 403, 409, 403, 409]),
    ("GET /api/v1/applications/{name}/resource-tree", [401, 403, 200, 403, 200]),
    ("GET /api/v1/applications/{name}/logs", [401, 403, 404, 403, 404]),
    ("GET /api/v1/applications/{name}/events", [401, 403, 200, 403, 200]),
    ("POST /api/v1/applications/{name}/diff", [401, 403, 403, 403, 409]),
    ("POST /api/v1/applications/{name}/sync", [401, 403, 403, 403, 400]),
    ("DELETE /api/v1/applications/{name}/operation", [401, 403, 403, 403, 409]),
    ("GET /api/v1/clusters", [401, 200, 200, 200, 200]),
    ("GET /api/v1/clusters/{server}", [401, 403, 200, 403, 200]),
    ("GET /api/v1/pipelines", [401, 200, 200, 200, 200]),
    ("GET /api/v1/pipelines/{name}", [401, 403, 200, 200, 200]),
    ("GET /api/v1/pipelines/{name}/environments", [401, 403, 200, 200, 200]),
    ("POST /api/v1/pipelines/{name}/promote", [401, 403, 403, 400, 400]),
    ("POST /api/v1/pipelines/{name}/rollback", [401, 403, 403, 409, 409]),
    ("POST /api/v1/pipelines/{name}/unpin", [401, 403, 403, 409, 409]),
    ("GET /api/v1/releases", [401, 200, 200, 200, 200]),
    ("GET /api/v1/releases/{name}", [401, 403, 200, 200, 200]),
    ("POST /api/v1/releases/{name}/lift", [401, 403, 403, 409, 409]),
    ("GET /api/v1/promotions", [401, 200, 200, 200, 200]),
    ("GET /api/v1/promotions/{name}", [401, 403, 200, 200, 200]),
    ("POST /api/v1/promotions/{name}/approve", [401, 403, 403, 200, 200]),
    ("POST /api/v1/promotions/{name}/reject", [401, 403, 403, 200, 200]),
    ("GET /api/v1/explain/{name}", [401, 403, 200, 403, 200]),
    ("GET /api/v1/where", [401, 200, 200, 200, 200]),
    ("GET /api/v1/timeline", [401, 200, 200, 200, 200]),
    ("DELETE /api/v1/applications/{name}", [401, 403, 403, 403, 200]),
    ("DELETE /api/v1/session", [401, 200, 200, 200, 200]),
];

fn body(route: &str) -> Option<Value> {
    match route.strip_prefix("POST ")? {
        "/api/v1/session" => Some(json!({ "username": "eve", "password": "eve" })),
        path if path.starts_with("/api/v1/pipelines") => Some(json!({ "environment": "production" })),
        path if path.ends_with("/sync") => Some(json!({ "name": "another" })),
        _ => Some(json!({})),
    }
}

fn path(route: &str) -> String {
    let path = route.split_once(' ').unwrap().1;
    let name = match path {
        path if path.starts_with("/api/v1/pipelines") => "shop",
        path if path.starts_with("/api/v1/releases") => "shop-1",
        path if path.starts_with("/api/v1/promotions") => "shop-production-1",
        _ => "web",
    };
    path.replace("{name}", name)
        .replace("{server}", "https%3A%2F%2Fkubernetes.default.svc")
        .replace("/where", "/where?image=shop")
}

#[tokio::test]
async fn every_route_asks_for_its_right() {
    let document = server::openapi();
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |(path, methods): (&String, &Value)| {
        methods.as_object().unwrap().keys().map(|m| format!("{} {path}", m.to_uppercase())).collect::<Vec<_>>()
    };
    let served: BTreeSet<String> = paths.flat_map(methods).collect();
    assert_eq!(served, MATRIX.iter().map(|(route, _)| (*route).to_owned()).collect(), "a route is added to the matrix");

    let house = House::start().await;
    let mut people = vec![String::new()];
    for name in ["eve", "rita", "tina", "otto"] {
        people.push(house.log_in(name).await);
    }
    let mut wrong = Vec::new();
    for (route, expected) in MATRIX {
        let method = route.split_once(' ').unwrap().0;
        for (token, expected) in people.iter().zip(expected) {
            let (status, answer) = house.call(token, method, &path(route), body(route)).await;
            if status != *expected {
                wrong.push(format!("{route}: {status} instead of {expected}: {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn lists_hold_what_their_reader_may_get() {
    let house = House::start().await;
    let check = async |name: &str, expected: [usize; 5]| {
        let token = house.log_in(name).await;
        let mut found = Vec::new();
        for kind in ["applications", "pipelines", "releases", "promotions", "clusters"] {
            let (_, list) = house.get(&token, &format!("/api/v1/{kind}")).await;
            assert!(list["metadata"].is_object(), "{list}");
            found.push(list["items"].as_array().unwrap().len());
        }
        assert_eq!(found, expected, "{name}");
        let (_, overview) = house.get(&token, "/api/v1/overview").await;
        let seen = ["applications", "services"].map(|part| overview[part].as_array().unwrap().len());
        assert_eq!(seen, expected[..2], "{name}: {overview}");
    };
    check("eve", [0, 0, 0, 0, 0]).await;
    check("tina", [0, 1, 1, 1, 0]).await;
    check("rita", [1, 1, 1, 1, 1]).await;
}

#[tokio::test]
async fn nobody_learns_the_names_of_what_they_may_not_get() {
    let house = House::start().await;
    let (eve, rita) = (house.log_in("eve").await, house.log_in("rita").await);
    for kind in ["applications", "pipelines", "releases", "promotions", "explain"] {
        let there = if kind == "applications" || kind == "explain" { "web" } else { "shop" };
        let known = house.get(&eve, &format!("/api/v1/{kind}/{there}")).await;
        let unknown = house.get(&eve, &format!("/api/v1/{kind}/nope")).await;
        assert_eq!(known, unknown, "{kind}");
        assert_eq!((known.0, &known.1["message"]), (403, &json!("permission denied")), "{kind}");
        assert_eq!(house.get(&rita, &format!("/api/v1/{kind}/nope")).await.0, 404, "{kind}");
    }
    let body = Some(json!({ "environment": "production" }));
    let (_, refused) = house.call(&rita, "POST", "/api/v1/pipelines/shop/rollback", body).await;
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("a member of team-leads") && message.contains("pipelines, rollback, shop/production"),
        "{message}"
    );
}
