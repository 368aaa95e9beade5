//! Who guesses passwords is slowed down, and slows nobody else down.

use futures::future::join_all;
use serde_json::json;

use crate::house::House;

async fn guess(house: &House, name: &str, password: &str) -> u16 {
    let body = json!({ "username": name, "password": password });
    house.call("", "POST", "/api/v1/session", Some(body)).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_guesses_at_once_five_are_tried() {
    let house = House::start().await;
    for name in ["rita", "nobody-of-this-name"] {
        let answers = join_all((0..40).map(|guessed| {
            let house = &house;
            async move { guess(house, name, &format!("wrong-{guessed}")).await }
        }))
        .await;
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5, "{name}: {answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 35, "{name}: {answers:?}");
        assert_eq!(guess(&house, name, name).await, 429, "{name}: the right one is not tried either");
    }
    assert_eq!(guess(&house, "otto", "otto").await, 200, "others have nothing to do with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_log_in_at_once_all_come_in_and_readers_do_not_wait_for_them() {
    let house = House::start().await;
    let tina = house.log_in("tina").await;
    let logins = join_all((0..30).map(|_| guess(&house, "rita", "rita")));
    tokio::pin!(logins);
    let reads = async {
        for _ in 0..20 {
            assert_eq!(house.get(&tina, "/api/v1/session/userinfo").await.0, 200);
        }
    };
    tokio::select! {
        biased;
        _ = &mut logins => panic!("the logins were done before the reads"),
        () = reads => {}
    }
    assert!(logins.await.into_iter().all(|status| status == 200));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_tried() {
    let house = House::start().await;
    for (name, password, expected) in [
        ("n".repeat(245), "x".to_owned(), 400),
        ("rita".to_owned(), "x".repeat(1025), 400),
        ("n".repeat(20_000), "x".to_owned(), 413),
    ] {
        for _ in 0..6 {
            assert_eq!(guess(&house, &name, &password).await, expected, "{} {}", name.len(), password.len());
        }
    }
    assert_eq!(guess(&house, "rita", "rita").await, 200, "what is not tried is not counted");
}
