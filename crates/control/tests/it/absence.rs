//! Nothing is deleted because a file cannot be understood any more.

use api::argocd::{Application, ConditionType, SyncStatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fixtures::{World, config_map};

fn in_trouble(text: &str) -> impl Fn(&Application) -> bool + use<'_> {
    move |app| {
        let says = |c: &api::argocd::Condition| c.kind == ConditionType::ComparisonError && c.message.contains(text);
        app.status.sync.status == SyncStatusCode::Unknown && app.status.conditions.iter().any(says)
    }
}

#[tokio::test]
async fn a_file_that_is_not_understood_any_more_keeps_its_object() {
    let world = World::start().await;
    let with = |b: &str| world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", b.to_owned())]);
    let synced = |app: &Application, to: &str| {
        app.status.sync.status == SyncStatusCode::Synced && app.status.sync.revision == to
    };
    let first = with(&config_map("b", "1"));
    world.application(json!({})).await;
    world.until("synced", |app| synced(app, &first)).await;
    for (text, part) in [
        (config_map("b", "1").replace("kind", "knd"), "app/b.yaml:2:1"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n".to_owned(),
            "app/b.yaml:1: this is a Git LFS",
        ),
        ("replicas: 3\n".to_owned(), "app/b.yaml: it gave objects at commit"),
        (String::new(), "app/b.yaml: it gave objects at commit"),
        ("replicas: [\n".to_owned(), "app/b.yaml: it gave objects at commit"),
        ("apiVersion: v1\nkind: List\nitems:\n".to_owned(), "app/b.yaml: it gave objects at commit"),
    ] {
        with(&text);
        world.until(&format!("in trouble for {text:?}"), in_trouble(part)).await;
        assert!(world.live("", "ConfigMap", "b").await.is_some(), "{text:?}");
    }

    // one that is renamed is not read any more
    world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.YAML", config_map("b", "1"))]);
    world.until("in trouble", in_trouble("app/b.YAML: app/b.yaml gave objects at commit")).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some());

    // who starts anew knows it as well
    world.stop.cancel();
    with("replicas: 4\n");
    let stop = CancellationToken::new();
    world.another_controller(&stop);
    world.until("in trouble again", in_trouble("app/b.yaml: it gave objects at commit")).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some());

    let last = world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    world.until("synced", |app| synced(app, &last)).await;
    assert!(world.live("", "ConfigMap", "b").await.is_none(), "a file that is gone is proof");

    // one that never gave an object stays out
    let others = [("app/b.yaml", "replicas: 3\n".to_owned()), ("app/c.YAML", config_map("c", "1"))];
    let beside = world.repository.commit(&[[("app/a.yaml", config_map("a", "1"))].as_slice(), &others].concat());
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    world.patch(&world.key(), refresh, "test").await;
    world.until("synced", |app| synced(app, &beside)).await;
    stop.cancel();
    world.end().await;
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_know_keeps_what_it_was() {
    let world = World::start().await;
    let first = world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/b.yaml", config_map("b", "1"))]);
    world.application(json!({})).await;
    world.until("synced", |app| app.status.sync.revision == first && app.status.history.len() == 1).await;
    let b = config_map("b", "2").replace("ConfigMap", "ConfgMap");
    world.repository.commit(&[("app/a.yaml", config_map("a", "2")), ("app/b.yaml", b)]);
    let refused = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.message.contains("the API server knows no kind ConfgMap"))
    };
    world.until("refused", refused).await;
    assert!(world.live("", "ConfigMap", "b").await.is_some());
    let a = world.live("", "ConfigMap", "a").await.unwrap();
    assert_eq!(a.value()["data"]["key"], "1", "nothing of it is done");
    world.end().await;
}
