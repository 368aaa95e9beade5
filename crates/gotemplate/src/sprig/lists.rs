//! Lists: taken apart, put together, searched.

use super::conversion::{Items, items, to_i64};
use super::defaults::is_empty;
use crate::deep;
use crate::function::{CallError, Context, Function, Param, any, integer};
use crate::value::{ElementType, List, Value};

const ANY: &[Param] = &[Param::Any];
const TWO: &[Param] = &[Param::Any, Param::Any];
const INT_AND_ANY: &[Param] = &[Param::INT, Param::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], Param::Any, list),
    Function::variadic("tuple", &[], Param::Any, list),
    Function::new("append", TWO, append),
    Function::new("mustAppend", TWO, append),
    Function::new("push", TWO, append),
    Function::new("mustPush", TWO, append),
    Function::new("prepend", TWO, prepend),
    Function::new("mustPrepend", TWO, prepend),
    Function::new("first", ANY, first),
    Function::new("mustFirst", ANY, first),
    Function::new("rest", ANY, rest),
    Function::new("mustRest", ANY, rest),
    Function::new("last", ANY, last),
    Function::new("mustLast", ANY, last),
    Function::new("initial", ANY, initial),
    Function::new("mustInitial", ANY, initial),
    Function::new("reverse", ANY, reverse),
    Function::new("mustReverse", ANY, reverse),
    Function::new("compact", ANY, compact),
    Function::new("mustCompact", ANY, compact),
    Function::new("uniq", ANY, uniq),
    Function::new("mustUniq", ANY, uniq),
    Function::variadic("without", ANY, Param::Any, without),
    Function::variadic("mustWithout", ANY, Param::Any, without),
    Function::new("has", TWO, has),
    Function::new("mustHas", TWO, has),
    Function::variadic("slice", ANY, Param::Any, slice),
    Function::variadic("mustSlice", ANY, Param::Any, slice),
    Function::variadic("concat", &[], Param::Any, concat),
    Function::new("chunk", INT_AND_ANY, chunk),
    Function::new("mustChunk", INT_AND_ANY, chunk),
];

/// The items of the list at a position; `action` is what the reference says it cannot do with other values.
fn list_at<'v>(args: &'v [Value], index: usize, action: &str) -> Result<Items<'v>, CallError> {
    let value = any(args, index)?;
    if matches!(value, Value::Nil) {
        return Err(nil_list(action));
    }
    items(value).ok_or_else(|| CallError::new(format!("Cannot {action} type {}", value.kind().name())))
}

/// A copy of the items of the list at a position, for a list made of them.
fn copied(args: &[Value], index: usize, action: &str, context: &mut Context<'_>) -> Result<Vec<Value>, CallError> {
    let items = list_at(args, index, action)?;
    context.allocate((items.len() + 1).saturating_mul(size_of::<Value>()))?;
    Ok(items.to_vec())
}

fn nil_list(action: &str) -> CallError {
    CallError::new(format!("Cannot {action} nil: runtime error: invalid memory address or nil pointer dereference"))
}

fn list(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    context.allocate(size_of_val(args))?;
    Ok(Value::list(args.to_vec()))
}

fn append(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "push on", context)?;
    items.push(any(args, 1)?.clone());
    Ok(Value::list(items))
}

fn prepend(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "prepend on", context)?;
    items.insert(0, any(args, 1)?.clone());
    Ok(Value::list(items))
}

fn first(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(list_at(args, 0, "find first on")?.first().cloned().unwrap_or(Value::Nil))
}

fn last(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(list_at(args, 0, "find last on")?.last().cloned().unwrap_or(Value::Nil))
}

fn rest(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "find rest on", context)?;
    if items.is_empty() {
        return Ok(nil_slice());
    }
    items.remove(0);
    Ok(Value::list(items))
}

fn initial(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "find initial on", context)?;
    if items.pop().is_none() {
        return Ok(nil_slice());
    }
    Ok(Value::list(items))
}

fn nil_slice() -> Value {
    Value::List(List::nil(ElementType::Any))
}

fn reverse(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "find reverse on", context)?;
    items.reverse();
    Ok(Value::list(items))
}

fn compact(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut items = copied(args, 0, "compact on", context)?;
    items.retain(|item| !is_empty(item));
    Ok(Value::list(items))
}

fn contains(items: &[Value], wanted: &Value, context: &mut Context<'_>) -> Result<bool, CallError> {
    for item in items {
        if deep::equal(wanted, item, context)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut kept = Vec::new();
    for item in copied(args, 0, "find uniq on", context)? {
        if !contains(&kept, &item, context)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn without(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut kept = Vec::new();
    for item in copied(args, 0, "find without on", context)? {
        if !contains(&args[1..], &item, context)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn has(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    if matches!(any(args, 1)?, Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = list_at(args, 1, "find has on")?;
    Ok(Value::Bool(contains(&items, any(args, 0)?, context)?))
}

/// Items from one position to before another; the list keeps its type.
fn slice(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let value = any(args, 0)?;
    let kind = value.kind().name();
    let items = list_at(args, 0, "slice")
        .map_err(|_| CallError::new(format!("list should be type of slice or array but {kind}")))?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let bound = |index: usize, default: usize| match args.get(index) {
        Some(value) => usize::try_from(to_i64(value)).ok(),
        None => Some(default),
    };
    let part = bound(1, 0).zip(bound(2, items.len())).and_then(|(start, end)| items.get(start..end));
    let part = part.ok_or_else(|| CallError::new("reflect.Value.Slice: slice index out of bounds"))?;
    context.allocate(size_of_val(part))?;
    Ok(match value {
        Value::List(list) => Value::List(List::typed(list.element(), part.to_vec())),
        Value::Bytes(bytes) => {
            let start = bound(1, 0).unwrap_or_default();
            Value::Bytes(bytes[start..start + part.len()].into())
        }
        _ => Value::list(part.to_vec()),
    })
}

fn concat(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut all = Vec::new();
    for (i, value) in args.iter().enumerate() {
        let kind = value.kind().name();
        let refused = |_| CallError::new(format!("Cannot concat type {kind} as list"));
        let items = list_at(args, i, "concat").map_err(refused)?;
        context.allocate(items.len().saturating_mul(size_of::<Value>()))?;
        all.extend_from_slice(&items);
    }
    Ok(if all.is_empty() { nil_slice() } else { Value::list(all) })
}

/// Lists of `size` items, the last one with what is left.
fn chunk(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let items = list_at(args, 1, "chunk")?;
    let size = integer(args, 0)?;
    let chunks = match usize::try_from(size) {
        Ok(size @ 1..) => items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect(),
        // By the reference's own arithmetic there are no chunks at all then.
        _ if size < 0 && (2..=size.unsigned_abs().saturating_add(1)).contains(&(items.len() as u64)) => Vec::new(),
        _ => return Err(CallError::new("runtime error: makeslice: len out of range")),
    };
    context.allocate(items.len().saturating_mul(2 * size_of::<Value>()))?;
    Ok(Value::List(List::typed(ElementType::Named("[]interface {}"), chunks)))
}
