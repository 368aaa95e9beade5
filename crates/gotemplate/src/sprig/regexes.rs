//! Patterns: matched, found, replaced, split at.

use std::rc::Rc;

use crate::function::{CallError, Context, Function, Param, integer, string};
use crate::regex::{Regex, quote_meta};
use crate::value::{ElementType, List, Str, Value};

const PATTERN_AND_TEXT: &[Param] = &[Param::String, Param::String];
const WITH_TEMPLATE: &[Param] = &[Param::String, Param::String, Param::String];
const WITH_LIMIT: &[Param] = &[Param::String, Param::String, Param::INT];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", PATTERN_AND_TEXT, |args, context| match matches(args, context) {
        Err(CallError::Message(_)) => Ok(Value::Bool(false)),
        other => other,
    }),
    Function::new("mustRegexMatch", PATTERN_AND_TEXT, matches),
    Function::new("regexFind", PATTERN_AND_TEXT, find),
    Function::new("mustRegexFind", PATTERN_AND_TEXT, find),
    Function::new("regexFindAll", WITH_LIMIT, find_all),
    Function::new("mustRegexFindAll", WITH_LIMIT, find_all),
    Function::new("regexReplaceAll", WITH_TEMPLATE, replace_all),
    Function::new("mustRegexReplaceAll", WITH_TEMPLATE, replace_all),
    Function::new("regexReplaceAllLiteral", WITH_TEMPLATE, replace_all_literal),
    Function::new("mustRegexReplaceAllLiteral", WITH_TEMPLATE, replace_all_literal),
    Function::new("regexSplit", WITH_LIMIT, split),
    Function::new("mustRegexSplit", WITH_LIMIT, split),
    Function::new("regexQuoteMeta", &[Param::String], |args, _| {
        Ok(Value::string(quote_meta(&string(args, 0)?.to_text())))
    }),
];

/// Steps that a pattern costs that turns out too large.
const TOO_LARGE_STEPS: usize = 5_000_000;

/// The pattern and the text; compiling the one and reading the other cost steps.
fn prepared<'v>(args: &'v [Value], context: &mut Context<'_>) -> Result<(Rc<Regex>, &'v [u8]), CallError> {
    let (pattern, text) = (string(args, 0)?.to_text(), string(args, 1)?.as_bytes());
    context.spend(pattern.len() + text.len() / 16)?;
    let is_new = !Regex::is_cached(&pattern);
    let compiled = Regex::cached(&pattern);
    match &compiled {
        Ok(regex) if is_new => context.spend(regex.size() * 2)?,
        Err(error) if error.is_too_large() => context.spend(TOO_LARGE_STEPS)?,
        _ => {}
    }
    Ok((compiled.map_err(|e| CallError::new(e.to_string()))?, text))
}

fn matches(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    Ok(Value::Bool(regex.is_match(text)))
}

fn find(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    Ok(Value::String(Str::from(&text[regex.find(text).unwrap_or_default()])))
}

/// Negative limits mean none.
fn limit(args: &[Value]) -> Result<Option<usize>, CallError> {
    Ok(usize::try_from(integer(args, 2)?).ok())
}

/// The parts as a `[]string`, a nil one if there are none.
fn strings(parts: Vec<&[u8]>) -> Value {
    if parts.is_empty() {
        return Value::List(List::nil(ElementType::String));
    }
    Value::List(List::strings(parts))
}

/// Counts a match of a list of strings.
fn charge_item(regex: &Regex, text: &[u8], context: &mut Context<'_>) -> Result<(), CallError> {
    context.allocate(2 * size_of::<Value>())?;
    context.spend(1 + regex.search_steps(text.len()))
}

fn find_all(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    let mut found = Vec::new();
    for range in regex.find_iter(text).take(limit(args)?.unwrap_or(usize::MAX)) {
        charge_item(&regex, text, context)?;
        found.push(&text[range]);
    }
    Ok(strings(found))
}

fn split(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    let limit = limit(args)?;
    for _ in regex.find_iter(text).take(limit.unwrap_or(usize::MAX)) {
        charge_item(&regex, text, context)?;
    }
    Ok(strings(regex.split(text, limit)))
}

fn replace_all(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    let template = string(args, 2)?.as_bytes();
    let replaced = regex.replace_all(text, template, |written| charge_bytes(&regex, text, written, context))?;
    context.allocate(replaced.len())?;
    Ok(Value::String(Str::from(replaced)))
}

fn replace_all_literal(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (regex, text) = prepared(args, context)?;
    let new = string(args, 2)?.as_bytes();
    let replaced = regex.replace_all_literal(text, new, |written| charge_bytes(&regex, text, written, context))?;
    context.allocate(replaced.len())?;
    Ok(Value::String(Str::from(replaced)))
}

/// Counts a replacement, and ends the work when more is written than there is room for.
fn charge_bytes(regex: &Regex, text: &[u8], written: usize, context: &mut Context<'_>) -> Result<(), CallError> {
    if written > context.budget.room() {
        context.allocate(written)?;
    }
    context.spend(1 + regex.search_steps(text.len()))
}
