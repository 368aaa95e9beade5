//! `crds`: OpenAPI definitions whose extensions say where names, labels and annotations stand in custom objects.

use serde_json::Value;

use super::config::{NameReference, TransformerConfig};
use super::fieldspec::FieldSpec;
use super::node::Fault;

/// The fields that the definitions of a file name.
///
/// # Errors
/// When two of them disagree.
pub(crate) fn config(document: &Value) -> Result<TransformerConfig, Fault> {
    let mut config = TransformerConfig::default();
    for (name, api) in document.as_object().into_iter().flatten() {
        let known = properties(api);
        if known.is_some_and(|p| ["kind", "apiVersion", "metadata"].iter().all(|f| p.contains_key(*f))) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let mut own = TransformerConfig::default();
            collect(&mut own, kind, document, name, &mut Vec::new());
            config.merge(&own)?;
        }
    }
    Ok(config)
}

fn properties(api: &Value) -> Option<&serde_json::Map<String, Value>> {
    let schema = api.get("Schema").or_else(|| api.get("schema"))?;
    schema.get("properties")?.as_object()
}

/// Definitions that refer to themselves end here.
const DEPTH_MAX: usize = 32;

fn collect(into: &mut TransformerConfig, kind: &str, document: &Value, name: &str, path: &mut Vec<String>) {
    let Some(known) = document.get(name).and_then(properties).filter(|_| path.len() < DEPTH_MAX) else { return };
    for (field, property) in known {
        path.push(field.clone());
        let text = |extension: &str| property.get(extension).and_then(Value::as_str);
        let spec = |path: &[String]| FieldSpec { kind: kind.to_owned(), path: path.join("/"), ..FieldSpec::default() };
        if text("x-kubernetes-annotation").is_some() {
            into.common_annotations.push(spec(path));
        }
        if text("x-kubernetes-label-selector").is_some() {
            into.common_labels.push(spec(path));
        }
        if text("x-kubernetes-identity").is_some() {
            into.name_prefix.push(spec(path));
        }
        if let (Some(version), Some(target)) =
            (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
        {
            let mut full = path.clone();
            full.push(text("x-kubernetes-object-ref-name-key").unwrap_or("name").to_owned());
            into.name_reference.push(NameReference {
                group: String::new(),
                version: version.to_owned(),
                kind: target.to_owned(),
                field_specs: vec![spec(&full)],
            });
        }
        if let Some(reference) = text("$ref") {
            collect(into, kind, document, reference, path);
        }
        path.pop();
    }
}
