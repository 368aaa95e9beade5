//! The same edits on plain values: what the edited text must mean.

use serde_json::{Map, Value};

use super::place::Step;

/// Puts `value` at the path, creating mappings on the way. The index behind the last item of a list appends.
pub(crate) fn set(root: &mut Value, path: &[Step], value: Value) -> Option<()> {
    let Some((first, rest)) = path.split_first() else {
        *root = value;
        return Some(());
    };
    match first {
        Step::Key(key) => {
            if root.is_null() {
                *root = Value::Object(Map::new());
            }
            set(root.as_object_mut()?.entry(key.clone()).or_insert(Value::Null), rest, value)
        }
        Step::Index(index) => {
            if root.is_null() {
                *root = Value::Array(Vec::new());
            }
            let items = root.as_array_mut()?;
            if *index == items.len() {
                items.push(Value::Null);
            }
            set(items.get_mut(*index)?, rest, value)
        }
    }
}

/// Puts `value` before the item at the path.
pub(crate) fn insert(root: &mut Value, list: &[Step], index: usize, value: Value) -> Option<()> {
    let target = get_mut(root, list)?;
    if target.is_null() {
        *target = Value::Array(Vec::new());
    }
    let items = target.as_array_mut()?;
    (index <= items.len()).then(|| items.insert(index, value))
}

/// Takes the key or item at the path away.
pub(crate) fn remove(root: &mut Value, path: &[Step]) -> Option<()> {
    let (last, parent) = path.split_last()?;
    let parent = get_mut(root, parent)?;
    match last {
        Step::Key(key) => parent.as_object_mut()?.remove(key).map(|_| ()),
        Step::Index(index) => {
            let items = parent.as_array_mut()?;
            (*index < items.len()).then(|| drop(items.remove(*index)))
        }
    }
}

/// Calls a key by another name.
pub(crate) fn rename(root: &mut Value, path: &[Step], new: &str) -> Option<()> {
    let (Step::Key(old), parent) = path.split_last()? else { return None };
    let map = get_mut(root, parent)?.as_object_mut()?;
    let value = map.remove(old)?;
    map.insert(new.to_owned(), value);
    Some(())
}

pub(crate) fn get<'v>(root: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn get_mut<'v>(root: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}
