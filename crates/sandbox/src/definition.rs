//! What a CustomResourceDefinition may not say: names that do not fit together, versions, schemas that are not structural.

use serde_json::Value;

use crate::schema::resources::strings;
use crate::status::Cause;
use crate::validate::label_1035_problems;

/// Everything that is wrong with a definition.
pub(crate) fn problems(definition: &Value, found: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    names(definition, found);
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    storage(versions, found);
    for (index, version) in versions.iter().enumerate() {
        // what all versions say alike is told once, for the definition as a whole
        let shared = |part: &str| versions.iter().all(|other| other.get(part) == version.get(part));
        let at = |part: &str, top: &str| {
            if shared(part) { format!("spec.{top}") } else { format!("spec.versions[{index}].{part}") }
        };
        if index > 0 && ["schema", "subresources", "additionalPrinterColumns"].iter().all(|part| shared(part)) {
            continue;
        }
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            root(schema, &format!("{}.openAPIV3Schema", at("schema", "validation")), found);
        } else if version["served"] == true {
            found.push(Cause::required(
                format!("spec.versions[{index}].schema.openAPIV3Schema"),
                "schemas are required",
            ));
        }
        columns(version, &at("additionalPrinterColumns", "additionalPrinterColumns"), found);
        let scale = &version["subresources"]["scale"];
        for path in ["specReplicasPath", "statusReplicasPath", "labelSelectorPath"] {
            let field = format!("{}.scale.{path}", at("subresources", "subresources"));
            if scale[path].as_str().is_some_and(|text| !text.is_empty() && !text.starts_with('.')) {
                found.push(Cause::invalid(field, &scale[path], "must be a simple json path starting with ."));
            }
        }
    }
}

fn names(definition: &Value, found: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let (group, names) = (spec["group"].as_str().unwrap_or_default(), &spec["names"]);
    let plural = names["plural"].as_str().unwrap_or_default();
    if definition["metadata"]["name"] != format!("{plural}.{group}") {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        found.push(Cause::invalid("metadata.name", &definition["metadata"]["name"], detail));
    }
    if group.is_empty() {
        found.push(Cause::required("spec.group", ""));
    } else if !group.contains('.') {
        found.push(Cause::invalid("spec.group", &spec["group"], "should be a domain with at least one dot"));
    }
    let mut check = |field: String, value: &Value, text: &str| {
        found.extend(label_1035_problems(text).iter().map(|detail| Cause::invalid(field.clone(), value, detail)));
    };
    for name in ["plural", "singular"] {
        let text = names[name].as_str().unwrap_or_default();
        if name == "plural" || !text.is_empty() {
            check(format!("spec.names.{name}"), &names[name], text);
        }
    }
    for name in ["kind", "listKind"] {
        let text = names[name].as_str().unwrap_or_default();
        check(format!("spec.names.{name}"), &names[name], &text.to_lowercase());
    }
    for list in ["shortNames", "categories"] {
        for (index, name) in strings(&names[list]).iter().enumerate() {
            check(format!("spec.names.{list}[{index}]"), &Value::from(name.as_str()), name);
        }
    }
}

fn storage(versions: &[Value], found: &mut Vec<Cause>) {
    if versions.iter().filter(|version| version["storage"] == true).count() == 1 {
        return;
    }
    let go = |version: &Value| {
        let flag = |name: &str| version[name] == true;
        let rest = "\"DeprecationWarning\":null,\"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null";
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},{rest}}}",
            version["name"],
            flag("served"),
            flag("storage"),
            flag("deprecated")
        )
    };
    let shown: Vec<String> = versions.iter().map(go).collect();
    let mut invalid = |field: &str, value: &str, detail: &str| {
        let message = format!("Invalid value: {value}: {detail}");
        found.push(Cause { reason: "FieldValueInvalid", message, field: field.to_owned() });
    };
    let list = format!("[{}]", shown.join(","));
    invalid("spec.versions", &list, "must have exactly one version marked as storage version");
    if !versions.iter().any(|version| version["storage"] == true) {
        invalid("status.storedVersions", "null", "must have at least one stored version");
    }
}

fn columns(version: &Value, at: &str, found: &mut Vec<Cause>) {
    for (index, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}[{index}]");
        let types = ["boolean", "date", "integer", "number", "string"];
        if !types.contains(&column["type"].as_str().unwrap_or_default()) {
            let detail = format!("must be one of {}", types.join(","));
            found.push(Cause::invalid(format!("{at}.type"), &column["type"], &detail));
        }
        if !column["jsonPath"].as_str().unwrap_or_default().starts_with('.') {
            let detail = "must be a simple json path starting with .";
            found.push(Cause::invalid(format!("{at}.JSONPath"), &column["jsonPath"], detail));
        }
    }
}

fn root(schema: &Value, at: &str, found: &mut Vec<Cause>) {
    match schema["type"].as_str() {
        Some("object") => {}
        None | Some("") => found.push(Cause::required(format!("{at}.type"), "must not be empty at the root")),
        Some(_) => found.push(Cause::invalid(format!("{at}.type"), &schema["type"], "must be object at the root")),
    }
    let metadata = &schema["properties"]["metadata"];
    let others = metadata["properties"].as_object().into_iter().flatten();
    if others.into_iter().any(|(name, _)| name != "name" && name != "generateName") {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        found.push(Cause::forbidden(format!("{at}.properties[metadata]"), detail));
    }
    value(schema, at, true, "", found);
}

/// `what` names the level in the message: fields or items; empty for the root.
fn value(schema: &Value, at: &str, structural: bool, what: &str, found: &mut Vec<Cause>) {
    if schema.get("$ref").is_some_and(|reference| reference.as_str().is_some_and(|text| !text.is_empty())) {
        found.push(Cause::forbidden(format!("{at}.$ref"), "$ref is not supported"));
        return;
    }
    let free = schema["x-kubernetes-int-or-string"] == true || schema["x-kubernetes-preserve-unknown-fields"] == true;
    let kind = schema["type"].as_str().unwrap_or_default();
    if structural && kind.is_empty() && !free && !what.is_empty() {
        found.push(Cause::required(format!("{at}.type"), &format!("must not be empty for specified {what}")));
    }
    if !structural {
        for forbidden in ["type", "default", "nullable", "additionalProperties"] {
            if schema.get(forbidden).is_some_and(|value| !value.is_null() && *value != false && *value != "") {
                found.push(Cause::forbidden(format!("{at}.{forbidden}"), "must be empty to be structural"));
            }
        }
    }
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| regex::Regex::new(pattern).is_err()) {
        let why = go_regexp_error(pattern);
        let detail = format!("must be a valid regular expression, but isn't: error parsing regexp: {why}");
        found.push(Cause::invalid(format!("{at}.pattern"), &schema["pattern"], &detail));
    }
    if kind == "array" && structural && schema.get("items").is_none() {
        found.push(Cause::required(format!("{at}.items"), "must be specified"));
    }
    list_type(schema, at, found);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        value(property, &format!("{at}.properties[{name}]"), structural, "object fields", found);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        value(items, &format!("{at}.items"), structural, "array items", found);
    }
    if let Some(additional) = schema.get("additionalProperties").filter(|schema| schema.is_object()) {
        value(additional, &format!("{at}.additionalProperties"), structural, "object fields", found);
    }
    let either = schema["x-kubernetes-int-or-string"] == true;
    for junctor in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in schema[junctor].as_array().into_iter().flatten().enumerate() {
            if !(either && junctor != "oneOf") {
                value(inner, &format!("{at}.{junctor}[{index}]"), false, "", found);
            }
        }
    }
    if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
        value(not, &format!("{at}.not"), false, "", found);
    }
}

fn list_type(schema: &Value, at: &str, found: &mut Vec<Cause>) {
    if schema["x-kubernetes-list-type"] != "map" {
        return;
    }
    let keys = strings(&schema["x-kubernetes-list-map-keys"]);
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        found.push(Cause::required(format!("{at}.x-kubernetes-list-map-keys"), detail));
    }
    let items = &schema["items"];
    let required = strings(&items["required"]);
    for key in keys {
        let property = &items["properties"][key.as_str()];
        if property.is_object() && property.get("default").is_none() && !required.contains(&key) {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            found.push(Cause::required(format!("{at}.items.properties[{key}].default"), detail));
        }
    }
}

/// Go's words for the commonest mistakes.
fn go_regexp_error(pattern: &str) -> String {
    let open = pattern.matches('(').count();
    let close = pattern.matches(')').count();
    match open.cmp(&close) {
        std::cmp::Ordering::Greater => format!("missing closing ): `{pattern}`"),
        std::cmp::Ordering::Less => format!("unexpected ): `{pattern}`"),
        std::cmp::Ordering::Equal if pattern.contains('[') && !pattern.contains(']') => {
            format!("missing closing ]: `{}`", pattern.get(pattern.find('[').unwrap_or(0)..).unwrap_or(pattern))
        }
        std::cmp::Ordering::Equal => format!("invalid or unsupported Perl syntax: `{pattern}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(schema: Value) -> Vec<String> {
        let versions =
            json!([{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }]);
        let names = json!({ "plural": "tools", "singular": "tool", "kind": "Tool", "listKind": "ToolList" });
        let definition = json!({ "metadata": { "name": "tools.x.dev" }, "spec": { "group": "x.dev", "names": names, "versions": versions } });
        let mut found = Vec::new();
        problems(&definition, &mut found);
        found.into_iter().map(|cause| cause.field.replace("spec.validation.openAPIV3Schema", "")).collect()
    }

    #[test]
    fn schemas_are_structural() {
        let spec = |spec: Value| json!({ "type": "object", "properties": { "spec": spec } });
        assert_eq!(fields(spec(json!({ "type": "object" }))), Vec::<String>::new());
        assert_eq!(fields(json!({})), [".type"]);
        assert_eq!(fields(spec(json!({ "type": "array" }))), [".properties[spec].items"]);
        assert_eq!(fields(spec(json!({ "$ref": "#/x" }))), [".properties[spec].$ref"]);
        let either =
            json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] });
        assert_eq!(fields(spec(either)), Vec::<String>::new());
        assert_eq!(fields(spec(json!({ "type": "string", "pattern": "(" }))), [".properties[spec].pattern"]);
    }
}
