//! Applying an object as `kubectl apply` does without `--server-side`: what was applied last, what is wanted and what is
//! there become one (the three-way merge of kubectl 1.36, as Argo CD 3.5.1 uses it).

mod merge_keys;
mod migration;

use object::{LiveObject, Manifest, go_json};
use serde_json::{Map, Value};

use merge_keys::{Strategy, Type};

pub(crate) use migration::handed_over;
pub use migration::migrated;

/// Where kubectl keeps what was applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as it is sent: with itself in the annotation.
pub fn with_last_applied(wanted: &Manifest) -> Manifest {
    let mut plain = wanted.clone();
    if let Value::Object(annotations) = annotations(&mut plain) {
        annotations.remove(LAST_APPLIED);
    }
    // as Go's encoder ends it
    let text = go_json(plain.value()) + "\n";
    plain.set_annotation(LAST_APPLIED, &text);
    plain
}

/// kubectl has some even where there are none: what others annotate does not go with the last of ours.
fn annotations(manifest: &mut Manifest) -> &mut Value {
    let annotations = &mut manifest.value_mut()["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = Value::Object(Map::new());
    }
    annotations
}

/// What a client-side apply makes of a live object.
pub fn client_side(wanted: &Manifest, live: &LiveObject) -> Value {
    let mut sent = wanted.clone();
    annotations(&mut sent);
    let last: Value =
        live.annotation(LAST_APPLIED).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    merge(&last, sent.value(), live.value(), Type::of(&wanted.gvk()))
}

/// Fields that were applied last and are not wanted go; what nobody applied stays.
fn merge(last: &Value, wanted: &Value, live: &Value, of: Type) -> Value {
    let (Value::Object(wanted), Value::Object(live)) = (wanted, live) else { return without_nulls(wanted) };
    let mut merged = live.clone();
    for (name, wanted) in wanted {
        let (last, live, field) = (&last[name], live.get(name), of.field(name));
        match (wanted, live) {
            // no one can unset it
            (Value::Null, _) if name == "creationTimestamp" => {}
            (Value::Null, _) => drop(merged.remove(name)),
            (_, None) => drop(merged.insert(name.clone(), without_nulls(wanted))),
            (_, Some(live)) => drop(merged.insert(name.clone(), merged_field(last, wanted, live, field))),
        }
    }
    let applied = last.as_object().into_iter().flatten();
    for (name, _) in applied.filter(|(name, _)| !wanted.contains_key(*name)) {
        merged.remove(name);
    }
    Value::Object(merged)
}

fn merged_field(last: &Value, wanted: &Value, live: &Value, field: merge_keys::Field) -> Value {
    match (wanted, live, field.strategy) {
        (Value::Object(_), _, Strategy::Replace) => without_nulls(wanted),
        (Value::Object(only), Value::Object(_), strategy) => {
            let mut merged = merge(last, wanted, live, field.of);
            if let (Strategy::RetainKeys, Value::Object(merged)) = (strategy, &mut merged) {
                merged.retain(|name, _| only.contains_key(name));
            }
            merged
        }
        (Value::Array(wanted), Value::Array(live), strategy) => {
            let last = last.as_array().map_or(&[][..], Vec::as_slice);
            match (strategy, field.key) {
                (Strategy::Merge | Strategy::MergeRetainingKeys, "") => merged_set(last, wanted, live),
                (Strategy::Merge | Strategy::MergeRetainingKeys, key) => merged_by(key, last, wanted, live, field),
                _ => wanted.iter().map(without_nulls).collect(),
            }
        }
        _ => without_nulls(wanted),
    }
}

/// Elements of one key are one element.
fn merged_by(key: &str, last: &[Value], wanted: &[Value], live: &[Value], field: merge_keys::Field) -> Value {
    let find = |list: &'_ [Value], item: &Value| list.iter().position(|other| other.get(key) == item.get(key));
    let each = merge_keys::Field { strategy: field.strategy.of_elements(), ..field };
    let own = wanted.iter().map(|item| match find(live, item) {
        Some(at) => {
            let nothing = Value::Null;
            let last = find(last, item).map_or(&nothing, |at| &last[at]);
            merged_field(last, item, &live[at], each)
        }
        None => without_nulls(item),
    });
    let own: Vec<Value> = own.collect();
    let others = live.iter().filter(|item| find(wanted, item).is_none() && find(last, item).is_none());
    in_order(others.cloned().collect(), own, |item| find(live, item))
}

/// Scalars, each once.
fn merged_set(last: &[Value], wanted: &[Value], live: &[Value]) -> Value {
    let others = live.iter().filter(|item| !wanted.contains(item) && !last.contains(item));
    in_order(others.cloned().collect(), wanted.to_vec(), |item| live.iter().position(|other| other == item))
}

/// What is wanted in its order, and between it what others put there, as far as `place` says that it was before it.
fn in_order(others: Vec<Value>, own: Vec<Value>, place: impl Fn(&Value) -> Option<usize>) -> Value {
    let (mut others, mut merged) = (others.into_iter().peekable(), Vec::with_capacity(own.len()));
    for item in own {
        while let Some(other) =
            others.next_if(|other| matches!((place(other), place(&item)), (Some(a), Some(b)) if a < b))
        {
            merged.push(other);
        }
        merged.push(item);
    }
    merged.extend(others);
    Value::Array(merged)
}

/// A null says that there is nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        other => other.clone(),
    }
}

/// The RFC 7386 patch that turns `old` into `new`; `None` when they are equal.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for (name, new) in new {
                match old.get(name) {
                    Some(old) => patch.extend(merge_patch(old, new).map(|patch| (name.clone(), patch))),
                    None => drop(patch.insert(name.clone(), new.clone())),
                }
            }
            patch.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null)));
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

#[cfg(test)]
mod tests;
