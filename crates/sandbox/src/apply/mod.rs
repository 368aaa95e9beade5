//! Server-side apply: who owns which field, and what an apply makes of an object.

pub(crate) mod fields;
mod last_applied;
mod managers;
mod merge;
pub(crate) mod typed;

use serde_json::{Value, json};

use crate::schema::Schema;
use crate::status::Failure;
use fields::{FieldSet, compare, set_of, show};
use managers::{Managers, Operation};

/// The manager of `kubectl apply --server-side`, which may take over what `kubectl apply` wrote.
const KUBECTL: &str = "kubectl";

/// Fields that nobody owns.
const UNOWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "generateName"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "resourceVersion"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
];

/// Who writes, and when.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) api_version: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    /// As in `managedFields`.
    pub(crate) time: String,
    /// Fields that this kind of write cannot touch: `status`, or everything else.
    pub(crate) reset: Vec<Vec<&'static str>>,
}

impl Writer {
    fn clean(&self, set: &mut FieldSet) {
        for path in UNOWNED {
            set.remove_below(path);
        }
        for path in &self.reset {
            set.remove_below(path);
        }
        if let Some(metadata) = set.children.get_mut(&fields::Element::Field("metadata".into())) {
            metadata.member = false;
        }
        set.member = false;
        set.children.retain(|_, child| !child.is_empty());
    }
}

/// Notes an ordinary write: what changed belongs to the writer now. `live` is the zero object for a creation.
pub(crate) fn note_update(schema: &Schema, live: &Value, new: &mut Value, writer: &Writer) {
    let mut managers = Managers::of(new);
    if managers.0.is_empty() && live["metadata"]["uid"].is_string() {
        // ownership that was given up is not counted again before somebody applies
        return managers.write(new);
    }
    let mut difference = compare(schema, &without_fields(live), &without_fields(new));
    writer.clean(&mut difference.changed);
    writer.clean(&mut difference.removed);
    for manager in &mut managers.0 {
        if !manager.is(Operation::Update, writer) {
            manager.fields.subtract(&difference.changed);
        }
        manager.fields.subtract(&difference.removed);
    }
    if !difference.changed.is_empty() {
        managers.own(writer, &difference.changed);
        managers.cap();
    }
    managers.write(new);
}

fn without_fields(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

/// What an apply makes of `live` (the zero object for a creation).
///
/// # Errors
/// 409 when others own what the configuration wants otherwise, unless `force`.
pub(crate) fn apply(
    schema: &Schema,
    live: &Value,
    config: &Value,
    writer: &Writer,
    force: bool,
) -> Result<Value, Box<Failure>> {
    let mut managers = Managers::of(live);
    if managers.0.is_empty() && live["metadata"]["uid"].is_string() {
        let mut everything = set_of(schema, &without_fields(live));
        writer.clean(&mut everything);
        let before = Writer { manager: "before-first-apply".into(), subresource: String::new(), ..writer.clone() };
        managers.own(&before, &everything);
    }
    let mut wanted = set_of(schema, config);
    writer.clean(&mut wanted);
    let mut merged = merge::merge(schema, Some(&without_fields(live)), &without_fields(config));
    let had = managers.fields_of(Operation::Apply, writer);
    let mut changed = compare(schema, &without_fields(live), &merged).changed;
    writer.clean(&mut changed);
    // what differs and is wanted: others' claims to it are conflicts
    let contested = changed.intersection(&wanted);
    let settled = if writer.manager == KUBECTL { last_applied::fields(schema, live) } else { FieldSet::default() };
    let mut conflicts = Vec::new();
    for manager in managers.0.iter().filter(|manager| !manager.is(Operation::Apply, writer)) {
        let mut both = manager.fields.intersection(&contested);
        both.subtract(&settled);
        conflicts.extend(both.paths().into_iter().map(|path| (manager.title(), show(&path))));
    }
    if !conflicts.is_empty() && !force {
        return Err(Box::new(conflict(&conflicts)));
    }
    for manager in managers.0.iter_mut().filter(|manager| !manager.is(Operation::Apply, writer)) {
        let both = manager.fields.intersection(&contested);
        manager.fields.subtract(&both);
    }
    // what this manager does not want any more, and nobody else owns, goes
    let mut dropped = had;
    dropped.subtract(&wanted);
    for manager in managers.0.iter().filter(|manager| !manager.is(Operation::Apply, writer)) {
        keep_parents(&mut dropped, &manager.fields);
    }
    keep_parents(&mut dropped, &wanted);
    merge::remove(schema, &mut merged, &dropped);
    let changed = merged != without_fields(live);
    managers.set(writer, wanted, changed);
    managers.write(&mut merged);
    if writer.manager == KUBECTL {
        last_applied::renew(&mut merged, config);
    }
    Ok(merged)
}

/// Takes out of `dropped` what `owned` owns, or owns something below of.
fn keep_parents(dropped: &mut FieldSet, owned: &FieldSet) {
    if !owned.is_empty() {
        dropped.member = false;
    }
    for (element, child) in &owned.children {
        if let Some(own) = dropped.children.get_mut(element) {
            keep_parents(own, child);
        }
    }
    dropped.children.retain(|_, child| !child.is_empty());
}

fn conflict(conflicts: &[(String, String)]) -> Failure {
    let count = conflicts.len();
    let message = match conflicts {
        [(title, path)] => format!("Apply failed with 1 conflict: conflict with {title}: {path}"),
        several => {
            let mut titles: Vec<&String> = several.iter().map(|(title, _)| title).collect();
            titles.sort();
            titles.dedup();
            let groups = titles.into_iter().map(|title| {
                let paths = several.iter().filter(|(t, _)| t == title).map(|(_, path)| format!("- {path}"));
                format!("conflicts with {title}:\n{}", paths.collect::<Vec<_>>().join("\n"))
            });
            format!("Apply failed with {count} conflicts: {}", groups.collect::<Vec<_>>().join("\n"))
        }
    };
    let mut failure = Failure::new(409, "Conflict", message);
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(title, path)| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {title}"), "field": path })
        })
        .collect();
    failure.details.insert("causes".into(), json!(causes));
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(manager: &str) -> Writer {
        Writer {
            manager: manager.into(),
            api_version: "v1".into(),
            subresource: String::new(),
            time: "2026-01-01T00:00:00Z".into(),
            reset: Vec::new(),
        }
    }

    fn map(data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
    }

    fn applied(live: &Value, data: Value, manager: &str, force: bool) -> Result<Value, Box<Failure>> {
        let schema = Schema::named("core/v1.ConfigMap").unwrap();
        let mut result = apply(&schema, live, &map(data), &writer(manager), force)?;
        result["metadata"]["uid"] = json!("u");
        Ok(result)
    }

    #[test]
    fn fields_belong_to_who_applied_them() {
        let one = applied(&json!({}), json!({"a": "1", "b": "1"}), "one", false).unwrap();
        let fields = &one["metadata"]["managedFields"][0]["fieldsV1"];
        assert_eq!(*fields, json!({"f:data": {"f:a": {}, "f:b": {}}}));
        let refused = applied(&one, json!({"a": "2"}), "two", false).unwrap_err();
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
        let both = applied(&one, json!({"a": "1"}), "two", false).unwrap();
        let forced = applied(&both, json!({"a": "2"}), "two", true).unwrap();
        assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
        // one drops b, which nobody else has
        let dropped = applied(&forced, json!({}), "one", false).unwrap();
        assert_eq!(dropped["data"], json!({"a": "2"}));
    }

    #[test]
    fn an_update_takes_what_it_changes() {
        let schema = Schema::named("core/v1.ConfigMap").unwrap();
        let live = applied(&json!({}), json!({"a": "1", "b": "1"}), "one", false).unwrap();
        let mut new = live.clone();
        new["data"] = json!({"a": "2", "c": "1"});
        note_update(&schema, &live, &mut new, &writer("edit"));
        let managers = new["metadata"]["managedFields"].as_array().unwrap();
        let of = |name: &str| managers.iter().find(|m| m["manager"] == name).map(|m| m["fieldsV1"].clone());
        assert_eq!(of("edit"), Some(json!({"f:data": {"f:a": {}, "f:c": {}}})));
        assert_eq!(of("one"), None);
        let refused = applied(&new, json!({"a": "1"}), "one", false).unwrap_err();
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"edit\" using v1: .data.a");
    }

    #[test]
    fn items_of_list_maps_have_keys() {
        let schema = Schema::named("core/v1.Service").unwrap();
        let service = |ports: Value| json!({"metadata": {"name": "s"}, "spec": {"ports": ports}});
        let live = apply(&schema, &json!({}), &service(json!([{"port": 80}])), &writer("one"), false).unwrap();
        let set = &live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"];
        assert_eq!(*set, json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}));
        let more = service(json!([{"port": 443, "protocol": "TCP"}]));
        let live = apply(&schema, &live, &more, &writer("two"), false).unwrap();
        assert_eq!(live["spec"]["ports"].as_array().unwrap().len(), 2);
        let gone = apply(&schema, &live, &service(json!([])), &writer("one"), false).unwrap();
        assert_eq!(gone["spec"]["ports"], json!([{"port": 443, "protocol": "TCP"}]));
    }
}
