//! Past the gates of a Pipeline goes only who has the right to override.

use serde_json::{Value, json};

use crate::house::{House, POLICY, application, apply, policy};

#[tokio::test]
async fn another_revision_of_what_a_pipeline_owns_needs_the_right_to_override() {
    let house = House::start().await;
    let lines = format!("{POLICY}p, rita, applications, sync, */*, allow\n");
    apply(&house.cluster, policy(&lines)).await;
    apply(&house.cluster, application("free", "shop")).await;
    let (rita, otto) = (house.log_in("rita").await, house.log_in("otto").await);
    let mut seen = Value::Null;
    for _ in 0..100 {
        let (status, answer) =
            house.call(&rita, "POST", "/api/v1/applications/free/sync", Some(json!({ "revision": "feature" }))).await;
        seen = answer;
        if status == 200 {
            break;
        }
        crate::house::pause().await;
    }
    assert!(seen["operation"]["info"].is_null(), "no Pipeline owns it: {seen}");
    let web = "/api/v1/applications/web/sync";
    for body in [json!({ "revision": "feature" }), json!({ "override": true })] {
        let (status, answer) = house.call(&rita, "POST", web, Some(body)).await;
        assert_eq!(status, 403, "{answer}");
        assert!(
            answer["error"].as_str().unwrap().contains("(p, WHO, applications, override, shop/web, allow)"),
            "{answer}"
        );
    }
    let (status, answer) = house.call(&otto, "POST", web, Some(json!({ "revision": "feature" }))).await;
    assert_eq!((status, &answer["operation"]["info"][0]["name"]), (200, &json!("gantline.dev/override")), "{answer}");
}
