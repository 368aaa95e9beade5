//! Past the gates of a Pipeline goes only who has the right to override.

use cluster::{Patch, PatchOptions};
use object::ResourceKey;
use serde_json::{Value, json};

use crate::house::{House, POLICY, application, apply, policy};

/// Whether an override is refused only for what nobody can tell.
fn is_not_known((status, answer): &(u16, Value), app: &str) -> bool {
    let told = answer["error"].as_str().unwrap_or_default();
    *status == 409
        && told.contains("an override is of what its revision means")
        && told.contains(&format!("nobody can tell of {app} now"))
}

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
    // who has it is asked for nothing else; only that there is no repository here that would say what it means
    let answer = house.call(&otto, "POST", web, Some(json!({ "revision": "feature" }))).await;
    assert!(is_not_known(&answer, "web"), "{answer:?}");
}

#[tokio::test]
async fn where_the_settings_say_so_every_other_revision_needs_the_right_to_override() {
    let house = House::start().await;
    let lines = format!(
        "{POLICY}p, rita, applications, sync, */*, allow\np, tina, applications, sync, */*, allow\n\
         p, tina, applications, get, */*, allow\np, tina, applications, override, shop/free, allow\n"
    );
    apply(&house.cluster, policy(&lines)).await;
    apply(&house.cluster, application("free", "shop")).await;
    let data = json!({"data": {"application.sync.requireOverridePrivilegeForRevisionSync": "true"}});
    let key = ResourceKey::new("", "ConfigMap", "argocd", "argocd-cm");
    house.cluster.patch(&key, &Patch::Merge(data), PatchOptions::default()).await.unwrap();
    let (rita, tina) = (house.log_in("rita").await, house.log_in("tina").await);
    let free = "/api/v1/applications/free/sync";
    let stores = house.controller.stores();
    for _ in 0..100 {
        let key = control::AppKey::new("argocd", "free");
        if stores.settings().override_for_revisions && stores.application(&key).is_some() {
            break;
        }
        crate::house::pause().await;
    }
    let (status, answer) = house.call(&rita, "POST", free, Some(json!({ "revision": "feature" }))).await;
    assert_eq!(status, 403, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(
        error.contains("what free follows") && error.contains("(p, WHO, applications, override, shop/free, allow)"),
        "{error}"
    );
    let (status, answer) = house.call(&tina, "POST", free, Some(json!({ "revision": "feature" }))).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["operation"]["info"].is_null(), "there are no gates: {answer}");
}

/// An Application beside what a Pipeline owns: whose gates it goes past decides, not the right to itself.
#[tokio::test]
async fn past_the_gates_of_a_neighbour_goes_who_may_override_that_one() {
    let house = House::start().await;
    let lines = format!("{POLICY}p, rita, applications, *, side/*, allow\n");
    apply(&house.cluster, policy(&lines)).await;
    apply(&house.cluster, application("debug", "side")).await;
    let (rita, otto) = (house.log_in("rita").await, house.log_in("otto").await);
    let debug = "/api/v1/applications/debug/sync";
    let mut answer = (0, Value::Null);
    for _ in 0..100 {
        answer = house.call(&rita, "POST", debug, Some(json!({ "override": true }))).await;
        if answer.0 == 403 && answer.1["error"].as_str().unwrap().contains("override") {
            break;
        }
        crate::house::pause().await;
    }
    let error = answer.1["error"].as_str().unwrap();
    assert!(error.contains("(p, WHO, applications, override, shop/web, allow)"), "{error}");
    let answer = house.call(&otto, "POST", debug, Some(json!({ "override": true }))).await;
    assert!(is_not_known(&answer, "debug"), "{answer:?}");
}
