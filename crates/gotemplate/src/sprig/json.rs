//! JSON, as far as Helm does not replace these functions.

use crate::function::{CallError, Context, Function, Param, any, string};
use crate::json::{Html, JsonError, decode, encode};
use crate::value::Value;

const ANY: &[Param] = &[Param::Any];
const STEP: &str = "  ";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toJson", ANY, |args, context| quietly(encoded(args, Html::Escaped, None, context))),
    Function::new("mustToJson", ANY, |args, context| encoded(args, Html::Escaped, None, context)),
    Function::new("toPrettyJson", ANY, |args, context| quietly(encoded(args, Html::Escaped, Some(STEP), context))),
    Function::new("mustToPrettyJson", ANY, |args, context| encoded(args, Html::Escaped, Some(STEP), context)),
    Function::new("toRawJson", ANY, |args, context| encoded(args, Html::Raw, None, context)),
    Function::new("mustToRawJson", ANY, |args, context| encoded(args, Html::Raw, None, context)),
    Function::new("fromJson", &[Param::String], |args, context| match decoded(args, context) {
        Err(CallError::Message(_)) => Ok(Value::Nil),
        other => other,
    }),
    Function::new("mustFromJson", &[Param::String], decoded),
];

fn encoded(
    args: &[Value],
    html: Html,
    indent: Option<&'static str>,
    context: &mut Context<'_>,
) -> Result<Value, CallError> {
    Ok(Value::string(encode(any(args, 0)?, html, indent, context)?))
}

/// An empty text in place of an error; limits stay.
fn quietly(result: Result<Value, CallError>) -> Result<Value, CallError> {
    match result {
        Err(CallError::Message(_)) => Ok(Value::string("")),
        other => other,
    }
}

fn decoded(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    decode(string(args, 0)?.as_bytes(), context).map_err(|error| match error {
        JsonError::Syntax(message) | JsonError::Range { message, .. } => CallError::new(message),
        JsonError::Exceeded(error) => error,
    })
}
