//! What `kubectl describe` tells of a Pipeline, its Releases and its Promotions.

use std::collections::BTreeSet;

use cluster::{Patch, PatchOptions, Scope};
use control::requests;
use object::{GroupKind, ResourceKey};
use serde_json::{Value, json};

use crate::fixtures::pause;
use crate::promotions::World;

impl World {
    /// The Events of an object, found as kubectl finds them.
    async fn events(&self, kind: &str, name: &str) -> Vec<Value> {
        let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
        let uid = self.cluster.get(&key).await.unwrap().unwrap().uid().to_owned();
        let of = format!("involvedObject.kind={kind},involvedObject.name={name},involvedObject.uid={uid}");
        let scope = Scope::namespaced(GroupKind::new("", "Event"), "argocd").with_fields(of);
        let all = self.cluster.list(&scope).await.unwrap();
        all.into_iter().map(object::LiveObject::into_value).collect()
    }

    /// The reasons of the Events, once this one is among them, each as often as it was told.
    async fn reasons(&self, kind: &str, name: &str, awaited: &str) -> Vec<String> {
        for _ in 0..400 {
            let all = self.events(kind, name).await;
            let text = |event: &Value| event["reason"].as_str().unwrap_or_default().to_owned();
            let mut reasons: Vec<String> = all.iter().map(text).collect();
            if reasons.iter().any(|reason| reason == awaited) {
                reasons.sort();
                return reasons;
            }
            pause(25).await;
        }
        panic!("{awaited} was never told of {kind} {name}: {:#?}", self.events(kind, name).await)
    }

    /// Staging waits, and is judged again with each minute of its soak.
    async fn soaks(&self) {
        let gates = json!([{"healthy": {"for": "3m"}}]);
        let environments = json!([{"name": "dev", "application": "shop-dev"},
            {"name": "staging", "application": "shop-staging", "auto": true, "gates": gates}]);
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        let patch = Patch::Merge(json!({"spec": {"environments": environments}}));
        self.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
    }
}

fn times(reasons: &[String], wanted: &str) -> usize {
    reasons.iter().filter(|reason| *reason == wanted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_a_release_is_told_on_all_that_it_concerns() {
    let world = World::start().await;
    world.soaks().await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    let promotion = world.succeeded("v2").await;
    let (name, release) = (&promotion.metadata.name, &promotion.spec.release);
    assert_eq!(world.reasons("Promotion", name, "Promoted").await, ["Promoted", "PromotionOpened"]);
    let told = world.reasons("Release", release, "Promoted").await;
    for (reason, expected) in [("ReleaseCreated", 1), ("PromotionOpened", 1), ("ReleaseSoaking", 1), ("Promoted", 1)] {
        assert_eq!(times(&told, reason), expected, "{reason}: {told:?}");
    }
    let told = world.reasons("Pipeline", "shop", "Promoted").await;
    assert!(times(&told, "ReleaseCreated") > 0 && times(&told, "Promoted") == 1, "{told:?}");

    let seen = requests::Seen::whole(controller.observed("shop").unwrap());
    let back = requests::roll_back(&controller, &seen, "staging", "tina", "it is slow").await.unwrap();
    world.ended(&back.metadata.name).await;
    world.reasons("Promotion", &back.metadata.name, "RolledBack").await;
    let told = world.reasons("Pipeline", "shop", "EnvironmentPinned").await;
    assert_eq!((times(&told, "ReleaseQuarantined"), times(&told, "RolledBack")), (1, 1), "{told:?}");
    world.reasons("Release", release, "ReleaseQuarantined").await;
    let seen = requests::Seen::whole(controller.observed("shop").unwrap());
    requests::lift(&controller, &seen, release, "tina", "").await.unwrap();
    world.reasons("Release", release, "QuarantineLifted").await;

    let event = world.events("Pipeline", "shop").await.into_iter().find(|e| e["reason"] == "RolledBack").unwrap();
    assert_eq!(event["involvedObject"]["apiVersion"], "gantline.dev/v1alpha1");
    assert_eq!((&event["source"]["component"], &event["type"]), (&json!("gantline"), &json!("Normal")));
    let message = event["message"].as_str().unwrap();
    assert!(message.starts_with("rollback(staging): shop → v1: it is slow, by tina (commit "), "{message}");

    // another process looks at everything: nothing happened
    running.end().await;
    let messages = |events: Vec<Value>| events.into_iter().map(|e| e["metadata"]["name"].to_string()).collect();
    let before: BTreeSet<String> = messages(world.events("Pipeline", "shop").await);
    let again = world.controller(None);
    pause(1500).await;
    again.end().await;
    let after: BTreeSet<String> = messages(world.events("Pipeline", "shop").await);
    assert_eq!(after.difference(&before).count(), 0, "{:#?}", world.events("Pipeline", "shop").await);
}
