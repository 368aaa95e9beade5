//! The functions Helm's engine binds to a render, but for `include` and `tpl`, which the evaluator runs itself.

use crate::function::{CallError, Context, Function, Param, any, string};
use crate::value::{Map, Value};

type Called = Result<Value, CallError>;

pub(crate) static FUNCTIONS: &[Function] = &[
    Function::new("required", &[Param::String, Param::Any], required),
    Function::new("fail", &[Param::String], fail),
    Function::new("lookup", &[Param::String, Param::String, Param::String, Param::String], lookup),
    Function::new("getHostByName", &[Param::String], no_host),
];

/// The value, or the author's message where it is nil or an empty string.
fn required(arguments: &[Value], context: &mut Context<'_>) -> Called {
    match any(arguments, 1)? {
        Value::Nil => fail(arguments, context),
        Value::String(text) if text.is_empty() => fail(arguments, context),
        value => Ok(value.clone()),
    }
}

fn fail(arguments: &[Value], _: &mut Context<'_>) -> Called {
    Err(CallError::Author(string(arguments, 0)?.to_text().into_owned()))
}

/// Nothing is ever found: there is no cluster in a render.
fn lookup(_: &[Value], context: &mut Context<'_>) -> Called {
    context.effects.lookup = true;
    Ok(Value::Map(Map::default()))
}

/// Helm gives an empty name where DNS is not enabled.
fn no_host(_: &[Value], _: &mut Context<'_>) -> Called {
    Ok(Value::string(""))
}
