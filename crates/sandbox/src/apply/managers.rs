//! `metadata.managedFields`: field managers and what each owns.

use serde_json::{Value, json};

use super::Writer;
use super::fields::FieldSet;

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
        manager.time.clone_from(&writer.time);
    }

    /// Makes `fields` what the writer applied. The time moves only when the set does.
    pub(crate) fn set(&mut self, writer: &Writer, fields: FieldSet) {
        let manager = self.entry(Operation::Apply, writer);
        if manager.fields != fields || manager.api_version != writer.api_version {
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
                time: writer.time.clone(),
                fields: FieldSet::default(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
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
                    "time": manager.time, "fieldsType": "FieldsV1", "fieldsV1": manager.fields.to_value(),
                });
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
