//! `values.schema.json`: JSON schema of drafts 4 to 2020-12, without any access to the network or to files.

#[cfg(test)]
mod fuzz;
mod usual;

use std::error::Error;
use std::sync::{Arc, OnceLock};

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use gotemplate::value::{Map, Value};
use serde_json::Value as Json;

use super::error::HelmError;
use super::go_values::to_json;
use super::instance::Instance;
use usual::{Unsure, Usual};

const URL: &str = "file:///values.schema.json";

/// A schema, compiled when that is needed.
pub(crate) struct Schema {
    bytes: Arc<[u8]>,
    usual: Option<Usual>,
    compiled: OnceLock<Compiled>,
}

/// A compiled schema, or why it is none.
type Compiled = Result<(Schemas, SchemaIndex), String>;

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Schema {
    pub(crate) fn new(bytes: &Arc<[u8]>) -> Self {
        let usual = serde_json::from_slice(bytes).ok().and_then(Usual::new);
        Self { bytes: Arc::clone(bytes), usual, compiled: OnceLock::new() }
    }

    /// What is wrong with `values`, a line each; nothing when all is right.
    fn complaints(&self, values: &Map) -> Vec<String> {
        match self.usual.as_ref().map(|schema| schema.fits(values)) {
            Some(Ok(true)) => return Vec::new(),
            Some(Err(Unsure::Endless)) => {
                return vec!["values.schema.json: its schemas apply each other too often to come to an end".to_owned()];
            }
            _ => {}
        }
        let (schemas, index) = match self.compiled.get_or_init(|| compile(&self.bytes)) {
            Ok(compiled) => compiled,
            Err(reason) => return vec![format!("values.schema.json: {reason}")],
        };
        let values = to_json(&Value::Map(values.clone()));
        let mut lines = Vec::new();
        if let Err(error) = schemas.validate(&values, *index) {
            error.causes.iter().for_each(|cause| describe(cause, 0, &mut lines));
        }
        lines
    }
}

fn describe(error: &ValidationError<'_, '_>, depth: usize, lines: &mut Vec<String>) {
    let place = error.instance_location.to_string();
    let place = if place.is_empty() { "the root".to_owned() } else { place.trim_start_matches('/').replace('/', ".") };
    lines.push(format!("{}- {place}: {}", "  ".repeat(depth), complaint(&error.kind)));
    error.causes.iter().for_each(|cause| describe(cause, depth + 1, lines));
}

/// What the schema wants, without the value that is there: it may be a password.
fn complaint(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Pattern { want, .. } => format!("it does not match the pattern {want:?}"),
        ErrorKind::Format { want, .. } => format!("it is no valid {want}"),
        ErrorKind::ContentEncoding { want, .. } => format!("it is not encoded as {want}"),
        ErrorKind::ContentMediaType { want, .. } => format!("it is no {want}"),
        ErrorKind::Minimum { want, .. } => format!("it must be >={want}"),
        ErrorKind::Maximum { want, .. } => format!("it must be <={want}"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("it must be >{want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("it must be <{want}"),
        ErrorKind::MultipleOf { want, .. } => format!("it is no multiple of {want}"),
        // these name fields, types and counts
        other => other.to_string(),
    }
}

fn compile(bytes: &[u8]) -> Compiled {
    let schema: Json = serde_json::from_slice(bytes).map_err(|e| format!("this is no JSON: {e}"))?;
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Offline));
    let mut schemas = Schemas::new();
    compiler.add_resource(URL, schema).map_err(|e| e.to_string())?;
    let index = compiler.compile(URL, &mut schemas).map_err(|e| format!("{e:#}"))?;
    Ok((schemas, index))
}

/// Refuses everything but names without a place, which allow anything as in Helm.
struct Offline;

impl UrlLoader for Offline {
    fn load(&self, url: &str) -> Result<Json, Box<dyn Error>> {
        if url.starts_with("urn:") {
            return Ok(Json::Bool(true));
        }
        Err(format!(
            "$ref points to {url}: schemas are not fetched; copy it into the chart's values.schema.json below \"$defs\", with \"$id\": {url:?}, or skip the validation of schemas"
        )
        .into())
    }
}

/// Checks the values of `root` and of every chart below it.
///
/// # Errors
/// Everything that is wrong, by chart.
pub(crate) fn validate(root: &Instance, values: &Map) -> Result<(), HelmError> {
    let mut lines = Vec::new();
    collect(root, values, &mut lines);
    if lines.is_empty() {
        return Ok(());
    }
    let message = format!("values do not fit the schema of the chart\n{}", lines.join("\n"));
    Err(HelmError::new(message).of_chart(&root.name).in_file(&root.chart.location, 0, 0))
}

fn collect(instance: &Instance, values: &Map, lines: &mut Vec<String>) {
    if let Some(bytes) = &instance.chart.schema {
        let schema: Arc<Schema> = instance.chart.compiled.schema(bytes);
        let complaints = schema.complaints(values);
        if !complaints.is_empty() {
            lines.push(format!("{}:", instance.name));
            lines.extend(complaints);
        }
    }
    for child in &instance.children {
        match values.get(child.name.as_bytes()) {
            Some(Value::Map(inner)) => collect(child, &inner, lines),
            None | Some(Value::Nil) => {}
            Some(other) => {
                lines.push(format!("{}:\n- the root: want a mapping, got {}", child.name, other.type_name()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::go_values::map_from_json;
    use super::*;

    fn check(schema: &str, values: Json, parts: &[&str]) {
        let values = map_from_json(values.as_object().unwrap());
        let complaints = Schema::new(&schema.as_bytes().into()).complaints(&values).join("\n");
        assert_eq!(complaints.is_empty(), parts.is_empty(), "{complaints}");
        assert!(parts.iter().all(|part| complaints.contains(part)), "{complaints}");
    }

    #[test]
    fn values_are_checked() {
        let schema = r#"{"required": ["b"], "properties": {"a": {"type": "integer"}, "p": {"pattern": "^x"}}}"#;
        check(schema, serde_json::json!({"a": 1.0, "b": null}), &[]);
        check(schema, serde_json::json!({"a": 1.5, "p": "y"}), &["- a: ", "- the root: ", "- p: "]);
        let draft7 =
            r#"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"format": "ipv4"}}}"#;
        check(draft7, serde_json::json!({"a": "x"}), &["- a: "]);
        check(r#"{"properties": {"a": {"format": "ipv4"}}}"#, serde_json::json!({"a": "x"}), &[]);
    }

    /// Complaints come into conditions, and values hold passwords.
    #[test]
    fn no_complaint_quotes_a_value() {
        let values = || serde_json::json!({"a": "CANARY", "n": 271_828});
        let quotes = |schema: &str| {
            let complaints = Schema::new(&schema.as_bytes().into())
                .complaints(&map_from_json(values().as_object().unwrap()))
                .join("\n");
            assert!(!complaints.is_empty(), "{schema}");
            assert!(!complaints.contains("CANARY") && !complaints.contains("271828"), "{complaints}");
        };
        for rule in [
            r#""pattern": "^x""#,
            r#""maxLength": 2"#,
            r#""enum": ["x", "y"]"#,
            r#""const": "x""#,
            r#""type": "integer""#,
        ] {
            quotes(&format!(r#"{{"properties": {{"a": {{{rule}}}}}}}"#));
            quotes(&format!(r#"{{"anyOf": [{{"properties": {{"a": {{{rule}}}}}}}]}}"#));
        }
        for rule in [r#""minimum": 300000"#, r#""maximum": 2"#, r#""exclusiveMaximum": 2"#, r#""multipleOf": 7"#] {
            quotes(&format!(r#"{{"properties": {{"n": {{{rule}}}}}}}"#));
        }
        let draft7 =
            r#"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"format": "ipv4"}}}"#;
        quotes(draft7);
    }

    #[test]
    fn schemas_are_never_fetched() {
        let values = || serde_json::json!({"a": 1});
        check(r#"{"$ref": "https://example.com/x.json"}"#, values(), &["https://example.com/x.json", "$defs"]);
        check(r#"{"$ref": "file:///etc/passwd"}"#, values(), &["schemas are not fetched"]);
        check(r#"{"properties": {"a": {"$ref": "urn:x"}}}"#, values(), &[]);
        check("{", values(), &["no JSON"]);
        check(r#"{"type": "other"}"#, values(), &["metaschema"]);
    }
}
