//! Strategic merge patches: maps and lists merged by the patch keys of the schema, with the directives `$patch`,
//! `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…`.

use serde_json::{Map, Value};

use crate::schema::{Field, PatchStrategy, Schema};

/// # Errors
/// What the patch says that cannot be done, as the API server words it.
pub(crate) fn strategic_merge(schema: &Schema, target: &mut Value, patch: &Value) -> Result<(), String> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => merge_maps(schema, target, patch),
        (target, patch) => {
            *target = patch.clone();
            Ok(())
        }
    }
}

fn merge_maps(schema: &Schema, target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), String> {
    match patch.get("$patch").map(|directive| directive.as_str().unwrap_or_default()) {
        None => {}
        Some("replace") => {
            *target = patch.iter().filter(|(key, _)| *key != "$patch").map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") => {}
        Some(other) => {
            return Err(format!("unknown patch type: {other} in map: {}", go_map(&Value::Object(patch.clone()))));
        }
    }
    if let Some(Value::Array(keys)) = patch.get("$retainKeys") {
        target.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let field = schema.object().and_then(|object| object.fields.get(key));
        let child = schema.field(key).cloned().unwrap_or(Schema::Any);
        let order = patch.get(&format!("$setElementOrder/{key}"));
        let deletions = patch.get(&format!("$deleteFromPrimitiveList/{key}"));
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Object(inner) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge_maps(&child, slot, inner)?;
                }
            }
            Value::Array(items) => {
                let merged = merge_list(&child, strategy(field), target.get(key), items, order, deletions)?;
                target.insert(key.clone(), Value::Array(merged));
            }
            other => drop(target.insert(key.clone(), other.clone())),
        }
    }
    lists_without_items(schema, target, patch)
}

/// Orders and deletions of lists that the patch itself does not name.
fn lists_without_items(
    schema: &Schema,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), String> {
    for (directive, value) in patch {
        let is = match value {
            Value::Array(_) | Value::Null => "",
            Value::String(_) => "string",
            Value::Object(_) => "map[string]interface {}",
            Value::Bool(_) => "bool",
            Value::Number(_) => "int64",
        };
        if directive.starts_with("$setElementOrder/") && !is.is_empty() {
            return Err(format!("expected a []interface {{}}, but received a {is}"));
        }
        let named = directive.strip_prefix("$setElementOrder/").or(directive.strip_prefix("$deleteFromPrimitiveList/"));
        let Some(key) = named.filter(|key| !patch.contains_key(*key)) else { continue };
        let field = schema.object().and_then(|object| object.fields.get(key));
        let child = schema.field(key).cloned().unwrap_or(Schema::Any);
        let (order, deletions) = if directive.starts_with("$set") { (Some(value), None) } else { (None, Some(value)) };
        if target.contains_key(key) {
            let merged = merge_list(&child, strategy(field), target.get(key), &[], order, deletions)?;
            target.insert(key.to_owned(), Value::Array(merged));
        }
    }
    Ok(())
}

fn strategy(field: Option<&Field>) -> PatchStrategy {
    field.and_then(|field| field.patch.clone()).unwrap_or_default()
}

fn merge_list(
    schema: &Schema,
    strategy: PatchStrategy,
    old: Option<&Value>,
    patch: &[Value],
    order: Option<&Value>,
    deletions: Option<&Value>,
) -> Result<Vec<Value>, String> {
    let items = match schema {
        Schema::List { items, .. } => (**items).clone(),
        _ => Schema::Any,
    };
    let replaced = patch.iter().any(|item| item["$patch"] == "replace");
    let plain = || patch.iter().filter(|item| item.get("$patch").is_none()).cloned().collect::<Vec<_>>();
    if !strategy.merge || replaced {
        return Ok(plain());
    }
    let mut list = old.and_then(Value::as_array).cloned().unwrap_or_default();
    if strategy.key.is_empty() {
        let gone = deletions.and_then(Value::as_array).cloned().unwrap_or_default();
        list.retain(|item| !gone.contains(item));
        let mut fresh: Vec<Value> = Vec::new();
        fresh.extend(patch.iter().filter(|item| !list.contains(item)).cloned());
        list.splice(0..0, fresh);
        sort(&mut list, order, |item| Some(item.clone()));
        return Ok(list);
    }
    let key = strategy.key.as_str();
    for item in patch {
        let wanted = item.get(key).filter(|value| !value.is_null());
        let wanted =
            wanted.ok_or_else(|| format!("map: {} does not contain declared merge key: {key}", go_map(item)))?;
        let at = list.iter().position(|known| known.get(key) == Some(wanted));
        match (item["$patch"].as_str(), at) {
            (Some("delete"), _) => list.retain(|known| known.get(key) != Some(wanted)),
            (_, Some(at)) => {
                if let (Some(Value::Object(known)), Value::Object(item)) = (list.get_mut(at), item) {
                    merge_maps(&items, known, item)?;
                }
            }
            (_, None) => {
                let mut fresh = Map::new();
                if let Value::Object(item) = item {
                    merge_maps(&items, &mut fresh, item)?;
                }
                list.push(Value::Object(fresh));
            }
        }
    }
    sort(&mut list, order, |item| item.get(key).cloned());
    Ok(list)
}

/// Items named in `order` come in that order; others keep their place relative to what they followed.
fn sort(list: &mut Vec<Value>, order: Option<&Value>, identity: impl Fn(&Value) -> Option<Value>) {
    let Some(order) = order.and_then(Value::as_array) else { return };
    let wanted: Vec<Option<Value>> =
        order.iter().map(|entry| if entry.is_object() { identity(entry) } else { Some(entry.clone()) }).collect();
    let rank = |item: &Value| wanted.iter().position(|entry| *entry == identity(item));
    let all = std::mem::take(list).into_iter().enumerate();
    let (mut named, others): (Vec<_>, Vec<_>) = all.partition(|(_, item)| rank(item).is_some());
    let places: Vec<usize> = named.iter().map(|(at, _)| *at).collect();
    named.sort_by_key(|(_, item)| rank(item));
    let mut all: Vec<(usize, Value)> =
        places.into_iter().zip(named.into_iter().map(|(_, item)| item)).chain(others).collect();
    all.sort_by_key(|(at, _)| *at);
    *list = all.into_iter().map(|(_, item)| item).collect();
}

fn go_map(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_map(value))).collect();
            format!("map[{}]", parts.join(" "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_and_ports_are_merged_by_their_keys() {
        let schema = Schema::named("apps/v1.Deployment").unwrap();
        let spec = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let check = |patch: Value, expected: Value| {
            let mut target = spec(
                json!([{"name": "a", "image": "x:1", "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "y"}]),
            );
            strategic_merge(&schema, &mut target, &spec(patch)).unwrap();
            assert_eq!(target["spec"]["template"]["spec"]["containers"], expected);
        };
        check(
            json!([{"name": "a", "image": "x:2"}]),
            json!([{"name": "a", "image": "x:2", "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "y"}]),
        );
        check(
            json!([{"name": "a", "env": [{"name": "E", "$patch": "delete"}]}, {"name": "b", "$patch": "delete"}]),
            json!([{"name": "a", "image": "x:1", "env": []}]),
        );
        check(json!([{"$patch": "replace"}, {"name": "z"}]), json!([{"name": "z"}]));
        let mut target = spec(json!([{"name": "a"}, {"name": "b"}]));
        let patch = json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "image": "n"}]}}}});
        strategic_merge(&schema, &mut target, &patch).unwrap();
        assert_eq!(
            target["spec"]["template"]["spec"]["containers"],
            json!([{"name": "b", "image": "n"}, {"name": "a"}])
        );
        let missing = strategic_merge(&schema, &mut target, &spec(json!([{"image": "n"}]))).unwrap_err();
        assert!(missing.contains("does not contain declared merge key: name"), "{missing}");
    }
}
