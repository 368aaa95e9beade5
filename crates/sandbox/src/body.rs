//! Bodies of requests: JSON, YAML or protobuf, tidied, with what strict decoding has to say about them.

use object::yaml;
use serde_json::Value;

use crate::duplicates;
use crate::protobuf;
use crate::request::Incoming;
use crate::schema::Schema;
use crate::schema::resources::Resource;
use crate::status::{Answer, Failure};
use crate::tidy::{Notes, tidy};

/// How unknown and duplicate fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Validation {
    /// # Errors
    /// 422 for other words.
    pub(crate) fn of(request: &Incoming) -> Answer<Self> {
        match request.option("fieldValidation") {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            other => {
                let message = format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
                );
                Err(Failure::new(422, "Invalid", message))
            }
        }
    }
}

/// A decoded object, and the warnings to send along.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) value: Value,
    pub(crate) warnings: Vec<String>,
}

/// The value of a body, not tidied yet.
///
/// # Errors
/// 400 for what cannot be read, 415 for other media types.
pub(crate) fn raw(request: &Incoming, schema: &Schema) -> Answer<Value> {
    match request.content_type() {
        "application/vnd.kubernetes.protobuf" => {
            let bad =
                || Failure::bad_request("couldn't decode the protobuf body: it does not have the form of its kind");
            let (api_version, kind, message) = protobuf::envelope(&request.body).ok_or_else(bad)?;
            let mut value = protobuf::decode(schema, &message, 0).ok_or_else(bad)?;
            value["apiVersion"] = api_version.into();
            value["kind"] = kind.into();
            Ok(value)
        }
        "application/yaml" | "application/x-yaml" => from_yaml(&request.body),
        "application/json" | "" | "application/x-www-form-urlencoded" => from_json(&request.body),
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/json, application/yaml, application/vnd.kubernetes.protobuf";
            Err(Failure::new(415, "UnsupportedMediaType", message))
        }
    }
}

/// What to warn of: keys that stand in the body twice.
///
/// # Errors
/// 400 when validation is strict and there are any.
pub(crate) fn repeated(
    request: &Incoming,
    resource: &Resource,
    value: &Value,
    validation: Validation,
) -> Answer<Vec<String>> {
    let found = match request.content_type() {
        _ if validation == Validation::Ignore => Vec::new(),
        "application/vnd.kubernetes.protobuf" => Vec::new(),
        "application/yaml" | "application/x-yaml" => {
            let nodes = yaml::parse(&String::from_utf8_lossy(&request.body)).unwrap_or_default();
            nodes.first().map(duplicates::in_yaml).unwrap_or_default()
        }
        _ => duplicates::in_json(&request.body),
    };
    if validation == Validation::Warn || found.is_empty() {
        return Ok(found);
    }
    let unknown = fitted(resource, value.clone(), Validation::Warn)?.warnings;
    Err(strict(resource, &[found, unknown].concat()))
}

fn strict(resource: &Resource, messages: &[String]) -> Failure {
    let (kind, version) = (&resource.kind, &resource.version);
    let why = format!("strict decoding error: {}", messages.join(", "));
    Failure::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}

pub(crate) fn from_json(body: &[u8]) -> Answer<Value> {
    let bad = |error: String| Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"));
    let value: Value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let is = match &value {
        Value::Object(_) => return Ok(value),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
    };
    let what = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
    Err(bad(format!("json: cannot unmarshal {is} into Go value of type {what}")))
}

pub(crate) fn from_yaml(body: &[u8]) -> Answer<Value> {
    let text = String::from_utf8_lossy(body);
    let documents = yaml::documents(&text, yaml::Dialect::Kubernetes);
    let bad = |error: String| Failure::bad_request(format!("error decoding YAML: {error}"));
    let documents = documents.map_err(|error| {
        bad(format!(
            "error converting YAML to JSON: yaml: line {}: {}",
            error.mark.line.saturating_sub(1).max(1),
            error.reason
        ))
    })?;
    let value = documents.into_iter().next().map_or(Value::Null, |document| document.value);
    let is = match &value {
        Value::Object(_) => return Ok(value),
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    let what = "Go value of type map[string]interface {}";
    Err(bad(format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {is} into {what}")))
}

/// The body of a JSON patch, which is a list, or of a merge patch, which is a map.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn patch(body: &[u8], list: bool) -> Answer<Value> {
    let bad = |error: String| Failure::bad_request(format!("error decoding patch: {error}"));
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        bad(if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() })
    })?;
    let is = match &value {
        Value::Array(_) if list => return Ok(value),
        Value::Object(_) if !list => return Ok(value),
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    };
    let wanted = if list { "[]handlers.jsonPatchOp" } else { "map[string]interface {}" };
    Err(bad(format!("json: cannot unmarshal {is} into Go value of type {wanted}")))
}

/// Makes a value what Go's struct would hold.
///
/// # Errors
/// 400 when a value does not fit, or when validation is strict and fields are not known.
pub(crate) fn fitted(resource: &Resource, value: Value, validation: Validation) -> Answer<Body> {
    let mut notes = Notes::default();
    let kind = resource.kind.clone();
    let handled = |why: String| {
        let version = resource.group_version();
        let short = version.rsplit('/').next().unwrap_or(&version).to_owned();
        Failure::bad_request(format!("{kind} in version {short:?} cannot be handled as a {kind}: {why}"))
    };
    let value = tidy(&resource.schema, value, &mut notes).map_err(|mismatch| {
        let go = mismatch.0.starts_with("cannot unmarshal");
        handled(if go { format!("json: {}", mismatch.0) } else { mismatch.0 })
    })?;
    let messages: Vec<String> = notes.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    if validation == Validation::Strict && !messages.is_empty() {
        return Err(strict(resource, &messages));
    }
    let warnings = if validation == Validation::Ignore { Vec::new() } else { messages };
    Ok(Body { value, warnings })
}
