//! `ignoreDifferences`: what a comparison leaves out.

use api::argocd::{ResourceIgnoreDifferences, glob_match};
use object::{Manifest, ResourceKey};
use serde_json::Value;

/// A rule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "ignoreDifferences: the jq expression {0:?} is not supported: use a plain path such as .spec.template.spec.containers[].image, or jsonPointers"
)]
pub struct UnsupportedExpression(pub String);

/// The rules that meet one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct IgnoreRules<'a> {
    rules: Vec<&'a ResourceIgnoreDifferences>,
}

impl<'a> IgnoreRules<'a> {
    pub(crate) fn for_object(rules: &'a [ResourceIgnoreDifferences], key: &ResourceKey) -> Self {
        let hit = |pattern: &str, text: &str| glob_match(pattern, text, None).unwrap_or(false);
        let exact = |wanted: &str, text: &str| wanted.is_empty() || wanted == text;
        let meets = |rule: &&ResourceIgnoreDifferences| {
            hit(&rule.group, &key.group)
                && hit(&rule.kind, &key.kind)
                && exact(&rule.name, &key.name)
                && exact(&rule.namespace, &key.namespace)
        };
        Self { rules: rules.iter().filter(meets).collect() }
    }

    /// Takes the ignored fields out of a value.
    pub(crate) fn strip(&self, value: &mut Value) {
        for rule in &self.rules {
            for pointer in &rule.json_pointers {
                remove_pointer(value, pointer);
            }
            for expression in &rule.jq_path_expressions {
                if let Ok(path) = parse_path(expression) {
                    remove_path(value, &path);
                }
            }
        }
    }

    pub(crate) fn ignores_manager(&self, manager: &str) -> bool {
        self.rules.iter().any(|rule| rule.managed_fields_managers.iter().any(|m| m == manager))
    }

    /// Gives the target the live values of the ignored fields, so that a sync leaves them as they are
    /// (`RespectIgnoreDifferences=true`).
    pub(crate) fn adopt_live(&self, target: &mut Manifest, live: &Value) {
        for pointer in self.rules.iter().flat_map(|rule| &rule.json_pointers) {
            let value = live.pointer(pointer).cloned();
            match (value, target.value_mut().pointer_mut(pointer)) {
                (Some(value), Some(slot)) => *slot = value,
                (None, Some(_)) => remove_pointer(target.value_mut(), pointer),
                _ => {}
            }
        }
    }
}

/// Expressions that this version cannot follow.
pub(crate) fn unsupported(rules: &[ResourceIgnoreDifferences]) -> Vec<UnsupportedExpression> {
    rules.iter().flat_map(|rule| &rule.jq_path_expressions).filter_map(|text| parse_path(text).err()).collect()
}

fn remove_pointer(value: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let last = object::path::pointer_key(last);
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Some(index) = last.parse::<usize>().ok().filter(|&index| index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Field(String),
    Index(usize),
    Each,
    /// `select(.field == "text")`
    Where(String, String),
}

/// The part of jq that people use here: `.a.b`, `["a"]`, `[0]`, `[]`, `| select(.name == "x") |`.
fn parse_path(text: &str) -> Result<Vec<Part>, UnsupportedExpression> {
    let error = || UnsupportedExpression(text.to_owned());
    let mut parts = Vec::new();
    for stage in text.split('|').map(str::trim) {
        if let Some(condition) = stage.strip_prefix("select(").and_then(|s| s.strip_suffix(')')) {
            let (field, value) = condition.split_once("==").ok_or_else(error)?;
            let field = field.trim().strip_prefix('.').ok_or_else(error)?;
            let value = value.trim().strip_prefix('"').and_then(|v| v.strip_suffix('"')).ok_or_else(error)?;
            if field.is_empty() || field.contains(['.', '[', '(']) {
                return Err(error());
            }
            parts.push(Part::Where(field.to_owned(), value.to_owned()));
        } else {
            parts.extend(parse_stage(stage).ok_or_else(error)?);
        }
    }
    if matches!(parts.last(), None | Some(Part::Where(..))) { Err(error()) } else { Ok(parts) }
}

fn parse_stage(stage: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = stage.strip_prefix('.')?;
    if rest.is_empty() {
        return None;
    }
    loop {
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, tail) = match inside.strip_prefix('"') {
                Some(quoted) => quoted.split_once("\"]").map(|(name, tail)| (Part::Field(name.to_owned()), tail))?,
                None => inside.split_once(']').and_then(|(number, tail)| match number {
                    "" => Some((Part::Each, tail)),
                    number => Some((Part::Index(number.parse().ok()?), tail)),
                })?,
            };
            parts.push(index);
            rest = tail;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let name = name.trim_matches('"');
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/')) {
                return None;
            }
            parts.push(Part::Field(name.to_owned()));
            rest = tail;
        }
        match rest.as_bytes().first() {
            None => return Some(parts),
            Some(b'.') => rest = &rest[1..],
            Some(_) => {}
        }
    }
}

fn remove_path(value: &mut Value, path: &[Part]) {
    let Some((part, rest)) = path.split_first() else { return };
    match (part, value) {
        (Part::Field(name), Value::Object(map)) if rest.is_empty() => {
            map.remove(name);
        }
        (Part::Field(name), Value::Object(map)) => {
            if let Some(inner) = map.get_mut(name) {
                remove_path(inner, rest);
            }
        }
        (Part::Index(index), Value::Array(items)) if *index < items.len() => {
            if rest.is_empty() {
                items.remove(*index);
            } else {
                remove_path(&mut items[*index], rest);
            }
        }
        (Part::Each, Value::Array(items)) => remove_each(items, rest),
        (Part::Where(field, text), value) if value.get(field).and_then(Value::as_str) == Some(text) => {
            remove_path(value, rest);
        }
        _ => {}
    }
}

fn remove_each(items: &mut Vec<Value>, rest: &[Part]) {
    match rest {
        [] => items.clear(),
        [Part::Where(field, text)] => items.retain(|item| item.get(field).and_then(Value::as_str) != Some(text)),
        rest => items.iter_mut().for_each(|item| remove_path(item, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_take_fields_out() {
        let object = json!({"spec": {"replicas": 1, "c": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}});
        for (expression, expected) in [
            (".spec.replicas", json!({"spec": {"c": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}})),
            (".spec.c[].image", json!({"spec": {"replicas": 1, "c": [{"name": "a"}, {"name": "b"}]}})),
            (
                ".spec.c[] | select(.name == \"b\") | .image",
                json!({"spec": {"replicas": 1, "c": [{"name": "a", "image": "x"}, {"name": "b"}]}}),
            ),
            (".spec.c[0]", json!({"spec": {"replicas": 1, "c": [{"name": "b", "image": "y"}]}})),
            (".[\"spec\"][\"c\"]", json!({"spec": {"replicas": 1}})),
        ] {
            let mut value = object.clone();
            remove_path(&mut value, &parse_path(expression).unwrap());
            assert_eq!(value, expected, "{expression}");
        }
        for bad in ["", ".", "spec", "..", ".a | map(.b)", ".a[", "paths(.)", ".a | select(.b > 1) | .c"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
    }
}
