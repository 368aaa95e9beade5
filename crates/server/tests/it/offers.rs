//! What is offered is what the server does for who asks, and what it refuses with the same words.

use cluster::{Patch, PatchOptions};
use control::requests::Seen;
use object::ResourceKey;
use serde_json::{Value, json};

use crate::house::{House, apply, gantline, pause, seal};

const SHOP: &str = "/api/v1/pipelines/shop";

impl House {
    async fn status(&self, kind: &str, name: &str, status: Value) {
        // Argo CD's definition has no part of its own for the status
        let ours = kind != "Application";
        let key = ResourceKey::new(if ours { "gantline.dev" } else { "argoproj.io" }, kind, "argocd", name);
        let options = PatchOptions { subresource: if ours { "status" } else { "" }, ..PatchOptions::default() };
        self.cluster.patch(&key, &Patch::Merge(json!({ "status": status })), options).await.unwrap();
    }

    /// v1 ran in staging, v2 runs there and wants nothing yet; production is pinned and waits for an approval of v1.
    async fn furnish(&self) {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let image = |tag: &str, digit: &str| json!([{ "name": "shop", "tag": tag, "digest": digest(digit) }]);
        for (name, tag, digit, phase, minute) in
            [("shop-v1", "v1", "1", "Replaced", "01"), ("shop-v2", "v2", "2", "Verified", "02")]
        {
            apply(&self.cluster, gantline("Release", name, json!({ "pipeline": "shop", "images": image(tag, digit) })))
                .await;
            let at = format!("2026-11-21T08:{minute}:00Z");
            let entry = json!({ "name": "staging", "phase": phase, "since": at, "deployedAt": at });
            self.record("Release", name, json!({ "environments": [entry] })).await;
        }
        let mut pin = json!({ "digest": digest("0"), "by": "otto", "reason": "errors", "at": "2026-11-21T08:00:00Z" });
        let typed = serde_json::from_value(pin.clone()).unwrap();
        pin["seal"] = seal().of_pin("shop", "production", &typed).into();
        let mut pipeline = crate::house::pipeline("shop");
        pipeline["spec"]["pins"] = json!({ "production": pin });
        apply(&self.cluster, pipeline).await;
        let quarantine = json!({ "by": "otto", "reason": "errors", "at": "2026-11-21T08:00:00Z" });
        self.record("Release", "shop-1", json!({ "environments": [], "quarantine": quarantine })).await;
        let otto = json!({ "pipeline": "shop", "environment": "production", "release": "shop-v2", "tag": "v2",
            "digest": digest("2"), "requestedBy": "otto" });
        self.cluster.delete(&promotion("shop-production-1"), &cluster::DeleteOptions::default()).await.unwrap();
        apply(&self.cluster, gantline("Promotion", "shop-production-2", otto)).await;
        let health = json!({ "sync": { "status": "Synced" }, "health": { "status": "Healthy" } });
        self.status("Application", "web", health).await;
    }

    /// `web` cannot be compared for a reason, which is told wherever how it does is told; production waits for it.
    async fn doubt(&self, why: &str) {
        let web = json!({ "sync": { "status": "Unknown", "revision": "abc" }, "health": { "status": "Missing" },
            "conditions": [{ "type": "ComparisonError", "message": why }] });
        self.status("Application", "web", web).await;
        let mut pipeline = crate::house::pipeline("shop");
        let gates = json!([{ "healthy": { "environment": "staging", "duration": "10m" } },
            { "approval": { "group": "team-leads" } }]);
        pipeline["spec"]["environments"][1]["gates"] = gates;
        apply(&self.cluster, pipeline).await;
        let environment = json!({ "name": "staging", "application": "web", "release": "shop-v2", "tag": "v2",
            "sync": "Synced", "health": "Healthy" });
        let missing = json!({ "type": "ImageNotFound", "message": format!("staging: {why}") });
        self.status("Pipeline", "shop", json!({ "environments": [environment], "conditions": [missing] })).await;
        let at = "2026-11-21T08:02:00Z";
        let entry = json!({ "name": "staging", "phase": "Converged", "since": at, "deployedAt": at, "message": why });
        self.record("Release", "shop-v2", json!({ "environments": [entry] })).await;
        let gate = json!({ "name": "healthy in staging for 10m", "kind": "healthy", "state": "Waiting", "value": why });
        self.record("Promotion", "shop-production-2", json!({ "message": why, "gates": [gate] })).await;
    }

    /// All offers to somebody: each with where it is.
    async fn offers(&self, token: &str) -> Vec<(String, Value)> {
        let (status, overview) = self.get(token, "/api/v1/overview").await;
        assert_eq!(status, 200, "{overview}");
        let service = &overview["services"][0];
        let of = |place: &Value, offers: &Value| {
            let place = place.as_str().unwrap_or_default().to_owned();
            offers.as_array().unwrap().iter().map(move |offer| (place.clone(), offer.clone())).collect::<Vec<_>>()
        };
        let environments = service["environments"].as_array().unwrap().iter();
        let mut all: Vec<_> = environments.flat_map(|at| of(&at["name"], &at["offers"])).collect();
        all.extend(of(&Value::Null, &service["offers"]));
        all
    }

    async fn take(&self, token: &str, place: &str, offer: &Value) -> (u16, Value) {
        let text = |field: &str| offer[field].as_str().unwrap_or_default();
        let at = json!({ "environment": place });
        let (path, body) = match text("action") {
            "Approve" => (format!("/api/v1/promotions/{}/approve", text("promotion")), json!({})),
            "Reject" => (format!("/api/v1/promotions/{}/reject", text("promotion")), json!({})),
            "Promote" => (format!("{SHOP}/promote"), json!({ "environment": place, "release": text("release") })),
            "RollBack" => (format!("{SHOP}/rollback"), at),
            "Unpin" => (format!("{SHOP}/unpin"), at),
            "Lift" => (format!("/api/v1/releases/{}/lift", text("release")), json!({})),
            other => panic!("{other}"),
        };
        self.call(token, "POST", &path, Some(body)).await
    }
}

fn promotion(name: &str) -> ResourceKey {
    ResourceKey::new("gantline.dev", "Promotion", "argocd", name)
}

fn names(offers: &[(String, Value)], refused: bool) -> Vec<String> {
    let of = offers.iter().filter(|(_, offer)| offer["refused"].is_string() == refused);
    of.map(|(place, offer)| format!("{} {place}", offer["action"].as_str().unwrap()).trim().to_owned()).collect()
}

#[tokio::test]
async fn what_is_offered_is_done_and_what_is_refused_is_refused_for_the_reason_that_was_said() {
    let house = House::start().await;
    house.furnish().await;
    let [rita, tina, otto] = [house.log_in("rita").await, house.log_in("tina").await, house.log_in("otto").await];
    let all = ["RollBack staging", "Approve production", "Reject production", "Unpin production", "Lift"];
    let mut offers = Vec::new();
    for _ in 0..100 {
        offers = house.offers(&rita).await;
        if offers.len() == all.len() {
            break;
        }
        pause().await;
    }
    assert_eq!(names(&offers, true), all, "who only reads sees what others could do: {offers:#?}");
    let of = async |token: &str| {
        let offers = house.offers(token).await;
        [names(&offers, false), names(&offers, true)]
    };
    // of the group of production's gate, which says nothing of staging
    assert_eq!(of(&tina).await, [all[1..].to_vec(), vec![all[0]]]);
    // asked for it
    assert_eq!(of(&otto).await, [vec![all[0], all[2], all[3], all[4]], vec![all[1]]]);
    for token in [&rita, &tina, &otto] {
        for (place, offer) in house.offers(token).await.iter().filter(|(_, offer)| offer["refused"].is_string()) {
            let (status, answer) = house.take(token, place, offer).await;
            assert!(status == 403 || status == 409, "{offer} {answer}");
            assert_eq!(answer["message"], offer["refused"], "{offer}");
        }
    }
    let mut done = Vec::new();
    while let Some((place, offer)) = house
        .offers(&tina)
        .await
        .into_iter()
        .find(|(_, offer)| offer["refused"].is_null() && offer["action"] != "Reject")
    {
        let (status, answer) = house.take(&tina, &place, &offer).await;
        assert_eq!(status, 200, "{offer} {answer}");
        done.push(offer["action"].clone());
    }
    assert_eq!(done, ["Approve", "Unpin", "Lift"], "and then they are offered no more");
    let offers = house.offers(&tina).await;
    let (place, reject) = offers.iter().find(|(_, offer)| offer["action"] == "Reject").unwrap();
    assert_eq!(house.take(&tina, place, reject).await.0, 200, "a yes may be taken back");
    let (place, back) = house.offers(&otto).await.into_iter().find(|(_, offer)| offer["action"] == "RollBack").unwrap();
    assert_eq!(back["tag"], "v1", "where to it goes back");
    let said = back["consequences"].as_array().unwrap();
    for (line, part) in said.iter().zip([
        "brings back v1 (shop-v1), which came there 2026-11-21T08:01:00Z",
        "v2 is quarantined",
        "staging is pinned",
    ]) {
        assert!(line.as_str().unwrap().contains(part), "all that follows is said before: {said:#?}");
    }
    assert_eq!(said.len(), 3, "{said:#?}");
    assert_eq!(house.take(&otto, &place, &back).await.0, 200);
}

#[tokio::test]
async fn environments_tell_nothing_of_applications_that_may_not_be_seen() {
    let house = House::start().await;
    house.furnish().await;
    let (tina, rita) = (house.log_in("tina").await, house.log_in("rita").await);
    let secret = "Failed to load target state: https://git.internal/shop";
    house.doubt(secret).await;
    for _ in 0..100 {
        let rows = house.get(&rita, &format!("{SHOP}/environments")).await.1;
        if rows["items"][0]["tag"] == "v2" && rows.to_string().contains("git.internal") {
            break;
        }
        pause().await;
    }
    let (whole, promotion) = (["\"web\"", "git.internal"], "/api/v1/promotions/shop-production-2");
    for (path, telling) in [
        (format!("{SHOP}/environments"), &["\"web\"", "Missing", "git.internal"][..]),
        ("/api/v1/overview".to_owned(), &whole),
        ("/api/v1/where?image=shop".to_owned(), &["\"web\"", "Missing"]),
        (SHOP.to_owned(), &whole),
        ("/api/v1/pipelines".to_owned(), &whole),
        ("/api/v1/promotions".to_owned(), &["git.internal"]),
        (promotion.to_owned(), &["git.internal"]),
        ("/api/v1/releases".to_owned(), &["git.internal"]),
        ("/api/v1/releases/shop-v2".to_owned(), &["git.internal"]),
        ("/api/v1/explain/shop-v2".to_owned(), &["git.internal"]),
        ("/api/v1/timeline".to_owned(), &[]),
        ("/api/v1/explain/shop".to_owned(), &["git.internal"]),
    ] {
        let (_, to_rita) = house.get(&rita, &path).await;
        let (status, to_tina) = house.get(&tina, &path).await;
        assert_eq!(status, 200, "{to_tina}");
        let (rita, tina) = (to_rita.to_string(), to_tina.to_string());
        for told in telling {
            assert!(rita.contains(told), "{path}: {told} is missing: {rita}");
            assert!(!tina.contains(told), "{path} tells {told}: {tina}");
        }
        for told in ["web", "git.internal", "Synced"] {
            assert!(!tina.contains(told), "{path} tells {told}: {tina}");
        }
        assert!(tina.contains("staging"), "{path}: {tina}");
    }
}

#[tokio::test]
async fn somebody_else_who_writes_in_between_is_nothing_to_who_approves() {
    let house = House::start().await;
    let seen = Seen::whole(house.controller.observed("shop").unwrap());
    // another replica
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "seen": "by-another" } } }));
    house.cluster.patch(&promotion("shop-production-1"), &patch, PatchOptions::default()).await.unwrap();
    let (controller, groups) = (&house.controller, ["team-leads".to_owned()]);
    let approve = async || {
        let yes = api::gantline::Verdict::Approve;
        control::requests::decide(controller, &seen, "shop-production-1", yes, "tina", &groups, "").await
    };
    let approved = approve().await.unwrap();
    assert_eq!(approved.status.approvals.len(), 1);
    assert_eq!(approved.metadata.labels.get("seen").map(String::as_str), Some("by-another"), "nothing is lost");
    let again = approve().await.unwrap_err().to_string();
    assert!(again.contains("one person is one vote"), "decided by what is there now: {again}");
}

#[tokio::test]
async fn a_pipeline_that_cannot_be_read_is_told_of_with_its_error() {
    let house = House::start().await;
    let (rita, eve) = (house.log_in("rita").await, house.log_in("eve").await);
    let mut wrong = crate::house::pipeline("broken");
    wrong["spec"]["environments"][1]["gates"] = json!([{ "approval": { "groups": [{ "name": "leads", "min": -1 }] } }]);
    apply(&house.cluster, wrong).await;
    let mut items = Value::Null;
    for _ in 0..100 {
        items = house.get(&rita, "/api/v1/pipelines").await.1["items"].clone();
        if items.as_array().unwrap().len() == 2 {
            break;
        }
        pause().await;
    }
    let [broken, shop] = items.as_array().unwrap().as_slice() else { panic!("{items}") };
    assert_eq!((&broken["metadata"]["name"], &shop["metadata"]["name"]), (&json!("broken"), &json!("shop")));
    let problem = broken["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(problem.starts_with("it cannot be read: "), "{problem}");
    assert_eq!(house.get(&rita, "/api/v1/pipelines/broken").await.1["status"], broken["status"]);
    let (status, refused) = house.get(&rita, "/api/v1/pipelines/broken/environments").await;
    assert_eq!(status, 409);
    assert!(refused["message"].as_str().unwrap().contains("Pipeline broken cannot be read"), "{refused}");
    let (_, overview) = house.get(&rita, "/api/v1/overview").await;
    assert_eq!(overview["services"][0]["problems"], json!([problem]), "{overview}");
    assert_eq!(house.get(&eve, "/api/v1/pipelines/broken").await.0, 403);
    assert_eq!(house.get(&eve, "/api/v1/pipelines").await.1["items"], json!([]));
}
