//! The state of the cluster that controllers decide on, indexed as they need it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::fields::{list, uid};
use super::memory::PodMemory;
use crate::store::Key;

/// Objects as of one moment, and what simulated nodes remember about their pods.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    objects: BTreeMap<Key, Arc<Value>>,
    uids: BTreeMap<String, Key>,
    /// Uid of an owner to the objects that name it.
    dependents: BTreeMap<String, BTreeSet<Key>>,
    /// By the pod's uid.
    memories: BTreeMap<String, PodMemory>,
}

impl Snapshot {
    /// Takes in one change.
    pub(crate) fn set(&mut self, key: &Key, current: Option<&Arc<Value>>) {
        let previous = match current {
            Some(object) => self.objects.insert(key.clone(), Arc::clone(object)),
            None => self.objects.remove(key),
        };
        if let Some(previous) = previous {
            self.forget(key, &previous, current.map(|object| uid(object)));
        }
        if let Some(object) = current {
            self.uids.insert(uid(object).to_owned(), key.clone());
            for owner in owners(object) {
                self.dependents.entry(owner.to_owned()).or_default().insert(key.clone());
            }
        }
    }

    fn forget(&mut self, key: &Key, previous: &Value, new_uid: Option<&str>) {
        if new_uid != Some(uid(previous)) {
            self.uids.remove(uid(previous));
            self.memories.remove(uid(previous));
        }
        for owner in owners(previous) {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn find(&self, storage: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(&Key::new(storage, namespace, name))
    }

    /// All objects of a storage, in one namespace or (with an empty name) in all.
    pub(crate) fn list<'s>(&'s self, storage: &str, namespace: &str) -> impl Iterator<Item = &'s Arc<Value>> + use<'s> {
        let start = Key::new(storage, namespace, "");
        let (storage, namespace) = (Arc::clone(&start.storage), namespace.to_owned());
        let inside = move |key: &Key| key.storage == storage && (namespace.is_empty() || key.namespace == namespace);
        self.objects.range(start..).take_while(move |(key, _)| inside(key)).map(|(_, object)| object)
    }

    /// Everything that lies in a namespace.
    pub(crate) fn content<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = (&'s Key, &'s Arc<Value>)> {
        self.objects.iter().filter(move |(key, _)| key.namespace == namespace)
    }

    pub(crate) fn with_uid(&self, uid: &str) -> Option<(&Key, &Arc<Value>)> {
        let key = self.uids.get(uid)?;
        Some((key, self.objects.get(key)?))
    }

    /// The objects that name an owner in their references.
    pub(crate) fn dependents(&self, owner: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let keys = self.dependents.get(owner).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.objects.get(key)?)))
    }

    /// The objects of a storage whose controller is `owner`.
    pub(crate) fn controlled<'s>(&'s self, owner: &str, storage: &str) -> Vec<&'s Arc<Value>> {
        let is_controller = |object: &Value| super::fields::controller(object).is_some_and(|by| by["uid"] == owner);
        self.dependents(owner)
            .filter(|(key, object)| &*key.storage == storage && is_controller(object))
            .map(|(_, o)| o)
            .collect()
    }

    pub(crate) fn memory(&self, pod: &str) -> PodMemory {
        self.memories.get(pod).cloned().unwrap_or_default()
    }

    pub(crate) fn remember(&mut self, pod: &str, memory: PodMemory) {
        self.memories.insert(pod.to_owned(), memory);
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences").iter().filter_map(|owner| owner["uid"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn indexes_follow_changes() {
        let mut view = Snapshot::default();
        let key = Key::new("pods", "a", "p");
        let pod = |owner: &str| {
            let owners = json!([{ "uid": owner, "controller": true }]);
            Arc::new(json!({ "metadata": { "uid": "1", "name": "p", "namespace": "a", "ownerReferences": owners } }))
        };
        view.set(&key, Some(&pod("x")));
        view.set(&key, Some(&pod("y")));
        assert_eq!((view.controlled("x", "pods").len(), view.controlled("y", "pods").len()), (0, 1));
        view.remember("1", PodMemory::default());
        assert_eq!(view.with_uid("1").map(|(key, _)| key.name.as_str()), Some("p"));
        assert_eq!(
            (view.list("pods", "a").count(), view.list("pods", "b").count(), view.list("pods", "").count()),
            (1, 0, 1)
        );
        view.set(&key, None);
        assert!(
            view.with_uid("1").is_none() && view.dependents("y").next().is_none() && view.content("a").next().is_none()
        );
    }
}
