//! Types and kinds of values.

use crate::deep;
use crate::function::{CallError, Context, Function, Param, any, string};
use crate::value::Value;

const NAME_AND_VALUE: &[Param] = &[Param::String, Param::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[Param::Any], |args, _| Ok(Value::string(any(args, 0)?.type_name()))),
    Function::new("typeIs", NAME_AND_VALUE, |args, _| Ok(Value::Bool(is_type(args)?))),
    Function::new("typeIsLike", NAME_AND_VALUE, type_is_like),
    Function::new("kindOf", &[Param::Any], |args, _| Ok(Value::string(any(args, 0)?.kind().name()))),
    Function::new("kindIs", NAME_AND_VALUE, |args, _| {
        Ok(Value::Bool(*string(args, 0)? == *any(args, 1)?.kind().name()))
    }),
    Function::new("deepEqual", &[Param::Any, Param::Any], |args, context| {
        Ok(Value::Bool(deep::equal(any(args, 0)?, any(args, 1)?, context)?))
    }),
];

fn is_type(args: &[Value]) -> Result<bool, CallError> {
    Ok(*string(args, 0)? == *any(args, 1)?.type_name())
}

/// The type, or a pointer to it.
fn type_is_like(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (wanted, of) = (string(args, 0)?, any(args, 1)?.type_name());
    let pointed = of.strip_prefix('*').is_some_and(|name| *wanted == *name);
    Ok(Value::Bool(pointed || *wanted == *of))
}
