//! What is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use object::{LiveObject, ResourceKey};

/// Live objects by key: those that carry an application's marks and those that its manifests name. More does no harm.
#[derive(Debug, Clone, Default)]
pub struct LiveState {
    objects: BTreeMap<ResourceKey, Arc<LiveObject>>,
}

impl LiveState {
    pub fn new(objects: impl IntoIterator<Item = Arc<LiveObject>>) -> Self {
        Self { objects: objects.into_iter().map(|object| (object.key(), object)).collect() }
    }

    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<LiveObject>> {
        self.objects.get(key)
    }

    pub fn insert(&mut self, object: Arc<LiveObject>) {
        self.objects.insert(object.key(), object);
    }

    pub fn remove(&mut self, key: &ResourceKey) {
        self.objects.remove(key);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<LiveObject>> {
        self.objects.values()
    }
}
