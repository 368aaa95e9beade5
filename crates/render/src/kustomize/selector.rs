//! Which objects a patch or replacement is for.

use gotemplate::regex::Regex;

use super::config::Selector;
use super::node::Fault;
use super::resource::{Id, Resource};
use super::schema::Schema;

/// A text of a selector: an anchored regular expression, empty for any.
#[derive(Debug)]
enum Pattern {
    Any,
    Literal(String),
    Expression(Regex),
}

impl Pattern {
    fn new(text: &str, field: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Ok(Pattern::Any);
        }
        if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/')) {
            return Ok(Pattern::Literal(text.to_owned()));
        }
        let regex = Regex::new(&format!("^(?:{text})$"));
        regex.map(Pattern::Expression).map_err(|e| format!("target.{field} {text:?} is no regular expression: {e}"))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Literal(literal) => literal == text,
            Pattern::Expression(regex) => regex.is_match(text.as_bytes()),
        }
    }
}

/// A selector with its expressions compiled.
#[derive(Debug)]
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
    /// No part of the id is given.
    pub(crate) any_id: bool,
    /// Neither labels nor annotations are given.
    pub(crate) any_metadata: bool,
}

impl Matcher {
    /// # Errors
    /// When an expression or label selector cannot be read.
    pub(crate) fn new(selector: &Selector) -> Result<Self, Fault> {
        let ids = [&selector.group, &selector.version, &selector.kind, &selector.name, &selector.namespace];
        Ok(Self {
            group: Pattern::new(&selector.group, "group")?,
            version: Pattern::new(&selector.version, "version")?,
            kind: Pattern::new(&selector.kind, "kind")?,
            name: Pattern::new(&selector.name, "name")?,
            namespace: Pattern::new(&selector.namespace, "namespace")?,
            labels: requirements(&selector.label_selector)?,
            annotations: requirements(&selector.annotation_selector)?,
            any_id: ids.iter().all(|t| t.is_empty()),
            any_metadata: selector.label_selector.is_empty() && selector.annotation_selector.is_empty(),
        })
    }

    /// Whether a patch with this target is for the object.
    pub(crate) fn selects(&self, resource: &Resource, schema: &Schema) -> bool {
        let (current, original) = (resource.id(schema), resource.original_id(schema));
        let namespace = |id: &Id<'_>| self.namespace.matches(id.effective_namespace());
        let name = |id: &Id<'_>| self.name.matches(id.name);
        (namespace(&original) || namespace(&current))
            && (name(&original) || name(&current))
            && self.group.matches(current.group)
            && self.version.matches(current.version)
            && self.kind.matches(current.kind)
            && self.selects_metadata(resource)
    }

    /// Whether one id of an object fits, its namespace as written.
    pub(crate) fn selects_id(&self, id: &Id<'_>) -> bool {
        self.group.matches(id.group)
            && self.version.matches(id.version)
            && self.kind.matches(id.kind)
            && self.name.matches(id.name)
            && self.namespace.matches(id.namespace)
    }

    pub(crate) fn selects_metadata(&self, resource: &Resource) -> bool {
        let fits = |field: &str, wanted: &[Requirement]| {
            wanted.is_empty() || {
                let map = resource.metadata_map(field);
                wanted.iter().all(|r| r.holds(map.iter().find(|(k, _)| *k == r.key).map(|(_, v)| *v)))
            }
        };
        fits("labels", &self.labels) && fits("annotations", &self.annotations)
    }
}

/// One condition of a label selector.
#[derive(Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|v| values.iter().any(|x| x == v)),
            Test::NotIn(values) => value.is_none_or(|v| !values.iter().any(|x| x == v)),
            Test::Greater(than) => number().is_some_and(|n| n > *than),
            Test::Less(than) => number().is_some_and(|n| n < *than),
        }
    }
}

/// Reads a label selector as kubectl's `-l` takes it.
fn requirements(text: &str) -> Result<Vec<Requirement>, Fault> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let parts = parts.iter().map(|p| p.trim());
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    parts
        .map(|part| requirement(part).ok_or_else(|| format!("{text:?} is no label selector: look at {part:?}")))
        .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let single = |key: &str, value: &str, test: fn(Vec<String>) -> Test| {
        Some(Requirement { key: checked_key(key)?, test: test(vec![checked_value(value)?]) })
    };
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement { key: checked_key(key)?, test: Test::Absent });
    }
    if let Some((head, rest)) = part.split_once('(') {
        let values: Option<Vec<String>> = rest.strip_suffix(')')?.split(',').map(checked_value).collect();
        let mut words = head.split_whitespace();
        let (key, word) = (checked_key(words.next()?)?, words.next()?);
        let test = match word {
            "in" => Test::In(values?),
            "notin" => Test::NotIn(values?),
            _ => return None,
        };
        return words.next().is_none().then_some(Requirement { key, test });
    }
    if let Some((key, value)) = part.split_once("!=") {
        return single(key, value, Test::NotIn);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return single(key, value, Test::In);
    }
    if let Some((key, value)) = part.split_once('>') {
        return Some(Requirement { key: checked_key(key)?, test: Test::Greater(value.trim().parse().ok()?) });
    }
    if let Some((key, value)) = part.split_once('<') {
        return Some(Requirement { key: checked_key(key)?, test: Test::Less(value.trim().parse().ok()?) });
    }
    Some(Requirement { key: checked_key(part)?, test: Test::Exists })
}

fn checked_key(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.rsplit('/').next().unwrap_or_default();
    let edge = |c: char| c.is_ascii_alphanumeric();
    let ok = !name.is_empty()
        && name.len() <= 63
        && name.starts_with(edge)
        && name.ends_with(edge)
        && text.matches('/').count() <= 1
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    ok.then(|| text.to_owned())
}

fn checked_value(text: &str) -> Option<String> {
    let text = text.trim();
    let edge = |c: char| c.is_ascii_alphanumeric();
    let ok = text.is_empty()
        || (text.len() <= 63
            && text.starts_with(edge)
            && text.ends_with(edge)
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    ok.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors() {
        for (selector, value, holds) in [
            ("a=b", Some("b"), true),
            ("a==b", Some("c"), false),
            ("a!=b", None, true),
            ("a in (b, c)", Some("c"), true),
            ("a notin (b)", Some("b"), false),
            ("a", None, false),
            ("!a", None, true),
        ] {
            assert_eq!(requirements(selector).unwrap().iter().all(|r| r.holds(value)), holds, "{selector}");
        }
        assert!(requirements("a=b=c").is_err());
        assert!(requirements("").unwrap().is_empty());
    }
}
