//! The first start, of one and of many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::secret_data;
use clock::{Clock, Ids, ScaledClock};
use cluster::Cluster;
use futures::future::join_all;
use object::ResourceKey;
use serde_json::{Value, json};
use server::people::accounts;

use crate::house::{NAMESPACE, apply, empty_cluster};

const AT_ONCE: usize = 8;

struct Stage {
    cluster: Cluster,
    clock: Arc<dyn Clock>,
}

impl Stage {
    async fn start() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(1.0));
        let cluster = empty_cluster(&clock);
        apply(&cluster, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })).await;
        Self { cluster, clock }
    }

    async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let live = self.cluster.get(&ResourceKey::new("", "Secret", NAMESPACE, name)).await.unwrap();
        live.map(|live| secret_data(live.value())).unwrap_or_default()
    }

    async fn has(&self, name: &str, data: Value) {
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        apply(&self.cluster, json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }))
            .await;
    }

    /// As a process does it, whose ids are its own: what it then believes the accounts are.
    async fn prepare(&self) -> BTreeMap<String, String> {
        accounts::prepare(&self.cluster, NAMESPACE, &*self.clock, &Ids::random()).await.unwrap();
        self.secret("argocd-secret").await
    }

    /// The password that is left belongs to the hash.
    async fn matches(&self) -> bool {
        let password = self.secret("argocd-initial-admin-secret").await.remove("password").unwrap_or_default();
        let hash = self.secret("argocd-secret").await.remove("admin.password").unwrap_or_default();
        tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_start_at_once_one_makes_key_and_password() {
    let old = json!({ "password": "of-a-start-before" });
    for (accounts, initial) in [
        (None, None),
        (Some(json!({})), None),
        (Some(json!({ "server.secretkey": "theirs" })), None),
        (Some(json!({ "server.secretkey": "theirs" })), Some(old.clone())),
        (None, Some(old)),
    ] {
        let what = format!("{accounts:?} {initial:?}");
        let stage = Arc::new(Stage::start().await);
        for (name, data) in [("argocd-secret", &accounts), ("argocd-initial-admin-secret", &initial)] {
            if let Some(data) = data {
                stage.has(name, data.clone()).await;
            }
        }
        let one = |_| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.prepare().await })
        };
        let believed = join_all((0..AT_ONCE).map(one)).await;
        let believed: BTreeSet<_> = believed.into_iter().map(Result::unwrap).collect();
        assert_eq!(believed.len(), 1, "{what}: all go by the same key and password from the start: {believed:?}");
        let last = stage.secret("argocd-secret").await;
        assert_eq!(believed.first(), Some(&last), "{what}: and nobody changes them any more");
        assert!(stage.matches().await, "{what}: the password that is left is that of the hash");
        let password = stage.secret("argocd-initial-admin-secret").await.remove("password");
        assert_ne!(
            password.as_deref(),
            Some("of-a-start-before"),
            "{what}: who takes the hash away wants a new password"
        );
        if let Some(theirs) = accounts.as_ref().and_then(|data| data["server.secretkey"].as_str()) {
            assert_eq!(last["server.secretkey"], theirs, "{what}: a key that is there stays");
        }
    }
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_gone_on_with() {
    let stage = Stage::start().await;
    stage.prepare().await;
    let key = ResourceKey::new("", "Secret", NAMESPACE, "argocd-secret");
    let version = stage.cluster.get(&key).await.unwrap().unwrap().resource_version().to_owned();
    assert_eq!(stage.prepare().await, stage.prepare().await);
    let after = stage.cluster.get(&key).await.unwrap().unwrap();
    assert_eq!(after.resource_version(), version, "what is complete is not written");

    // killed between the two writes: the initial password is there, its hash is not
    let without = json!({ "metadata": { "annotations": {} }, "data": { "admin.password": null } });
    let options = cluster::PatchOptions::default();
    let cut = stage.cluster.patch(&key, &cluster::Patch::Merge(without), options).await.unwrap();
    let marks = json!({ "gantline.dev/made-for": cut.resource_version() });
    let initial = ResourceKey::new("", "Secret", NAMESPACE, "argocd-initial-admin-secret");
    let patch = cluster::Patch::Merge(json!({ "metadata": { "annotations": marks } }));
    stage.cluster.patch(&initial, &patch, cluster::PatchOptions::default()).await.unwrap();
    let left = stage.secret("argocd-initial-admin-secret").await;
    stage.prepare().await;
    assert_eq!(stage.secret("argocd-initial-admin-secret").await, left, "the installer may have read it");
    assert!(stage.matches().await);
}
