//! What changes comes to who may see it, once.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::house::{House, POLICY, application, apply, pipeline, policy};

/// The next event: its name, its data, its id.
pub(crate) async fn event(stream: &mut BodyDataStream) -> (String, Value, String) {
    let wait = tokio::time::timeout(Duration::from_secs(20), stream.next());
    let bytes = wait.await.expect("an event in time").expect("an event").unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default();
    (field("event").to_owned(), serde_json::from_str(field("data")).unwrap_or_default(), field("id").to_owned())
}

fn names(data: &Value, part: &str) -> Vec<String> {
    let items = data[part].as_array().into_iter().flatten();
    items.map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_browser_gets_the_picture_then_what_changes_of_it() {
    let house = House::start().await;
    let rita = house.log_in("rita").await;
    let mut stream = house.listen(&rita, None).await;
    let (kind, whole, first) = event(&mut stream).await;
    assert_eq!((kind.as_str(), names(&whole, "services")), ("overview", vec!["shop".to_owned()]));

    apply(&house.cluster, pipeline("bank")).await;
    let (kind, delta, second) = event(&mut stream).await;
    assert_eq!((kind.as_str(), names(&delta, "services")), ("delta", vec!["bank".to_owned()]));
    assert_eq!((names(&delta, "applications"), &delta["gone"]["services"]), (Vec::new(), &json!([])));

    let mut late = house.listen(&rita, Some(&first)).await;
    let (kind, missed, _) = event(&mut late).await;
    assert_eq!((kind.as_str(), names(&missed, "services")), ("delta", vec!["bank".to_owned()]));
    let mut stranger = house.listen(&rita, Some("another.1.0")).await;
    assert_eq!(event(&mut stranger).await.0, "overview");

    apply(&house.cluster, application("vault", "bank")).await;
    apply(&house.cluster, pipeline("zoo")).await;
    let (kind, delta, third) = event(&mut stream).await;
    assert_eq!((kind.as_str(), names(&delta, "services").last().cloned()), ("delta", Some("zoo".to_owned())));
    assert!(first < second && second < third);
}

#[tokio::test]
async fn who_loses_a_right_sees_no_more_of_it() {
    let house = House::start().await;
    let rita = house.log_in("rita").await;
    let mut stream = house.listen(&rita, None).await;
    assert_eq!(names(&event(&mut stream).await.1, "applications"), ["web"]);
    apply(&house.cluster, policy(&POLICY.replace("g, rita, role:readonly", ""))).await;
    let (kind, whole, _) = event(&mut stream).await;
    assert_eq!((kind.as_str(), names(&whole, "applications"), names(&whole, "services")), ("overview", vec![], vec![]));
    house.call(&rita, "DELETE", "/api/v1/session", None).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), async { while stream.next().await.is_some() {} });
    ended.await.expect("the stream ends with the session");
}
