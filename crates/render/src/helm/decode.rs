//! Typed fields out of YAML as `sigs.k8s.io/yaml` and Go's `encoding/json` read them into structs: keys match without
//! regard to case, numbers and booleans become texts where a text is wanted.

use std::collections::BTreeMap;

use object::yaml;
use serde_json::{Map, Value};

/// A field holds what does not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, but must be {wanted}")]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) found: &'static str,
    pub(crate) wanted: &'static str,
}

/// The fields of one mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of a mapping; none when there is nothing at all.
    ///
    /// # Errors
    /// When `value` is something else.
    pub(crate) fn of(value: &'a Value, field: &str) -> Result<Option<Self>, FieldError> {
        match value {
            Value::Object(map) => Ok(Some(Self(map))),
            Value::Null => Ok(None),
            other => Err(wrong(field, other, "a mapping")),
        }
    }

    /// The last of the keys that are `name` but for case, in byte order; nothing for null.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        let mut found = self.0.iter().filter(|(k, v)| k.eq_ignore_ascii_case(name) && !v.is_null());
        found.next_back().map(|(_, v)| v)
    }

    /// Sets `into` when the field is there.
    pub(crate) fn text(self, name: &str, into: &mut String) -> Result<(), FieldError> {
        if let Some(value) = self.get(name) {
            *into = text(value).ok_or_else(|| wrong(name, value, "a text"))?;
        }
        Ok(())
    }

    pub(crate) fn flag(self, name: &str, into: &mut bool) -> Result<(), FieldError> {
        if let Some(value) = self.get(name) {
            *into = value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))?;
        }
        Ok(())
    }

    pub(crate) fn list(self, name: &str) -> Result<Option<&'a Vec<Value>>, FieldError> {
        match self.get(name) {
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong(name, other, "a list")),
            None => Ok(None),
        }
    }

    pub(crate) fn texts(self, name: &str, into: &mut Vec<String>) -> Result<(), FieldError> {
        if let Some(items) = self.list(name)? {
            let texts = items.iter().map(|item| match item {
                Value::Null => Ok(String::new()),
                item => text(item).ok_or_else(|| wrong(name, item, "a text")),
            });
            *into = texts.collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    pub(crate) fn text_map(self, name: &str, into: &mut Option<BTreeMap<String, String>>) -> Result<(), FieldError> {
        let Some(value) = self.get(name) else { return Ok(()) };
        let map = value.as_object().ok_or_else(|| wrong(name, value, "a mapping"))?;
        let entries = map.iter().map(|(key, value)| {
            let value = if value.is_null() { Some(String::new()) } else { text(value) };
            Ok((key.clone(), value.ok_or_else(|| wrong(&format!("{name}.{key}"), &map[key], "a text"))?))
        });
        *into = Some(entries.collect::<Result<_, _>>()?);
        Ok(())
    }
}

fn wrong(field: &str, found: &Value, wanted: &'static str) -> FieldError {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    FieldError { field: field.to_owned(), found, wanted }
}

/// The text that a scalar becomes where a text is wanted.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(yaml::short_float),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
