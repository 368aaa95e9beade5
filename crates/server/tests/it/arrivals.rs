//! Who has just written an Application finds it, though no watch tells of it yet.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use serde_json::json;

use crate::house::{House, application, apply};

#[tokio::test]
async fn an_application_that_no_watch_told_of_yet_is_found() {
    let slow = from_fn(async |request: Request, next: Next| {
        let uri = request.uri().to_string();
        if uri.contains("/applications?") && uri.contains("watch=true") {
            return std::future::pending().await;
        }
        next.run(request).await
    });
    let house = House::behind(|api| api.layer(slow)).await;
    let (rita, eve) = (house.log_in("rita").await, house.log_in("eve").await);
    let path = "/api/v1/applications/late";
    assert_eq!(house.get(&rita, path).await.0, 404);
    apply(&house.cluster, application("late", "shop")).await;
    let refused = house.get(&eve, path).await;
    assert_eq!(refused, house.get(&eve, "/api/v1/applications/none").await, "who may not see it learns nothing");
    assert_eq!(refused.0, 403);
    for path in [path, "/api/v1/explain/late", "/api/v1/applications/late/resource-tree"] {
        let (status, found) = house.get(&rita, path).await;
        assert_eq!(status, 200, "{path}: {found}");
    }
    let elsewhere = ["none", "other/late", "..%2flate", "late%2f..%2flate", "late%2f", "%2e%2e"];
    for name in elsewhere {
        let (status, answer) = house.get(&rita, &format!("/api/v1/applications/{name}")).await;
        assert_eq!(status, 404, "{name}: {answer}");
    }
    let (_, list) = house.get(&rita, "/api/v1/applications").await;
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|app| app["metadata"]["name"].clone()).collect();
    assert!(names.contains(&json!("late")), "{names:?}");
}
