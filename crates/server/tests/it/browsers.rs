//! What a page of another site, or whoever left something in a browser, gets out of it: nothing.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use cluster::Scope;
use object::GroupKind;
use serde_json::{Value, json};

use crate::house::{House, NAMESPACE};

/// All routes as `(method, path)`, with the names of things that are there.
fn routes() -> Vec<(Method, String)> {
    let document = server::openapi();
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        let name = match path {
            path if path.contains("/pipelines") => "shop",
            path if path.contains("/releases") => "shop-1",
            path if path.contains("/promotions") => "shop-production-1",
            _ => "web",
        };
        let path = path.replace("{name}", name).replace("{server}", "in-cluster");
        let methods = methods.as_object().unwrap().keys().map(|method| method.to_uppercase().parse().unwrap());
        methods.map(|method: Method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn is_read(method: &Method) -> bool {
    method == Method::GET
}

/// Everything that is kept, with its version.
async fn kept(house: &House) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (group, kind) in [
        ("argoproj.io", "Application"),
        ("argoproj.io", "AppProject"),
        ("gantline.dev", "Pipeline"),
        ("gantline.dev", "Release"),
        ("gantline.dev", "Promotion"),
        ("", "Secret"),
        ("", "ConfigMap"),
        ("", "Event"),
    ] {
        let scope = Scope::namespaced(GroupKind::new(group, kind), NAMESPACE);
        for live in house.cluster.list(&scope).await.unwrap() {
            kept.insert(live.key().to_string(), live.resource_version().to_owned());
        }
    }
    assert!(kept.len() > 5, "{kept:?}");
    kept
}

fn request(method: &Method, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "cd.acme.io");
    request = request.header(header::COOKIE, format!("argocd.token={token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn no_read_changes_anything() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let before = kept(&house).await;
    for (_, path) in routes().into_iter().filter(|(method, _)| is_read(method)) {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            house.ask(request(&method, &path, &otto, &[("content-type", "application/json")], "{}")).await;
        }
    }
    assert_eq!(kept(&house).await, before);
}

#[tokio::test]
async fn a_page_of_another_site_writes_nothing() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let before = kept(&house).await;
    let body = json!({ "environment": "production", "username": "otto", "password": "otto" }).to_string();
    let writes: Vec<_> = routes().into_iter().filter(|(method, _)| !is_read(method)).collect();
    assert!(writes.len() > 8, "{writes:?}");
    for (method, path) in &writes {
        for foreign in [
            [("origin", "https://evil.example"), ("x", "")],
            [("origin", "https://cd.acme.io.evil.example"), ("x", "")],
            [("origin", "null"), ("x", "")],
            [("origin", "https://cd.acme.io"), ("sec-fetch-site", "cross-site")],
            [("origin", "https://cd.acme.io"), ("sec-fetch-site", "same-site")],
            [("sec-fetch-site", "cross-site"), ("x-http-method-override", "GET")],
        ] {
            let headers = [foreign[0], foreign[1], ("content-type", "application/json")];
            let answer = house.ask(request(method, path, &otto, &headers, &body)).await;
            assert_eq!(answer.status().as_u16(), 403, "{method} {path} {foreign:?}");
            assert!(answer.headers().get(header::SET_COOKIE).is_none(), "{method} {path}");
        }
        if method != Method::POST {
            continue;
        }
        // what a form can send without asking
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            let answer = house.ask(request(method, path, &otto, &[("content-type", kind)], &body)).await;
            assert!(matches!(answer.status().as_u16(), 400 | 415), "{path} {kind:?}: {}", answer.status());
        }
    }
    assert_eq!(kept(&house).await, before);
}

#[tokio::test]
async fn no_answer_is_for_other_sites() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let missing = [(Method::GET, "/nowhere".to_owned()), (Method::PUT, "/api/v1/applications".to_owned())];
    for (method, path) in routes().into_iter().chain(missing) {
        for method in [method, Method::OPTIONS] {
            let asked = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
            let answer = house.ask(request(&method, &path, &otto, &asked, "")).await;
            let text = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
            let open = answer.headers().keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(open, None, "{method} {path}");
            let policy = text("content-security-policy");
            for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{method} {path}: {policy}");
            }
            assert!(!policy.contains("unsafe-eval") && !policy.contains("script-src 'self' 'unsafe"), "{policy}");
            let others = ["x-content-type-options", "x-frame-options", "referrer-policy"].map(text);
            assert_eq!(others, ["nosniff", "DENY", "no-referrer"], "{method} {path}");
            // streams say no-cache
            let kept = text("cache-control");
            assert!(!path.starts_with("/api/v1") || matches!(kept, "no-store" | "no-cache"), "{method} {path}: {kept}");
            let location = text("location");
            assert!(location.is_empty() || location.starts_with('/') && !location.starts_with("//"), "{location}");
        }
    }
}

fn set_cookie(headers: &HeaderMap) -> String {
    headers.get(header::SET_COOKIE).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_makes_a_session_of_its_own() {
    let house = House::start().await;
    let body = json!({ "username": "rita", "password": "rita" }).to_string();
    let planted = house.log_in("eve").await;
    let mut tokens = vec![planted.clone(), "planted".to_owned()];
    for (proxy, secure) in [("http", false), ("https", true)] {
        for cookie in [&planted, "planted", ""] {
            let headers = [("content-type", "application/json"), ("x-forwarded-proto", proxy)];
            let answer = house.ask(request(&Method::POST, "/api/v1/session", cookie, &headers, &body)).await;
            let set = set_cookie(answer.headers());
            let (token, rest) = set.strip_prefix("argocd.token=").unwrap().split_once("; ").unwrap();
            assert!(!tokens.iter().any(|known| known == token), "{token} was known before");
            tokens.push(token.to_owned());
            let expected = "Path=/; HttpOnly; SameSite=Lax; Max-Age=3600";
            assert_eq!(rest, if secure { format!("{expected}; Secure") } else { expected.to_owned() });
        }
    }
    // what was planted is still eve's, and what rita has is hers
    let name = async |token: &str| house.get(token, "/api/v1/session/userinfo").await.1["username"].clone();
    assert_eq!((name(&planted).await, name(tokens.last().unwrap()).await), (json!("eve"), json!("rita")));
}

#[test]
fn the_page_makes_no_markup_of_what_it_is_told() {
    let script = include_str!("../../src/page/app.js");
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        ".srcdoc",
    ] {
        assert!(!script.contains(sink), "{sink}: texts of others go in as text");
    }
    let page = include_str!("../../src/page/index.html");
    assert!(!page.contains("<script>") && !page.contains(" onclick") && !page.contains("://cdn"), "{page}");
}
