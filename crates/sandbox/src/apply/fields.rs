//! Sets of fields: which parts of an object somebody owns, and how `fieldsV1` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::schema::{ListMerge, Schema, is_atomic};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    Field(String),
    /// An item of a list map: its keys as JSON.
    Key(String),
    /// A member of a set, as JSON.
    Value(String),
    /// An item of an atomic list: only in messages, never owned.
    Index(usize),
}

/// A set of paths. A node may be a member itself and have children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<Element, FieldSet>,
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    pub(crate) fn insert(&mut self, path: &[Element]) {
        match path.split_first() {
            None => self.member = true,
            Some((first, rest)) => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().union(child);
        }
    }

    /// Takes away the members of `other`.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (element, child) in &other.children {
            if let Some(own) = self.children.get_mut(element) {
                own.subtract(child);
            }
        }
        self.children.retain(|_, child| !child.is_empty());
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(element, child)| {
            let both = child.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        Self { member: self.member && other.member, children: children.collect() }
    }

    /// Takes away a path and everything below it.
    pub(crate) fn remove_below(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let element = Element::Field((*first).to_owned());
        if rest.is_empty() {
            self.children.remove(&element);
        } else if let Some(child) = self.children.get_mut(&element) {
            child.remove_below(rest);
            if child.is_empty() {
                self.children.remove(&element);
            }
        }
    }

    /// All member paths, in order.
    pub(crate) fn paths(&self) -> Vec<Vec<Element>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, at: &mut Vec<Element>, out: &mut Vec<Vec<Element>>) {
        if self.member {
            out.push(at.clone());
        }
        for (element, child) in &self.children {
            at.push(element.clone());
            child.collect(at, out);
            at.pop();
        }
    }

    /// As `fieldsV1`.
    pub(crate) fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (element, child) in &self.children {
            let key = match element {
                Element::Field(name) => format!("f:{name}"),
                Element::Key(keys) => format!("k:{keys}"),
                Element::Value(value) => format!("v:{value}"),
                Element::Index(index) => format!("i:{index}"),
            };
            let mut value = child.to_value();
            if child.member && !child.children.is_empty() {
                value["."] = json!({});
            }
            map.insert(key, value);
        }
        Value::Object(map)
    }

    pub(crate) fn from_value(value: &Value) -> Self {
        let mut set = Self::default();
        for (key, child) in value.as_object().into_iter().flatten() {
            if key == "." {
                set.member = true;
                continue;
            }
            let element = match key.split_once(':') {
                Some(("f", name)) => Element::Field(name.to_owned()),
                Some(("k", keys)) => Element::Key(keys.to_owned()),
                Some(("v", value)) => Element::Value(value.to_owned()),
                _ => continue,
            };
            let mut inner = Self::from_value(child);
            inner.member |= inner.children.is_empty();
            set.children.insert(element, inner);
        }
        set
    }
}

/// `.spec.containers[name="c"].args`
pub(crate) fn show(path: &[Element]) -> String {
    let mut out = String::new();
    for element in path {
        let _ = match element {
            Element::Field(name) => write!(out, ".{name}"),
            Element::Value(value) => write!(out, "[={value}]"),
            Element::Index(index) => write!(out, "[{index}]"),
            Element::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(out, "[{}]", keys.join(","))
            }
        };
    }
    out
}

/// The element of a list's item; `None` for a map list whose item lacks a key that has no default.
pub(crate) fn element_of(merge: &ListMerge, items: &Schema, item: &Value) -> Option<Element> {
    match merge {
        ListMerge::Atomic => None,
        ListMerge::Set => Some(Element::Value(item.to_string())),
        ListMerge::Map(keys) => {
            let mut map = Map::new();
            for key in keys {
                let default = items.object().and_then(|object| object.fields.get(key)?.default.clone());
                let value = item.get(key).filter(|v| !v.is_null()).cloned().or(default);
                if let Some(value) = value {
                    map.insert(key.clone(), value);
                }
            }
            (!map.is_empty()).then(|| Element::Key(Value::Object(map).to_string()))
        }
    }
}

/// What a configuration says: its leaves, the items of its lists, and its empty maps.
pub(crate) fn set_of(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    if value.is_null() {
        return set;
    }
    match (schema, value) {
        (schema, _) if is_atomic(schema) => set.member = true,
        (Schema::List { items, merge }, Value::Array(values)) => {
            set.member = values.is_empty();
            for item in values {
                let Some(element) = element_of(merge, items, item) else { continue };
                let mut child = match merge {
                    ListMerge::Map(_) => set_of(items, item),
                    _ => FieldSet::default(),
                };
                child.member = true;
                set.children.insert(element, child);
            }
        }
        (schema, Value::Object(map)) => {
            set.member = map.is_empty();
            for (name, child) in map.iter().filter(|(_, child)| !child.is_null()) {
                let schema = schema.field(name).unwrap_or(&Schema::Any);
                set.children.insert(Element::Field(name.clone()), set_of(schema, child));
            }
        }
        _ => set.member = true,
    }
    set
}

/// What differs between two states of an object.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Added or modified.
    pub(crate) changed: FieldSet,
    pub(crate) removed: FieldSet,
}

pub(crate) fn compare(schema: &Schema, old: &Value, new: &Value) -> Difference {
    let mut difference = Difference::default();
    walk(schema, Some(old), Some(new), &mut Vec::new(), &mut difference);
    difference
}

fn walk(schema: &Schema, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<Element>, out: &mut Difference) {
    // a null list or map of the zero object is there already: what is put into it is new, it is not
    let was_there = old.is_some();
    let (old, new) = (old.filter(|v| !v.is_null()), new.filter(|v| !v.is_null()));
    let leaf = is_atomic(schema)
        || [old, new].into_iter().flatten().any(|v| !v.is_object() && !matches!(schema, Schema::List { .. }));
    match (old, new) {
        (None, None) => return,
        (None, Some(_)) if was_there && !leaf => {}
        (None, Some(_)) => out.changed.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(old), Some(new)) if leaf && old != new => out.changed.insert(path),
        _ => {}
    }
    if leaf {
        return;
    }
    if let Schema::List { items, merge } = schema {
        let empty = Vec::new();
        let list = |value: Option<&Value>| -> Vec<(Element, Value)> {
            let values = value.and_then(Value::as_array).unwrap_or(&empty);
            values.iter().filter_map(|item| Some((element_of(merge, items, item)?, item.clone()))).collect()
        };
        let (old, new) = (list(old), list(new));
        let find = |all: &[(Element, Value)], element: &Element| {
            all.iter().find(|(e, _)| e == element).map(|(_, v)| v.clone())
        };
        let mut seen: Vec<Element> = Vec::new();
        for (element, _) in old.iter().chain(&new) {
            if seen.contains(element) {
                continue;
            }
            seen.push(element.clone());
            path.push(element.clone());
            let all = |list: &[(Element, Value)]| -> Vec<Value> {
                list.iter().filter(|(e, _)| e == element).map(|(_, v)| v.clone()).collect()
            };
            let (before, after) = (all(&old), all(&new));
            if before.len() > 1 || after.len() > 1 {
                // items of one key are owned together
                if before != after {
                    out.changed.insert(path);
                }
                path.pop();
                continue;
            }
            walk(items, find(&old, element).as_ref(), find(&new, element).as_ref(), path, out);
            path.pop();
        }
        return;
    }
    let keys = |value: Option<&Value>| {
        value.and_then(Value::as_object).map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let mut names = keys(old);
    names.extend(keys(new));
    names.sort();
    names.dedup();
    for name in names {
        let child = schema.field(&name).unwrap_or(&Schema::Any);
        path.push(Element::Field(name.clone()));
        walk(child, old.and_then(|v| v.get(&name)), new.and_then(|v| v.get(&name)), path, out);
        path.pop();
    }
}
