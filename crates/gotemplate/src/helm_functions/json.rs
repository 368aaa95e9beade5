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

fn decoded(args: &[Value], context: &mut Context<'_>) -> Result<Result<Value, String>, CallError> {
    match decode(string(args, 0)?.as_bytes(), context) {
        Ok(value) => Ok(Ok(value)),
        Err(JsonError::Syntax(message)) => Ok(Err(message)),
        Err(JsonError::Exceeded(error)) => Err(error),
    }
}

fn from_json(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok(value @ Value::Map(_)) => value,
        Ok(Value::Nil) => Value::Map(Map::nil(MapType::Any)),
        Ok(other) => {
            let kind = json_kind(&other);
            error_map(&format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
        Err(message) => error_map(&message),
    })
}

fn from_json_array(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(match decoded(args, context)? {
        Ok(value @ Value::List(_)) => value,
        Ok(Value::Nil) => Value::List(List::nil(ElementType::Any)),
        Ok(other) => {
            let kind = json_kind(&other);
            error_list(&format!("json: cannot unmarshal {kind} into Go value of type []interface {{}}"))
        }
        Err(message) => error_list(&message),
    })
}
