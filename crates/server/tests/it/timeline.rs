//! The timeline page by page, for each as much as they may see; and what is said of what cannot be read or is not there.

use cluster::{DeleteOptions, Patch, PatchOptions};
use control::{TimelineEntry, TimelineKind};
use jiff::{SignedDuration, Timestamp};
use object::ResourceKey;
use serde_json::{Value, json};

use crate::house::{House, POLICY, application, apply, gantline, pause, policy};
use crate::stream::event;

fn messages(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap()).collect()
}

impl House {
    async fn timeline(&self, token: &str, query: &str) -> Value {
        let (status, page) = self.get(token, &format!("/api/v1/timeline?{query}")).await;
        assert_eq!(status, 200, "{page}");
        page
    }
}

/// Nobody told anything here: all of it is kept by objects.
#[tokio::test]
async fn the_timeline_pages_and_filters_what_objects_keep() {
    let house = House::start().await;
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    for (name, tag, digit) in [("shop-v1", "v1", "1"), ("shop-v2", "v2", "2"), ("shop-v3", "v3", "3")] {
        let images = json!([{ "name": "shop", "tag": tag, "digest": digest(digit) }]);
        apply(&house.cluster, gantline("Release", name, json!({ "pipeline": "shop", "images": images }))).await;
        let entry = json!({ "name": "staging", "phase": "Verified", "since": format!("2026-11-21T08:0{digit}:00Z") });
        house.record("Release", name, json!({ "environments": [entry] })).await;
    }
    let vote = json!({ "user": "tina", "groups": ["team-leads"], "decision": "Reject", "reason": "not on a Friday",
        "at": "2026-11-21T09:00:00Z", "environment": "production", "policy": "x" });
    let status = json!({ "phase": "Rejected", "approvals": [vote], "message": "approval: rejected by tina",
        "endedAt": "2026-11-21T09:00:01Z" });
    house.record("Promotion", "shop-production-1", status).await;
    let [rita, eve] = [house.log_in("rita").await, house.log_in("eve").await];
    let mut whole = Value::Null;
    for _ in 0..100 {
        whole = house.timeline(&rita, "pipeline=shop").await;
        if messages(&whole).iter().filter(|line| line.contains("is Verified in staging")).count() == 3
            && messages(&whole).iter().any(|line| line.contains("rejected by tina"))
        {
            break;
        }
        pause().await;
    }
    let all = messages(&whole);
    let place =
        |what: &str| all.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {all:#?}"));
    assert!(place("v3 is Verified in staging") < place("v2 is Verified in staging"), "the newest first: {all:#?}");
    assert_eq!(whole.get("continue"), None);

    // page by page it is the same, each line once
    let (mut paged, mut before) = (Vec::new(), String::new());
    loop {
        let page = house.timeline(&rita, &format!("pipeline=shop&limit=2&before={before}")).await;
        paged.extend(messages(&page).into_iter().map(str::to_owned));
        let Some(next) = page["continue"].as_str() else { break };
        before = next.to_owned();
    }
    assert_eq!(paged, all);

    for (query, expected) in [
        ("pipeline=shop&kind=rejected", &["is rejected by tina"][..]),
        ("release=v2&kind=progress", &["v2 is Verified"]),
        ("environment=staging&kind=progress,refused", &["v3 is", "v2 is", "v1 is"]),
        ("pipeline=shop&environment=production&kind=refused", &["does not go to production"]),
        ("pipeline=shop&environment=production&kind=promoted", &[]),
        ("application=web&kind=rejected", &[]),
    ] {
        let page = house.timeline(&rita, query).await;
        let found = messages(&page);
        assert_eq!(found.len(), expected.len(), "{query}: {found:#?}");
        assert!(found.iter().zip(expected).all(|(line, part)| line.contains(part)), "{query}: {found:#?}");
    }
    let rejected = house.timeline(&rita, "kind=rejected").await;
    assert_eq!(
        (&rejected["items"][0]["reason"], &rejected["items"][0]["actor"]),
        (&json!("not on a Friday"), &json!("tina"))
    );
    for (query, words) in [
        ("kind=nonsense", "rolledBack"),
        ("since=soon", "write 2026-"),
        ("before=1", "no place"),
        ("limits=1", "limits"),
    ] {
        let (status, refused) = house.get(&rita, &format!("/api/v1/timeline?{query}")).await;
        assert_eq!(status, 400, "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{refused}");
    }
    // a slip is no name without a past
    for (query, words) in [
        ("pipeline=shopp", "did you mean shop?"),
        ("application=webb", "did you mean web?"),
        ("pipeline=shop&environment=stagin", "did you mean staging?"),
        ("environment=prodution", "did you mean production?"),
    ] {
        let (status, refused) = house.get(&rita, &format!("/api/v1/timeline?{query}")).await;
        assert_eq!(status, 404, "{query}: {refused}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{refused}");
    }
    assert_eq!(house.timeline(&eve, "").await["items"], json!([]), "for who may see nothing there is nothing");
    assert_eq!(house.timeline(&eve, "environment=prodution").await["items"], json!([]), "nor a name");

    // the card says who, when and why
    let (_, overview) = house.get(&rita, "/api/v1/overview").await;
    let away = &overview["services"][0]["environments"][1]["turnedAway"];
    assert_eq!(
        (&away["by"], &away["reason"], &away["at"]),
        (&json!("tina"), &json!("not on a Friday"), &json!("2026-11-21T09:00:01Z")),
        "{overview}"
    );
}

/// The name was another project's before: what was told of it then is not for the people of the one that has it now.
#[tokio::test]
async fn what_was_told_before_an_application_was_made_is_of_another_one() {
    let house = House::start().await;
    let web = ResourceKey::new("argoproj.io", "Application", "argocd", "web");
    house.cluster.delete(&web, &DeleteOptions::default()).await.unwrap();
    apply(&house.cluster, application("web", "bank")).await;
    apply(
        &house.cluster,
        policy(&format!("{POLICY}p, eve, applications, get, bank/*, allow\np, eve, pipelines, get, *, allow\n")),
    )
    .await;
    let [rita, eve] = [house.log_in("rita").await, house.log_in("eve").await];
    for _ in 0..100 {
        if house.get(&eve, "/api/v1/applications/web").await.1["spec"]["project"] == "bank" {
            break;
        }
        pause().await;
    }
    let mut stream = house.listen(&eve, None).await;
    let whole = event(&mut stream).await.1;
    assert_eq!(whole["applications"][0]["name"], "web", "{whole}");
    let made = house.cluster.get(&web).await.unwrap().unwrap().value()["metadata"]["creationTimestamp"].clone();
    let made: Timestamp = made.as_str().unwrap().parse().unwrap();
    let tell = |at: Timestamp, message: &str, tells_of: &str| {
        let of_web = TimelineEntry::of_application(TimelineKind::Health, at, "web", message);
        let of_shop = TimelineEntry::of_pipeline(TimelineKind::Progress, at, "shop", message).because(message);
        let of_shop = TimelineEntry { environment: tells_of.into(), tells_of: tells_of.into(), ..of_shop };
        house.controller.timeline().add(if tells_of.is_empty() { of_web } else { of_shop });
    };
    tell(made - SignedDuration::from_millis(1), "of the shop", "");
    tell(made, "of the bank", "");
    for (at, text) in [(made - SignedDuration::from_mins(1), "why in the shop"), (made, "why in the bank")] {
        tell(at, text, "staging");
    }
    let delta = event(&mut stream).await.1;
    let told: Vec<&str> =
        delta["timeline"].as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert!(told.contains(&"of the bank") && !told.contains(&"of the shop"), "{delta}");
    let whole = house.timeline(&rita, "application=web").await;
    assert_eq!(messages(&whole), ["of the bank", "of the shop"], "who may see it wherever it were sees it");
    assert_eq!(messages(&house.timeline(&eve, "application=web").await), ["of the bank"]);
    let (_, overview) = house.get(&eve, "/api/v1/overview").await;
    let text = overview.to_string();
    assert!(text.contains("of the bank") && !text.contains("of the shop"), "{overview}");
    let reasons = house.timeline(&eve, "pipeline=shop&kind=progress").await;
    assert!(!reasons.to_string().contains("\"reason\":\"why in the shop\""), "{reasons}");
    assert!(reasons.to_string().contains("\"reason\":\"why in the bank\""), "{reasons}");
}

#[tokio::test]
async fn an_application_that_cannot_be_read_is_told_of_with_its_error() {
    let house = House::start().await;
    let [rita, otto, eve] = [house.log_in("rita").await, house.log_in("otto").await, house.log_in("eve").await];
    let web = ResourceKey::new("argoproj.io", "Application", "argocd", "web");
    let patch = Patch::Merge(json!({ "status": { "operationState":
        { "phase": "Splendid", "operation": {}, "startedAt": "2026-11-21T08:00:00Z" } } }));
    house.cluster.patch(&web, &patch, PatchOptions::default()).await.unwrap();
    let mut shown = Value::Null;
    for _ in 0..100 {
        shown = house.get(&rita, "/api/v1/applications/web").await.1;
        if shown["status"]["conditions"][0]["type"] == "InvalidSpecError" {
            break;
        }
        pause().await;
    }
    let problem = shown["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(problem.starts_with("it cannot be read") && problem.contains("Splendid"), "{shown}");
    let (_, list) = house.get(&rita, "/api/v1/applications").await;
    assert_eq!(list["items"][0]["status"]["conditions"], shown["status"]["conditions"], "{list}");
    let (_, overview) = house.get(&rita, "/api/v1/overview").await;
    assert_eq!(overview["applications"][0]["reasons"], json!([problem]), "{overview}");
    for (method, path) in [("POST", "web/sync"), ("GET", "web/resource-tree")] {
        let body = (method == "POST").then(|| json!({}));
        let (status, refused) = house.call(&otto, method, &format!("/api/v1/applications/{path}"), body).await;
        assert_eq!(status, 409, "{path}: {refused}");
    }
    let (status, refused) = house.get(&rita, "/api/v1/explain/web").await;
    assert!(status == 409 && refused["message"].as_str().unwrap().contains("Splendid"), "{refused}");
    let (_, info) = house.get(&otto, "/api/v1/session/userinfo").await;
    assert!(info["slips"].to_string().contains("Application web cannot be read"), "{info}");
    assert_eq!(house.get(&eve, "/api/v1/applications/web").await.0, 403);
}

#[tokio::test]
async fn what_is_explained_may_be_nearly_named() {
    let house = House::start().await;
    let rita = house.log_in("rita").await;
    for (name, meant) in [
        ("webb", "did you mean web?"),
        ("shopp", "did you mean shop?"),
        ("shop%2Fprodution", "did you mean shop/production?"),
        ("shop-2", "did you mean shop-1?"),
        ("xylophone", "gantline app list"),
    ] {
        let (status, answer) = house.get(&rita, &format!("/api/v1/explain/{name}")).await;
        assert_eq!(status, 404, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(meant), "{name}: {answer}");
    }
    let (status, answer) = house.get(&rita, "/api/v1/explain/shop%2Fproduction").await;
    assert!(status == 200 && answer["summary"].is_string(), "an environment by its Pipeline: {answer}");
}
