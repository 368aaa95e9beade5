//! What only a real API server can prove.

use std::path::PathBuf;
use std::sync::Arc;

use clock::ScaledClock;
use cluster::{ApplyOptions, Cluster, ClusterError, DeleteOptions, LiveCache, Patch, PatchOptions, Scope, Target};
use cluster::{FieldConflict, WatchEvent};
use object::{GroupKind, Manifest, ResourceKey};
use serde_json::{Value, json};

/// `None` where no server is named.
async fn server() -> Option<Cluster> {
    #[expect(clippy::disallowed_methods, reason = "the test's own switch")]
    let Ok(path) = std::env::var("E2E_KUBECONFIG") else {
        eprintln!("SKIPPED: E2E_KUBECONFIG does not name a kubeconfig");
        return None;
    };
    let target = Target::Kubeconfig { path: Some(PathBuf::from(path)), context: None };
    Some(Cluster::connect(&target, Arc::new(ScaledClock::wall())).await.unwrap())
}

/// A namespace of its own for each test, deleted at the end.
async fn namespace(cluster: &Cluster) -> String {
    let name = format!("it-{}", clock::Ids::random().suffix(8));
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    cluster.create(&Manifest::new(manifest).unwrap()).await.unwrap();
    name
}

async fn drop_namespace(cluster: &Cluster, name: &str) {
    let key = ResourceKey::new("", "Namespace", "", name);
    assert!(cluster.delete(&key, &DeleteOptions::default()).await.unwrap());
}

fn config_map(namespace: &str, data: Value) -> Manifest {
    let metadata = json!({"name": "settings", "namespace": namespace, "annotations": {"app": "web"}});
    Manifest::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})).unwrap()
}

fn apply(manager: &str) -> ApplyOptions<'_> {
    ApplyOptions { manager, force: false, dry_run: false, validate: true }
}

#[tokio::test]
async fn objects_are_applied_and_conflicts_name_the_owner() {
    let Some(cluster) = server().await else { return };
    let namespace = namespace(&cluster).await;
    let key = ResourceKey::new("", "ConfigMap", namespace.as_str(), "settings");
    let ours = config_map(&namespace, json!({"a": "1"}));

    let dry = cluster.apply(&ours, ApplyOptions { dry_run: true, ..apply("us") }).await.unwrap();
    assert_eq!(dry.value()["data"]["a"], "1");
    assert_eq!(cluster.get(&key).await.unwrap(), None, "a dry run changes nothing");

    let created = cluster.apply(&ours, apply("us")).await.unwrap();
    assert_eq!(cluster.get(&key).await.unwrap().as_ref(), Some(&created));
    let again = cluster.apply(&ours, apply("us")).await.unwrap();
    assert_eq!(again.resource_version(), created.resource_version(), "the same again is no change");

    let merge = Patch::Merge(json!({"data": {"a": "2"}}));
    cluster.patch(&key, &merge, PatchOptions { manager: "them", ..PatchOptions::default() }).await.unwrap();
    match cluster.apply(&ours, apply("us")).await {
        Err(ClusterError::Conflict { owners, .. }) => {
            assert_eq!(owners, [FieldConflict { manager: "them".into(), fields: vec![".data.a".into()] }]);
        }
        other => panic!("{other:?}"),
    }
    let forced = cluster.apply(&ours, ApplyOptions { force: true, ..apply("us") }).await.unwrap();
    assert_eq!(forced.value()["data"]["a"], "1");

    let wrong = DeleteOptions { uid: Some("another".into()), ..DeleteOptions::default() };
    assert!(matches!(cluster.delete(&key, &wrong).await, Err(ClusterError::Conflict { .. })));
    assert!(cluster.delete(&key, &DeleteOptions::default()).await.unwrap());
    assert!(!cluster.delete(&key, &DeleteOptions::default()).await.unwrap());
    drop_namespace(&cluster, &namespace).await;
}

#[tokio::test]
async fn refusals_say_what_and_why() {
    let Some(cluster) = server().await else { return };
    let namespace = namespace(&cluster).await;
    let mut manifest = config_map(&namespace, json!({"a": "1"}));
    manifest.value_mut()["unheard"] = json!(1);
    let error = cluster.apply(&manifest, apply("us")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Invalid { .. } | ClusterError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("unheard"), "{error}");
    let unknown = cluster.resource(&GroupKind::new("nowhere.io", "Thing")).await.unwrap_err();
    assert!(unknown.to_string().contains("Thing.nowhere.io"), "{unknown}");
    drop_namespace(&cluster, &namespace).await;
}

#[tokio::test]
async fn a_watch_starts_with_all_and_goes_on_with_changes() {
    let Some(cluster) = server().await else { return };
    let namespace = namespace(&cluster).await;
    let key = ResourceKey::new("", "ConfigMap", namespace.as_str(), "settings");
    let scope = Scope::namespaced(key.group_kind(), namespace.as_str()).with_fields("metadata.name=settings");
    let mut watch = cluster.watch(scope);
    assert!(matches!(watch.recv().await, Some(WatchEvent::Listed { objects, .. }) if objects.is_empty()));
    let created = cluster.apply(&config_map(&namespace, json!({"a": "1"})), apply("us")).await.unwrap();
    assert!(matches!(watch.recv().await, Some(WatchEvent::Applied(object)) if object == created));
    cluster.delete(&key, &DeleteOptions::default()).await.unwrap();
    assert!(matches!(watch.recv().await, Some(WatchEvent::Deleted(object)) if object.uid() == created.uid()));
    drop_namespace(&cluster, &namespace).await;
}

#[tokio::test]
async fn the_cache_follows_owners_down_to_pods() {
    let Some(cluster) = server().await else { return };
    let namespace = namespace(&cluster).await;
    let wanted = namespace.clone();
    let cache = LiveCache::new(
        cluster.clone(),
        Arc::new(move |object| (object.namespace() == wanted).then(|| object.annotation("app").map(Arc::from))?),
    );
    let mut touches = cache.touches();
    for (group, kind) in [("apps", "Deployment"), ("apps", "ReplicaSet"), ("", "Pod")] {
        cache.ensure(&GroupKind::new(group, kind)).await.unwrap();
    }
    let labels = json!({"app": "web"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "annotations": {"app": "web"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let live = cluster.apply(&Manifest::new(deployment).unwrap(), apply("us")).await.unwrap();
    loop {
        let touch = touches.recv().await.unwrap();
        if touch.key.kind == "Pod" && touch.owners.iter().any(|owner| **owner == *"web") {
            break;
        }
    }
    let kinds: Vec<String> = cache.owned_by([live.uid()]).iter().map(|o| o.kind().to_owned()).collect();
    assert_eq!(kinds, ["Pod", "ReplicaSet"]);
    // the Deployment's controller copies annotations to its ReplicaSet: telling them apart is the tracker's work
    assert!(cache.belonging_to("web").iter().any(|o| o.uid() == live.uid()));
    drop_namespace(&cluster, &namespace).await;
}
