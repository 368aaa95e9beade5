//! Records that somebody writes past Gantline, or takes away.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use api::argocd::OperationPhase;
use api::gantline::{Promotion, PromotionPhase};
use cluster::{Patch, PatchOptions};
use control::requests::{Seen, roll_back};
use object::ResourceKey;
use promotion::WriteStep;
use serde_json::json;

use crate::fixtures::{apply, pause};
use crate::promotions::{OVERLAY, World, application, kill_at};

/// Writes an object, or a part of its status, as somebody with kubectl does.
pub(crate) async fn by_hand(world: &World, kind: &str, name: &str, patch: serde_json::Value) {
    let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    world.cluster.patch(&key, &Patch::Merge(patch), options).await.unwrap();
}

impl World {
    pub(crate) async fn until_promotion(&self, what: &str, is: impl Fn(&Promotion) -> bool) {
        for _ in 0..400 {
            if self.promotions().await.iter().any(&is) {
                return;
            }
            pause(50).await;
        }
        panic!("never {what}: {:#?}", self.promotions().await);
    }
}

pub(crate) fn is_distrusted(promotion: &Promotion) -> bool {
    promotion.status.phase == PromotionPhase::Failed && promotion.status.message.contains("written past Gantline")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_past_gantline_counts_for_nothing() {
    let world = World::start().await;
    world.controller_settles().await;
    let pin = json!({"digest": format!("sha256:{}", "a".repeat(64)), "by": "mallory", "reason": "mine"});
    let environments = json!([{"name": "staging", "application": "shop-staging", "pinned": pin}]);
    by_hand(&world, "Pipeline", "shop", json!({"status": {"environments": environments}})).await;
    let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
    let patch = Patch::Merge(json!({"spec": {"pins": {"staging": pin}}}));
    world.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
    let controller = world.controller(None);
    world.push("v2").await;
    let first = world.succeeded("v2").await;
    assert!(world.conditions().await.contains("its pin was written past Gantline"));
    let head = async || world.repository.open().head_of("main").await.unwrap();
    let before = head().await;

    // a rollback to a release that never ran there, made with kubectl
    let mut spec = json!(first.spec);
    (spec["rollback"], spec["environment"], spec["replaces"]) = (true.into(), "dev".into(), "shop-v1".into());
    let metadata = json!({"name": "forged", "namespace": "argocd", "labels": {"gantline.dev/pipeline": "shop"}});
    let forged =
        json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Promotion", "metadata": metadata, "spec": spec});
    apply(&world.cluster, forged).await;
    world.until_promotion("refused", |p| p.metadata.name == "forged" && is_distrusted(p)).await;

    // an approval of a ghost, while nobody is there who remembers what was before
    controller.end().await;
    let ghost = json!({"status": {"approvals": [{"user": "ghost", "groups": ["leads"]}]}});
    by_hand(&world, "Promotion", &first.metadata.name, ghost).await;
    // and a release that would have been healthy for years
    let entry = json!({"name": "staging", "phase": "Verified", "healthySince": "2020-01-01T00:00:00Z"});
    by_hand(&world, "Release", &first.spec.release, json!({"status": {"environments": [entry]}})).await;
    let controller = world.controller(None);
    world.until_promotion("distrusted", |p| p.metadata.name == first.metadata.name && is_distrusted(p)).await;
    assert!(world.promotions().await.iter().all(|promotion| promotion.status.approvals.is_empty()));

    // what it said before, with the seal of then
    let before_that = json!({"status": first.status});
    by_hand(&world, "Promotion", &first.metadata.name, before_that).await;
    world.until_promotion("distrusted", |p| p.metadata.name == first.metadata.name && is_distrusted(p)).await;

    let key = ResourceKey::new("gantline.dev", "Release", "argocd", first.spec.release.as_str());
    let reason = async || {
        let live = world.cluster.get(&key).await.unwrap().unwrap();
        live.value().pointer("/status/quarantine/reason").and_then(|why| why.as_str()).unwrap_or_default().to_owned()
    };
    for _ in 0..400 {
        if !reason().await.is_empty() {
            break;
        }
        pause(50).await;
    }
    assert!(reason().await.starts_with("it was written past Gantline"), "{}", reason().await);
    assert_eq!(head().await, before, "nothing was committed by any of it");
    controller.end().await;
}

/// Who runs remembers what was believed last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_is_written_past_gantline_is_set_back_to_what_it_said() {
    let (world, _, running) = World::with_v2().await;
    let done = world.succeeded("v2").await;
    let (promotion, release) = (done.metadata.name.as_str(), done.spec.release.as_str());
    let said = async |kind: &str, name: &str| {
        let mut status = world.record(kind, name).await.unwrap()["status"].take();
        let fields = status.as_object_mut().unwrap();
        fields.remove("seal");
        let writes = fields.remove("writes").and_then(|writes| writes.as_u64()).unwrap_or_default();
        (writes, status)
    };
    let verified = async || said("Release", release).await.1.to_string().matches("Verified").count() == 2;
    world.until("verified", verified).await;
    let old = world.record("Release", release).await.unwrap()["status"].take();
    let forged = [json!({"writes": 999}), json!({"writes": u64::MAX >> 1, "environments": []}), old];
    for (number, patch) in forged.into_iter().enumerate() {
        let before = said("Release", release).await;
        by_hand(&world, "Release", release, json!({"status": patch})).await;
        world.until("set back", async || said("Release", release).await == (before.0 + 1, before.1.clone())).await;
        let told = world.told("Release", "RecordTampered", number).await;
        assert!(told.ends_with("was written past Gantline, and is set back to what it said before"), "{told}");
    }
    let before = said("Promotion", promotion).await;
    let ghost = json!({"approvals": [{"user": "ghost", "groups": ["leads"]}], "phase": "Waiting"});
    by_hand(&world, "Promotion", promotion, json!({"status": ghost})).await;
    world.until("set back", async || said("Promotion", promotion).await == (before.0 + 1, before.1.clone())).await;

    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    world.until("healed", async || world.cluster.get(&key).await.unwrap().is_some()).await;
    assert_eq!(world.deployed("staging").await, "ghcr.io/acme/shop:v2");
    assert_eq!(world.quarantine_of(release).await, "");
    for reason in ["NotPromoted", "ReleaseQuarantined"] {
        assert!(world.events_of("Release", reason).await.is_empty(), "{reason}");
    }
    let writes = said("Promotion", promotion).await.0;
    assert_eq!(writes, before.0 + 1, "set back once");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_only_says_whose_it_is_is_not_believed() {
    let world = World::start().await;
    world.controller_settles().await;
    let killed = Arc::new(AtomicBool::new(false));
    let first = world.controller(Some(kill_at(WriteStep::Claimed, false, &killed)));
    world.push("v2").await;
    tokio::time::timeout(Duration::from_secs(20), first.task).await.expect("it was claimed").ok();
    let claimed = world.promotions().await;
    let claimed = claimed.iter().find(|p| p.status.phase == PromotionPhase::Writing).unwrap();
    let message = format!("promote\n\nPromotion-Id: {}", promotion::promotion_id(claimed));
    world.repository.commit("dana", &[("note.txt", Some("empty"))], &message).await;

    let second = world.controller(None);
    let done = world.succeeded("v2").await;
    assert_eq!(world.repository.text("staging/kustomization.yaml").await, OVERLAY.replace("v1", "v2"));
    let git = world.repository.open();
    let found =
        git.with_trailer("main", promotion::PROMOTION_ID, &promotion::promotion_id(claimed), None).await.unwrap();
    let authors: Vec<&str> = found.iter().map(|commit| commit.author.email.as_str()).collect();
    assert_eq!((authors.len(), authors[0]), (2, "gantline@gantline.dev"), "{authors:?}");
    assert_eq!(done.status.commit, found[0].id.to_string());
    second.end().await;
}

impl World {
    pub(crate) async fn record(&self, kind: &str, name: &str) -> Option<serde_json::Value> {
        let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
        self.cluster.get(&key).await.unwrap().map(object::LiveObject::into_value)
    }

    pub(crate) async fn quarantine_of(&self, release: &str) -> String {
        let reason = |value: serde_json::Value| {
            value.pointer("/status/quarantine/reason").and_then(|why| why.as_str()).map(str::to_owned)
        };
        self.record("Release", release).await.and_then(reason).unwrap_or_default()
    }

    /// With kubectl.
    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let key = ResourceKey::new("gantline.dev", kind, "argocd", name);
        self.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    }

    pub(crate) async fn delete_records(&self) {
        for kind in ["Promotion", "Release"] {
            let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", kind), "argocd");
            for live in self.cluster.list(&scope).await.unwrap() {
                self.delete(kind, live.name()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_outlives_the_release_that_says_it() {
    let (world, controller, running) = World::with_v2().await;
    let bad = world.succeeded("v2").await.spec.release;
    let seen = || Seen::whole(controller.observed("shop").unwrap());
    roll_back(&controller, &seen(), "staging", "tina", "errors").await.unwrap();
    world.until("quarantined", async || world.quarantine_of(&bad).await == "errors").await;
    world.until("rolled back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v1").await;

    let uid = |value: &serde_json::Value| value["metadata"]["uid"].clone();
    let before = uid(&world.record("Release", &bad).await.unwrap());
    world.delete("Release", &bad).await;
    // dev runs it: it is made anew from Git
    let again = async || world.record("Release", &bad).await.is_some_and(|value| uid(&value) != before);
    world.until("made again", again).await;
    world.until("quarantined still", async || world.quarantine_of(&bad).await == "errors").await;
    let refused = control::requests::promote(&controller, &seen(), "staging", &bad, "eve", "").await.unwrap_err();
    assert!(refused.to_string().contains("quarantined by tina: errors"), "{refused}");

    control::requests::lift(&controller, &seen(), &bad, "tina", "it was the network").await.unwrap();
    let lifted = uid(&world.record("Release", &bad).await.unwrap());
    world.delete("Release", &bad).await;
    let again = async || {
        let made = world.record("Release", &bad).await.filter(|value| uid(value) != lifted);
        made.is_some_and(|value| value.pointer("/status/environments/0").is_some())
    };
    world.until("made once more", again).await;
    assert_eq!(world.quarantine_of(&bad).await, "", "what was lifted does not come back");
    running.end().await;
}

/// Within the hour in which the seal of its making would count, also by a process that never saw it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_that_was_deleted_is_not_made_again_as_it_was_made() {
    let (world, controller, running) = World::with_v2().await;
    let seen = Seen::whole(controller.observed("shop").unwrap());
    let back = roll_back(&controller, &seen, "staging", "tina", "errors").await.unwrap().metadata.name;
    world.ended(&back).await;
    let mut was = world.record("Promotion", &back).await.unwrap();
    running.end().await;
    world.delete("Promotion", &back).await;
    was["metadata"] = json!({"name": back, "namespace": "argocd", "labels": was["metadata"]["labels"],
        "annotations": was["metadata"]["annotations"]});
    was.as_object_mut().unwrap().remove("status");
    world.cluster.create(&object::Manifest::new(was).unwrap()).await.unwrap();
    let (_controller, running) = world.asked();
    let told = world.ended(&back).await.status;
    assert!(told.phase == PromotionPhase::Failed && told.message.contains("past Gantline"), "{told:?}");
    running.end().await;
}

/// Records and workload are gone, and an image stands in Git that nobody promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_records_were_deleted_is_not_the_first() {
    let world = World::start().await;
    world.controller_settles().await;
    let first = world.controller(None);
    world.push("v2").await;
    world.succeeded("v2").await;
    first.end().await;
    world.delete_records().await;
    world.write_staging("mallory", "v9").await;
    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();

    let second = world.controller(None);
    let failed = async || {
        let state = world.application("staging").await.status.operation_state;
        state.is_some_and(|state| state.phase == OperationPhase::Failed && state.message.contains("v9 was not"))
    };
    world.until("refused", failed).await;
    second.end().await;
}

/// A process that is killed between the two writes of a record that it makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_a_status_is_sealed_by_who_comes_next() {
    let world = World::start().await;
    world.controller_settles().await;
    let key = ResourceKey::new("", "Secret", "argocd", "gantline-records");
    let secret = world.cluster.get(&key).await.unwrap().unwrap();
    let key = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        secret.value()["data"]["key"].as_str().unwrap(),
    );
    let seal = promotion::Seal::new(key.unwrap());
    let image = json!({"name": "ghcr.io/acme/shop", "tag": "v7", "digest": format!("sha256:{}", "7".repeat(64))});
    let spec = json!({"pipeline": "shop", "images": [image], "source": {"environment": "dev"}});
    let mut other = spec.clone();
    other["images"][0]["digest"] = json!(format!("sha256:{}", "6".repeat(64)));
    let made = |name: &str, spec: &serde_json::Value, seal: String| {
        let metadata = json!({"name": name, "namespace": "argocd", "labels": {"gantline.dev/pipeline": "shop"},
            "annotations": {"gantline.dev/seal": seal}});
        json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Release", "metadata": metadata, "spec": spec})
    };
    let now = world.clock.now();
    let sealed = seal.of_new("Release", "shop-777777777777", &spec, now);
    apply(&world.cluster, made("shop-777777777777", &spec, sealed.clone())).await;
    apply(&world.cluster, made("shop-forged", &other, sealed)).await;
    let running = world.controller(None);
    let sealed = async |name: &str| {
        let value = world.record("Release", name).await.unwrap();
        value.pointer("/status/seal").is_some()
    };
    world.until("sealed", async || sealed("shop-777777777777").await && sealed("shop-forged").await).await;
    assert_eq!(world.quarantine_of("shop-777777777777").await, "");
    assert!(world.quarantine_of("shop-forged").await.starts_with("it was written past Gantline"));
    running.end().await;
}

/// What a ledger says, as text.
async fn ledger(world: &World, pipeline: &str) -> String {
    let mut all = world.cluster.list(&cluster::Scope::namespaced(object::GroupKind::new("", "Secret"), "argocd")).await;
    let all =
        all.as_mut().unwrap().iter().filter_map(|live| live.value().pointer(&format!("/data/{pipeline}")).cloned());
    let texts = all.map(|text| {
        let text = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text.as_str().unwrap()).unwrap();
        String::from_utf8(text).unwrap()
    });
    texts.collect()
}

/// Somebody makes another Pipeline for the same image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_holds_under_every_pipeline_of_the_image() {
    let (world, controller, running) = World::with_v2().await;
    let bad = world.succeeded("v2").await.spec.release;
    let seen = |pipeline: &str| Seen::whole(controller.observed(pipeline).unwrap());
    roll_back(&controller, &seen("shop"), "staging", "tina", "errors").await.unwrap();
    world.until("rolled back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v1").await;

    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "production"});
    apply(&world.cluster, application("production", json!({"source": source}))).await;
    world
        .until("deployed", async || {
            world.application("production").await.status.operation_state.is_some_and(|it| it.phase.completed())
        })
        .await;
    let environments = json!([{"name": "dev", "application": "shop-dev"},
        {"name": "production", "application": "shop-production", "auto": true}]);
    let spec = json!({"images": [{"name": "ghcr.io/acme/shop"}], "environments": environments});
    let metadata = json!({"name": "web", "namespace": "argocd"});
    let web = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": metadata, "spec": spec});
    apply(&world.cluster, web).await;
    let copy = bad.replace("shop-", "web-");
    world.until("held", async || world.quarantine_of(&copy).await == "errors").await;
    let quarantine = world.record("Release", &copy).await.unwrap()["status"]["quarantine"].clone();
    assert_eq!((&quarantine["by"], &quarantine["release"]), (&json!("tina"), &json!(bad)));
    let refused = control::requests::promote(&controller, &seen("web"), "production", &copy, "eve", "").await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("quarantined by tina in Pipeline shop: errors"), "{refused}");
    assert!(!ledger(&world, "web").await.contains("errors"), "it is not its own");

    // nor by hand
    let overlay = OVERLAY.replace("v1", "v2");
    world.repository.commit("mallory", &[("production/kustomization.yaml", Some(&overlay))], "By hand").await;
    let failed = async || {
        let state = world.application("production").await.status.operation_state;
        state.is_some_and(|it| {
            it.phase == OperationPhase::Failed && it.message.contains("quarantined by another Pipeline")
        })
    };
    world.until("refused", failed).await;
    assert_eq!(world.deployed("production").await, "ghcr.io/acme/shop:v1");

    // for this Pipeline alone
    control::requests::lift(&controller, &seen("web"), &copy, "lea", "we looked").await.unwrap();
    world.until("let go", async || world.quarantine_of(&copy).await.is_empty()).await;
    assert!(ledger(&world, "web").await.contains("exempt"));
    assert_eq!(world.quarantine_of(&bad).await, "errors", "where it was made it holds");
    running.end().await;
}

/// What nobody here would write so is set back all the same, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_back_is_written_once() {
    let (world, _, running) = World::with_v2().await;
    let image = |digit: &str| json!({"name": "ghcr.io/acme/shop", "tag": "v7", "digest": format!("sha256:{}", digit.repeat(64))});
    let sources = [("7", json!({})), ("8", json!({"time": "2026-01-02T03:04:05.678901234Z", "people": []}))];
    for (digit, source) in &sources {
        let labels = json!({"gantline.dev/pipeline": "shop"});
        let metadata = json!({"name": format!("shop-{digit}"), "namespace": "argocd", "labels": labels});
        let spec = json!({"pipeline": "shop", "images": [image(digit)], "source": source});
        let kind =
            json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Release", "metadata": metadata, "spec": spec});
        apply(&world.cluster, kind).await;
        let name = format!("shop-{digit}");
        let set_back = async || world.quarantine_of(&name).await.starts_with("it was written past Gantline");
        world.until("set back", set_back).await;
    }
    let versions = async || {
        let mut versions = Vec::new();
        for (digit, _) in &sources {
            let key = ResourceKey::new("gantline.dev", "Release", "argocd", &*format!("shop-{digit}"));
            versions.push(world.cluster.get(&key).await.unwrap().unwrap().resource_version().to_owned());
        }
        versions
    };
    let before = versions().await;
    world.push("v3").await;
    world.succeeded("v3").await;
    assert_eq!(versions().await, before);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_releases_leave_no_trace_in_the_ledger() {
    let (world, _, running) = World::with_v2().await;
    world.until("noted", async || ledger(&world, "shop").await.contains("entered")).await;
    let digits = "7".repeat(64);
    let image = json!({"name": "ghcr.io/acme/shop", "tag": "v7", "digest": format!("sha256:{digits}")});
    let spec = json!({"pipeline": "shop", "images": [image], "source": {"environment": "dev", "author": "nobody"}});
    let metadata =
        json!({"name": "shop-777777777777", "namespace": "argocd", "labels": {"gantline.dev/pipeline": "shop"}});
    let forged = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Release", "metadata": metadata, "spec": spec});
    apply(&world.cluster, forged).await;
    let set_back = async || world.quarantine_of("shop-777777777777").await.starts_with("it was written past Gantline");
    world.until("set back", set_back).await;
    // what comes after it has been looked at with it
    world.push("v3").await;
    world.succeeded("v3").await;
    let said = ledger(&world, "shop").await;
    assert!(!said.contains(&digits[..16]) && !said.contains("nobody"), "{said}");
    running.end().await;
}

/// Beyond a megabyte the API server refuses it, and then nothing goes on in any Pipeline that has its entry there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_secret_of_ledgers_is_almost_full_is_said() {
    let (world, _, running) = World::with_v2().await;
    world.until("noted", async || ledger(&world, "shop").await.contains("entered")).await;
    let key = ResourceKey::new("", "Secret", "argocd", "gantline-ledger-6");
    let write = async |bytes: usize| {
        let text = format!(r#"{{"of a Pipeline that is gone": "{}"}}"#, "x".repeat(bytes));
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        let patch = Patch::Merge(json!({"data": {"gone": text}}));
        world.cluster.patch(&key, &patch, PatchOptions::default()).await.unwrap();
    };
    let is_said = async || world.conditions().await.contains("the Secret gantline-ledger-6 is almost full: 8");
    write(800 * 1024).await;
    world.push("v3").await;
    world.succeeded("v3").await;
    assert!(!is_said().await, "there is room yet");
    write(850 * 1024).await;
    world.push("v4").await;
    world.until("said", is_said).await;
    write(1).await;
    world.push("v5").await;
    world.until("said no more", async || !is_said().await).await;
    running.end().await;
}
