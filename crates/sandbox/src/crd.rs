//! Custom resources: from a CustomResourceDefinition to resources with schemas, and what schemas demand.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::schema::resources::{Resource, Subresource, strings};
use crate::schema::{Field, ListMerge, Object, Schema};
use crate::status::Cause;

/// What a definition says about one version.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) open_api: Value,
    pub(crate) scale: Option<Value>,
    /// Whether the schema fills in anything, also in what was written before it said so.
    pub(crate) defaults: bool,
    /// Fields that lists can be selected by, as `spec.color`.
    pub(crate) selectable: Vec<String>,
    /// What users of the version are told.
    pub(crate) deprecation: Option<String>,
}

/// The resources of one definition, one for each served version.
pub(crate) fn resources(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let names = &spec["names"];
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let make = |version: &Value| {
        let open_api = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or(Value::Null);
        let subresources = &version["subresources"];
        let has_status = subresources.get("status").is_some();
        let scale = subresources.get("scale").cloned();
        let kind = text(names, "kind");
        let verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
        let mut subs = BTreeMap::new();
        let own = |kind: &str, group: &str, version: &str| Subresource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            verbs: ["get", "patch", "update"].map(str::to_owned).to_vec(),
        };
        if has_status {
            subs.insert("status".to_owned(), own(&kind, &text(spec, "group"), &text(version, "name")));
        }
        if scale.is_some() {
            subs.insert("scale".to_owned(), own("Scale", "autoscaling", "v1"));
        }
        Resource {
            group: text(spec, "group"),
            version: text(version, "name"),
            plural: text(names, "plural"),
            singular: text(names, "singular"),
            kind,
            namespaced: spec["scope"] == "Namespaced",
            short_names: strings(&names["shortNames"]),
            categories: strings(&names["categories"]),
            verbs: verbs.map(str::to_owned).to_vec(),
            subresources: subs,
            columns: columns(version),
            schema: root_schema(&open_api),
            hash: hash(definition),
            definition: Some(Arc::new(Definition {
                defaults: open_api.to_string().contains("\"default\":"),
                open_api,
                scale,
                selectable: selectable(version),
                deprecation: deprecation(spec, version),
            })),
        }
    };
    versions.iter().filter(|version| version["served"] == true).map(make).collect()
}

fn selectable(version: &Value) -> Vec<String> {
    let fields = version["selectableFields"].as_array().into_iter().flatten();
    fields.filter_map(|field| Some(field["jsonPath"].as_str()?.trim_start_matches('.').to_owned())).collect()
}

fn deprecation(spec: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    let usual = format!(
        "{}/{} {} is deprecated",
        spec["group"].as_str()?,
        version["name"].as_str()?,
        spec["names"]["kind"].as_str()?
    );
    Some(version["deprecationWarning"].as_str().map_or(usual, str::to_owned))
}

fn hash(definition: &Value) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(definition["metadata"]["name"].as_str().unwrap_or_default());
    base64::engine::general_purpose::STANDARD.encode(digest.get(..8).unwrap_or_default())
}

/// What the columns of ServiceAccounts, which have nothing but a name and an age, say of themselves.
fn described(field: &str) -> String {
    let column = if field == "name" { "Name" } else { "Age" };
    let accounts = crate::schema::resources::BUILT_IN.iter().find(|resource| resource.plural == "serviceaccounts");
    let columns = accounts.map(|resource| resource.columns.as_slice()).unwrap_or_default();
    let found = columns.iter().find(|known| known["name"] == column);
    found.and_then(|known| known["description"].as_str()).unwrap_or_default().to_owned()
}

/// Name, then the version's own columns, else the age.
fn columns(version: &Value) -> Vec<Value> {
    let name = json!({ "name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": described("name") });
    let mut all = vec![name];
    let own = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    for column in &own {
        all.push(json!({
            "name": column["name"], "type": column["type"], "format": column["format"].as_str().unwrap_or_default(),
            "description": column["description"].as_str().map_or_else(
                || format!("Custom resource definition column (in JSONPath format): {}", column["jsonPath"].as_str().unwrap_or_default()),
                str::to_owned),
            "priority": column["priority"].as_i64().unwrap_or(0), "jsonPath": column["jsonPath"],
        }));
    }
    if own.is_empty() {
        all.push(json!({ "name": "Age", "type": "date", "format": "", "priority": 0, "jsonPath": ".metadata.creationTimestamp",
            "description": described("creationTimestamp") }));
    }
    all
}

fn root_schema(open_api: &Value) -> Schema {
    if open_api.is_null() {
        return Schema::Any;
    }
    let mut object = object(open_api);
    let meta = |name: &str| Schema::named(name).unwrap_or(Schema::Any);
    let field =
        |schema: Schema| Field { schema, number: 0, pointer: false, zero_written: false, patch: None, default: None };
    object.fields.insert("apiVersion".into(), field(Schema::String));
    object.fields.insert("kind".into(), field(Schema::String));
    object.fields.insert("metadata".into(), field(meta("meta/v1.ObjectMeta")));
    Schema::Object(Arc::new(object))
}

fn object(schema: &Value) -> Object {
    let mut fields = BTreeMap::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let default = property.get("default").cloned();
        let schema = convert(property);
        fields.insert(
            name.clone(),
            Field { schema, number: 0, pointer: true, zero_written: false, patch: None, default },
        );
    }
    Object {
        name: String::new(),
        fields,
        preserve: schema["x-kubernetes-preserve-unknown-fields"] == true,
        atomic: schema["x-kubernetes-map-type"] == "atomic",
        rules: None,
    }
}

fn convert(schema: &Value) -> Schema {
    if schema["x-kubernetes-int-or-string"] == true {
        return Schema::IntOrString;
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        let mut object = object(schema);
        object.preserve |= schema.get("properties").is_none();
        let text = |schema: Schema| Field {
            schema,
            number: 0,
            pointer: true,
            zero_written: false,
            patch: None,
            default: None,
        };
        object.fields.insert("apiVersion".into(), text(Schema::String));
        object.fields.insert("kind".into(), text(Schema::String));
        object.fields.insert("metadata".into(), text(Schema::named("meta/v1.ObjectMeta").unwrap_or(Schema::Any)));
        return Schema::Object(Arc::new(object));
    }
    match schema["type"].as_str() {
        Some("string") => Schema::String,
        Some("integer") => Schema::Integer,
        Some("number") => Schema::Number,
        Some("boolean") => Schema::Boolean,
        Some("array") => {
            let keys = strings(&schema["x-kubernetes-list-map-keys"]);
            let merge = match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => ListMerge::Map(keys),
                Some("set") => ListMerge::Set,
                _ => ListMerge::Atomic,
            };
            Schema::List { items: Box::new(convert(&schema["items"])), merge }
        }
        Some("object") if schema.get("properties").is_none() && schema["additionalProperties"].is_object() => {
            let atomic = schema["x-kubernetes-map-type"] == "atomic";
            Schema::Map { values: Box::new(convert(&schema["additionalProperties"])), atomic }
        }
        Some("object") => Schema::Object(Arc::new(object(schema))),
        _ => Schema::Any,
    }
}

/// Fills in what a structural schema gives as defaults.
pub(crate) fn fill_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let nullable = property["nullable"] == true;
                let missing = map.get(name).is_none_or(|v| v.is_null() && !nullable);
                if let (true, Some(default)) = (missing, property.get("default")) {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(child) = map.get_mut(name) {
                    fill_defaults(property, child);
                }
            }
            if let Some(additional) = schema.get("additionalProperties").filter(|a| a.is_object()) {
                map.values_mut().for_each(|child| fill_defaults(additional, child));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_defaults(&schema["items"], item)),
        _ => {}
    }
}

/// What a value does not keep of a structural schema.
pub(crate) fn violations(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    if value.is_null() {
        if schema["nullable"] != true && schema.get("type").is_some() {
            found.push(type_error(path, value, schema["type"].as_str().unwrap_or_default()));
        }
        return;
    }
    if !has_type(schema, value) {
        found.push(type_error(path, value, schema["type"].as_str().unwrap_or("integer,string")));
        return;
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !has_format(format, value)) {
        let text = value.as_str().unwrap_or_default();
        found.push(Cause {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {text:?}: {path} in body must be of type {format}: {text:?}"),
            field: path.to_owned(),
        });
    }
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.contains(value)) {
        let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
        found.push(Cause::unsupported(path, value, &known));
    }
    bounds(schema, value, path, found);
    junctors(schema, value, path, found);
    match value {
        Value::Object(map) => object_violations(schema, map, path, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                violations(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// What a value has to be beside its own schema. Where none of several holds, what each misses is named.
fn junctors(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    let misses = |inner: &Value| {
        let mut missed = Vec::new();
        violations(inner, value, path, &mut missed);
        missed
    };
    let all = |junctor: &str| schema[junctor].as_array().map(|inner| inner.iter().map(misses).collect::<Vec<_>>());
    found.extend(all("allOf").unwrap_or_default().concat());
    for (junctor, most, wanted) in
        [("anyOf", usize::MAX, "at least one schema"), ("oneOf", 1, "one and only one schema")]
    {
        let Some(missed) = all(junctor) else { continue };
        let held = missed.iter().filter(|missed| missed.is_empty()).count();
        if (1..=most).contains(&held) {
            continue;
        }
        let valid = if held == 0 { "none" } else { "more than one" };
        let detail = format!("{path:?} must validate {wanted} ({junctor}). Found {valid} valid");
        found.push(Cause::invalid(path, value, &detail));
        found.extend(missed.concat());
    }
    if schema.get("not").is_some_and(|inner| inner.is_object() && misses(inner).is_empty()) {
        found.push(Cause::invalid(path, value, &format!("{path:?} must not validate the schema (not)")));
    }
}

fn object_violations(schema: &Value, map: &Map<String, Value>, path: &str, found: &mut Vec<Cause>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in strings(&schema["required"]) {
        if !map.contains_key(&name) {
            found.push(Cause::required(at(&name), ""));
        }
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        for name in ["apiVersion", "kind"] {
            if map.get(name).is_none_or(|value| value == "") {
                found.push(Cause::required(at(name), ""));
            }
        }
    }
    for (name, child) in map {
        if path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            continue;
        }
        if let Some(property) = schema["properties"].get(name) {
            violations(property, child, &at(name), found);
        } else if let Some(additional) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            violations(additional, child, &at(name), found);
        }
    }
}

fn type_error(path: &str, value: &Value, wanted: &str) -> Cause {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let text = format!("{is:?}");
    Cause {
        reason: "FieldValueTypeInvalid",
        message: format!("Invalid value: {text}: {path} in body must be of type {wanted}: {is:?}"),
        field: path.to_owned(),
    }
}

/// Formats that say something about texts; others hold for everything.
fn has_format(format: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-'),
        _ => true,
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

fn too_many(path: &str, count: u64, maximum: u64) -> Cause {
    let items = if maximum == 1 { "item" } else { "items" };
    let message = format!("Too many: {count}: must have at most {maximum} {items}");
    Cause { reason: "FieldValueTooMany", message, field: path.to_owned() }
}

/// Members of sets, and keys of lists that are maps, are there once.
fn duplicates(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Cause>) {
    let keys = strings(&schema["x-kubernetes-list-map-keys"]);
    let identity = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => {
            let pairs = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
            Some(Value::Object(pairs.collect()))
        }
        _ => None,
    };
    for (index, item) in items.iter().enumerate() {
        let Some(own) = identity(item) else { return };
        if items.iter().take(index).any(|earlier| identity(earlier).as_ref() == Some(&own)) {
            found.push(Cause::duplicate(format!("{path}[{index}]"), &own));
        }
    }
}

fn bounds(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    let mut bad = |detail: String| {
        found.push(Cause::invalid(path, value, &format!("{path} in body {detail}")));
    };
    if let Some(number) = value.as_f64() {
        if let Some(minimum) = schema["minimum"].as_f64().filter(|minimum| number < *minimum) {
            bad(format!("should be greater than or equal to {minimum}"));
        }
        if let Some(maximum) = schema["maximum"].as_f64().filter(|maximum| number > *maximum) {
            bad(format!("should be less than or equal to {maximum}"));
        }
    }
    if let (Some(number), Some(step)) = (value.as_f64(), schema["multipleOf"].as_f64().filter(|step| *step > 0.0)) {
        let times = number / step;
        if (times - times.round()).abs() > 1e-9 {
            bad(format!("should be a multiple of {step}"));
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if let Some(minimum) = schema["minLength"].as_u64().filter(|minimum| length < *minimum) {
            bad(format!("should be at least {minimum} chars long"));
        }
        if let Some(maximum) = schema["maxLength"].as_u64().filter(|maximum| length > *maximum) {
            found.push(Cause {
                reason: "FieldValueTooLong",
                message: format!("Too long: may not be more than {maximum} bytes"),
                field: path.to_owned(),
            });
            return;
        }
        let fails = |pattern: &&str| regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text));
        if let Some(pattern) = schema["pattern"].as_str().filter(fails) {
            bad(format!("should match '{pattern}'"));
        }
    }
    if let Some(map) = value.as_object() {
        let count = map.len() as u64;
        if let Some(maximum) = schema["maxProperties"].as_u64().filter(|maximum| count > *maximum) {
            found.push(too_many(path, count, maximum));
        }
        if let Some(minimum) = schema["minProperties"].as_u64().filter(|minimum| count < *minimum) {
            let detail = format!("{path} in body should have at least {minimum} properties");
            found.push(Cause::invalid(path, value, &detail));
        }
    }
    if let Some(items) = value.as_array() {
        duplicates(schema, items, path, found);
        let count = items.len() as u64;
        if let Some(minimum) = schema["minItems"].as_u64().filter(|minimum| count < *minimum) {
            let detail = format!("{path} in body should have at least {minimum} items");
            found.push(Cause::invalid(path, value, &detail));
        }
        if let Some(maximum) = schema["maxItems"].as_u64().filter(|maximum| count > *maximum) {
            found.push(too_many(path, count, maximum));
        }
    }
}
