//! TOML: an error of reading or writing is part of the result.

use super::json::error_map;
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::toml::{decode, encode};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toToml", &[Param::Any], to_toml),
    Function::new("mustToToml", &[Param::Any], encoded),
    Function::new("fromToml", &[Param::String], from_toml),
];

fn encoded(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = encode(any(args, 0)?, context)?;
    context.allocate(text.len())?;
    Ok(Value::string(text))
}

fn to_toml(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let nil = matches!(any(args, 0)?, Value::Nil);
    match encoded(args, context) {
        Err(CallError::Message(message)) if !nil => Ok(Value::string(message)),
        other => other,
    }
}

fn from_toml(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    match decode(&string(args, 0)?.to_text(), context) {
        Ok(map) => Ok(Value::Map(map)),
        Err(CallError::Message(message)) => Ok(error_map(&message)),
        Err(error) => Err(error),
    }
}
