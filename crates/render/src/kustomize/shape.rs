//! Reading configuration as Go's JSON decoder does (field names in any case, null is nothing), with errors that name
//! line, column and the nearest known field.

use object::nearest;
use object::yaml::{self, Dialect, NodeKind};
use serde_json::{Map, Value};

use super::error::{KustomizeError, Result};

/// What a field holds.
#[derive(Debug)]
pub(crate) enum Shape {
    Text,
    Bool,
    Int,
    /// A mapping from text to text.
    Texts,
    List(&'static Shape),
    Struct(&'static [(&'static str, &'static Shape)]),
    /// Anything, as it is.
    Any,
}

/// How strict reading is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    /// Unknown fields are errors.
    pub(crate) strict: bool,
    /// Numbers and booleans are fine where a text is wanted.
    pub(crate) coerce: bool,
}

impl Reader<'_> {
    /// The value of `node` with field names as `shape` spells them.
    ///
    /// # Errors
    /// An unknown field or a value of the wrong type, with its place.
    pub(crate) fn read(&self, node: &yaml::Node, shape: &Shape, at: &str) -> Result<Value> {
        let value = self.plain(node)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
        match shape {
            Shape::Any => Ok(value),
            Shape::Text => match value {
                Value::String(_) => Ok(value),
                Value::Number(_) | Value::Bool(_) if self.coerce => {
                    Ok(Value::String(node.as_str().unwrap_or_default().to_owned()))
                }
                _ => Err(self.wrong(node, at, "a text").hint("put it in quotes")),
            },
            Shape::Bool if value.is_boolean() => Ok(value),
            Shape::Bool => Err(self.wrong(node, at, "true or false")),
            Shape::Int if value.is_i64() || value.is_u64() => Ok(value),
            Shape::Int => Err(self.wrong(node, at, "an integer")),
            Shape::Texts => self.texts(node, at),
            Shape::List(inner) => self.list(node, inner, at),
            Shape::Struct(fields) => self.fields(node, fields, at),
        }
    }

    fn plain(&self, node: &yaml::Node) -> Result<Value> {
        yaml::to_value(node, Dialect::Kubernetes).map_err(|e| KustomizeError::yaml(self.file, &e))
    }

    fn wrong(&self, node: &yaml::Node, at: &str, wanted: &str) -> KustomizeError {
        let name = if at.is_empty() { "the document" } else { at };
        KustomizeError::at(self.file, node.start, format!("{name}: expected {wanted}"))
    }

    fn list(&self, node: &yaml::Node, inner: &Shape, at: &str) -> Result<Value> {
        let NodeKind::Sequence(items) = &followed(node).kind else {
            return Err(self.wrong(node, at, "a list"));
        };
        let items = items.iter().enumerate().map(|(i, item)| {
            let value = self.read(item, inner, &format!("{at}[{i}]"))?;
            // to Go, null in a list is an empty element
            Ok(match inner {
                Shape::Text if value.is_null() => Value::String(String::new()),
                Shape::Struct(_) if value.is_null() => Value::Object(Map::new()),
                _ => value,
            })
        });
        Ok(Value::Array(items.collect::<Result<_>>()?))
    }

    fn texts(&self, node: &yaml::Node, at: &str) -> Result<Value> {
        let mut map = Map::new();
        for (key, value) in self.pairs(node, at)? {
            let value = self.read(&value, &Shape::Text, &format!("{at}.{key}"))?;
            map.insert(key, if value.is_null() { Value::String(String::new()) } else { value });
        }
        Ok(Value::Object(map))
    }

    fn fields(&self, node: &yaml::Node, fields: &[(&str, &Shape)], at: &str) -> Result<Value> {
        let mut map = Map::new();
        for (key, value) in self.pairs(node, at)? {
            let known = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key));
            let Some((name, shape)) = known else {
                if self.strict {
                    return Err(self.unknown(node, fields, &key, at));
                }
                continue;
            };
            let path = if at.is_empty() { (*name).to_owned() } else { format!("{at}.{name}") };
            map.insert((*name).to_owned(), self.read(&value, shape, &path)?);
        }
        map.retain(|_, value| !value.is_null());
        Ok(Value::Object(map))
    }

    fn unknown(&self, node: &yaml::Node, fields: &[(&str, &Shape)], key: &str, at: &str) -> KustomizeError {
        let mark = match &followed(node).kind {
            NodeKind::Mapping(pairs) => {
                pairs.iter().find(|(k, _)| k.as_str() == Some(key)).map_or(node.start, |(k, _)| k.start)
            }
            _ => node.start,
        };
        let place = if at.is_empty() { String::new() } else { format!(" in {at}") };
        let error = KustomizeError::at(self.file, mark, format!("unknown field {key:?}{place}"));
        match nearest(key, fields.iter().map(|(name, _)| *name)) {
            Some(name) => error.hint(format!("did you mean {name}?")),
            None => {
                let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                error.hint(format!("known fields are {}", names.join(", ")))
            }
        }
    }

    /// Keys and values with merge keys applied; of repeated keys the last one counts.
    fn pairs(&self, node: &yaml::Node, at: &str) -> Result<Vec<(String, yaml::Node)>> {
        let node = followed(node);
        let NodeKind::Mapping(pairs) = &node.kind else { return Err(self.wrong(node, at, "a mapping")) };
        let mut all: Vec<(String, yaml::Node)> = Vec::new();
        let is_merge = |key: &yaml::Node| key.as_str() == Some("<<") && key.style == yaml::Style::Plain;
        for (_, value) in pairs.iter().filter(|(k, _)| is_merge(k)) {
            let value = followed(value);
            let sources = if value.items().is_empty() { std::slice::from_ref(value) } else { value.items() };
            for source in sources {
                for (key, value) in self.pairs(source, at)? {
                    if !all.iter().any(|(k, _)| *k == key) {
                        all.push((key, value));
                    }
                }
            }
        }
        for (key, value) in pairs.iter().filter(|(k, _)| !is_merge(k)) {
            let text = key.as_str().unwrap_or_default().to_owned();
            all.retain(|(k, _)| *k != text);
            all.push((text, value.clone()));
        }
        Ok(all)
    }
}

fn followed(node: &yaml::Node) -> &yaml::Node {
    match &node.kind {
        NodeKind::Alias(_, target) => followed(target),
        _ => node,
    }
}
