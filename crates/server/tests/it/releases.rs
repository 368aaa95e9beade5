//! Releases, and what people may do to them.

use serde_json::{Value, json};

use crate::house::{House, pause};

const LIFT: &str = "/api/v1/releases/shop-1/lift";

impl House {
    /// `shop-1` is quarantined from now on, and everybody sees it.
    async fn quarantine(&self, token: &str) {
        let quarantine = json!({ "by": "otto", "reason": "errors", "at": "2026-11-21T08:00:00Z" });
        self.record("Release", "shop-1", json!({ "environments": [], "quarantine": quarantine })).await;
        for _ in 0..100 {
            if self.get(token, "/api/v1/releases/shop-1").await.1["canLift"] == true {
                return;
            }
            pause().await;
        }
        panic!("never offered");
    }

    /// What the page offers to lift of `shop`.
    async fn liftable(&self, token: &str) -> Value {
        self.get(token, "/api/v1/overview").await.1["services"][0]["offers"].clone()
    }
}

#[tokio::test]
async fn a_quarantine_is_lifted_by_who_may_and_offered_while_it_is_there() {
    let house = House::start().await;
    let (tina, rita) = (house.log_in("tina").await, house.log_in("rita").await);
    assert_eq!(house.get(&tina, "/api/v1/releases/shop-1").await.1["canLift"], false);
    house.quarantine(&tina).await;
    assert_eq!(house.liftable(&tina).await[0]["release"], "shop-1");
    let lift = async |token: &str| house.call(token, "POST", LIFT, Some(json!({ "reason": "the network" }))).await;
    let (status, refused) = lift(&rita).await;
    assert_eq!(status, 403);
    assert!(refused["message"].as_str().unwrap().contains("releases, lift, shop/shop-1"), "{refused}");
    let (status, lifted) = lift(&tina).await;
    assert_eq!((status, &lifted["metadata"]["name"]), (200, &json!("shop-1")), "{lifted}");
    assert!(lifted["status"]["quarantine"].is_null(), "{lifted}");
    let (status, refused) = lift(&tina).await;
    assert_eq!(status, 409);
    assert!(refused["message"].as_str().unwrap().contains("is not quarantined: there is nothing to lift"), "{refused}");
    assert_eq!(house.get(&tina, "/api/v1/releases/shop-1").await.1["canLift"], false);
    assert_eq!(house.liftable(&tina).await, json!([]));
    let (_, overview) = house.get(&tina, "/api/v1/overview").await;
    let told = overview["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!((&told["actor"], &told["reason"]), (&json!("tina"), &json!("the network")), "{told}");
}
