//! Requests that nobody means well with: each is refused, and the server goes on.

use serde_json::Value;

use crate::house::House;

/// Names that lead elsewhere, or nowhere, as a URI has them.
fn names() -> Vec<String> {
    let short = [
        "%2e%2e",
        "..%2f..%2fsecrets",
        "%2e%2e%2f%2e%2e",
        "%00",
        "web%00",
        ";",
        "web;x=1",
        "%ff%fe",
        "%E2%80%AE",
        "*",
        "%2a",
        "web%2f..%2fweb",
        "%5c",
        "web%20",
        "%0d%0aset-cookie:a=b",
        "{name}",
        "%7bname%7d",
        "-",
        "--upload-pack",
        "%25",
        "%252e",
        "web%E2%80%8B",
        "WEB",
        "w%C3%A9b",
        "'%20or%201=1",
        "$(id)",
        "null",
        "undefined",
        "[object%20Object]",
    ];
    short.iter().map(|name| (*name).to_owned()).chain(["x".repeat(60_000), "%2f".repeat(20_000)]).collect()
}

#[tokio::test]
async fn names_that_lead_elsewhere_lead_nowhere() {
    let house = House::start().await;
    let (eve, otto) = (house.log_in("eve").await, house.log_in("otto").await);
    let document = server::openapi();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (path, methods) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains('{')) {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            for name in names() {
                let path = path.replace("{name}", &name).replace("{server}", &name);
                let body = (method == "POST").then(|| serde_json::json!({ "environment": "production" }));
                for token in ["", &eve, &otto] {
                    let (status, answer) = house.call(token, &method, &path, body.clone()).await;
                    asked += 1;
                    let fine = if token.is_empty() {
                        matches!(status, 400 | 401 | 404 | 405)
                    } else {
                        (400..500).contains(&status)
                    };
                    if !fine {
                        wrong.push(format!("{method} {:.80}: {status} {:.200}", path, answer.to_string()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty() && asked > 1000, "{asked}: {wrong:#?}");
}

#[tokio::test]
async fn queries_that_ask_for_too_much_are_refused_or_get_what_there_is() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let document = server::openapi();
    let values =
        ["1000000000", "-1", "0", "18446744073709551616", "1e9", "NaN", "%00", "", "a%0ab", "x,".repeat(5_000).leak()];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(parameters) = methods["get"]["parameters"].as_array().filter(|_| !path.contains("stream")) else {
            continue;
        };
        let names = parameters.iter().filter(|parameter| parameter["in"] == "query").filter_map(|p| p["name"].as_str());
        let path = path.replace("{name}", "web").replace("{server}", "in-cluster");
        for name in names {
            for value in values {
                let (status, answer) = house.get(&otto, &format!("{path}?{name}={value}")).await;
                let fine = status == 200 || (400..500).contains(&status);
                assert!(fine, "{path}?{name}={value:.40}: {status} {:.300}", answer.to_string());
            }
        }
    }
}

#[tokio::test]
async fn bodies_that_are_deep_or_large_are_refused() {
    let house = House::start().await;
    let otto = house.log_in("otto").await;
    let deep: &'static str = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)).leak();
    let maps: &'static str = "{\"a\":".repeat(100_000).leak();
    let large: &'static str = format!("{{\"environment\":\"{}\"}}", "x".repeat(2 << 20)).leak();
    let twice = "{\"environment\":\"staging\",\"environment\":\"production\"}";
    let document = server::openapi();
    let posts = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("post").is_some());
    for (path, _) in posts {
        let name = if path.contains("pipelines") {
            "shop"
        } else if path.contains("promotions") {
            "shop-production-1"
        } else {
            "web"
        };
        let path = path.replace("{name}", name);
        for body in [deep, maps, large, twice, "\u{0}", "{", "\u{feff}{}", "1e99999", "\"\\ud800\""] {
            let (status, answer): (u16, Value) = house.send_text(&otto, &path, body).await;
            assert!((400..500).contains(&status), "{path} {body:.40}: {status} {answer}");
            assert!(answer.to_string().len() < 2000, "{path}: what was sent is not sent back");
        }
    }
}
