//! Who owns which field: `metadata.managedFields` (structured-merge-diff's `FieldsV1`).

use jiff::Timestamp;
use object::LiveObject;
use serde::Serialize;
use serde_json::{Map, Value};

use super::path::{FieldPath, Step};

/// A manager that set a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldOwner {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    pub time: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Entry<'a> {
    owner: FieldOwner,
    fields: &'a Map<String, Value>,
    status: bool,
}

/// The entries of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManagedFields<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> ManagedFields<'a> {
    pub(crate) fn of(live: &'a LiveObject) -> Self {
        let entries = live.managed_fields().iter().filter_map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            let owner = FieldOwner {
                manager: text("manager").to_owned(),
                operation: text("operation").to_owned(),
                time: text("time").parse().ok(),
            };
            let fields = entry.get("fieldsV1")?.as_object()?;
            Some(Entry { owner, fields, status: text("subresource") == "status" })
        });
        Self { entries: entries.collect() }
    }

    /// The fields that the manager applied; `None` when it never did.
    pub(crate) fn applied_by(&self, manager: &str) -> Option<&'a Map<String, Value>> {
        let own = |e: &&Entry<'_>| e.owner.manager == manager && e.owner.operation == "Apply" && !e.status;
        self.entries.iter().find(own).map(|e| e.fields)
    }

    /// The latest manager other than `ours` that set the field, something in it, or what holds it.
    pub(crate) fn owner_of(&self, path: &FieldPath, ours: &str) -> Option<FieldOwner> {
        let others = self.entries.iter().filter(|e| e.owner.manager != ours && holds(e.fields, &path.0));
        others.max_by_key(|e| e.owner.time).map(|e| e.owner.clone())
    }

    /// Who changed the object last, for fields that are gone: nobody owns what is not there.
    pub(crate) fn last_writer(&self, ours: &str) -> Option<FieldOwner> {
        let others = self.entries.iter().filter(|e| e.owner.manager != ours && !e.status);
        others.max_by_key(|e| e.owner.time).map(|e| e.owner.clone())
    }

    /// All entries, for finding the keys of lists.
    pub(crate) fn list_keys(&self) -> ListKeys<'a> {
        ListKeys { sets: self.entries.iter().map(|e| e.fields).collect() }
    }
}

/// Whether the set holds the field, something inside it, or (as a whole) what it lies in.
fn holds(fields: &Map<String, Value>, path: &[Step]) -> bool {
    let Some((step, rest)) = path.split_first() else { return true };
    let below = fields.iter().find(|(key, _)| names(key, step)).map(|(_, below)| below);
    match below {
        // a leaf of the set that the path goes through: the manager owns the whole value
        Some(Value::Object(below)) if below.is_empty() => true,
        Some(Value::Object(below)) => holds(below, rest),
        _ => false,
    }
}

fn names(key: &str, step: &Step) -> bool {
    match (key.split_once(':'), step) {
        (Some(("f", name)), Step::Field(field)) => name == field,
        (Some(("k", json)), Step::Key(keys)) => {
            let Ok(Value::Object(map)) = serde_json::from_str::<Value>(json) else { return false };
            map.iter().all(|(k, v)| keys.iter().any(|(name, value)| name == k && value == v))
        }
        (Some(("v", json)), Step::Item(value)) => serde_json::from_str::<Value>(json).is_ok_and(|v| v == *value),
        _ => false,
    }
}

/// What the field sets say about lists: which are maps, and by which keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListKeys<'a> {
    sets: Vec<&'a Map<String, Value>>,
}

impl<'a> ListKeys<'a> {
    /// The same, one step further in.
    pub(crate) fn enter(&self, step: &Step) -> Self {
        let below = |set: &&'a Map<String, Value>| {
            let found = set.iter().find(|(key, _)| names(key, step));
            found.and_then(|(_, below)| below.as_object())
        };
        Self { sets: self.sets.iter().filter_map(below).collect() }
    }

    /// The key fields of the list here, when any manager owns an element of it by key.
    pub(crate) fn keys(&self) -> Option<Vec<String>> {
        let json = self.sets.iter().flat_map(|set| set.keys()).find_map(|key| key.strip_prefix("k:"))?;
        let Ok(Value::Object(map)) = serde_json::from_str::<Value>(json) else { return None };
        Some(map.keys().cloned().collect())
    }

    /// Whether the list here is a set of plain values.
    pub(crate) fn is_set(&self) -> bool {
        self.sets.iter().flat_map(|set| set.keys()).any(|key| key.starts_with("v:"))
    }
}
