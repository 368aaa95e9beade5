//! What a sync makes before, after and because of other things: hooks, namespaces, definitions.

use api::argocd::{Application, HealthStatusCode, OperationPhase, SyncStatusCode};
use object::ResourceKey;
use serde_json::json;

use crate::fixtures::{World, config_map};

const JOB: &str = "apiVersion: batch/v1
kind: Job
metadata: {NAME, annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: POLICY}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: 'registry.test/m:1'}]}}}
";

fn job(name: &str, policy: &str) -> String {
    JOB.replace("NAME", name).replace("POLICY", policy)
}

fn is_synced(revision: &str) -> impl Fn(&Application) -> bool + use<'_> {
    move |app| {
        let state = app.status.operation_state.as_ref();
        app.status.sync.status == SyncStatusCode::Synced
            && app.status.sync.revision == revision
            && state.is_some_and(|state| state.phase.completed())
    }
}

/// The names of the Jobs there are, with their tracking ids.
async fn jobs(world: &World) -> Vec<(String, String)> {
    let kind = object::GroupKind::new("batch", "Job");
    let found = world.cluster.list(&cluster::Scope::namespaced(kind, world.name.as_str())).await.unwrap();
    let mark =
        |job: &object::LiveObject| job.annotation("argocd.argoproj.io/tracking-id").unwrap_or_default().to_owned();
    found.iter().map(|job| (job.name().to_owned(), mark(job))).collect()
}

#[tokio::test]
async fn a_hook_with_a_generated_name_is_found_and_ends_as_it_says() {
    for (policy, left) in [("BeforeHookCreation", 1), ("HookSucceeded", 0)] {
        let world = World::start_at_speed(20.0).await;
        let files = [("app/j.yaml", job("generateName: migrate-", policy)), ("app/a.yaml", config_map("a", "1"))];
        let first = world.repository.commit(&files);
        world.application(json!({})).await;
        let app = world.until("synced", is_synced(&first)).await;
        let state = app.status.operation_state.unwrap();
        assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);
        let found = jobs(&world).await;
        assert_eq!(found.len(), left, "{policy}: {found:?}");
        for (name, mark) in found {
            let began = format!("migrate-{}-presync-", &first[..7]);
            assert!(name.starts_with(&began) && mark.ends_with(&format!("/{name}")), "{name} {mark}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_hook_with_a_generated_name_is_found_again_by_the_next_controller() {
    let world = World::start_at_speed(20.0).await;
    let slow = job("generateName: migrate-", "HookSucceeded")
        .replace("{template: {spec", "{template: {metadata: {annotations: {sandbox.gantline.dev/duration: 60s}}, spec");
    let first = world.repository.commit(&[("app/j.yaml", slow), ("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    let runs = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.message.contains("waiting for completion of hook batch/Job/migrate-"))
    };
    let before = world.until("waiting for the hook", runs).await;
    world.stop.cancel();
    let stop = tokio_util::sync::CancellationToken::new();
    world.another_controller(&stop);
    let app = world.until("synced", is_synced(&first)).await;
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);
    assert_eq!(state.started_at, before.status.operation_state.unwrap().started_at, "the same operation");
    stop.cancel();
    world.end().await;
}

/// Its old object goes before the new one comes, so that what cannot be changed is no obstacle.
#[tokio::test]
async fn a_hook_that_comes_anew_may_change_what_cannot_be_changed() {
    let world = World::start_at_speed(20.0).await;
    let files = |image: &str| {
        [
            ("app/j.yaml", job("name: migrate", "BeforeHookCreation").replace("m:1", image)),
            ("app/a.yaml", config_map("a", image)),
        ]
    };
    let first = world.repository.commit(&files("m:1"));
    world.application(json!({})).await;
    world.until("synced", is_synced(&first)).await;
    let second = world.repository.commit(&files("m:2"));
    let app = world.until("synced to the second commit", is_synced(&second)).await;
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);

    // one that is wrong in itself is found before anything is written
    let wrong = job("name: migrate", "BeforeHookCreation").replace("Never", "Sometimes");
    let third = world.repository.commit(&[("app/j.yaml", wrong), ("app/a.yaml", config_map("a", "m:3"))]);
    let failed = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|s| {
            s.message.contains("restartPolicy") && s.sync_result.as_ref().is_some_and(|r| r.revision == third)
        })
    };
    world.until("refused", failed).await;
    assert_eq!(world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"], "m:2");
    world.end().await;
}

#[tokio::test]
async fn a_hook_of_no_type_never_runs() {
    let world = World::start().await;
    let hook = |name: &str, types: &str| {
        config_map(name, "1")
            .replace(&format!("{{name: {name}}}"), &format!("{{name: {name}, annotations: {{{types}}}}}"))
    };
    let files = [
        ("app/a.yaml", config_map("a", "1")),
        ("app/b.yaml", hook("b", "argocd.argoproj.io/hook: presync")),
        ("app/c.yaml", hook("c", "argocd.argoproj.io/hook: 'Presync, PostDelete'")),
        ("app/d.yaml", hook("d", "argocd.argoproj.io/hook: ' PreSync ,Nonsense'")),
        ("app/e.yaml", hook("e", "argocd.argoproj.io/hook: Nonsense, helm.sh/hook: pre-install")),
        ("app/f.yaml", hook("f", "argocd.argoproj.io/hook: ''")),
    ];
    let first = world.repository.commit(&files);
    world.application(json!({})).await;
    world.until("synced", is_synced(&first)).await;
    for (name, is_there) in [("a", true), ("b", false), ("c", false), ("d", true), ("e", true), ("f", false)] {
        assert_eq!(world.live("", "ConfigMap", name).await.is_some(), is_there, "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_namespace_of_the_same_sync_comes_before_what_is_in_it() {
    let world = World::start().await;
    let place = format!("{}-team", world.name);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {place}}}\n");
    let inside = config_map("c", "1").replace("{name: c}", &format!("{{name: c, namespace: {place}}}"));
    let first = world.repository.commit(&[("app/a.yaml", inside.clone()), ("app/n.yaml", namespace)]);
    world.application(json!({})).await;
    let app = world.until("synced", is_synced(&first)).await;
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);
    let key = ResourceKey::new("", "ConfigMap", place.as_str(), "c");
    assert!(world.cluster.get(&key).await.unwrap().is_some());

    // without it, what is missing is named
    let nowhere = inside.replace(&place, "nowhere");
    world.repository.commit(&[("app/a.yaml", nowhere)]);
    let named = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.message.contains("namespace \"nowhere\" does not exist"))
    };
    world.until("told what is missing", named).await;
    world.end().await;
}

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.it.test}
spec:
  group: it.test
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {FIELDS}}}}}}]
";

#[tokio::test]
async fn a_definition_and_its_object_come_and_change_in_one_sync() {
    let world = World::start().await;
    let files = |fields: &str, spec: &str| {
        let gadget = format!("apiVersion: it.test/v1\nkind: Gadget\nmetadata: {{name: g}}\nspec: {spec}\n");
        [("app/d.yaml", DEFINITION.replace("FIELDS", fields)), ("app/g.yaml", gadget)]
    };
    let first = world.repository.commit(&files("size: {type: integer}", "{size: 1}"));
    world.application(json!({})).await;
    let app = world.until("synced", is_synced(&first)).await;
    assert_eq!(app.status.operation_state.unwrap().retry_count, 0);
    let fields = "size: {type: integer}, color: {type: string}";
    let second = world.repository.commit(&files(fields, "{size: 1, color: red}"));
    let app = world.until("synced to the second commit", is_synced(&second)).await;
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);
    world.end().await;
}

/// Whoever comes second finds it there.
#[tokio::test]
async fn two_applications_that_make_one_namespace_both_come_to_their_end() {
    let world = World::start_at_speed(20.0).await;
    let place = format!("{}-both", world.name);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {place}}}\n");
    let late = |name: &str| {
        config_map(name, "1").replace(
            &format!("{{name: {name}}}"),
            &format!("{{name: {name}, annotations: {{argocd.argoproj.io/sync-wave: '1'}}}}"),
        )
    };
    let files = [
        ("app/n.yaml", namespace.clone()),
        ("app/a.yaml", config_map("a", "1")),
        ("app/b.yaml", late("b")),
        ("second/n.yaml", namespace),
        ("second/c.yaml", config_map("c", "1")),
        ("second/d.yaml", late("d")),
    ];
    world.repository.commit(&files);
    let destination =
        json!({"destination": {"namespace": place}, "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}});
    world.application(json!({ "spec": destination.clone() })).await;
    let mut second = json!({"metadata": {"name": "second"}, "spec": destination});
    second["spec"]["source"] = json!({"path": "second"});
    world.application(second).await;
    let ended = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.phase == OperationPhase::Succeeded)
            && app.status.health.status == HealthStatusCode::Healthy
    };
    world.until("at its end", ended).await;
    world.until_named("second", "at its end", ended).await;
    for name in ["a", "b", "c", "d"] {
        let key = ResourceKey::new("", "ConfigMap", place.as_str(), name);
        assert!(world.cluster.get(&key).await.unwrap().is_some(), "{name}");
    }
    world.end().await;
}

/// Every sync would make another one.
#[tokio::test]
async fn an_object_without_a_name_that_is_no_hook_is_refused_with_what_to_do() {
    let world = World::start().await;
    let nameless = job("generateName: migrate-", "HookSucceeded").replace("argocd.argoproj.io/hook: PreSync, ", "");
    world.repository.commit(&[("app/j.yaml", nameless), ("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    let told = |app: &Application| {
        let state = app.status.operation_state.as_ref();
        state.is_some_and(|state| state.message.contains("batch/Job") && state.message.contains("has no name: give it"))
    };
    world.until("refused", told).await;
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing was written");
    world.end().await;
}

/// As Argo CD's `Force=true`: what refuses the change is deleted and made anew, which its dry run has to know.
#[tokio::test]
async fn an_object_that_is_forced_may_change_what_cannot_be_changed() {
    let world = World::start_at_speed(20.0).await;
    let forced = |image: &str| {
        let options = "argocd.argoproj.io/sync-options: Force=true, ";
        job("name: once", "HookSucceeded").replace("argocd.argoproj.io/hook: PreSync, ", options).replace("m:1", image)
    };
    let first = world.repository.commit(&[("app/j.yaml", forced("m:1"))]);
    world.application(json!({})).await;
    world.until("synced", is_synced(&first)).await;
    let second = world.repository.commit(&[("app/j.yaml", forced("m:2"))]);
    let app = world.until("synced to the second commit", is_synced(&second)).await;
    let state = app.status.operation_state.unwrap();
    assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0), "{}", state.message);
    let live = world.live("batch", "Job", "once").await.unwrap();
    assert_eq!(live.value()["spec"]["template"]["spec"]["containers"][0]["image"], "registry.test/m:2");
    world.end().await;
}
