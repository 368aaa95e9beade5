//! What a registry says that tags mean: nothing that is quarantined comes in under another tag, and no tag that moved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use api::argocd::{Application, OperationPhase, OperationState};
use control::Controller;
use control::requests::{Seen, SyncRequest, roll_back, sync};
use object::{ImageRef, ResourceKey};
use sandbox::{ImageError, ImageSource, PulledImage};
use serde_json::json;
use sha2::{Digest, Sha256};
use test_support::{Answer, WebServer};

use crate::fixtures::{apply, pause};
use crate::promotions::{ON_ONE_BRANCH, OVERLAY, Running, World, application};

/// The manifest that is called so; `[2]` is an index of the one that is called 2.
fn manifest(digit: &str) -> String {
    let part = digit.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
    let manifests = part.map(|part| vec![json!({"digest": digest(part)})]);
    json!({"schemaVersion": 2, "annotations": {"called": digit}, "manifests": manifests}).to_string()
}

fn digest(digit: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(manifest(digit))))
}

/// What tags mean: for whoever asks the registry, and for the nodes that pull.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, String>>>);

impl Shelf {
    fn put(&self, tag: &str, digit: &str) {
        self.0.lock().unwrap().insert(tag.to_owned(), digit.to_owned());
    }

    fn manifest(&self, reference: &str) -> Option<String> {
        let all = self.0.lock().unwrap();
        let by_digest = || all.values().find(|digit| digest(digit) == reference);
        all.get(reference).or_else(by_digest).map(|digit| manifest(digit))
    }

    fn get(&self, tag: &str) -> Option<String> {
        self.0.lock().unwrap().get(tag).map(|digit| digest(digit))
    }

    /// With an empty tag all is out.
    fn is_silent(&self) -> bool {
        self.get("").is_some()
    }

    fn serve(&self) -> WebServer {
        let shelf = self.clone();
        WebServer::start(move |request| {
            if shelf.is_silent() {
                std::thread::park_timeout(std::time::Duration::from_secs(60));
            }
            let manifest = request.path.rsplit_once('/').and_then(|(_, reference)| shelf.manifest(reference));
            let Some(text) = manifest else { return Answer::status(404) };
            let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
            Answer::ok(text).header("docker-content-digest", digest)
        })
    }
}

impl ImageSource for Shelf {
    fn resolve<'a>(&'a self, image: &'a str) -> sandbox::Resolving<'a> {
        Box::pin(async move {
            let image: ImageRef = image.parse().map_err(|_| ImageError::Invalid { image: image.to_owned() })?;
            let known = image.digest.map(String::from).or_else(|| self.get(image.tag.as_deref().unwrap_or("latest")));
            Ok(PulledImage { digest: known.unwrap_or_else(|| digest("f")), size: 4096, labels: BTreeMap::new() })
        })
    }
}

/// What somebody was told a moment ago is asked again.
async fn later() {
    pause(500).await;
}

impl World {
    /// With a registry where v1 is 1 and v2 is 2.
    async fn with_registry() -> (Self, Shelf, WebServer) {
        let shelf = Shelf::default();
        [("v1", "1"), ("v2", "2")].iter().for_each(|(tag, digit)| shelf.put(tag, digit));
        let server = shelf.serve();
        let mut world = Self::with_images(&ON_ONE_BRANCH, Arc::new(shelf.clone())).await;
        let mirrors = [("*".to_owned(), server.url())];
        world.registry = Some(git::RegistryClient::new(mirrors.into()).unwrap());
        world.controller_settles().await;
        (world, shelf, server)
    }

    /// Once the last operation of an environment was, with these words.
    async fn refused(&self, environment: &str, words: &str) -> String {
        let key = ResourceKey::new("argoproj.io", "Application", "argocd", format!("shop-{environment}").as_str());
        let mut last = None;
        for _ in 0..400 {
            let live = self.cluster.get(&key).await.unwrap();
            let app = live.map(|live| Application::from_value(live.into_value()).unwrap());
            last = app.and_then(|app| app.status.operation_state);
            let is_refused = |state: &&OperationState| state.phase == OperationPhase::Failed;
            match last.as_ref().filter(is_refused) {
                Some(state) if state.message.contains(words) => return state.message.clone(),
                _ => pause(50).await,
            }
        }
        let last = last.map(|state| (state.phase, state.message));
        panic!("{environment} was never refused with {words:?}: {last:?}")
    }

    async fn runs(&self, environment: &str) -> Option<String> {
        let key = ResourceKey::new("apps", "Deployment", environment, "shop");
        let live = self.cluster.get(&key).await.unwrap()?;
        Some(live.value().pointer("/spec/template/spec/containers/0/image")?.as_str()?.to_owned())
    }
}

/// Whoever writes tags would have a good release fail by it, and be quarantined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_a_tag_that_moved_is_not_written_until_it_means_the_same_again() {
    let (world, shelf, _server) = World::with_registry().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;
    shelf.put("v1", "9");
    let seen = Seen::whole(controller.observed("shop").unwrap());
    let back = roll_back(&controller, &seen, "staging", "tina", "errors").await.unwrap().metadata.name;
    let moved = format!("tag v1 of ghcr.io/acme/shop moved from {}, which ran here, to {}", digest("1"), digest("9"));
    let told =
        async || world.promotions().await.into_iter().find(|it| it.metadata.name == back).unwrap().status.message;
    world.until("refused", async || told().await.contains(&moved)).await;
    assert!(world.repository.text("staging/kustomization.yaml").await.contains("v2"));
    shelf.put("v1", "1");
    world.until("rolled back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v1").await;
    running.end().await;
}

/// Where files say digests, whoever moves a tag moves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_a_digest_goes_on_whatever_its_tag_means() {
    let (world, shelf, _server) = World::with_registry().await;
    let pinned = |digit: &str| OVERLAY.replace("newTag: v1", &format!("digest: {}", digest(digit)));
    let (dev, staging) = (pinned("1"), pinned("1"));
    let files = [("dev/kustomization.yaml", Some(&*dev)), ("staging/kustomization.yaml", Some(&*staging))];
    world.repository.commit("dana", &files, "Write digests").await;
    world.controller_settles().await;
    let (controller, running) = world.asked();
    world.repository.commit("dana", &[("dev/kustomization.yaml", Some(&pinned("2")))], "Build").await;
    let runs = async |digit: &str| world.deployed("staging").await.ends_with(&digest(digit));
    world.until("promoted", async || runs("2").await).await;
    world.until("succeeded", async || world.promotions().await.iter().all(|it| !it.status.phase.is_open())).await;
    shelf.put("v1", "9");
    let seen = Seen::whole(controller.observed("shop").unwrap());
    roll_back(&controller, &seen, "staging", "tina", "errors").await.unwrap();
    world.until("rolled back", async || runs("1").await).await;
    running.end().await;
}

/// A release that is being put there does not fail by it: neither is it an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gates_hold_is_known_as_held_until_something_is_synced() {
    let (world, controller, running) = World::with_v2().await;
    let is_held = || {
        let seen = controller.observed("shop").unwrap();
        seen.place("staging").unwrap().application.as_ref().unwrap().is_held
    };
    assert!(!is_held());
    world.refuses_staging("v9").await;
    world.until("known", async || is_held()).await;
    world.let_past(&controller, &world.application("staging").await).await;
    world.until("in", async || world.deployed("staging").await.ends_with("v9")).await;
    world.until("over", async || !is_held()).await;
    running.end().await;
}

/// v2 was rolled back in staging, and `web` is another Pipeline, whose production was never entered and says `tag`.
async fn never_entered(tag: &str, digit: &str) -> (World, Shelf, WebServer, Controller, Running) {
    let (world, shelf, server) = World::with_registry().await;
    if !digit.is_empty() {
        shelf.put(tag, digit);
    }
    world.write_production(tag).await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;
    let seen = Seen::whole(controller.observed("shop").unwrap());
    roll_back(&controller, &seen, "staging", "tina", "errors").await.unwrap();
    world.until("rolled back", async || world.deployed("staging").await == "ghcr.io/acme/shop:v1").await;
    let environments = json!([{"name": "dev", "application": "shop-dev"},
        {"name": "production", "application": "shop-production"}]);
    let spec = json!({"images": [{"name": "ghcr.io/acme/shop"}], "environments": environments});
    let metadata = json!({"name": "web", "namespace": "argocd"});
    let web = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": metadata, "spec": spec});
    apply(&world.cluster, web).await;
    world.until("there", async || controller.observed("web").is_some()).await;
    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "production"});
    apply(&world.cluster, application("production", json!({"source": source}))).await;
    (world, shelf, server, controller, running)
}

impl World {
    async fn write_production(&self, tag: &str) {
        let overlay = OVERLAY.replace("v1", tag);
        self.repository.commit("mallory", &[("production/kustomization.yaml", Some(&overlay))], "By hand").await;
    }

    /// Whether the Pipeline `web` says of its production that it runs what is quarantined.
    async fn says_quarantined(&self, image: &str) -> bool {
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "web");
        let live = self.cluster.get(&key).await.unwrap().unwrap();
        let said = live.value().pointer("/status/conditions").map(ToString::to_string).unwrap_or_default();
        [image, "which is quarantined", "production runs it"].iter().all(|part| said.contains(part))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_digest_comes_into_no_production_under_another_tag() {
    let (world, _, server, controller, running) = never_entered("stable", "2").await;
    let expected = format!("ghcr.io/acme/shop:stable, which means {}, is quarantined by another Pipeline", digest("2"));
    world.refused("production", &expected).await;
    assert_eq!(world.runs("production").await, None);
    let asked = server.requests().iter().filter(|request| request.path.ends_with("/stable")).count();
    assert!(asked < 10, "a moment ago is now: {asked}");

    // where somebody lets it in all the same, it is said
    let production = Arc::new(world.application("production").await);
    let request = SyncRequest { overrides: vec![Arc::clone(&production)], ..SyncRequest::default() };
    sync(&controller, &production, "otto", request).await.unwrap();
    world.until("in", async || world.runs("production").await.as_deref() == Some("ghcr.io/acme/shop:stable")).await;
    world.until("said", async || world.says_quarantined("shop:stable is v2").await).await;
    running.end().await;
}

/// What somebody let in is the image, and not its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_in_is_held_once_its_tag_moved() {
    let (world, shelf, _server) = World::with_registry().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;
    shelf.put("v9", "9");
    world.refuses_staging("v9").await;
    world.let_past(&controller, &world.application("staging").await).await;
    let is_in = async || world.runs("staging").await.as_deref() == Some("ghcr.io/acme/shop:v9");
    world.until("in", is_in).await;
    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    let again = async |digit: &str| {
        shelf.put("v9", digit);
        later().await;
        world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    };
    again("9").await;
    world.until("healed", is_in).await;
    again("8").await;
    world.refused("staging", "v9 was not").await;
    assert_eq!(world.runs("staging").await, None);
    // as it was it comes in, and where nobody can tell
    shelf.put("v9", "9");
    later().await;
    sync(&controller, &world.application("staging").await, "tina", SyncRequest::default()).await.unwrap();
    world.until("in again", is_in).await;
    shelf.put("", "0");
    again("8").await;
    world.until("healed again", is_in).await;
    running.end().await;
}

/// Whoever writes to a registry makes an index of it, which has another digest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_image_comes_in_wrapped_in_no_index() {
    let (world, shelf, server, controller, running) = never_entered("multi", "[2]").await;
    let expected = format!("ghcr.io/acme/shop:multi, which means {}, is quarantined by another", digest("[2]"));
    world.refused("production", &expected).await;
    // nor where a file says its digest
    let overlay = OVERLAY.replace("newTag: v1", &format!("digest: {}", digest("[2]")));
    let files = [("production/kustomization.yaml", Some(&*overlay))];
    world.repository.commit("mallory", &files, "By hand").await;
    world.refused("production", &format!("shop@{} is quarantined by another Pipeline", digest("[2]"))).await;
    assert_eq!(world.runs("production").await, None);
    // as a release it goes nowhere
    shelf.put("v3", "[2]");
    world.push("v3").await;
    let release = async || controller.stores().releases(Some("shop")).iter().find(|it| it.tag() == "v3").cloned();
    let is_held = async || release().await.is_some_and(|release| release.status.quarantine.is_some());
    world.until("quarantined", is_held).await;
    let parts: Vec<String> = release().await.unwrap().spec.images[0].parts.iter().map(ToString::to_string).collect();
    assert_eq!(parts, [digest("2")]);
    let asked = server.requests().iter().filter(|request| request.path.ends_with(&digest("[2]"))).count();
    assert!(asked < 20, "{asked}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_of_which_nobody_can_tell_what_it_means_waits_where_something_is_quarantined() {
    let (world, shelf, _server, _, running) = never_entered("fine", "").await;
    let why = "nobody can tell what ghcr.io/acme/shop:fine means (ghcr.io/acme/shop:fine does not";
    let waits = async || {
        let state = world.application("production").await.status.operation_state;
        state.is_some_and(|it| it.message.contains(why) && it.message.contains("Retrying attempt"))
    };
    world.until("tried again", waits).await;
    assert_eq!(world.runs("production").await, None);
    // and once it is known it comes in by itself
    shelf.put("fine", "3");
    world.until("in", async || world.runs("production").await.as_deref() == Some("ghcr.io/acme/shop:fine")).await;

    // it moves to what is quarantined, and the next pod has that
    shelf.put("fine", "2");
    let pods = cluster::Scope::namespaced(object::GroupKind::new("", "Pod"), "production");
    for pod in world.cluster.list(&pods).await.unwrap() {
        let key = ResourceKey::new("", "Pod", "production", pod.name());
        world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    }
    world.until("said", async || world.says_quarantined("acme/shop:fine is ").await).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_tag_that_moved_is_held_and_said_and_a_silent_registry_stops_none() {
    let (world, shelf, _server) = World::with_registry().await;
    let (controller, running) = world.asked();
    world.push("v2").await;
    world.succeeded("v2").await;

    shelf.put("v2", "9");
    later().await;
    let key = ResourceKey::new("apps", "Deployment", "staging", "shop");
    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    let moved = format!("ghcr.io/acme/shop:v2 means {} now, and {} was promoted", digest("9"), digest("2"));
    assert!(world.refused("staging", &moved).await.contains("push another tag and promote it"));
    assert_eq!(world.runs("staging").await, None);
    world.until("said", async || world.conditions().await.contains(&format!("staging: {moved}"))).await;

    // nobody says anything about it: what was promoted goes on, and what pods run is said
    shelf.put("", "0");
    let staging = world.application("staging").await;
    later().await;
    sync(&controller, &staging, "otto", SyncRequest::default()).await.unwrap();
    world.until("in", async || world.runs("staging").await.as_deref() == Some("ghcr.io/acme/shop:v2")).await;
    let runs = format!("staging: a pod runs ghcr.io/acme/shop:v2 as {}, and {} was promoted", digest("9"), digest("2"));
    world.until("said", async || world.conditions().await.contains(&runs)).await;
    running.end().await;
}
