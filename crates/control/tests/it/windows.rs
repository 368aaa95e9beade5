//! Sync windows of projects.

use api::argocd::{Application, SyncStatusCode};
use control::requests::{SyncRequest, sync};
use serde_json::{Value, json};

use crate::fixtures::{World, apply, config_map};

fn is_at(status: SyncStatusCode, revision: &str) -> impl Fn(&Application) -> bool + use<'_> {
    move |app| app.status.sync.status == status && app.status.sync.revision == revision
}

/// It begins every minute and lasts a day: it is always under way.
fn always(kind: &str, manual: bool) -> Value {
    json!([{"kind": kind, "schedule": "* * * * *", "duration": "24h", "namespaces": ["*"], "manualSync": manual}])
}

fn never(kind: &str) -> Value {
    json!([{"kind": kind, "schedule": "* * * * *", "duration": "0s", "namespaces": ["*"]}])
}

impl World {
    async fn hours(&self, windows: Value) {
        let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "hours", "namespace": self.name},
            "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "syncWindows": windows}});
        apply(&self.cluster, project).await;
    }
}

#[tokio::test]
async fn a_window_holds_what_syncs_by_itself_and_what_people_ask_for() {
    let world = World::start().await;
    world.hours(always("deny", false)).await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({"spec": {"project": "hours"}})).await;
    let app = world.until("compared", is_at(SyncStatusCode::OutOfSync, &first)).await;
    assert!(app.operation.is_none() && app.status.operation_state.is_none());
    let refused = sync(&world.controller, &app, "jane", SyncRequest::default()).await.unwrap_err().to_string();
    assert!(refused.starts_with("cannot sync: blocked by sync window"), "{refused}");

    // who writes the operation into the object waits, until the window lets people
    let operation = json!({"operation": {"initiatedBy": {"username": "jane"}, "sync": {}}});
    world.patch(&world.key(), operation, "another").await;
    let is_held = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.message == "Sync operation blocked by sync window")
    };
    world.until("held", is_held).await;
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing is deployed");
    world.hours(always("deny", true)).await;
    world.until("synced by hand", is_at(SyncStatusCode::Synced, &first)).await;

    // a window that would allow it at another time holds as well, until it is taken away
    world.hours(never("allow")).await;
    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    let app = world.until("compared again", is_at(SyncStatusCode::OutOfSync, &second)).await;
    assert!(app.operation.is_none());
    world.hours(json!([])).await;
    world.until("synced by itself", is_at(SyncStatusCode::Synced, &second)).await;
    world.end().await;
}
