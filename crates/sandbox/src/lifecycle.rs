//! How a CustomResourceDefinition begins and ends: what controllers inside the real API server do.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Api, DEFINITIONS, Deletion};
use crate::schema::resources::{Resource, strings};
use crate::status::{Answer, Failure};
use crate::store::{Key, Transaction};

/// Holds a definition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// # Errors
/// 403 when the kind is going away.
pub(crate) fn check_definition(txn: &Transaction<'_>, resource: &Resource, name: &str) -> Answer<()> {
    let definition =
        if resource.is_custom() { txn.get(&Key::new(DEFINITIONS, "", &resource.qualified())) } else { None };
    if definition.is_some_and(|definition| definition["metadata"]["deletionTimestamp"].is_string()) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(Failure::forbidden(resource, name, why));
    }
    Ok(())
}

impl Api {
    /// Accepts a definition's names, as a controller of the API server does a moment after the creation.
    pub(crate) fn establish(&self, resource: &Arc<Resource>, name: &str) {
        let now = self.now();
        let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message });
        let conditions = json!([
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ]);
        let written = self.modify(resource, "", name, "status", "kube-apiserver", |definition| {
            let names = definition["spec"]["names"].clone();
            definition["status"]["acceptedNames"] = names;
            definition["status"]["conditions"] = conditions;
        });
        if let Err(failure) = written {
            tracing::error!(message = failure.message, name, "a definition is not established");
        }
    }

    /// Notes in a definition that it is being deleted, and what that waits for.
    pub(crate) fn mark_terminating(&self, definition: &mut Value) {
        let mut finalizers = strings(&definition["metadata"]["finalizers"]);
        if !finalizers.iter().any(|known| known == CLEANUP) {
            finalizers.push(CLEANUP.to_owned());
        }
        definition["metadata"]["finalizers"] = json!(finalizers);
        let mut conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if !conditions.iter().any(|condition| condition["type"] == "Terminating") {
            conditions.push(json!({
                "type": "Terminating", "status": "True", "lastTransitionTime": self.now(), "reason": "InstanceDeletionPending",
                "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            }));
        }
        definition["status"]["conditions"] = json!(conditions);
    }

    /// Deletes the objects of a definition that is being deleted, and the definition after the last of them. `name` is that of
    /// the definition, or of one of its objects.
    pub(crate) fn end_definition(&self, resource: &Arc<Resource>, name: &str) {
        let name = match resource.kind.as_str() {
            _ if resource.is_custom() => resource.qualified(),
            "CustomResourceDefinition" => name.to_owned(),
            _ => return,
        };
        let definition = self.store.get(&Key::new(DEFINITIONS, "", &name));
        let ends = |definition: &Arc<Value>| definition["metadata"]["deletionTimestamp"].is_string();
        let Some(definition) = definition.filter(ends) else { return };
        let (left, _) = self.store.list(&name, "");
        let kinds = self.kinds();
        if left.is_empty() {
            let Some(resource) = kinds.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") else { return };
            if strings(&definition["metadata"]["finalizers"]).iter().any(|known| known == CLEANUP) {
                self.finish_definition(&resource, &name);
            }
            return;
        }
        let custom = kinds.all().iter().find(|resource| resource.is_custom() && resource.qualified() == name);
        for object in left.iter().filter(|object| !object["metadata"]["deletionTimestamp"].is_string()) {
            let part = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let Some(custom) = custom else { return };
            // each deletion looks again whether it was the last
            if let Err(failure) = self.delete(custom, &part("namespace"), &part("name"), &Deletion::default()) {
                tracing::debug!(message = failure.message, "an object of a definition stays");
            }
        }
    }

    fn finish_definition(&self, resource: &Arc<Resource>, name: &str) {
        let written = self.modify(resource, "", name, "", "kube-apiserver", |definition| {
            let mut finalizers = strings(&definition["metadata"]["finalizers"]);
            finalizers.retain(|finalizer| finalizer != CLEANUP);
            definition["metadata"]["finalizers"] = json!(finalizers);
        });
        if let Err(failure) = written {
            tracing::error!(message = failure.message, name, "a definition does not end");
        }
    }
}
