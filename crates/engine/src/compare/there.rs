//! What is there, for a comparison: without what the server writes and what is ignored, and who set it.

use object::{LiveObject, Manifest};
use serde_json::{Map, Value};

use super::CompareOptions;
use crate::apply::{LAST_APPLIED, handed_over};
use crate::fields::{FieldDiff, FieldPath, ListKeys, ManagedFields, RawDiff, Step, differences};
use crate::ignore::IgnoreRules;
use crate::sync::is_by_server;

/// A live object as a comparison sees it.
pub(super) struct There<'a> {
    live: &'a LiveObject,
    options: &'a CompareOptions,
    rules: IgnoreRules<'a>,
    pub(super) managed: ManagedFields<'a>,
    /// Without what the server writes by itself, and what is ignored.
    pub(super) value: Value,
}

impl<'a> There<'a> {
    pub(super) fn of(live: &'a LiveObject, options: &'a CompareOptions) -> Self {
        let (rules, managed) = (IgnoreRules::for_object(&options.ignore, &live.key()), ManagedFields::of(live));
        let mut there = Self { live, options, rules, managed, value: Value::Null };
        there.value = there.comparable(live.value());
        there
    }

    pub(super) fn comparable(&self, value: &Value) -> Value {
        let mut value = comparable(value);
        self.rules.strip(&mut value);
        value
    }

    pub(super) fn predicted(&self, predicted: &LiveObject) -> Vec<FieldDiff> {
        let wanted = self.comparable(predicted.value());
        self.named(differences(&wanted, &self.value, &self.managed.list_keys()))
    }

    pub(super) fn abandoned(&self, applied: &Map<String, Value>, wanted: &Value, value: &Value) -> Vec<RawDiff> {
        let mut found = Vec::new();
        abandoned(applied, wanted, value, &FieldPath::default(), &self.managed.list_keys(), &mut found);
        found
    }

    /// Fields that go once what the client applied is handed over to the server, which a dry run does not know.
    pub(super) fn lost_by_handing_over(&self, target: &Manifest) -> Vec<FieldDiff> {
        let manager = self.options.manager();
        let by_server = is_by_server(!self.options.client_side, target);
        let Some(applied) = by_server.then(|| handed_over(self.live, manager)).flatten() else { return Vec::new() };
        let mut value = self.value.clone();
        if let Some(Value::Object(annotations)) = value.pointer_mut("/metadata/annotations") {
            annotations.remove(LAST_APPLIED);
        }
        let mut found = self.abandoned(&applied, &self.comparable(target.value()), &value);
        // another manager that has it keeps it
        found.retain(|(path, ..)| self.managed.owner_of(path, manager).is_none());
        self.named(found)
    }

    /// Adds who changed each field, and leaves out what a rule leaves to a manager.
    pub(super) fn named(&self, found: Vec<RawDiff>) -> Vec<FieldDiff> {
        let (managed, manager, is_secret) = (&self.managed, self.options.manager(), is_secret(self.live));
        let diff = |(path, desired, live): RawDiff| {
            let gone = live.is_none();
            let owner = managed.owner_of(&path, manager);
            let owner = if gone { owner.or_else(|| managed.last_writer(manager)) } else { owner };
            let left_alone = owner.as_ref().is_some_and(|owner| self.rules.ignores_manager(&owner.manager));
            let (desired, live) = if is_secret { masked(&path, desired, live) } else { (desired, live) };
            (!left_alone).then(|| FieldDiff { path: path.to_string(), desired, live, owner })
        };
        found.into_iter().filter_map(diff).collect()
    }
}

fn is_secret(manifest: &Manifest) -> bool {
    manifest.kind() == "Secret" && manifest.gvk().group.is_empty()
}

/// Secret values never leave a comparison: runs of plus signs show which are equal, of different length which differ.
fn masked(path: &FieldPath, desired: Option<Value>, live: Option<Value>) -> (Option<Value>, Option<Value>) {
    let is_plain = |name: &str| matches!(name, "type" | "immutable" | "kind" | "apiVersion");
    let labels = matches!(path.0.as_slice(), [_, Step::Field(field), ..] if field == "labels");
    match path.0.first() {
        Some(Step::Field(name)) if is_plain(name) || labels => (desired, live),
        _ => (desired.map(|_| "++++++++".into()), live.map(|_| "++++++++++++".into())),
    }
}

/// Without what the server writes by itself.
pub(super) fn comparable(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let mut map = map.clone();
    map.remove("status");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "generation",
            "creationTimestamp",
            "selfLink",
            "deletionTimestamp",
        ] {
            metadata.remove(field);
        }
    }
    Value::Object(map)
}

/// Fields that we applied once and do not want any more: an apply would take them away.
fn abandoned(
    applied: &Map<String, Value>,
    wanted: &Value,
    live: &Value,
    path: &FieldPath,
    keys: &ListKeys<'_>,
    out: &mut Vec<RawDiff>,
) {
    for (name, below) in applied {
        let Some((step, wanted, live)) = descend(name, wanted, live) else { continue };
        let Some(live) = live else { continue };
        let path = path.with(step.clone());
        match (wanted, below) {
            (Some(wanted), Value::Object(below)) if !below.is_empty() => {
                abandoned(below, wanted, live, &path, &keys.enter(&step), out);
            }
            (Some(_), _) => {}
            // the parts of what is gone are gone with it
            (None, _) => out.push((path, None, Some(live.clone()))),
        }
    }
}

/// Follows one name of a field set into both values.
fn descend<'v>(name: &str, wanted: &'v Value, live: &'v Value) -> Option<(Step, Option<&'v Value>, Option<&'v Value>)> {
    let (form, text) = name.split_once(':')?;
    match form {
        "f" => Some((Step::Field(text.to_owned()), wanted.get(text), live.get(text))),
        "k" => {
            let Value::Object(map) = serde_json::from_str(text).ok()? else { return None };
            let keys: Vec<(String, Value)> = map.into_iter().collect();
            let element = |list: &'v Value| {
                list.as_array()?.iter().find(|item| {
                    keys.iter().all(|(k, v)| item.get(k).map_or(k == "protocol" && v == "TCP", |own| own == v))
                })
            };
            let found = (element(wanted), element(live));
            Some((Step::Key(keys), found.0, found.1))
        }
        "v" => {
            let value: Value = serde_json::from_str(text).ok()?;
            let element = |list: &'v Value| list.as_array()?.iter().find(|item| **item == value);
            let found = (element(wanted), element(live));
            Some((Step::Item(value), found.0, found.1))
        }
        _ => None,
    }
}
