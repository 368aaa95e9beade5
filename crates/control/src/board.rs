//! Pipelines, Releases and Promotions as they are now, kept current by watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::gantline::{GROUP, Pipeline, Promotion, Release};
use cluster::{Cluster, ClusterError, Scope, WatchEvent};
use object::{GroupKind, LiveObject};
use serde_json::Value;
use tokio::sync::watch;

/// Shared and current. Clones share it.
#[derive(Debug, Clone)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<Kinds>,
    ready: watch::Sender<u8>,
    /// Counts changes.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kinds {
    pipelines: BTreeMap<String, Arc<Pipeline>>,
    releases: BTreeMap<String, Arc<Release>>,
    promotions: BTreeMap<String, Arc<Promotion>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pipeline,
    Release,
    Promotion,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Pipeline, "Pipeline"), (Kind::Release, "Release"), (Kind::Promotion, "Promotion")];

impl Board {
    /// Follows the cluster for as long as the process runs.
    pub(crate) fn follow(cluster: &Cluster, namespace: &str) -> Self {
        let board = Self(Arc::new(Shared {
            state: Mutex::default(),
            ready: watch::Sender::new(0),
            changed: watch::Sender::new(0),
        }));
        for (kind, name) in KINDS {
            let events = cluster.watch(Scope::namespaced(GroupKind::new(GROUP, name), namespace));
            tokio::spawn(board.clone().drive(kind, events));
        }
        board
    }

    async fn drive(self, kind: Kind, mut events: cluster::WatchStream) {
        let mut listed = false;
        while let Some(event) = events.recv().await {
            match event {
                WatchEvent::Listed(all) => {
                    self.state().clear(kind);
                    all.into_iter().for_each(|object| self.state().put(kind, object));
                }
                WatchEvent::Applied(object) => self.state().put(kind, object),
                WatchEvent::Deleted(object) => self.state().remove(kind, object.name()),
                // a kind that is not installed has no objects
                WatchEvent::Lost(ClusterError::UnknownKind { .. }) => {}
                WatchEvent::Lost(error) => {
                    tracing::warn!(%error, "Pipelines, Releases and Promotions may be old");
                    continue;
                }
                WatchEvent::Resumed => continue,
            }
            if !std::mem::replace(&mut listed, true) {
                self.0.ready.send_modify(|count| *count += 1);
            }
            self.0.changed.send_modify(|count| *count += 1);
        }
    }

    pub async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        // the sender lives as long as `self`
        let _ = ready.wait_for(|count| usize::from(*count) >= KINDS.len()).await;
    }

    /// Tells of changes from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Takes a Release from the answer to our own write, so that the next look sees it.
    pub(crate) fn note(&self, object: LiveObject) {
        let kind = match object.gvk().kind.as_str() {
            "Pipeline" => Kind::Pipeline,
            "Release" => Kind::Release,
            _ => Kind::Promotion,
        };
        self.state().put(kind, object);
    }

    fn state(&self) -> MutexGuard<'_, Kinds> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn pipeline(&self, name: &str) -> Option<Arc<Pipeline>> {
        self.state().pipelines.get(name).cloned()
    }

    /// By name.
    pub fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        self.state().pipelines.values().cloned().collect()
    }

    pub fn release(&self, name: &str) -> Option<Arc<Release>> {
        self.state().releases.get(name).cloned()
    }

    /// The newest first.
    pub fn releases(&self, pipeline: Option<&str>) -> Vec<Arc<Release>> {
        let state = self.state();
        let of = |release: &&Arc<Release>| pipeline.is_none_or(|name| release.spec.pipeline == name);
        let mut releases: Vec<Arc<Release>> = state.releases.values().filter(of).cloned().collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.metadata.creation_timestamp));
        releases
    }

    pub fn promotion(&self, name: &str) -> Option<Arc<Promotion>> {
        self.state().promotions.get(name).cloned()
    }

    /// The newest first.
    pub fn promotions(&self, pipeline: Option<&str>) -> Vec<Arc<Promotion>> {
        let state = self.state();
        let of = |promotion: &&Arc<Promotion>| pipeline.is_none_or(|name| promotion.spec.pipeline == name);
        let mut promotions: Vec<Arc<Promotion>> = state.promotions.values().filter(of).cloned().collect();
        promotions.sort_by_key(|promotion| std::cmp::Reverse(promotion.metadata.creation_timestamp));
        promotions
    }
}

impl Kinds {
    fn clear(&mut self, kind: Kind) {
        match kind {
            Kind::Pipeline => self.pipelines.clear(),
            Kind::Release => self.releases.clear(),
            Kind::Promotion => self.promotions.clear(),
        }
    }

    fn put(&mut self, kind: Kind, object: LiveObject) {
        let name = object.name().to_owned();
        let value: Value = object.into_value();
        let result = match kind {
            Kind::Pipeline => Pipeline::from_value(value).map(|it| drop(self.pipelines.insert(name, Arc::new(it)))),
            Kind::Release => Release::from_value(value).map(|it| drop(self.releases.insert(name, Arc::new(it)))),
            Kind::Promotion => Promotion::from_value(value).map(|it| drop(self.promotions.insert(name, Arc::new(it)))),
        };
        if let Err(error) = result {
            tracing::warn!(%error, ?kind, "not shown");
        }
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::Pipeline => drop(self.pipelines.remove(name)),
            Kind::Release => drop(self.releases.remove(name)),
            Kind::Promotion => drop(self.promotions.remove(name)),
        }
    }
}
