//! JSON: an error of reading is part of the result, one of writing is an empty text.

use crate::function::{CallError, Context, Function, Param, any, string};
use crate::json::{Html, JsonError, decode, encode};
use crate::value::{ElementType, List, Map, MapType, Str, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toJson", &[Param::Any], |args, context| quietly(encoded(args, context))),
    Function::new("mustToJson", &[Param::Any], encoded),
    Function::new("fromJson", &[Param::String], from_json),
    Function::new("fromJsonArray", &[Param::String], from_json_array),
];

fn encoded(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::string(encode(any(args, 0)?, Html::Escaped, None, context)?))
}

/// An empty text in place of an error; limits stay.
pub(super) fn quietly(result: Result<Value, CallError>) -> Result<Value, CallError> {
    match result {
        Err(CallError::Message(_)) => Ok(Value::string("")),
        other => other,
    }
}

/// `{"Error": message}`
pub(super) fn error_map(message: &str) -> Value {
    Value::Map(Map::from_iter([(Str::from("Error"), Value::string(message))]))
}

/// A list of the message alone.
pub(super) fn error_list(message: &str) -> Value {
    Value::list(vec![Value::string(message)])
}

/// The kind of a value in the words of `encoding/json`.
pub(super) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    }
}

/// A text as JSON: the value, and what is wrong with one of its numbers; or the message for a text that is no JSON.
type Decoded = Result<(Value, Option<String>), String>;

fn decoded(args: &[Value], context: &mut Context<'_>) -> Result<Decoded, CallError> {
    match decode(string(args, 0)?.as_bytes(), context) {
        Ok(value) => Ok(Ok((value, None))),
        Err(JsonError::Syntax(message)) => Ok(Err(message)),
        // A number alone is of the wrong type before it is too large.
        Err(JsonError::Range { value: Value::Nil, .. }) => Ok(Ok((Value::float(0.0), None))),
        Err(JsonError::Range { message, value }) => Ok(Ok((value, Some(message)))),
        Err(JsonError::Exceeded(error)) => Err(error),
    }
}

fn mismatch(value: &Value, wanted: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {wanted}", json_kind(value))
}

fn from_json(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok((Value::Map(map), None)) => Value::Map(map),
        Ok((Value::Map(map), Some(message))) => {
            map.insert("Error", Value::string(message));
            Value::Map(map)
        }
        Ok((Value::Nil, _)) => Value::Map(Map::nil(MapType::Any)),
        Ok((other, _)) => error_map(&mismatch(&other, "map[string]interface {}")),
        Err(message) => error_map(&message),
    })
}

fn from_json_array(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok((Value::List(list), None)) => Value::List(list),
        Ok((Value::List(_), Some(message))) | Err(message) => error_list(&message),
        Ok((Value::Nil, _)) => Value::List(List::nil(ElementType::Any)),
        Ok((other, _)) => error_list(&mismatch(&other, "[]interface {}")),
    })
}
