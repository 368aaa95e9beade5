//! The annotation in which `kubectl apply` keeps what it applied: it lets `kubectl apply --server-side` take over, and is kept up to date
//! so that one can go back.

use serde_json::{Value, json};

use super::fields::{FieldSet, compare, set_of};
use crate::schema::Schema;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that were applied by the client and are as they were applied.
pub(super) fn fields(schema: &Schema, live: &Value) -> FieldSet {
    let text = live["metadata"]["annotations"][ANNOTATION].as_str();
    let Some(applied) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return FieldSet::default();
    };
    let mut set = set_of(schema, &applied);
    let difference = compare(schema, &applied, live);
    set.subtract(&difference.changed);
    set.subtract(&difference.removed);
    set
}

/// Writes the configuration into the annotation, if there is one. Nobody's ownership changes.
pub(super) fn renew(object: &mut Value, config: &Value) {
    if !object["metadata"]["annotations"][ANNOTATION].is_string() {
        return;
    }
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(ANNOTATION);
        }
    }
    object["metadata"]["annotations"][ANNOTATION] = json!(format!("{config}\n"));
}
