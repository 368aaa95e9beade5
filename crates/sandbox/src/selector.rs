//! Label and field selectors.

use serde_json::Value;

use crate::status::{Answer, Failure};

/// What a list or watch asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Selector {
    /// # Errors
    /// 400 in the API server's words.
    pub(crate) fn parse(labels: &str, fields: &str) -> Answer<Self> {
        let bad = |text: &str| {
            let message = format!("unable to parse requirement: {text}");
            Failure::bad_request(message)
        };
        let labels = parts(labels).into_iter().map(|part| requirement(&part).ok_or_else(|| bad(&part)));
        let fields = fields.split(',').filter(|part| !part.trim().is_empty()).map(|part| {
            let (key, negated, value) = match (part.split_once("!="), part.split_once("==")) {
                (Some((key, value)), _) => (key, true, value),
                (None, Some((key, value))) => (key, false, value),
                (None, None) => {
                    let (key, value) = part.split_once('=').ok_or_else(|| {
                        Failure::bad_request(format!("invalid field selector: {part:?}; can't understand '{part}'"))
                    })?;
                    (key, false, value)
                }
            };
            Ok((key.trim().to_owned(), negated, value.to_owned()))
        });
        Ok(Self { labels: labels.collect::<Answer<_>>()?, fields: fields.collect::<Answer<_>>()? })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The keys of the field selector.
    pub(crate) fn field_keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(key, _, _)| key.as_str())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels))
            && self.fields.iter().all(|(key, negated, value)| (field(object, key) == *value) != *negated)
    }
}

/// The text of a field; absent is empty, as the API server has it.
fn field(object: &Value, key: &str) -> String {
    // events of events.k8s.io name these differently
    let key = match key {
        "spec.unschedulable" if object.pointer("/spec/unschedulable").is_none() => return "false".to_owned(),
        "reportingComponent" | "source" if object["kind"] == "Event" => {
            let component = object["reportingComponent"].as_str().filter(|text| !text.is_empty());
            return component
                .or(object.pointer("/source/component").and_then(Value::as_str))
                .unwrap_or_default()
                .to_owned();
        }
        key => key,
    };
    let found = key.split('.').try_fold(object, |value, part| value.get(part));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = |key: &str| labels.get(key).and_then(Value::as_str);
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(key, values) => value(key).is_none_or(|v| values.iter().all(|w| w != v)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::Greater(key, than) => number(key).is_some_and(|n| n > *than),
            Self::Less(key, than) => number(key).is_some_and(|n| n < *than),
        }
    }
}

/// Splits at commas outside of parentheses.
fn parts(text: &str) -> Vec<String> {
    let (mut out, mut current, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            out.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
    }
    out.push(current);
    out.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let values = |text: &str| {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect::<Vec<_>>())
    };
    if let Some((key, rest)) = text.split_once(" notin ").or_else(|| text.split_once(" notin")) {
        return Some(Requirement::NotIn(key.trim().to_owned(), values(rest)?));
    }
    if let Some((key, rest)) =
        text.split_once(" in ").or_else(|| text.split_once(" in(").map(|(k, _)| (k, text.split_at(k.len() + 3).1)))
    {
        return Some(Requirement::In(key.trim().to_owned(), values(rest)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once('>') {
        return Some(Requirement::Greater(key.trim().to_owned(), value.trim().parse().ok()?));
    }
    if let Some((key, value)) = text.split_once('<') {
        return Some(Requirement::Less(key.trim().to_owned(), value.trim().parse().ok()?));
    }
    if let Some(key) = text.strip_prefix('!') {
        return Some(Requirement::Missing(key.trim().to_owned()));
    }
    (!text.contains(' ')).then(|| Requirement::Exists(text.to_owned()))
}

/// Whether a `LabelSelector` of a spec matches labels; an absent selector matches nothing, an empty one everything.
pub(crate) fn label_selector_matches(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object() else { return false };
    let pairs = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    pairs.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|expression| {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            let values = crate::schema::resources::strings(&expression["values"]);
            let requirement = match expression["operator"].as_str() {
                Some("In") => Requirement::In(key, values),
                Some("NotIn") => Requirement::NotIn(key, values),
                Some("Exists") => Requirement::Exists(key),
                _ => Requirement::Missing(key),
            };
            requirement.holds(labels)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_choose() {
        let object =
            json!({"metadata": {"name": "a", "labels": {"app": "web", "n": "3"}}, "status": {"phase": "Running"}});
        let check = |labels: &str, fields: &str, expected: bool| {
            assert_eq!(Selector::parse(labels, fields).unwrap().matches(&object), expected, "{labels} {fields}");
        };
        check("", "", true);
        check("app=web,n", "", true);
        check("app in (web, api),!x", "", true);
        check("app notin (web)", "", false);
        check("app!=web", "", false);
        check("n>2,n<4", "", true);
        check("app", "metadata.name=a,status.phase!=Pending", true);
        check("", "metadata.name=b", false);
        assert!(Selector::parse("a b c", "").is_err());
        assert!(Selector::parse("", "nonsense").is_err());
    }
}
