//! Nothing of others is deleted: not by hooks, not by Force, not with a Namespace.

use std::sync::Arc;

use api::argocd::{Application, ConditionType, ResultCode};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cluster::{Cluster, DeleteOptions};
use object::ResourceKey;
use serde_json::{Value, json};

use tower::ServiceExt;

use crate::fixtures::{World, apply, config_map, pause, sandbox};

fn has_ended_at(revision: &str) -> impl Fn(&Application) -> bool + use<> {
    let revision = revision.to_owned();
    move |app| {
        let state = app.status.operation_state.as_ref().filter(|state| state.phase.completed());
        state.and_then(|state| state.sync_result.as_ref()).is_some_and(|result| result.revision == revision)
    }
}

fn has_failed(why: &str) -> impl Fn(&Application) -> bool + use<> {
    let why = why.to_owned();
    move |app| app.status.operation_state.as_ref().is_some_and(|state| state.message.contains(&why))
}

fn message(app: &Application, kind: &str) -> String {
    let result = app.status.operation_state.as_ref().unwrap().sync_result.as_ref().unwrap();
    let is_kept = |r: &&api::argocd::ResourceResult| r.kind == kind && r.status != Some(ResultCode::Pruned);
    let found = result
        .resources
        .iter()
        .find(|r| is_kept(r) && r.message.starts_with("not pruned"))
        .unwrap_or_else(|| panic!("{result:?}"));
    assert_eq!(found.status, Some(ResultCode::PruneSkipped), "{found:?}");
    found.message.clone()
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn map(name: &str, place: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": place}, "data": {"key": "theirs"}})
}

fn claim(name: &str, class: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}}})
}

fn job(name: &str, image: &str) -> Value {
    let containers = json!([{"name": "m", "image": format!("registry.test/{image}")}]);
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": containers}}}})
}

fn of(mut value: Value, application: &str, place: &str) -> Value {
    let (kind, name) =
        (value["kind"].as_str().unwrap().to_owned(), value["metadata"]["name"].as_str().unwrap().to_owned());
    let group = if kind == "Job" { "batch" } else { "" };
    value["metadata"]["namespace"] = place.into();
    value["metadata"]["annotations"] =
        json!({"argocd.argoproj.io/tracking-id": format!("{application}:{group}/{kind}:{place}/{name}")});
    value
}

fn annotated(mut value: Value, annotations: &[(&str, &str)]) -> String {
    for (name, text) in annotations {
        value["metadata"]["annotations"][format!("argocd.argoproj.io/{name}")] = (*text).into();
    }
    value.to_string()
}

async fn key_of(world: &World, value: &Value) -> (ResourceKey, String) {
    let key = object::Manifest::new(value.clone()).unwrap().key();
    let uid = world.cluster.get(&key).await.unwrap().unwrap().uid().to_owned();
    (key, uid)
}

async fn is_untouched(world: &World, key: &ResourceKey, uid: &str) {
    let there = world.cluster.get(key).await.unwrap().unwrap_or_else(|| panic!("{key} is gone"));
    assert_eq!((there.uid(), there.deletion_timestamp()), (uid, None), "{key}");
}

async fn is_gone(world: &World, key: &ResourceKey) {
    for _ in 0..400 {
        if world.cluster.get(key).await.unwrap().is_none_or(|live| live.deletion_timestamp().is_some()) {
            return;
        }
        pause(50).await;
    }
    panic!("{key} stays");
}

/// Where Applications are of several projects, it is chance whom the test's repository tells of a commit.
async fn refresh(world: &World) {
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    world.patch(&world.key(), refresh, "test").await;
}

/// An Application of another project, which deploys nothing yet.
async fn victim(world: &World) {
    let mut project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "team-b", "namespace": world.name}});
    project["spec"] = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]});
    apply(&world.cluster, project).await;
    let spec = json!({"project": "team-b", "source": {"path": "victim"}, "syncPolicy": {"automated": null}});
    world.application(json!({"metadata": {"name": "victim"}, "spec": spec})).await;
}

#[tokio::test]
async fn a_hook_replaces_and_deletes_nothing_that_its_application_did_not_make() {
    let world = World::start().await;
    victim(&world).await;
    let production = format!("{}-production", world.name);
    let placed = |mut value: Value| {
        value["metadata"]["namespace"] = world.name.as_str().into();
        value
    };
    let child = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "child"},
        "spec": {"project": "default", "source": {"repoURL": crate::fixtures::URL, "path": "none", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": world.name}}});
    let unmarked = "no sync of case-";
    let cases = [
        (namespace(&production), namespace(&production), vec![("hook", "PreSync")], unmarked),
        (
            of(claim("data", "standard"), "victim", &world.name),
            claim("data", "standard"),
            vec![("hook", "PreSync")],
            "PersistentVolumeClaim/data belongs to an application of project team-b",
        ),
        (
            map("theirs", &world.name),
            map("theirs", &world.name),
            vec![("hook", "Sync"), ("hook-delete-policy", "HookSucceeded")],
            unmarked,
        ),
        (
            map("failing", &world.name),
            map("failing", &world.name),
            vec![("hook", "SyncFail"), ("hook-delete-policy", "HookFailed")],
            unmarked,
        ),
        (placed(child.clone()), child, vec![("hook", "PostSync")], unmarked),
    ];
    let mut kept = Vec::new();
    for (number, (there, wanted, annotations, why)) in cases.into_iter().enumerate() {
        apply(&world.cluster, there.clone()).await;
        kept.push(key_of(&world, &there).await);
        let name = format!("case-{number}");
        let files = [
            (format!("{name}/a.yaml"), annotated(wanted, &annotations)),
            (format!("{name}/b.yaml"), config_map(&name, "1")),
        ];
        let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        world.repository.commit(&files);
        world.application(json!({"metadata": {"name": name}, "spec": {"source": {"path": name}}})).await;
        let app = world.until_named(&name, why, has_failed(why)).await;
        let said = app.status.operation_state.unwrap().message;
        assert!(said.contains("give the hook another name, or delete the object by hand"), "{said}");
        assert!(!said.contains("victim"), "{said}");
        assert!(world.live("", "ConfigMap", &name).await.is_none(), "a sync that is refused writes nothing");
    }
    for (key, uid) in kept {
        is_untouched(&world, &key, &uid).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_hook_replaces_what_its_application_made() {
    let world = World::start().await;
    let mut scratch = map("scratch", &world.name);
    scratch["immutable"] = true.into();
    let hook = annotated(scratch, &[("hook", "PreSync")]);
    let files = |value: &str| [("app/a.yaml", hook.clone()), ("app/b.yaml", config_map("b", value))];
    let first = world.repository.commit(&files("1"));
    world.application(json!({})).await;
    world.until("synced", has_ended_at(&first)).await;
    let uid = async || world.live("", "ConfigMap", "scratch").await.unwrap().uid().to_owned();
    let before = uid().await;
    let second = world.repository.commit(&files("2"));
    let app = world.until("synced again", has_ended_at(&second)).await;
    assert_ne!(uid().await, before, "{:?}", app.status.operation_state);
    world.end().await;
}

#[tokio::test]
async fn a_hook_that_is_a_namespace_stays_while_it_holds_something() {
    let world = World::start().await;
    let scratch = format!("{}-scratch", world.name);
    let hook = annotated(namespace(&scratch), &[("hook", "PreSync")]);
    let files = |value: &str| [("app/a.yaml", hook.clone()), ("app/b.yaml", config_map("b", value))];
    let first = world.repository.commit(&files("1"));
    world.application(json!({})).await;
    world.until("synced", has_ended_at(&first)).await;
    apply(&world.cluster, map("theirs", &scratch)).await;
    let (key, uid) = key_of(&world, &namespace(&scratch)).await;
    world.repository.commit(&files("2"));
    let says = |app: &Application| {
        let result = app.status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
        let said = |it: &api::argocd::ResourceResult| it.message.contains("stays: it holds ConfigMap/theirs");
        result.is_some_and(|result| result.resources.iter().any(said))
    };
    world.until("refused", says).await;
    is_untouched(&world, &key, &uid).await;

    world
        .cluster
        .delete(&ResourceKey::new("", "ConfigMap", scratch.as_str(), "theirs"), &DeleteOptions::default())
        .await
        .unwrap();
    let third = world.repository.commit(&files("3"));
    world.until("synced", has_ended_at(&third)).await;
    assert_ne!(key_of(&world, &namespace(&scratch)).await.1, uid);
    world.end().await;
}

#[tokio::test]
async fn force_makes_nothing_anew_that_its_application_did_not_make() {
    let world = World::start().await;
    victim(&world).await;
    let options = [("sync-options", "Replace=true,Force=true")];
    let placed = |name: &str| {
        let mut value = job(name, "m:1");
        value["metadata"]["namespace"] = world.name.as_str().into();
        value
    };
    let cases = [
        (of(job("marked", "m:1"), "victim", &world.name), "marked", "belongs to an application of project team-b"),
        (placed("plain"), "plain", "no sync of case-plain made Job/plain"),
    ];
    let mut kept = Vec::new();
    for (there, name, why) in cases {
        apply(&world.cluster, there.clone()).await;
        kept.push(key_of(&world, &there).await);
        let case = format!("case-{name}");
        world.repository.commit(&[(&format!("{case}/a.yaml"), annotated(job(name, "m:2"), &options))]);
        world.application(json!({"metadata": {"name": case}, "spec": {"source": {"path": case}}})).await;
        let app = world.until_named(&case, why, has_failed(why)).await;
        let said = app.status.operation_state.unwrap().message;
        assert!(said.contains("not made anew (Force, Replace)"), "{said}");
    }
    for (key, uid) in kept {
        is_untouched(&world, &key, &uid).await;
    }

    // its own it does
    let first = world.repository.commit(&[("app/a.yaml", annotated(job("own", "m:1"), &options))]);
    world.application(json!({})).await;
    world.until("synced", has_ended_at(&first)).await;
    let uid = async || world.live("batch", "Job", "own").await.unwrap().uid().to_owned();
    let before = uid().await;
    let second = world.repository.commit(&[("app/a.yaml", annotated(job("own", "m:2"), &options))]);
    refresh(&world).await;
    let app = world.until("made anew", has_ended_at(&second)).await;
    assert_ne!(uid().await, before, "{:?}", app.status.operation_state);
    world.end().await;
}

#[tokio::test]
async fn a_namespace_that_was_taken_into_git_and_out_again_keeps_what_it_holds() {
    let world = World::start().await;
    let monitoring = format!("{}-monitoring", world.name);
    apply(&world.cluster, namespace(&monitoring)).await;
    let pods = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "registry.test/x:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": monitoring},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": pods}});
    apply(&world.cluster, deployment.clone()).await;
    for (place, why) in [
        (monitoring.as_str(), "not pruned: it holds Deployment/x, which would go with it"),
        (world.name.as_str(), "not pruned: namespaces of the control plane and of Kubernetes"),
        ("kube-public", "not pruned: namespaces of the control plane and of Kubernetes"),
    ] {
        let files = [("app/n.yaml", namespace(place).to_string()), ("app/a.yaml", config_map("a", place))];
        let first = world.repository.commit(&files);
        world.application(json!({})).await;
        world.until("synced", has_ended_at(&first)).await;
        let (key, uid) = key_of(&world, &namespace(place)).await;
        let second = world.repository.commit(&[("app/a.yaml", config_map("a", "none"))]);
        let app = world.until("not pruned", has_ended_at(&second)).await;
        let said = message(&app, "Namespace");
        assert!(said.starts_with(why), "{said}");
        is_untouched(&world, &key, &uid).await;
        let stays = format!("Namespace/{place} stays: ");
        let told = |c: &api::argocd::Condition| {
            c.kind == ConditionType::SharedResourceWarning && c.message.starts_with(&stays)
        };
        assert!(app.status.conditions.iter().any(told), "{:?}", app.status.conditions);
    }
    // also after the Application
    let finalizers = json!(["resources-finalizer.argocd.argoproj.io"]);
    world.patch(&world.key(), json!({"metadata": {"finalizers": finalizers}}), "test").await;
    world.cluster.delete(&world.key(), &DeleteOptions::default()).await.unwrap();
    for _ in 0..400 {
        if world.cluster.get(&world.key()).await.unwrap().is_none() {
            break;
        }
        pause(50).await;
    }
    assert!(world.cluster.get(&world.key()).await.unwrap().is_none());
    for value in [namespace(&monitoring), namespace(&world.name), deployment] {
        let (key, uid) = key_of(&world, &value).await;
        is_untouched(&world, &key, &uid).await;
    }
    world.end().await;
}

/// What grew out of it there, and what each Namespace has, is no reason to stay.
#[tokio::test]
async fn a_namespace_goes_with_all_that_is_the_applications_own() {
    let world = World::start().await;
    let place = format!("{}-own", world.name);
    let pods = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "registry.test/x:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": place},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": pods}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": place},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}});
    let files = [
        ("app/n.yaml", namespace(&place).to_string()),
        ("app/d.yaml", deployment.to_string()),
        ("app/s.yaml", service.to_string()),
        ("app/a.yaml", config_map("a", "1")),
    ];
    let first = world.repository.commit(&files);
    world.application(json!({})).await;
    world.until("synced", has_ended_at(&first)).await;
    let healthy = |app: &Application| app.status.health.status == api::argocd::HealthStatusCode::Healthy;
    world.until("healthy", healthy).await;
    world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    is_gone(&world, &ResourceKey::new("", "Namespace", "", place.as_str())).await;
    world.end().await;
}

#[tokio::test]
async fn a_namespace_of_which_nobody_can_tell_what_it_holds_stays() {
    let world = World::start().await;
    let router = sandbox(world.clock());
    let direct = Cluster::from_service(router.clone(), Arc::clone(world.clock()));
    let service = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let inner = router.clone();
        async move {
            let is_dark = request.uri().path().contains("/namespaces/dark/secrets");
            if is_dark { StatusCode::FORBIDDEN.into_response() } else { inner.oneshot(request).await.into_response() }
        }
    });
    world.clusters.add("https://b.test", Cluster::from_service(service, Arc::clone(world.clock())));
    let labels = json!({"argocd.argoproj.io/secret-type": "cluster"});
    let texts = json!({"name": "b", "server": "https://b.test", "config": "{\"bearerToken\": \"t\"}"});
    apply(
        &world.cluster,
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": texts,
        "metadata": {"name": "cluster-b", "namespace": world.name, "labels": labels}}),
    )
    .await;
    let map = || map("a", "other").to_string();
    let both = ["dark", "bright"].map(|name| (format!("app/{name}.yaml"), namespace(name).to_string()));
    let mut files: Vec<(&str, String)> = both.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    files.extend([("app/o.yaml", namespace("other").to_string()), ("app/a.yaml", map())]);
    let first = world.repository.commit(&files);
    let destination = json!({"server": null, "name": "b", "namespace": "other"});
    world.application(json!({"spec": {"destination": destination}})).await;
    world.until("synced", has_ended_at(&first)).await;
    let second = world.repository.commit(&[("app/o.yaml", namespace("other").to_string()), ("app/a.yaml", map())]);
    let app = world.until("pruned what may go", has_ended_at(&second)).await;
    let said = message(&app, "Namespace");
    assert!(said.starts_with("not pruned: nobody can tell what it holds"), "{said}");
    let there = async |name: &str| direct.get(&ResourceKey::new("", "Namespace", "", name)).await.unwrap();
    assert!(there("dark").await.unwrap().deletion_timestamp().is_none());
    assert!(there("bright").await.is_none_or(|live| live.deletion_timestamp().is_some()));
    world.end().await;
}

#[tokio::test]
async fn who_may_not_have_an_object_keeps_nobody_from_deleting_it() {
    let world = World::start().await;
    victim(&world).await;
    let allowed = format!("{}-a", world.name);
    apply(&world.cluster, namespace(&allowed)).await;
    let mut project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "team-a", "namespace": world.name}});
    project["spec"] = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": allowed}]});
    apply(&world.cluster, project).await;
    let there = |name: &str| map(name, &world.name).to_string();
    let others = |files: &mut Vec<(&str, String)>| {
        files.extend([("blocker/a.yaml", there("a")), ("blocker/c.yaml", there("c")), ("victim/b.yaml", there("b"))]);
    };
    let mut files = vec![("app/a.yaml", there("a")), ("app/b.yaml", there("b")), ("app/c.yaml", there("c"))];
    others(&mut files);
    let first = world.repository.commit(&files);
    let finalizers = json!(["resources-finalizer.argocd.argoproj.io"]);
    world.application(json!({"metadata": {"finalizers": finalizers}})).await;
    world.until("synced", has_ended_at(&first)).await;
    let spec = json!({"project": "team-a", "source": {"path": "blocker"}, "destination": {"namespace": allowed}});
    world.application(json!({"metadata": {"name": "blocker"}, "spec": spec})).await;
    let names = |name: &'static str| move |app: &Application| app.status.resources.iter().any(|r| r.name == name);
    world.until_named("blocker", "refused, and telling what it names", names("a")).await;
    world.until_named("victim", "telling what it wants", names("b")).await;

    let mut files = vec![("app/c.yaml", there("c"))];
    others(&mut files);
    let second = world.repository.commit(&files);
    refresh(&world).await;
    let app = world.until("pruned", has_ended_at(&second)).await;
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "{:?}", app.status.operation_state);
    assert_eq!(message(&app, "ConfigMap"), "not pruned: an application of project team-b wants it as well");
    assert!(world.live("", "ConfigMap", "b").await.is_some());

    world.cluster.delete(&world.key(), &DeleteOptions::default()).await.unwrap();
    is_gone(&world, &ResourceKey::new("", "ConfigMap", world.name.as_str(), "c")).await;
    world.end().await;
}
