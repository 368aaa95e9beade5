//! Controllers on the real API in memory, on time that moves when told: each test is a story.

mod others;
mod workloads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, ManualClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Simulation;
use crate::api::{Api, Deletion, Patch, Wish};
use crate::body::Validation;
use crate::bootstrap;
use crate::registry::{ImageSource, Registry};
use crate::store::Store;

/// A cluster whose registry stands for all hosts.
pub(super) struct World {
    pub(super) api: Api,
    pub(super) clock: ManualClock,
    pub(super) registry: Registry,
    simulation: Simulation,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = ManualClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let api = Api::new(Store::in_memory(), Arc::new(clock.clone()), Ids::seeded(7));
        bootstrap::run(&api);
        let registry = Registry::in_memory(["*"]);
        registry.push_image("library/web", "1", &BTreeMap::new());
        registry.push_image("library/web", "2", &BTreeMap::new());
        let simulation = Simulation::new(&api);
        let mut world = Self { api, clock, registry, simulation };
        world.settle();
        world
    }

    /// As if the process had ended and begun again on the same store.
    pub(super) fn restart(&mut self) {
        self.simulation = Simulation::new(&self.api);
        self.settle();
    }

    /// Does what is due now.
    pub(super) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 50, "the controllers never come to rest");
            let pulls = self.simulation.run(&self.api, 100);
            for request in &pulls {
                let resolving = self.registry.resolve(&request.image);
                let result = futures::FutureExt::now_or_never(resolving).expect("memory answers at once");
                self.simulation.pulled(request, result, self.clock.now());
            }
            self.simulation.catch_up(&self.api);
            if self.simulation.due(self.clock.now()).is_none_or(|at| at > self.clock.now()) {
                return;
            }
        }
    }

    /// Lets `seconds` pass, stopping wherever something is due.
    pub(super) fn pass(&mut self, seconds: i64) {
        let end = super::plus(self.clock.now(), seconds);
        self.settle();
        while let Some(at) = self.simulation.due(self.clock.now()).filter(|at| *at <= end) {
            self.to(at);
            self.settle();
        }
        self.to(end);
        self.settle();
    }

    fn to(&self, at: Timestamp) {
        let left = at.duration_since(self.clock.now());
        self.clock.advance(Duration::try_from(left).unwrap_or_default());
    }

    fn wish(&self, group: &str, kind: &str, name: &str) -> Wish {
        let resource = self.api.kinds().of_kind(group, kind).unwrap();
        let namespace = if resource.namespaced { "default" } else { "" };
        Wish {
            resource,
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            manager: "test".into(),
            dry_run: false,
            validation: Validation::Strict,
        }
    }

    pub(super) fn create(&mut self, object: Value) -> Arc<Value> {
        let group = object["apiVersion"].as_str().unwrap().rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let mut wish = self.wish(&group, object["kind"].as_str().unwrap(), "");
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            wish.namespace = namespace.to_owned();
        }
        let made = self.api.create(&wish, object).unwrap_or_else(|failure| panic!("{failure:?}")).object;
        self.settle();
        made
    }

    pub(super) fn patch(&mut self, group: &str, kind: &str, name: &str, patch: Value) {
        let wish = self.wish(group, kind, name);
        self.api.patch(&wish, Patch::Merge(patch)).unwrap_or_else(|failure| panic!("{failure:?}"));
        self.settle();
    }

    pub(super) fn delete(&mut self, group: &str, kind: &str, name: &str, propagation: &str) {
        let wish = self.wish(group, kind, name);
        let options = Deletion { propagation: propagation.into(), ..Deletion::default() };
        self.api
            .delete(&wish.resource, &wish.namespace, name, &options)
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        self.settle();
    }

    pub(super) fn get(&self, storage: &str, name: &str) -> Option<Arc<Value>> {
        let all = self.list(storage);
        all.into_iter().find(|object| object["metadata"]["name"] == name)
    }

    pub(super) fn list(&self, storage: &str) -> Vec<Arc<Value>> {
        self.api.store.list(storage, "").0
    }

    /// Messages of the events about objects whose names begin so, oldest first, with their counts.
    pub(super) fn events(&self, about: &str) -> Vec<String> {
        let mut all = self.list("events");
        all.retain(|event| event["involvedObject"]["name"].as_str().unwrap().starts_with(about));
        all.sort_by_key(|event| {
            let version = event["metadata"]["managedFields"][0]["time"].as_str().unwrap_or_default().to_owned();
            (event["firstTimestamp"].as_str().unwrap().to_owned(), version)
        });
        all.iter()
            .map(|e| {
                format!(
                    "{} {} {}",
                    e["type"].as_str().unwrap(),
                    e["reason"].as_str().unwrap(),
                    e["message"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// `Ready=True`-like text of a condition, with its reason.
    pub(super) fn condition(&self, storage: &str, name: &str, kind: &str) -> String {
        let object = self.get(storage, name).unwrap();
        let found =
            object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind).cloned();
        found.map_or(String::new(), |c| {
            format!("{} {}", c["status"].as_str().unwrap(), c["reason"].as_str().unwrap_or_default())
        })
    }
}

pub(super) fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "web", "image": image }] } },
        },
    })
}
