//! Differences between objects, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use super::managed::{FieldOwner, ListKeys};
use super::path::{FieldPath, Step};

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDiff {
    /// As [`FieldPath`] prints it.
    pub path: String,
    /// `None` when the field should not be there.
    pub desired: Option<Value>,
    /// `None` when the field is missing.
    pub live: Option<Value>,
    /// Who changed it, when the object's managed fields tell.
    pub owner: Option<FieldOwner>,
}

/// A difference with its path still in parts.
pub(crate) type RawDiff = (FieldPath, Option<Value>, Option<Value>);

/// Every difference between two values, lists of mappings matched by their keys.
pub(crate) fn differences(desired: &Value, live: &Value, keys: &ListKeys<'_>) -> Vec<RawDiff> {
    let mut out = Vec::new();
    Walk { both_ways: true, out: &mut out }.values(&FieldPath::default(), desired, live, keys);
    out
}

/// What `desired` says and `live` does not: fields that only `live` has do not count.
pub(crate) fn additions(desired: &Value, live: &Value, keys: &ListKeys<'_>) -> Vec<RawDiff> {
    let mut out = Vec::new();
    Walk { both_ways: false, out: &mut out }.values(&FieldPath::default(), desired, live, keys);
    out
}

struct Walk<'o> {
    both_ways: bool,
    out: &'o mut Vec<RawDiff>,
}

impl Walk<'_> {
    fn values(&mut self, path: &FieldPath, desired: &Value, live: &Value, keys: &ListKeys<'_>) {
        match (desired, live) {
            (Value::Object(desired), Value::Object(live)) => self.maps(path, desired, live, keys),
            (Value::Array(desired), Value::Array(live)) => self.lists(path, desired, live, keys),
            _ if same_scalar(desired, live) => {}
            _ => self.out.push((path.clone(), Some(desired.clone()), Some(live.clone()))),
        }
    }

    fn maps(&mut self, path: &FieldPath, desired: &Map<String, Value>, live: &Map<String, Value>, keys: &ListKeys<'_>) {
        for (name, value) in desired {
            let step = Step::Field(name.clone());
            match live.get(name) {
                Some(other) => self.values(&path.with(step.clone()), value, other, &keys.enter(&step)),
                None if is_void(value) => {}
                None => self.out.push((path.with(step), Some(value.clone()), None)),
            }
        }
        for (name, value) in
            live.iter().filter(|(name, v)| self.both_ways && !desired.contains_key(*name) && !is_void(v))
        {
            self.out.push((path.with(Step::Field(name.clone())), None, Some(value.clone())));
        }
    }

    fn lists(&mut self, path: &FieldPath, desired: &[Value], live: &[Value], keys: &ListKeys<'_>) {
        let by = keys.keys().or_else(|| guess_keys(desired, live));
        if let Some(by) = by.filter(|by| has_keys(desired, by) && has_keys(live, by)) {
            return self.keyed(path, desired, live, &by, keys);
        }
        if keys.is_set() {
            let wanted = desired.iter().filter(|v| !live.contains(v));
            self.out.extend(wanted.map(|v| (path.with(Step::Item(v.clone())), Some(v.clone()), None)));
            let extra = live.iter().filter(|v| self.both_ways && !desired.contains(v));
            self.out.extend(extra.map(|v| (path.with(Step::Item(v.clone())), None, Some(v.clone()))));
            return;
        }
        if desired.len() != live.len() {
            self.out.push((path.clone(), Some(desired.into()), Some(live.into())));
            return;
        }
        for (index, (desired, live)) in desired.iter().zip(live).enumerate() {
            self.values(&path.with(Step::Index(index)), desired, live, &ListKeys::default());
        }
    }

    fn keyed(&mut self, path: &FieldPath, desired: &[Value], live: &[Value], by: &[String], keys: &ListKeys<'_>) {
        for item in desired {
            let step = Step::Key(key_of(item, by));
            match live.iter().find(|other| key_of(other, by) == key_of(item, by)) {
                Some(other) => self.values(&path.with(step.clone()), item, other, &keys.enter(&step)),
                None => self.out.push((path.with(step), Some(item.clone()), None)),
            }
        }
        for item in live.iter().filter(|_| self.both_ways) {
            if !desired.iter().any(|other| key_of(other, by) == key_of(item, by)) {
                self.out.push((path.with(Step::Key(key_of(item, by))), None, Some(item.clone())));
            }
        }
    }
}

/// Nothing, in the many ways to write it: the server drops these.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_void),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// 1 and 1.0 are the same number.
fn same_scalar(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => l == r || l.as_f64() == r.as_f64(),
        _ => left == right || (is_void(left) && is_void(right)),
    }
}

/// Keys of the lists of built-in kinds, for objects whose managed fields do not tell. In the order of preference: a
/// list of ports has names at times, but is matched by number.
const KNOWN_KEYS: [&[&str]; 8] = [
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["devicePath"],
    &["topologyKey", "whenUnsatisfiable"],
    &["name"],
    &["ip"],
    &["uid"],
];

fn guess_keys(desired: &[Value], live: &[Value]) -> Option<Vec<String>> {
    let all = || desired.iter().chain(live);
    all().next()?;
    let fits = |keys: &&&[&str]| {
        all().all(|item| {
            keys.iter().all(|key| item.get(key).is_some_and(is_key) || (*key == "protocol" && item.is_object()))
        })
    };
    let keys = KNOWN_KEYS.iter().find(fits)?;
    Some(keys.iter().map(|&key| key.to_owned()).collect())
}

fn is_key(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

/// Whether the keys tell all elements apart; one that is absent has its default.
fn has_keys(items: &[Value], by: &[String]) -> bool {
    let seen: Vec<_> = items.iter().map(|item| key_of(item, by)).collect();
    let unique = (1..seen.len()).all(|i| !seen[..i].contains(&seen[i]));
    unique && items.iter().all(Value::is_object)
}

/// The only key with a default in the built-in kinds is a port's protocol.
fn key_of(item: &Value, by: &[String]) -> Vec<(String, Value)> {
    let value = |key: &String| match item.get(key) {
        Some(value) => value.clone(),
        None if key == "protocol" => "TCP".into(),
        None => Value::Null,
    };
    by.iter().map(|key| (key.clone(), value(key))).collect()
}
