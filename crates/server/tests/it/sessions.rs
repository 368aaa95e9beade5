//! A token holds as long as its account and its list stand for it.

use std::collections::BTreeMap;
use std::time::Duration;

use api::argocd::secret_data;
use cluster::{DeleteOptions, Patch, PatchOptions};
use object::ResourceKey;
use serde_json::{Value, json};
use server::people::session::{Claims, sign};

use crate::house::{House, NAMESPACE, pause};

const READ: &str = "/api/v1/pipelines";

impl House {
    /// Until the server has heard of what a test wrote.
    async fn answers(&self, token: &str, expected: u16, why: &str) {
        for _ in 0..100 {
            if self.get(token, READ).await.0 == expected {
                return;
            }
            pause().await;
        }
        panic!("{why}: {:?} where {expected} is expected", self.get(token, READ).await);
    }

    async fn merge(&self, kind: &str, name: &str, data: Value) {
        let key = ResourceKey::new("", kind, NAMESPACE, name);
        self.cluster.patch(&key, &Patch::Merge(json!(data)), PatchOptions::default()).await.unwrap();
    }

    async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let live = self.cluster.get(&ResourceKey::new("", "Secret", NAMESPACE, name)).await.unwrap().unwrap();
        secret_data(live.value())
    }

    async fn accounts(&self, data: Value) {
        self.merge("ConfigMap", "argocd-cm", json!({ "data": data })).await;
    }
}

#[tokio::test]
async fn an_api_token_holds_only_while_its_account_lists_it() {
    let house = House::start().await;
    let key = house.secret("argocd-secret").await.remove("server.secretkey").unwrap();
    let token = |sub: &str, id: &str| {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let claims = Claims::new("", id.to_owned(), now, Duration::ZERO);
        sign(&Claims { sub: sub.to_owned(), exp: None, ..claims }, key.as_bytes()).unwrap()
    };
    let (listed, other) = (token("rita:apiKey", "one"), token("rita:apiKey", "two"));
    house.accounts(json!({ "accounts.rita": "login, apiKey" })).await;
    house.answers(&listed, 401, "no token is listed").await;
    let list = |tokens: &str| json!({ "stringData": { "accounts.rita.tokens": tokens } });
    let listing = list(r#"[{"id":"one","iat":1767225600}]"#);
    house
        .merge(
            "Secret",
            "argocd-secret",
            json!({ "stringData": { "accounts.rita.passwordMtime": "2025-01-01T00:00:00Z" } }),
        )
        .await;
    house.merge("Secret", "argocd-secret", listing).await;
    house.answers(&listed, 200, "it is listed").await;
    for (refused, why) in [
        (other, "of the account, but not listed"),
        (token("rita:login", "one"), "no login has begun it"),
        (token("rita", "one"), "of no capability"),
        (token("rita:everything", "one"), "of an unknown capability"),
        (token("otto:apiKey", "one"), "of another account"),
    ] {
        house.answers(&refused, 401, why).await;
    }
    house.accounts(json!({ "accounts.rita": "login" })).await;
    house.answers(&listed, 401, "apiKey was taken away").await;
    house.accounts(json!({ "accounts.rita": "login, apiKey" })).await;
    house.answers(&listed, 200, "and given back").await;
    house.merge("Secret", "argocd-secret", list("[{")).await;
    house.answers(&listed, 401, "a list that cannot be read lists nothing").await;
}

#[tokio::test]
async fn an_ended_session_stays_ended_whatever_becomes_of_the_list() {
    let emptied = json!({ "data": { "ended": null } });
    let forged = json!({ "stringData": { "ended": "eyJhbGciOiJub25lIn0.e30." } });
    for (loss, what) in [(None, "deleted"), (Some(emptied), "emptied"), (Some(forged), "written by somebody")] {
        let house = House::start().await;
        let (rita, tina) = (house.log_in("rita").await, house.log_in("tina").await);
        house.call(&rita, "DELETE", "/api/v1/session", None).await;
        house.answers(&rita, 401, what).await;
        house.answers(&tina, 200, what).await;
        let key = ResourceKey::new("", "Secret", NAMESPACE, "gantline-sessions");
        match loss {
            None => drop(house.cluster.delete(&key, &DeleteOptions::default()).await.unwrap()),
            Some(patch) => house.merge("Secret", &key.name, patch).await,
        }
        house.answers(&tina, 401, "who was not logged out cannot be told from who was").await;
        let again = house.log_in("tina").await;
        house.answers(&again, 200, what).await;
        assert_eq!(house.get(&rita, READ).await.0, 401, "{what}: also with a new list");
        assert_eq!(house.get(&tina, READ).await.0, 401, "{what}: also with a new list");
    }
}

#[tokio::test]
async fn a_session_ends_with_what_its_account_may() {
    for change in [
        json!({ "accounts.rita": "apiKey" }),
        json!({ "accounts.rita": "" }),
        json!({ "accounts.rita": null }),
        json!({ "accounts.rita.enabled": "false" }),
    ] {
        let house = House::start().await;
        let rita = house.log_in("rita").await;
        house.answers(&rita, 200, "before").await;
        house.accounts(change.clone()).await;
        house.answers(&rita, 401, &change.to_string()).await;
    }
}

#[tokio::test]
async fn a_user_follows_ten_streams() {
    let house = House::start().await;
    let (rita, tina) = (house.log_in("rita").await, house.log_in("tina").await);
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(house.listen(&rita, None).await);
    }
    let refused = house.send(&rita, "GET", "/api/v1/stream/overview", None, None).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    drop(house.listen(&tina, None).await);
    streams.pop();
    drop(house.listen(&rita, None).await);
}
