//! The three kinds of patches that change an object without owning it.

mod json_patch;
mod strategic;

pub(crate) use json_patch::json_patch;
pub(crate) use strategic::strategic_merge;

use serde_json::{Map, Value};

/// RFC 7386.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
