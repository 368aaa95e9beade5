//! Patches: JSON, merge, strategic merge, apply.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Api, Patch, Source, Wish, Written, in_version, remove, text, written, zero_object};
use crate::apply;
use crate::body::{self, Body, Validation};
use crate::patch;
use crate::schema::Schema;
use crate::schema::resources::Resource;
use crate::status::{Answer, Failure};
use crate::store::{Key, Transaction};
use crate::tidy::{Notes, tidy};

impl Api {
    /// # Errors
    /// When it is not there (but for an apply, which creates), or the patch does not fit.
    pub(crate) fn patch(&self, wish: &Wish, patch: Patch) -> Answer<Written> {
        let mut warnings = Vec::new();
        let (object, created) =
            self.store.transact(&*self.clock, |txn| self.patch_in(txn, wish, patch, &mut warnings))?;
        self.after(&wish.resource);
        self.end_definition(&wish.resource, &wish.name);
        if created {
            self.made(wish, &object);
        }
        Ok(written(&wish.resource, object, created, warnings))
    }

    fn patch_in(
        &self,
        txn: &mut Transaction<'_>,
        wish: &Wish,
        patch: Patch,
        warnings: &mut Vec<String>,
    ) -> Answer<(Arc<Value>, bool)> {
        let resource = &wish.resource;
        let key = Key::new(&resource.storage(), &wish.namespace, &wish.name);
        let live = txn.get(&key);
        let Patch::Apply { config, force } = patch else {
            let live = live.ok_or_else(|| Failure::not_found(resource, &wish.name))?;
            let patched = self.patched(resource, &in_version(resource, Arc::clone(&live)), &patch)?;
            let shown = json!(patched.to_string());
            let fitted = body::fitted(resource, patched, wish.validation);
            let Body { value, warnings: said } = fitted.map_err(|failure| failure.of_patch(&shown))?;
            warnings.extend(said);
            return self.replace_in_anyway(txn, wish, &live, value).map(|object| (object, false));
        };
        let mut notes = Notes::default();
        let config = self.checked_config(wish, config, &mut notes)?;
        warnings.extend(notes.unknown.iter().map(|path| format!("unknown field {path:?}")));
        let base = live
            .as_ref()
            .map_or_else(|| zero_object(resource), |live| (*in_version(resource, Arc::clone(live))).clone());
        let schema = &resource.schema;
        let merged = apply::apply(schema, &base, &config, &self.writer(wish), force).map_err(|failure| *failure)?;
        let Body { value, .. } = body::fitted(resource, merged, Validation::Ignore)?;
        match live {
            Some(live) => {
                let mut value = value;
                value["metadata"]["resourceVersion"] = match &config["metadata"]["resourceVersion"] {
                    Value::Null => live["metadata"]["resourceVersion"].clone(),
                    version => version.clone(),
                };
                if config["metadata"]["uid"].is_string() {
                    value["metadata"]["uid"] = config["metadata"]["uid"].clone();
                }
                self.replace_in(txn, wish, &live, value, Source::Apply).map(|object| (object, false))
            }
            None if wish.subresource.is_empty() => {
                let uid = text(&config, "/metadata/uid");
                if !uid.is_empty() {
                    let why = format!(
                        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    );
                    return Err(Failure::conflict(resource, &wish.name, &why));
                }
                let wish = Wish { subresource: "apply".into(), ..wish.clone() };
                self.create_in(txn, &wish, value).map(|object| (object, true))
            }
            None => Err(Failure::not_found(resource, &wish.name)),
        }
    }

    /// A patch without a version wins over whoever wrote meanwhile: there is one writer.
    fn replace_in_anyway(
        &self,
        txn: &mut Transaction<'_>,
        wish: &Wish,
        live: &Arc<Value>,
        mut value: Value,
    ) -> Answer<Arc<Value>> {
        if value["metadata"]["resourceVersion"].is_null() {
            value["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        }
        self.replace_in(txn, wish, live, value, Source::Patch)
    }

    fn patched(&self, resource: &Resource, live: &Value, patch: &Patch) -> Answer<Value> {
        let mut value = live.clone();
        let unprocessable = |_: String| Failure::unprocessable();
        match patch {
            Patch::Json(patch) => patch::json_patch(&mut value, patch).map_err(unprocessable)?,
            Patch::Merge(patch) => patch::merge_patch(&mut value, patch),
            Patch::Strategic(patch) => {
                let bad = |why: String| Failure::new(500, "", why);
                patch::strategic_merge(&resource.schema, &mut value, patch).map_err(bad)?;
            }
            Patch::Apply { .. } => {}
        }
        Ok(value)
    }

    fn checked_config(&self, wish: &Wish, mut config: Value, notes: &mut Notes) -> Answer<Value> {
        let resource = &wish.resource;
        if config["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        if wish.manager.is_empty() {
            return Err(Failure::bad_request("fieldManager is required for apply patch"));
        }
        let (version, kind) = (text(&config, "/apiVersion"), text(&config, "/kind"));
        if version != resource.group_version() || kind != resource.kind {
            let (group, version) = version.split_once('/').unwrap_or(("", &version));
            return Err(Failure::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
        }
        let said = text(&config, "/metadata/namespace");
        self.name(wish, &mut config)?;
        if said.is_empty() {
            // it is that of the request, and not part of what was applied
            remove(&mut config, "metadata", "namespace");
        }
        apply::typed::check(&resource.schema, &config).map_err(|why| {
            let object = format!("{said}/{}; {}/{}, Kind={kind}", wish.name, resource.group, resource.version);
            Failure::new(500, "", format!("failed to create typed patch object ({object}): {why}"))
        })?;
        // only to find what does not fit: ownership is counted from what was written
        let checked = body::fitted(resource, config.clone(), wish.validation)?;
        notes
            .unknown
            .extend(checked.warnings.into_iter().filter_map(|warning| Some(warning.split('"').nth(1)?.to_owned())));
        Ok(canonical(&resource.schema, config, &mut Notes::default()))
    }
}

/// A configuration with values in canonical form but nothing added or left out.
fn canonical(schema: &Schema, value: Value, notes: &mut Notes) -> Value {
    match (schema, value) {
        (Schema::List { items, .. }, Value::Array(list)) => {
            Value::Array(list.into_iter().map(|item| canonical(items, item, notes)).collect())
        }
        (schema, Value::Object(map)) => {
            let field = |name: &str| schema.field(name).cloned();
            let known = |name: &str| matches!(name, "apiVersion" | "kind") || field(name).is_some();
            let kept = map.into_iter().filter(|(name, _)| known(name));
            Value::Object(
                kept.map(|(name, value)| {
                    let child = field(&name).unwrap_or(Schema::Any);
                    let value = canonical(&child, value, notes);
                    (name, value)
                })
                .collect(),
            )
        }
        (Schema::Any, value) => value,
        (schema, value) => tidy(schema, value.clone(), notes).unwrap_or(value),
    }
}
