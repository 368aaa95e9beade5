//! Merging a configuration into a live object, and taking fields out of it.

use serde_json::{Map, Value};

use super::fields::{Element, FieldSet, element_of};
use crate::schema::{ListMerge, Schema, is_atomic};

/// `config` over `live`: maps key by key, lists by their merge keys, everything else replaced.
pub(super) fn merge(schema: &Schema, live: Option<&Value>, config: &Value) -> Value {
    let Some(live) = live.filter(|live| !live.is_null()) else { return config.clone() };
    if is_atomic(schema) {
        return config.clone();
    }
    match (schema, live, config) {
        (Schema::List { items, merge }, Value::Array(old), Value::Array(new)) => {
            Value::Array(merge_lists(items, merge, old, new))
        }
        (schema, Value::Object(old), Value::Object(new)) => {
            let mut out = old.clone();
            for (name, value) in new.iter().filter(|(_, value)| !value.is_null()) {
                let field = schema.field(name).unwrap_or(&Schema::Any);
                out.insert(name.clone(), self::merge(field, old.get(name), value));
            }
            Value::Object(out)
        }
        (_, live, Value::Null) => live.clone(),
        _ => config.clone(),
    }
}

/// The order of the configuration holds; what only the live list has stays where it was between.
fn merge_lists(items: &Schema, kind: &ListMerge, old: &[Value], new: &[Value]) -> Vec<Value> {
    let element = |item: &Value| element_of(kind, items, item);
    let wanted: Vec<Option<Element>> = new.iter().map(element).collect();
    let known: Vec<Option<Element>> = old.iter().map(element).collect();
    let mut out = Vec::new();
    let (mut left, mut right) = (0, 0);
    let mut done: Vec<Element> = Vec::new();
    while left < old.len() || right < new.len() {
        if let Some(element) = known.get(left) {
            let shared = element.as_ref().is_some_and(|element| wanted.contains(&Some(element.clone())));
            if !shared {
                out.extend(old.get(left).cloned());
                left += 1;
                continue;
            }
            if element.as_ref().is_some_and(|element| done.contains(element)) {
                left += 1;
                continue;
            }
        }
        let (Some(item), Some(element)) = (new.get(right), wanted.get(right)) else {
            left += 1;
            continue;
        };
        right += 1;
        let live =
            element.as_ref().and_then(|e| known.iter().position(|k| k.as_ref() == Some(e))).and_then(|i| old.get(i));
        out.push(match kind {
            ListMerge::Map(_) => merge(items, live, item),
            _ => item.clone(),
        });
        done.extend(element.clone());
    }
    out
}

/// Takes the members of `dropped` out of the object.
pub(super) fn remove(schema: &Schema, value: &mut Value, dropped: &FieldSet) {
    match (schema, value) {
        (Schema::List { items, merge }, Value::Array(list)) => {
            list.retain_mut(|item| {
                let Some(child) = element_of(merge, items, item).and_then(|element| dropped.children.get(&element))
                else {
                    return true;
                };
                if child.member {
                    return false;
                }
                remove(items, item, child);
                true
            });
        }
        (schema, Value::Object(map)) => {
            for (element, child) in &dropped.children {
                let Element::Field(name) = element else { continue };
                remove_field(schema, map, name, child);
            }
        }
        _ => {}
    }
}

fn remove_field(schema: &Schema, map: &mut Map<String, Value>, name: &str, dropped: &FieldSet) {
    if dropped.member {
        map.remove(name);
        return;
    }
    let field = schema.field(name).cloned().unwrap_or(Schema::Any);
    let Some(value) = map.get_mut(name) else { return };
    let had_content = !is_blank(value);
    remove(&field, value, dropped);
    if had_content && is_blank(value) {
        map.remove(name);
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
