//! `metadata.managedFields`: field managers and what each owns.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Writer;
use super::fields::FieldSet;

/// How many entries of updates an object keeps apart.
const UPDATERS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    name: String,
    operation: Operation,
    api_version: String,
    subresource: String,
    time: String,
    pub(crate) fields: FieldSet,
}

impl Manager {
    pub(crate) fn is(&self, operation: Operation, writer: &Writer) -> bool {
        let version = operation == Operation::Apply || self.api_version == writer.api_version;
        self.operation == operation && self.name == writer.manager && self.subresource == writer.subresource && version
    }

    /// As conflicts name it: `"kubectl-edit" using apps/v1`.
    pub(crate) fn title(&self) -> String {
        let mut title = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            title.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            title.push_str(&format!(" using {}", self.api_version));
        }
        title
    }
}

/// All entries of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managers(pub(crate) Vec<Manager>);

impl Managers {
    pub(crate) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let read = |entry: &Value| Manager {
            name: text(entry, "manager"),
            operation: if entry["operation"] == "Apply" { Operation::Apply } else { Operation::Update },
            api_version: text(entry, "apiVersion"),
            subresource: text(entry, "subresource"),
            time: text(entry, "time"),
            fields: FieldSet::from_value(&entry["fieldsV1"]),
        };
        Self(entries.into_iter().flatten().filter(|entry| entry["fieldsV1"].is_object()).map(read).collect())
    }

    pub(crate) fn fields_of(&self, operation: Operation, writer: &Writer) -> FieldSet {
        self.0.iter().find(|manager| manager.is(operation, writer)).map(|m| m.fields.clone()).unwrap_or_default()
    }

    /// Adds fields to the writer's updates.
    pub(crate) fn own(&mut self, writer: &Writer, fields: &FieldSet) {
        let manager = self.entry(Operation::Update, writer);
        manager.fields.union(fields);
        // the API server keeps no time for who scales
        if writer.subresource != "scale" {
            manager.time.clone_from(&writer.time);
        }
    }

    /// Makes `fields` what the writer applied. The time moves only when the object `changed`: an entry that never changed
    /// anything has none.
    pub(crate) fn set(&mut self, writer: &Writer, fields: FieldSet, changed: bool) {
        let manager = self.entry(Operation::Apply, writer);
        if changed {
            manager.time.clone_from(&writer.time);
        }
        manager.api_version.clone_from(&writer.api_version);
        manager.fields = fields;
    }

    fn entry(&mut self, operation: Operation, writer: &Writer) -> &mut Manager {
        let index = self.0.iter().position(|manager| manager.is(operation, writer)).unwrap_or_else(|| {
            self.0.push(Manager {
                name: writer.manager.clone(),
                operation,
                api_version: writer.api_version.clone(),
                subresource: writer.subresource.clone(),
                time: String::new(),
                fields: FieldSet::default(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    /// No more than ten updaters: the oldest of a version are put together.
    pub(crate) fn cap(&mut self) {
        let mut updaters: Vec<(String, String, String)> = self
            .0
            .iter()
            .filter(|manager| manager.operation == Operation::Update && !manager.fields.is_empty())
            .map(|manager| (manager.time.clone(), manager.name.clone(), manager.subresource.clone()))
            .collect();
        updaters.sort();
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        let mut left = updaters.len();
        for (_, name, subresource) in updaters {
            if left <= UPDATERS {
                return;
            }
            let same = |m: &Manager| m.operation == Operation::Update && m.name == name && m.subresource == subresource;
            let Some(at) = self.0.iter().position(same) else { continue };
            let version = self.0.get(at).map(|manager| manager.api_version.clone()).unwrap_or_default();
            let Some(bucket) = first.get(&version).copied() else {
                first.insert(version, at);
                continue;
            };
            let merged = std::mem::take(&mut self.0[at].fields);
            let time = self.0[at].time.clone();
            let bucket = &mut self.0[bucket];
            bucket.fields.union(&merged);
            "ancient-changes".clone_into(&mut bucket.name);
            bucket.subresource.clear();
            bucket.time = time;
            left -= 1;
        }
    }

    /// Writes the entries that own something into the object.
    pub(crate) fn write(&self, object: &mut Value) {
        let mut all: Vec<&Manager> = self.0.iter().filter(|manager| !manager.fields.is_empty()).collect();
        // applies first, then by time, as the API server sorts them
        all.sort_by(|a, b| {
            let rank = |m: &Manager| (m.operation == Operation::Update, m.time.clone(), m.name.clone());
            rank(a).cmp(&rank(b))
        });
        let entries: Vec<Value> = all
            .into_iter()
            .map(|manager| {
                let mut entry = json!({
                    "manager": manager.name, "operation": manager.operation.as_str(), "apiVersion": manager.api_version,
                    "fieldsType": "FieldsV1", "fieldsV1": manager.fields.to_value(),
                });
                if !manager.time.is_empty() {
                    entry["time"] = json!(manager.time);
                }
                if !manager.subresource.is_empty() {
                    entry["subresource"] = json!(manager.subresource);
                }
                entry
            })
            .collect();
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), json!(entries));
        }
    }
}
