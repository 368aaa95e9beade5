//! YAML: written as `sigs.k8s.io/yaml` (go-yaml v2, by way of JSON) and go-yaml v3 do, read as the former does.

mod node;
mod tree;

use object::yaml;

use super::json::{error_list, error_map, json_kind, quietly};
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::value::{List, Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Param::Any], |args, context| quietly(encoded(args, context))),
    Function::new("mustToYaml", &[Param::Any], encoded),
    Function::new("toYamlPretty", &[Param::Any], |args, context| quietly(pretty(args, context))),
    Function::new("fromYaml", &[Param::String], from_yaml),
    Function::new("fromYamlArray", &[Param::String], from_yaml_array),
];

/// The YAML of a value, with the newline at its end.
pub(crate) fn marshal(value: &Value, context: &mut Context<'_>) -> Result<String, CallError> {
    Ok(yaml::to_string(&tree::of_json(value, context)?))
}

fn encoded(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    trimmed(marshal(any(args, 0)?, context)?, context)
}

fn pretty(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let tree = tree::of_value(any(args, 0)?, context)?;
    trimmed(yaml::to_string_v3(&tree), context)
}

/// The text without one newline at its end.
fn trimmed(mut text: String, context: &mut Context<'_>) -> Result<Value, CallError> {
    context.allocate(text.len())?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Value::string(text))
}

/// Reads the first document; the inner error is a message for the template.
fn decoded(args: &[Value], context: &mut Context<'_>) -> Result<Result<Value, String>, CallError> {
    let text = string(args, 0)?.to_text();
    context.spend(text.len() / 16)?;
    context.allocate(text.len())?;
    let node = match yaml::parse_first(&text) {
        Ok(Some(node)) => node,
        Ok(None) => return Ok(Ok(Value::Nil)),
        Err(error) => return Ok(Err(format!("error converting YAML to JSON: {error}"))),
    };
    match node::value(&node, context) {
        Ok(value) => Ok(Ok(value)),
        Err(CallError::Message(message)) => Ok(Err(format!("error converting YAML to JSON: {message}"))),
        Err(error) => Err(error),
    }
}

fn mismatch(value: &Value, wanted: &str) -> String {
    let kind = json_kind(value);
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type {wanted}"
    )
}

fn from_yaml(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok(value @ Value::Map(_)) => value,
        Ok(Value::Nil) => Value::Map(Map::default()),
        Ok(other) => error_map(&mismatch(&other, "map[string]interface {}")),
        Err(message) => error_map(&message),
    })
}

fn from_yaml_array(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok(value @ Value::List(_)) => value,
        Ok(Value::Nil) => Value::List(List::default()),
        Ok(other) => error_list(&mismatch(&other, "[]interface {}")),
        Err(message) => error_list(&message),
    })
}
