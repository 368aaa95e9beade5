//! Which resources are served now: the built-in ones and those of established definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::crd;
use crate::schema::resources::{BUILT_IN, Resource};

/// A version's name and its resources.
pub(crate) type Version = (String, Vec<Arc<Resource>>);

/// A snapshot; made anew when a definition changes.
#[derive(Debug, Clone)]
pub(crate) struct Kinds {
    all: Vec<Arc<Resource>>,
}

impl Kinds {
    /// `definitions` are CustomResourceDefinition objects; those that are not established are not served.
    pub(crate) fn new<'d>(definitions: impl Iterator<Item = &'d Value>) -> Self {
        let mut all: Vec<Arc<Resource>> = BUILT_IN.clone();
        for definition in definitions.filter(|definition| condition(definition, "Established")) {
            all.extend(crd::resources(definition).into_iter().map(Arc::new));
        }
        Self { all }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.all.iter().find(|r| r.group == group && r.version == version && r.plural == plural).cloned()
    }

    /// The resource of a kind, in its first version.
    pub(crate) fn of_kind(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        self.all.iter().find(|r| r.group == group && r.kind == kind).cloned()
    }

    /// The first version that is kept there.
    pub(crate) fn with_storage(&self, storage: &str) -> Option<Arc<Resource>> {
        self.all.iter().find(|r| r.storage() == storage).cloned()
    }

    pub(crate) fn all(&self) -> &[Arc<Resource>] {
        &self.all
    }

    /// Groups with their versions in order of preference, each with its resources.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<Version>)> {
        let mut groups: Vec<(String, Vec<Version>)> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        for resource in &self.all {
            let at = *index.entry(resource.group.clone()).or_insert_with(|| {
                groups.push((resource.group.clone(), Vec::new()));
                groups.len() - 1
            });
            let Some((_, versions)) = groups.get_mut(at) else { continue };
            match versions.iter_mut().find(|(version, _)| *version == resource.version) {
                Some((_, resources)) => resources.push(Arc::clone(resource)),
                None => versions.push((resource.version.clone(), vec![Arc::clone(resource)])),
            }
        }
        groups
    }
}

/// Whether a condition of an object is true.
pub(crate) fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}
