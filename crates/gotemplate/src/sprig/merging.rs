//! Maps merged into one another as `dario.cat/mergo` 1.0 does it.

use super::defaults::is_empty;
use crate::function::{CallError, Context};
use crate::limits::{Exceeded, MAX_NESTING};
use crate::value::{Map, MapType, Value};

/// Whose value stays where both maps have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The target's, unless it is empty.
    Keep,
    /// The source's, empty and nil ones too.
    Overwrite,
}

/// Merges `source` into `target`, maps in both key by key. Values are shared with the source, not copied.
pub(super) fn merge(
    target: &Map,
    source: &Map,
    conflict: Conflict,
    context: &mut Context<'_>,
) -> Result<(), CallError> {
    merge_at(target, source, conflict, 0, context)
}

fn merge_at(
    target: &Map,
    source: &Map,
    conflict: Conflict,
    depth: usize,
    context: &mut Context<'_>,
) -> Result<(), CallError> {
    if depth > MAX_NESTING {
        return Err(Exceeded::Nesting(MAX_NESTING).into());
    }
    if target.is_nil() {
        return Ok(());
    }
    let entries: Vec<_> = source.entries().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    context.spend(entries.len())?;
    context.allocate(entries.len().saturating_mul(2 * size_of::<Value>()))?;
    for (key, given) in entries {
        let present = target.get(key.as_bytes());
        if let (Value::Map(given), Some(Value::Map(present))) = (&given, &present) {
            merge_at(present, given, conflict, depth + 1, context)?;
            if !present.is_empty() {
                continue;
            }
        }
        let overwrites = conflict == Conflict::Overwrite;
        let fills = !matches!(given, Value::Nil) && present.as_ref().is_none_or(is_zero);
        if overwrites || fills {
            assign(target, key, given)?;
        }
    }
    Ok(())
}

/// mergo's own emptiness: structs and pointers are never empty.
fn is_zero(value: &Value) -> bool {
    !matches!(value, Value::Object(_)) && is_empty(value)
}

fn assign(target: &Map, key: crate::value::Str, value: Value) -> Result<(), CallError> {
    if target.of() == MapType::String && !matches!(value, Value::String(_)) {
        let of = value.type_name();
        return Err(CallError::new(format!(
            "reflect.Value.SetMapIndex: value of type {of} is not assignable to type string"
        )));
    }
    target.insert(key, value);
    Ok(())
}
