//! What cannot be read stops, and is told wherever somebody looks, also by a process that comes later.

use std::sync::Arc;

use cluster::{Patch, PatchOptions, Scope};
use control::{Controller, Wanted};
use object::{GroupKind, ResourceKey};
use serde_json::{Value, json};

use crate::fixtures::pause;
use crate::promotions::{Running, World};

fn pipeline() -> ResourceKey {
    ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop")
}

impl World {
    async fn write(&self, key: &ResourceKey, subresource: &'static str, patch: Value) {
        let options = PatchOptions { subresource, ..PatchOptions::default() };
        self.cluster.patch(key, &Patch::Merge(patch), options).await.unwrap();
    }

    /// Waits for an Event of this reason about an object of the kind, beside those that there were.
    pub(crate) async fn told(&self, kind: &str, reason: &str, had: usize) -> String {
        for _ in 0..400 {
            let all = self.events_of(kind, reason).await;
            if let Some(last) = all.get(had) {
                return last["message"].as_str().unwrap_or_default().to_owned();
            }
            pause(25).await;
        }
        panic!("{reason} was never told of a {kind}")
    }

    pub(crate) async fn events_of(&self, kind: &str, reason: &str) -> Vec<Value> {
        let scope = Scope::namespaced(GroupKind::new("", "Event"), "argocd");
        let all = self.cluster.list(&scope).await.unwrap().into_iter().map(object::LiveObject::into_value);
        all.filter(|event| event["involvedObject"]["kind"] == kind && event["reason"] == reason).collect()
    }

    async fn conditions_of(&self, key: &ResourceKey) -> String {
        let live = self.cluster.get(key).await.unwrap().unwrap();
        live.value().pointer("/status/conditions").map(ToString::to_string).unwrap_or_default()
    }

    async fn says(&self, key: &ResourceKey, what: &str) {
        for _ in 0..400 {
            if self.conditions_of(key).await.contains(what) {
                return;
            }
            pause(25).await;
        }
        panic!("{key} never says {what:?}: {}", self.conditions_of(key).await)
    }
}

fn counted(controller: &Controller, kind: &str, count: usize) -> bool {
    controller.metrics().text().contains(&format!("gantline_unreadable_objects{{kind=\"{kind}\"}} {count}\n"))
}

/// Ways in which a Pipeline gets past its schema: one does not have its shape, one has a gate with a slip in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_cannot_be_read_stops_aloud_also_after_a_restart() {
    let shape = json!({"environments": [{"name": "dev", "application": "shop-dev"}, {"name": "staging",
        "application": "shop-staging", "auto": true, "gates": [{"approval": {"groups": [{"name": "a", "min": -1}]}}]}]});
    let slip = json!({"environments": [{"name": "dev", "application": "shop-dev"}, {"name": "staging",
        "application": "shop-staging", "auto": true, "gates": [{"approval": {"gruop": "team-leads"}}]}]});
    for (wrong, words) in [(shape, "does not have the shape"), (slip, "gruop")] {
        let world = World::start().await;
        world.controller_settles().await;
        let (controller, running): (Controller, Running) = world.asked();
        world.write(&pipeline(), "", json!({ "spec": wrong })).await;
        let told = world.told("Pipeline", "Unreadable", 0).await;
        assert!(told.contains(words), "{told}");
        world.says(&pipeline(), "Invalid").await;
        assert!(counted(&controller, "Pipeline", 1), "{}", controller.metrics().text());
        let entries = controller.history(&Wanted { pipeline: "shop".into(), ..Wanted::default() }).await;
        let entries: Vec<_> = entries.collect();
        assert!(entries.iter().any(|entry| entry.message.contains("cannot be read")), "{entries:#?}");
        world.push("v2").await;
        running.end().await;
        let (again, running) = world.asked();
        for _ in 0..400 {
            if counted(&again, "Pipeline", 1) {
                break;
            }
            pause(25).await;
        }
        assert!(counted(&again, "Pipeline", 1), "{}", again.metrics().text());
        world.says(&pipeline(), "Invalid").await;
        pause(1000).await;
        let wants = world.promotions().await.into_iter().filter(|promotion| promotion.spec.tag == "v2").count();
        assert_eq!((wants, world.commits("v2").await), (0, 0), "it stands still");
        let right = json!({"pins": null, "environments": [{"name": "dev", "application": "shop-dev"},
            {"name": "staging", "application": "shop-staging", "auto": true}]});
        world.write(&pipeline(), "", json!({ "spec": right })).await;
        world.told("Pipeline", "Readable", 0).await;
        world.succeeded("v2").await;
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_watched_and_cannot_be_read_is_told() {
    let world = World::start().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    let promotion = world.succeeded("v2").await;
    let ours = |kind, name: &str| ResourceKey::new("gantline.dev", kind, "argocd", name);
    let app = ResourceKey::new("argoproj.io", "Application", "argocd", "shop-dev");
    // what schemas leave open
    let phase = json!({"status": {"operationState": {"phase": "Splendid"}}});
    world.write(&app, "", phase).await;
    let told = world.told("Application", "Unreadable", 0).await;
    assert!(told.contains("Splendid"), "{told}");
    world.says(&app, "InvalidSpecError").await;
    world.write(&ours("Release", &promotion.spec.release), "status", json!({"status": {"writes": "many"}})).await;
    world.told("Release", "Unreadable", 0).await;
    world.says(&pipeline(), &format!("Release {} cannot be read", promotion.spec.release)).await;
    world.write(&ours("Promotion", &promotion.metadata.name), "status", json!({"status": {"writes": "many"}})).await;
    world.told("Promotion", "Unreadable", 0).await;
    let about = |kind: &str, name: &str, labels: Value, data: Value| {
        json!({"apiVersion": "v1", "kind": kind, "data": data,
            "metadata": {"name": name, "namespace": "argocd", "labels": labels}})
    };
    let typed = |kind: &str| json!({"argocd.argoproj.io/secret-type": kind});
    for object in [
        about("ConfigMap", "argocd-cm", json!({}), json!({"timeout.reconciliation": "soon"})),
        about("ConfigMap", "argocd-rbac-cm", json!({}), json!({"policy.csv": "p, tina, applications, get"})),
        about("Secret", "repo", typed("repository"), json!({})),
        about("Secret", "creds", typed("repo-creds"), json!({})),
        about("Secret", "cluster", typed("cluster"), json!({})),
    ] {
        crate::fixtures::apply(&world.cluster, object).await;
    }
    world.told("ConfigMap", "Unreadable", 1).await;
    world.told("Secret", "Unreadable", 2).await;
    for (kind, count) in [("Application", 1), ("Release", 1), ("Promotion", 1), ("ConfigMap", 2), ("Secret", 3)] {
        assert!(counted(&controller, kind, count), "{kind}: {}", controller.metrics().text());
    }
    let slips = controller.stores().slips();
    for name in ["shop-dev", "repo", "creds", "cluster", "timeout.reconciliation", "policy line 1"] {
        assert!(slips.iter().any(|slip| slip.contains(name)), "{name}: {slips:#?}");
    }
    let writes = json!({"status": {"writes": promotion.status.writes}});
    world.write(&ours("Promotion", &promotion.metadata.name), "status", writes).await;
    world.told("Promotion", "Readable", 0).await;
    running.end().await;
}

/// What was told is told by who comes later, and what nobody heard is read from what is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timeline_survives_a_restart() {
    let (world, controller, running) = World::with_v2().await;
    let shop = Wanted { pipeline: "shop".into(), ..Wanted::default() };
    let lines = async |controller: &Controller, wanted: &Wanted| -> Vec<String> {
        controller.history(wanted).await.map(|entry| entry.message.clone()).collect()
    };
    let promoted = |lines: &[String]| lines.iter().filter(|it| *it == "promote(staging): shop → v2").count();
    let mut before = Vec::new();
    for _ in 0..200 {
        // Events are written behind everybody's back
        before = lines(&controller, &shop).await;
        if world.events_of("Promotion", "Promoted").await.len() == 1 {
            break;
        }
        pause(25).await;
    }
    assert_eq!(promoted(&before), 1, "{before:#?}");
    running.end().await;
    let (again, running) = world.asked();
    for _ in 0..200 {
        if again.timeline().newest(1000).iter().any(|entry| entry.message == "promote(staging): shop → v2") {
            break;
        }
        pause(25).await;
    }
    let after = lines(&again, &shop).await;
    assert_eq!(promoted(&after), 1, "{after:#?}");
    assert!(before.iter().all(|line| after.contains(line)), "{before:#?} {after:#?}");
    let seen: Vec<String> = again.timeline().newest(1000).iter().map(|entry| entry.message.clone()).collect();
    assert_eq!(promoted(&seen), 1, "what looks on sees it too, once: {seen:#?}");
    // without Events objects know the most of it
    let events = Scope::namespaced(GroupKind::new("", "Event"), "argocd");
    for event in world.cluster.list(&events).await.unwrap() {
        world.cluster.delete(&event.key(), &cluster::DeleteOptions::default()).await.unwrap();
    }
    running.end().await;
    let (third, running) = world.asked();
    third.ready().await;
    let kept = lines(&third, &shop).await;
    assert_eq!(promoted(&kept), 1, "{kept:#?}");
    for (wanted, expected) in [
        (Wanted { environment: "staging".into(), ..shop.clone() }, true),
        (Wanted { environment: "dev".into(), ..shop.clone() }, false),
        (Wanted { kinds: vec![control::TimelineKind::Promoted], ..shop.clone() }, true),
        (Wanted { kinds: vec![control::TimelineKind::Rejected], ..shop.clone() }, false),
        (Wanted { application: "shop-dev".into(), ..Wanted::default() }, false),
        (Wanted { since: Some(world.clock.now()), ..shop.clone() }, false),
    ] {
        assert_eq!(promoted(&lines(&third, &wanted).await) == 1, expected, "{wanted:?}");
    }
    // without objects the commit knows, which carries a seal
    let scope = Scope::namespaced(GroupKind::new("gantline.dev", "Promotion"), "argocd");
    for promotion in world.cluster.list(&scope).await.unwrap() {
        world.cluster.delete(&promotion.key(), &cluster::DeleteOptions::default()).await.unwrap();
    }
    let mut told: Vec<Arc<_>> = Vec::new();
    for _ in 0..200 {
        told = third.history(&Wanted { kinds: vec![control::TimelineKind::Promoted], ..shop.clone() }).await.collect();
        if third.stores().promotions(None).is_empty() {
            break;
        }
        pause(25).await;
    }
    let told: Vec<(&str, &str)> = told.iter().map(|it| (it.message.as_str(), it.environment.as_str())).collect();
    assert_eq!(told, [("promote(staging): shop → v2", "staging")]);
    let synced = lines(&third, &Wanted { application: "shop-staging".into(), ..Wanted::default() }).await;
    assert!(synced.iter().any(|line| line == "shop-staging was synced"), "{synced:#?}");
    running.end().await;
}

/// kubectl shows what the API server refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_there_is_not_is_refused_by_the_schema_with_those_that_there_are() {
    let world = World::start().await;
    let all = "gates[0]: Invalid value: a gate is one of healthy, approval, window; each is an entry of its own";
    for (gates, words) in [
        (json!([{"healty": {"in": "dev"}}]), all),
        (json!([{}]), all),
        (
            json!([{"healthy": {"in": "dev"}, "approval": {"group": "leads"}}]),
            "gates[0]: Too many: 2: must have at most 1 item",
        ),
    ] {
        let environments = json!([{"name": "dev", "application": "shop-dev", "gates": gates}]);
        let patch = Patch::Merge(json!({"spec": {"environments": environments}}));
        let refused = world.cluster.patch(&pipeline(), &patch, PatchOptions::default()).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    for (pin, words) in [
        (json!({"by": "otto", "at": "soon"}), "spec.pins.staging.at in body must be of type date-time"),
        (json!({"by": "otto", "digest": "sha256:1"}), "spec.pins.staging.digest in body should match"),
        (json!({"reason": "x"}), "spec.pins.staging.by: Required value"),
    ] {
        let patch = Patch::Merge(json!({"spec": {"pins": {"staging": pin}}}));
        let refused = world.cluster.patch(&pipeline(), &patch, PatchOptions::default()).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}

/// Rights on `pipelines/status` stop no Pipeline: what stands there is written anew, once, and that is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_cannot_be_read_stops_nothing() {
    let world = World::start().await;
    world.controller_settles().await;
    // as of a version before that let anything stand there
    let definition = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", "", "pipelines.gantline.dev");
    let open = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    world.cluster.patch(&definition, &Patch::Json(open), PatchOptions::default()).await.unwrap();
    let (controller, running) = world.asked();
    controller.ready().await;
    let bad = json!({"status": {"environments": [{"name": "dev", "digest": "sha256:1"}], "runs": ["dev"]}});
    world.write(&pipeline(), "status", bad).await;
    let told = world.told("Pipeline", "RecordTampered", 0).await;
    assert!(told.contains("shop: its status was written past Gantline, and is written anew: "), "{told}");
    world.push("v2").await;
    world.succeeded("v2").await;
    assert!(counted(&controller, "Pipeline", 0), "{}", controller.metrics().text());
    let live = async || world.cluster.get(&pipeline()).await.unwrap().unwrap();
    let is_whole = async || live().await.value()["status"]["runs"] == "dev=v2 staging=v2";
    world.until("written anew", is_whole).await;
    let before = live().await.resource_version().to_owned();
    pause(1000).await;
    assert_eq!(live().await.resource_version(), before, "nobody writes it again and again");
    assert_eq!(world.events_of("Pipeline", "RecordTampered").await.len(), 1);
    running.end().await;
}
