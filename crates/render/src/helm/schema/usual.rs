//! Schemas of the usual keywords, decided without compiling them: the full validator spends most of its time on reading the
//! schema of schemas and on references. What is rarer, and every message of what is wrong, is left to it.

use std::cell::Cell;

use gotemplate::value::{List, Map, Str, Value};
use serde_json::{Map as JsonMap, Value as Json};

/// A schema of drafts 7 to 2020-12 that has only usual keywords, each of the right shape.
pub(super) struct Usual(Json);

/// Why there is no judgement.
#[derive(Debug)]
pub(super) enum Unsure {
    /// the full validator must be asked
    Rare,
    /// schemas that apply schemas twice that apply schemas twice…: no validator comes to an end
    Endless,
}

type Judged = Result<bool, Unsure>;

/// References and schemas inside each other before the full validator, which sees cycles, is asked.
const DEPTH: usize = 100;

/// Schemas applied to values in one judgement: more than any chart's, less than a second.
const STEPS: u32 = 10_000_000;

/// Numbers up to here are the same as integers and as floats.
const EXACT: f64 = 9e15;

impl Usual {
    pub(super) fn new(schema: Json) -> Option<Self> {
        Check { root: &schema }.is_usual().then_some(Self(schema))
    }

    /// Whether `values` fit.
    ///
    /// # Errors
    /// [`Unsure`] when they hold what JSON does not, or the schema is too deep or takes too long.
    pub(super) fn fits(&self, values: &Map) -> Judged {
        Fit { root: &self.0, steps: Cell::new(0) }.schema(&self.0, &Value::Map(values.clone()), 0)
    }
}

/// Decides whether a schema is usual.
struct Check<'s> {
    root: &'s Json,
}

impl Check<'_> {
    fn is_usual(&self) -> bool {
        let draft = self.root.get("$schema").is_none_or(|draft| draft.as_str().is_some_and(is_known_draft));
        draft && self.schema(self.root, true)
    }

    fn schema(&self, schema: &Json, is_root: bool) -> bool {
        match schema {
            Json::Bool(_) => true,
            // up to draft 7 nothing else counts beside a reference, later everything does
            Json::Object(keywords) if keywords.contains_key("$ref") => {
                keywords.iter().all(|(name, value)| match name.as_str() {
                    "$ref" => value.as_str().is_some_and(|to| target(self.root, to).is_some()),
                    "$schema" | "definitions" | "$defs" => is_root && self.keyword(name, value),
                    "title" | "description" | "default" | "examples" | "$comment" => self.keyword(name, value),
                    _ => false,
                })
            }
            Json::Object(keywords) => keywords.iter().all(|(name, value)| match name.as_str() {
                "$schema" => is_root,
                _ => self.keyword(name, value),
            }),
            _ => false,
        }
    }

    fn schemas(&self, value: &Json) -> bool {
        value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|schema| self.schema(schema, false)))
    }

    fn keyword(&self, name: &str, value: &Json) -> bool {
        match name {
            "title" | "description" | "$comment" => value.is_string(),
            "deprecated" | "readOnly" | "writeOnly" | "uniqueItems" => value.is_boolean(),
            "examples" => value.is_array(),
            "type" => is_types(value),
            "required" => is_set(value, Json::is_string),
            "enum" => is_set(value, is_plain),
            "const" => is_plain(value),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => value.is_u64(),
            "properties" | "definitions" | "$defs" => {
                value.as_object().is_some_and(|map| map.values().all(|schema| self.schema(schema, false)))
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" => self.schema(value, false),
            "allOf" | "anyOf" | "oneOf" => self.schemas(value),
            _ => !is_rare(name),
        }
    }
}

fn is_known_draft(url: &str) -> bool {
    let url = url.strip_suffix('#').unwrap_or(url);
    let place = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    matches!(
        place,
        Some(
            "json-schema.org/schema"
                | "json-schema.org/draft-07/schema"
                | "json-schema.org/draft/2019-09/schema"
                | "json-schema.org/draft/2020-12/schema"
        )
    )
}

/// Keywords of any draft that mean something and are not decided here. All others mean nothing.
fn is_rare(name: &str) -> bool {
    name.starts_with('$')
        || name.starts_with("unevaluated")
        || name.starts_with("content")
        || name.starts_with("dependent")
        || matches!(
            name,
            "id" | "format"
                | "pattern"
                | "patternProperties"
                | "propertyNames"
                | "multipleOf"
                | "prefixItems"
                | "additionalItems"
                | "contains"
                | "minContains"
                | "maxContains"
                | "dependencies"
        )
}

fn is_types(value: &Json) -> bool {
    let is_type = |name: &Json| {
        let known = ["array", "boolean", "integer", "null", "number", "object", "string"];
        name.as_str().is_some_and(|name| known.contains(&name))
    };
    is_type(value) || (is_set(value, is_type) && value != &Json::Array(Vec::new()))
}

/// A list of such items of which no two are the same.
fn is_set(value: &Json, is_item: impl Fn(&Json) -> bool) -> bool {
    value.as_array().is_some_and(|items| {
        items.len() <= 50
            && items.iter().all(is_item)
            && items.iter().enumerate().all(|(at, item)| !items[..at].iter().any(|other| is_same_plain(item, other)))
    })
}

/// No list or map, and no number that could be two.
fn is_plain(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.as_f64().is_some_and(|number| number.abs() < EXACT),
        Json::Array(_) | Json::Object(_) => false,
        _ => true,
    }
}

fn is_same_plain(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// What `#/definitions/name` or `#/$defs/name` refers to.
fn target<'s>(root: &'s Json, reference: &str) -> Option<&'s Json> {
    let (place, name) = reference.strip_prefix("#/")?.split_once('/')?;
    let is_literal =
        !name.contains(['/', '~', '%', '"', '<', '>', '\\', '^', '`', '{', '|', '}', ' ']) && name.is_ascii();
    let schemas = if matches!(place, "definitions" | "$defs") && is_literal { root.get(place)? } else { return None };
    schemas.get(name)
}

/// Judges values by a usual schema.
struct Fit<'s> {
    root: &'s Json,
    steps: Cell<u32>,
}

impl Fit<'_> {
    fn schema(&self, schema: &Json, value: &Value, depth: usize) -> Judged {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > STEPS {
            return Err(Unsure::Endless);
        }
        if depth > DEPTH {
            return Err(Unsure::Rare);
        }
        let keywords = match schema {
            Json::Object(keywords) => keywords,
            other => return Ok(other != &Json::Bool(false)),
        };
        if let Some(reference) = keywords.get("$ref") {
            let target = reference.as_str().and_then(|to| target(self.root, to)).ok_or(Unsure::Rare)?;
            return self.schema(target, value, depth + 1);
        }
        for (name, operand) in keywords {
            if !self.keyword(name, operand, keywords, value, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keyword(
        &self,
        name: &str,
        operand: &Json,
        beside: &JsonMap<String, Json>,
        value: &Value,
        depth: usize,
    ) -> Judged {
        let count = |schemas: &Json| {
            let judge = |schema| self.schema(schema, value, depth).map(usize::from);
            schemas.as_array().into_iter().flatten().map(judge).sum::<Result<usize, Unsure>>()
        };
        match name {
            "type" => has_type(value, operand),
            "const" => is_equal(value, operand),
            "enum" => any(operand.as_array().into_iter().flatten(), |item| is_equal(value, item)),
            "allOf" => Ok(count(operand)? == operand.as_array().map_or(0, Vec::len)),
            "anyOf" => Ok(count(operand)? > 0),
            "oneOf" => Ok(count(operand)? == 1),
            "not" => Ok(!self.schema(operand, value, depth)?),
            "if" => {
                let branch = if self.schema(operand, value, depth)? { "then" } else { "else" };
                beside.get(branch).map_or(Ok(true), |schema| self.schema(schema, value, depth))
            }
            _ => match value {
                Value::Map(map) => self.of_map(name, operand, beside, map, depth),
                Value::List(list) => self.of_list(name, operand, list, depth),
                Value::String(text) => of_text(name, operand, text),
                other => number(other)?.map_or(Ok(true), |number| Ok(of_number(name, operand, number))),
            },
        }
    }

    fn of_map(&self, name: &str, operand: &Json, beside: &JsonMap<String, Json>, map: &Map, depth: usize) -> Judged {
        let entries = map.entries();
        match name {
            "minProperties" => Ok(at_least(entries.len(), operand)),
            "maxProperties" => Ok(at_most(entries.len(), operand)),
            "required" => Ok(operand
                .as_array()
                .into_iter()
                .flatten()
                .all(|key| key.as_str().is_some_and(|key| entries.contains_key(key.as_bytes())))),
            "properties" => all(operand.as_object().into_iter().flatten(), |(key, schema)| {
                entries.get(key.as_bytes()).map_or(Ok(true), |value| self.schema(schema, value, depth))
            }),
            "additionalProperties" => {
                let known = beside.get("properties").and_then(Json::as_object);
                all(entries.iter(), |(key, value)| {
                    let key = key.as_str().ok_or(Unsure::Rare)?;
                    if known.is_some_and(|known| known.contains_key(key)) {
                        return Ok(true);
                    }
                    self.schema(operand, value, depth)
                })
            }
            _ => Ok(true),
        }
    }

    fn of_list(&self, name: &str, operand: &Json, list: &List, depth: usize) -> Judged {
        let items = list.items();
        match name {
            "minItems" => Ok(at_least(items.len(), operand)),
            "maxItems" => Ok(at_most(items.len(), operand)),
            "items" => all(items.iter(), |item| self.schema(operand, item, depth)),
            "uniqueItems" if operand == &Json::Bool(true) && items.len() > 1 => has_unique_texts(&items),
            _ => Ok(true),
        }
    }
}

/// Whether no two of these texts are the same; of other items that is not decided here.
fn has_unique_texts(items: &[Value]) -> Judged {
    let text = |item: &Value| match item {
        Value::String(text) => text.as_str().map(str::to_owned).ok_or(Unsure::Rare),
        _ => Err(Unsure::Rare),
    };
    let mut texts = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    texts.sort_unstable();
    Ok(texts.windows(2).all(|pair| pair[0] != pair[1]))
}

fn of_text(name: &str, operand: &Json, text: &Str) -> Judged {
    let length = || text.as_str().map(|text| text.chars().count()).ok_or(Unsure::Rare);
    match name {
        "minLength" => Ok(at_least(length()?, operand)),
        "maxLength" => Ok(at_most(length()?, operand)),
        _ => Ok(true),
    }
}

fn of_number(name: &str, operand: &Json, number: f64) -> bool {
    let limit = operand.as_f64();
    match name {
        "minimum" => limit.is_none_or(|limit| number >= limit),
        "maximum" => limit.is_none_or(|limit| number <= limit),
        "exclusiveMinimum" => limit.is_none_or(|limit| number > limit),
        "exclusiveMaximum" => limit.is_none_or(|limit| number < limit),
        _ => true,
    }
}

fn at_least(count: usize, limit: &Json) -> bool {
    limit.as_u64().is_none_or(|limit| count as u64 >= limit)
}

fn at_most(count: usize, limit: &Json) -> bool {
    limit.as_u64().is_none_or(|limit| count as u64 <= limit)
}

/// The number that a value is; none for other values that JSON has.
fn number(value: &Value) -> Result<Option<f64>, Unsure> {
    #[expect(clippy::cast_precision_loss, reason = "large ones are not decided here")]
    let number = match value {
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(_, number) => *number,
        Value::Nil | Value::Bool(_) | Value::String(_) | Value::List(_) | Value::Map(_) => return Ok(None),
        _ => return Err(Unsure::Rare),
    };
    if number.abs() < EXACT { Ok(Some(number)) } else { Err(Unsure::Rare) }
}

fn has_type(value: &Value, types: &Json) -> Judged {
    let number = number(value)?;
    let is_of = |name: &Json| match (name.as_str().unwrap_or_default(), value) {
        ("null", Value::Nil) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => true,
        ("array", Value::List(_)) | ("object", Value::Map(_)) => true,
        ("number", _) => number.is_some(),
        ("integer", _) => number.is_some_and(|number| number.fract() == 0.0),
        _ => false,
    };
    Ok(types.as_array().map_or_else(|| is_of(types), |types| types.iter().any(is_of)))
}

/// Whether a value equals one of a schema, which is plain.
fn is_equal(value: &Value, wanted: &Json) -> Judged {
    Ok(match (value, wanted) {
        (Value::Nil, Json::Null) => true,
        (Value::Bool(value), Json::Bool(wanted)) => value == wanted,
        (Value::String(value), Json::String(wanted)) => value.as_str().ok_or(Unsure::Rare)? == wanted,
        (value, Json::Number(wanted)) => number(value)?.is_some_and(|number| wanted.as_f64() == Some(number)),
        (value, _) => number(value)?.is_some_and(|_| false),
    })
}

fn all<T>(items: impl IntoIterator<Item = T>, judge: impl Fn(T) -> Judged) -> Judged {
    for item in items {
        if !judge(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any<T>(items: impl IntoIterator<Item = T>, judge: impl Fn(T) -> Judged) -> Judged {
    Ok(!all(items, |item| judge(item).map(|fits| !fits))?)
}
