//! What `argocd-cm` says of how well the objects of a kind do.

use api::argocd::HealthStatusCode;
use serde_json::json;

use crate::fixtures::{World, apply, config_map};

#[tokio::test]
async fn the_health_of_a_kind_is_what_a_script_says_and_a_script_that_fails_is_told() {
    let world = World::start().await;
    let script = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": world.name},
            "data": {"resource.customizations.health.ConfigMap": text}})
    };
    let text = "if obj.data.key == '2' then return {status = 'Degraded', message = 'two is too many'} end return {status = 'Healthy'}";
    apply(&world.cluster, script(text)).await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    let policy = json!({"automated": {}});
    world.application(json!({"spec": {"syncPolicy": policy}})).await;
    let said = |app: &api::argocd::Application| {
        let health = app.status.resources.first().and_then(|row| row.health.clone()).unwrap_or_default();
        (health.status, health.message)
    };
    let healthy = |app: &_| said(app).0 == HealthStatusCode::Healthy;
    world.until("healthy", healthy).await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    let degraded = |app: &api::argocd::Application| app.status.health.status == HealthStatusCode::Degraded;
    let app = world.until("degraded", degraded).await;
    assert_eq!(said(&app), (HealthStatusCode::Degraded, "two is too many".to_owned()));
    // the next script is asked at once, and one that does not end ends
    apply(&world.cluster, script("while true do end")).await;
    let unknown = |app: &api::argocd::Application| said(app).0 == HealthStatusCode::Unknown;
    let app = world.until("unknown", unknown).await;
    let told = "the health script resource.customizations.health.ConfigMap failed: it took more than";
    assert!(said(&app).1.starts_with(told), "{:?}", said(&app));
    world.end().await;
}
