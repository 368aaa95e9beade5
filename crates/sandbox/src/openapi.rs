//! OpenAPI v3, as far as `kubectl apply`, `edit` and `explain` need it: schemas of the kinds, and which of them can be
//! patched with field validation. Descriptions are left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::Api;
use crate::http::Reply;
use crate::request::Incoming;
use crate::schema::resources::Resource;
use crate::schema::{ListMerge, Schema};
use crate::status::{Answer, Failure};

/// # Errors
/// 404 for a group that is not served.
pub(crate) fn route(api: &Api, request: &Incoming) -> Answer<Option<Reply>> {
    let path = request.path.trim_end_matches('/');
    if path == "/openapi/v2" {
        // kubectl asks for it where it checks a List, and leaves what has no schema there to the server
        const MODELS: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        return Ok(Some(Reply::Text(MODELS, String::new())));
    }
    let Some(rest) = path.strip_prefix("/openapi/v3") else { return Ok(None) };
    let text = |value: Value| Ok(Some(Reply::Text("text/plain; charset=utf-8", value.to_string())));
    let kinds = api.kinds();
    if rest.is_empty() {
        let mut paths = Map::new();
        let mut hashes: BTreeMap<String, Sha256> = BTreeMap::new();
        for resource in kinds.all() {
            let at = path_of(resource);
            hashes.entry(at).or_default().update(fingerprint(resource));
        }
        for (at, hash) in hashes {
            let url = format!("/openapi/v3/{at}?hash={}", hex::encode_upper(hash.finalize()));
            paths.insert(at, json!({ "serverRelativeURL": url }));
        }
        let url = format!("/openapi/v3/version?hash={}", hex::encode_upper(Sha256::digest("version")));
        paths.insert("version".to_owned(), json!({ "serverRelativeURL": url }));
        return text(json!({ "paths": paths }));
    }
    let at = rest.trim_start_matches('/');
    let found: Vec<&Resource> = kinds.all().iter().map(|r| &**r).filter(|resource| path_of(resource) == at).collect();
    if found.is_empty() {
        return Err(Failure::no_such_path());
    }
    if found.iter().all(|resource| resource.is_custom()) {
        return Ok(Some(Reply::ok(document(&found))));
    }
    text(document(&found))
}

/// Changes when the schema of a resource does: clients keep documents by their hash.
fn fingerprint(resource: &Resource) -> String {
    let schema = resource.definition.as_ref().map(|definition| definition.open_api.to_string()).unwrap_or_default();
    format!("{}/{}: {schema};", resource.version, resource.kind)
}

fn path_of(resource: &Resource) -> String {
    if resource.group.is_empty() {
        format!("api/{}", resource.version)
    } else {
        format!("apis/{}/{}", resource.group, resource.version)
    }
}

fn document(resources: &[&Resource]) -> Value {
    let mut schemas = BTreeMap::new();
    let mut paths = Map::new();
    for resource in resources {
        let gvk = json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
        let name = match &resource.definition {
            Some(definition) => {
                let name = custom_name(resource);
                let mut schema = if definition.open_api.is_null() {
                    json!({ "type": "object" })
                } else {
                    definition.open_api.clone()
                };
                for field in ["apiVersion", "kind"] {
                    schema["properties"][field] = json!({ "type": "string" });
                }
                let meta = "meta/v1.ObjectMeta";
                schema["properties"]["metadata"] =
                    json!({ "allOf": [{ "$ref": reference(&component(meta)) }], "default": {} });
                Schema::named(meta).into_iter().for_each(|schema| drop(add(&schema, &mut schemas)));
                schemas.insert(name.clone(), schema);
                name
            }
            None => add(&resource.schema, &mut schemas),
        };
        if let Some(schema) = schemas.get_mut(&name) {
            schema["x-kubernetes-group-version-kind"] = json!([gvk]);
            schema["properties"]["apiVersion"] = json!({ "type": "string" });
            schema["properties"]["kind"] = json!({ "type": "string" });
        }
        let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{}/{scope}{}/{{name}}", path_of(resource), resource.plural);
        let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
        let parameters = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);
        let patch = json!({
            "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": gvk,
            "parameters": parameters,
            "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": { "$ref": reference(&name) } } } } },
        });
        let get = json!({ "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk,
            "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": { "$ref": reference(&name) } } } } } });
        paths.insert(path, json!({ "get": get, "patch": patch }));
    }
    json!({ "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "v1.36.3+sandbox" }, "paths": paths,
        "components": { "schemas": schemas } })
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn custom_name(resource: &Resource) -> String {
    let group: Vec<&str> = resource.group.split('.').rev().collect();
    format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
}

/// `core/v1.Pod` is `io.k8s.api.core.v1.Pod`.
fn component(name: &str) -> String {
    let (package, kind) = name.rsplit_once('.').unwrap_or(("", name));
    let package = package.replace('/', ".");
    match package.as_str() {
        "meta.v1" => format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}"),
        "apiextensions.v1" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{kind}"),
        other => format!("io.k8s.api.{other}.{kind}"),
    }
}

/// Adds the schema of a struct and of everything in it; gives its name.
fn add(schema: &Schema, schemas: &mut BTreeMap<String, Value>) -> String {
    let Some(object) = schema.object() else { return String::new() };
    let name = component(&object.name);
    if schemas.contains_key(&name) {
        return name;
    }
    schemas.insert(name.clone(), json!({}));
    let mut properties = Map::new();
    let mut required = BTreeSet::new();
    for (field, declared) in &object.fields {
        let mut property = of(&declared.schema, schemas);
        if let Some(patch) = &declared.patch {
            let mut strategies = Vec::new();
            strategies.extend(patch.merge.then_some("merge"));
            strategies.extend(patch.retain_keys.then_some("retainKeys"));
            property["x-kubernetes-patch-strategy"] = json!(strategies.join(","));
            if !patch.key.is_empty() {
                property["x-kubernetes-patch-merge-key"] = json!(patch.key);
            }
        }
        if declared.zero_written && !matches!(declared.schema, Schema::Named(_)) {
            required.insert(field.clone());
        }
        properties.insert(field.clone(), property);
    }
    let mut value = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        value["required"] = json!(required);
    }
    schemas.insert(name.clone(), value);
    name
}

fn of(schema: &Schema, schemas: &mut BTreeMap<String, Value>) -> Value {
    match schema {
        Schema::String => json!({ "type": "string" }),
        Schema::Integer => json!({ "type": "integer", "format": "int32" }),
        Schema::Number => json!({ "type": "number", "format": "double" }),
        Schema::Boolean => json!({ "type": "boolean" }),
        Schema::IntOrString => json!({ "type": "string", "format": "int-or-string" }),
        Schema::Quantity => json!({ "type": "string" }),
        Schema::Time | Schema::MicroTime => json!({ "type": "string", "format": "date-time" }),
        Schema::Bytes => json!({ "type": "string", "format": "byte" }),
        Schema::Any => json!({ "type": "object" }),
        Schema::Map { values, atomic } => {
            let mut value = json!({ "type": "object", "additionalProperties": of(values, schemas) });
            if *atomic {
                value["x-kubernetes-map-type"] = json!("atomic");
            }
            value
        }
        Schema::List { items, merge } => {
            let mut value = json!({ "type": "array", "items": of(items, schemas) });
            match merge {
                ListMerge::Atomic => value["x-kubernetes-list-type"] = json!("atomic"),
                ListMerge::Set => value["x-kubernetes-list-type"] = json!("set"),
                ListMerge::Map(keys) => {
                    value["x-kubernetes-list-type"] = json!("map");
                    value["x-kubernetes-list-map-keys"] = json!(keys);
                }
            }
            value
        }
        named => json!({ "allOf": [{ "$ref": reference(&add(named, schemas)) }], "default": {} }),
    }
}
