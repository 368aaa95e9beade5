//! Objects as people and programs write them, and as a cluster holds them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Gvk, ResourceKey};

/// Why a value is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("expected a mapping with apiVersion, kind and metadata, found {0}")]
    NotAnObject(&'static str),
    #[error("{0} is missing or not a text: every object needs apiVersion, kind and metadata.name")]
    Missing(&'static str),
}

/// A desired object: a JSON object that has `apiVersion` and `kind`. It may lack a name (`generateName`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest(Value);

impl Manifest {
    /// # Errors
    /// When the value is no mapping, or lacks `apiVersion` or `kind`.
    pub fn new(value: Value) -> Result<Self, ManifestError> {
        let Value::Object(map) = &value else { return Err(ManifestError::NotAnObject(type_name(&value))) };
        for field in ["apiVersion", "kind"] {
            if map.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(ManifestError::Missing(field));
            }
        }
        Ok(Self(value))
    }

    pub fn value(&self) -> &Value {
        &self.0
    }

    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    pub fn into_value(self) -> Value {
        self.0
    }

    pub fn api_version(&self) -> &str {
        text(&self.0, &["apiVersion"])
    }

    pub fn kind(&self) -> &str {
        text(&self.0, &["kind"])
    }

    pub fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.api_version(), self.kind())
    }

    /// Empty when there is none.
    pub fn name(&self) -> &str {
        text(&self.0, &["metadata", "name"])
    }

    /// Empty when there is none.
    pub fn namespace(&self) -> &str {
        text(&self.0, &["metadata", "namespace"])
    }

    pub fn set_namespace(&mut self, namespace: &str) {
        self.set_metadata("namespace", Value::String(namespace.to_owned()));
    }

    fn set_metadata(&mut self, field: &str, value: Value) {
        let Value::Object(map) = &mut self.0 else { return };
        let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(metadata) = metadata {
            metadata.insert(field.to_owned(), value);
        }
    }

    pub fn key(&self) -> ResourceKey {
        let gvk = self.gvk();
        ResourceKey::new(gvk.group, gvk.kind, self.namespace(), self.name())
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.0.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        texts(self.0.get("metadata").and_then(|m| m.get("labels")))
    }

    pub fn annotations(&self) -> BTreeMap<String, String> {
        texts(self.0.get("metadata").and_then(|m| m.get("annotations")))
    }

    pub fn set_annotation(&mut self, name: &str, value: &str) {
        self.set_metadata_entry("annotations", name, value);
    }

    pub fn set_label(&mut self, name: &str, value: &str) {
        self.set_metadata_entry("labels", name, value);
    }

    fn set_metadata_entry(&mut self, field: &str, name: &str, value: &str) {
        let mut map = match self.0.get("metadata").and_then(|m| m.get(field)) {
            Some(Value::Object(map)) => map.clone(),
            _ => Map::new(),
        };
        map.insert(name.to_owned(), Value::String(value.to_owned()));
        self.set_metadata(field, Value::Object(map));
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    #[serde(default)]
    pub controller: bool,
    #[serde(default)]
    pub block_owner_deletion: bool,
}

/// An object as a cluster holds it: a manifest with server-side metadata and status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LiveObject(Manifest);

impl LiveObject {
    /// # Errors
    /// As [`Manifest::new`].
    pub fn new(value: Value) -> Result<Self, ManifestError> {
        Manifest::new(value).map(Self)
    }

    pub fn uid(&self) -> &str {
        text(self.value(), &["metadata", "uid"])
    }

    pub fn resource_version(&self) -> &str {
        text(self.value(), &["metadata", "resourceVersion"])
    }

    /// The resource version as a number: those of one kind can be compared so (Kubernetes 1.35, KEP-5504); 0 where it is
    /// none.
    pub fn version(&self) -> u128 {
        self.resource_version().parse().unwrap_or_default()
    }

    pub fn generation(&self) -> i64 {
        self.value().pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default()
    }

    pub fn creation_timestamp(&self) -> Option<Timestamp> {
        text(self.value(), &["metadata", "creationTimestamp"]).parse().ok()
    }

    pub fn deletion_timestamp(&self) -> Option<Timestamp> {
        text(self.value(), &["metadata", "deletionTimestamp"]).parse().ok()
    }

    pub fn owner_references(&self) -> Vec<OwnerReference> {
        let list = self.value().pointer("/metadata/ownerReferences").cloned().unwrap_or_default();
        serde_json::from_value(list).unwrap_or_default()
    }

    /// The entries of `metadata.managedFields`, as they are.
    pub fn managed_fields(&self) -> &[Value] {
        self.value().pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn status(&self) -> Option<&Value> {
        self.value().get("status")
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0
    }

    pub fn into_value(self) -> Value {
        self.0.into_value()
    }
}

impl std::ops::Deref for LiveObject {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.0
    }
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(value, |v, key| v.get(key)).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(map)) = value else { return BTreeMap::new() };
    map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
