//! Object metadata, times and shared serde helpers of the resource types.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields that this version does not know, kept as they came so that writing an object back loses nothing.
pub type Unknown = Map<String, Value>;

/// The part of `metadata` that controllers read; the rest is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    #[serde(skip_serializing_if = "is_default")]
    pub generation: i64,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Not kept: they would be most of what an object takes in memory. A write without them leaves them as they are.
    #[serde(skip_serializing)]
    pub managed_fields: IgnoredAny,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ObjectMeta {
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Kubernetes times: RFC 3339 in UTC with whole seconds.
pub mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&whole_seconds(*time))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    /// The time without its fraction, as Kubernetes stores it.
    pub fn whole_seconds(time: Timestamp) -> Timestamp {
        Timestamp::from_second(time.as_second()).unwrap_or(time)
    }
}

/// As [`time`], for a field that may be absent or null.
pub mod time_option {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::time::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer)
    }
}

/// A digest in a field that is empty or absent where there is none.
pub mod digest_option {
    use object::ImageDigest;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(digest: &Option<ImageDigest>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(digest.as_ref().map_or("", ImageDigest::as_str))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ImageDigest>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Removes nulls from mappings, as a Go client does when it reads into typed fields. Values under `valuesObject` stay:
/// there a null means "remove this default" to Helm.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| if k == "valuesObject" { (k, v) } else { (k, without_nulls(v)) })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Why an object does not have the shape of its kind.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kind} {namespace}/{name} does not have the shape of its kind: {field}: {source}; compare it with the CRD's schema"
)]
pub struct ShapeError {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// Where: `spec.syncPolicy.automated.prune`.
    pub field: String,
    #[source]
    pub source: serde_json::Error,
}

/// A resource of a known kind.
///
/// # Errors
/// When a known field has a wrong type.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, ShapeError> {
    read_ref(&without_nulls(value))
}

/// As [`read`], of what has no nulls.
pub(crate) fn read_ref<T: DeserializeOwned>(value: &Value) -> Result<T, ShapeError> {
    T::deserialize(value).map_err(|source| {
        // once more, as where it is costs time that only this one is worth
        let field = serde_path_to_error::deserialize::<_, T>(value).err().map(|error| error.path().to_string());
        ShapeError::of(value, field.unwrap_or_default(), source)
    })
}

/// The resource as the API server takes it.
pub(crate) fn write(resource: &impl Serialize, api_version: &str, kind: &str) -> Value {
    let mut value = serde_json::to_value(resource).unwrap_or_default();
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    value
}

impl ShapeError {
    fn of(value: &Value, field: String, source: serde_json::Error) -> Self {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            field,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::argocd::Application;

    #[test]
    fn what_is_misshapen_is_named_by_its_place() {
        let check = |spec: Value, expected: &str| {
            let value = json!({ "kind": "Application", "metadata": { "name": "web" }, "spec": spec });
            let said = read::<Application>(value).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        };
        check(
            json!({ "syncPolicy": { "automated": { "prune": "no" } } }),
            "spec.syncPolicy.automated.prune: invalid type",
        );
        check(json!({ "sources": [{}, { "path": 1 }] }), "spec.sources[1].path: invalid type");
        check(json!("x"), "spec: invalid type");
    }
}
