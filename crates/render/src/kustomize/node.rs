//! The tree that a build works on: YAML nodes whose scalars keep the text, tag and quotes they were written with, since
//! kustomize decides by these what a changed scalar becomes in the end.

use std::sync::Arc;

use base64::Engine as _;
use object::yaml::{self, Dialect, NodeKind, ScalarKind, Style, YamlError};
use serde_json::{Map as JsonMap, Number, Value};

/// Where a scalar comes from: an index into [`super::sources::Sources`] and a byte range of that text. Source 0 is
/// "made by the program".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Not decided: what the text says.
    None,
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Str,
    Binary,
}

impl Tag {
    fn of(kind: ScalarKind) -> Self {
        match kind {
            ScalarKind::Null => Tag::Null,
            ScalarKind::Bool => Tag::Bool,
            ScalarKind::Int => Tag::Int,
            ScalarKind::Float => Tag::Float,
            ScalarKind::Timestamp => Tag::Timestamp,
            ScalarKind::Text => Tag::Str,
        }
    }

    fn resolved(text: &str) -> Self {
        Self::of(yaml::resolve_plain(text, Dialect::GoYaml3))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) tag: Tag,
    /// Written in quotes or as a block.
    pub(crate) quoted: bool,
    /// Written as a block.
    pub(crate) block: bool,
    /// The tag is written out.
    pub(crate) tagged: bool,
    pub(crate) place: Place,
    pub(crate) twin: Twin,
}

/// Labels and annotations that kustomize adds in several places of one object are one node to it: what changes one of
/// them later changes all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Twin {
    /// Number within the object, 0 for none.
    pub(crate) group: u32,
    /// Set since the twins were made alike.
    pub(crate) changed: bool,
}

impl Twin {
    /// Of a scalar that takes the place of one with this twin.
    pub(crate) fn set(self) -> Self {
        Self { changed: self.group > 0, ..self }
    }
}

impl Scalar {
    /// A new scalar whose type is what its text says.
    pub(crate) fn untagged(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tag: Tag::None,
            quoted: false,
            block: false,
            tagged: false,
            place: Place::default(),
            twin: Twin::default(),
        }
    }

    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self { tag: Tag::Str, ..Self::untagged(text) }
    }

    fn is_string(&self) -> bool {
        matches!(self.tag, Tag::Str | Tag::None)
    }

    /// Whether a scalar that takes the place of this one is quoted as well.
    fn is_quoted(&self) -> bool {
        self.quoted && self.tag != Tag::Null
    }
}

/// A key as written. Keys that are no texts only show as an error in the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) is_text: bool,
    pub(crate) line: u32,
    /// A schema that is written behind the key as a comment in JSON.
    pub(crate) schema: Option<Arc<Value>>,
}

impl Key {
    /// A key in quotes if it needs them.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_text: true, line: 0, schema: None }
    }

    /// A key without quotes, as kustomize adds it: one that looks like a number is none of a text.
    fn added(text: &str) -> Self {
        Self { is_text: text.is_empty() || Tag::resolved(text) == Tag::Str, ..Self::new(text) }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    List,
    Map,
}

/// How Go gets from JSON to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Json {
    /// Decoded, which makes floats of all numbers, and written as YAML.
    Decoded,
    /// The text of it is read as YAML.
    Text,
}

impl Json {
    fn number(self, number: &Number) -> String {
        let float = number.as_f64().unwrap_or_default();
        match self {
            Json::Decoded => yaml::shortest_float(float),
            Json::Text if number.is_f64() => yaml::json_float(float),
            Json::Text => number.to_string(),
        }
    }
}

/// A change that the node does not allow, in words.
pub(crate) type Fault = String;

impl Node {
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Node::Scalar(Scalar::string(text))
    }

    pub(crate) fn untagged(text: impl Into<String>) -> Self {
        Node::Scalar(Scalar::untagged(text))
    }

    pub(crate) fn null() -> Self {
        Node::Scalar(Scalar { tag: Tag::Null, ..Scalar::untagged("null") })
    }

    /// An empty node of a kind.
    pub(crate) fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Scalar => Node::untagged(""),
            Kind::List => Node::List(Vec::new()),
            Kind::Map => Node::Map(Vec::new()),
        }
    }

    /// Patches and replacements can copy what they copied before: the result is bounded as a text that is read is.
    pub(crate) fn check_growth(&self) -> Result<(), Fault> {
        self.grown(0, &mut 0).map_err(|limit| format!("the object grows beyond {limit}"))
    }

    /// Adds up what the node takes in memory, about.
    fn grown(&self, depth: usize, size: &mut usize) -> Result<(), &'static str> {
        *size += 100 + if let Node::Scalar(scalar) = self { scalar.text.len() } else { 0 };
        match self {
            _ if depth > 300 => Err("300 levels"),
            Node::Scalar(scalar) if scalar.text.len() > 4_000_000 => Err("4 MB in one value"),
            _ if *size > 12_000_000 => Err("12 MB"),
            Node::Scalar(_) => Ok(()),
            Node::List(items) => items.iter().try_for_each(|item| item.grown(depth + 1, size)),
            Node::Map(pairs) => pairs.iter().try_for_each(|(key, value)| {
                *size += key.text.len();
                value.grown(depth + 1, size)
            }),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Node::Scalar(_) => Kind::Scalar,
            Node::List(_) => Kind::List,
            Node::Map(_) => Kind::Map,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(Scalar { tag: Tag::Null, .. }))
    }

    pub(crate) fn is_empty_map(&self) -> bool {
        matches!(self, Node::Map(pairs) if pairs.is_empty())
    }

    pub(crate) fn is_nil_or_empty(&self) -> bool {
        match self {
            Node::Scalar(scalar) => scalar.tag == Tag::Null,
            Node::List(items) => items.is_empty(),
            Node::Map(pairs) => pairs.is_empty(),
        }
    }

    /// The text of a scalar as written; empty for anything else.
    pub(crate) fn text(&self) -> &str {
        match self {
            Node::Scalar(scalar) => &scalar.text,
            _ => "",
        }
    }

    pub(crate) fn is_string(&self) -> bool {
        matches!(self, Node::Scalar(scalar) if scalar.is_string())
    }

    pub(crate) fn items(&self) -> &[Node] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn pairs(&self) -> &[(Key, Node)] {
        match self {
            Node::Map(pairs) => pairs,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.pairs().iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match self {
            Node::Map(pairs) => pairs.iter_mut().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let Node::Map(pairs) = self else { return None };
        let at = pairs.iter().position(|(k, _)| k.text == key)?;
        Some(pairs.remove(at).1)
    }

    /// The value of a key, made as an empty node of `kind` when the key is missing.
    ///
    /// # Errors
    /// When this is no mapping.
    pub(crate) fn get_or_create(&mut self, key: &str, kind: Kind) -> Result<&mut Node, Fault> {
        let Node::Map(pairs) = self else { return Err(format!("{key:?} needs a mapping around it")) };
        let at = match pairs.iter().position(|(k, _)| k.text == key) {
            Some(at) => at,
            None => {
                pairs.push((Key::added(key), Node::empty(kind)));
                pairs.len() - 1
            }
        };
        Ok(&mut pairs[at].1)
    }

    /// Sets a key. A scalar keeps the quotes of the scalar that it replaces; null removes the key.
    ///
    /// # Errors
    /// When this is no mapping.
    pub(crate) fn set_field(&mut self, key: &str, mut value: Node) -> Result<(), Fault> {
        let Node::Map(pairs) = self else { return Err(format!("{key:?} cannot be set, there is no mapping")) };
        if key.is_empty() {
            return Err("a key is empty".to_owned());
        }
        if value.is_null() {
            pairs.retain(|(k, _)| k.text != key);
            return Ok(());
        }
        value.quote_if_ambiguous();
        match pairs.iter_mut().find(|(k, _)| k.text == key) {
            Some((_, old)) => {
                if let (Node::Scalar(new), Node::Scalar(old)) = (&mut value, &*old) {
                    new.quoted = old.is_quoted();
                    new.block = old.block;
                    new.block = old.block;
                    new.tagged = old.tagged;
                    new.twin = old.twin.set();
                }
                *old = value;
            }
            None => pairs.push((Key::added(key), value)),
        }
        Ok(())
    }

    /// As [`Node::set_field`]; a new key is written as `key` is.
    ///
    /// # Errors
    /// As [`Node::set_field`].
    pub(crate) fn set_field_as(&mut self, key: &Key, value: Node) -> Result<(), Fault> {
        let is_new = self.get(&key.text).is_none() && !value.is_null();
        self.set_field(&key.text, value)?;
        if let (true, Node::Map(pairs)) = (is_new, self)
            && let Some((last, _)) = pairs.last_mut()
        {
            last.is_text = key.is_text;
        }
        Ok(())
    }

    /// Quotes a text that YAML 1.1 would read as something else.
    pub(crate) fn quote_if_ambiguous(&mut self) {
        if let Node::Scalar(scalar) = self
            && scalar.is_string()
            && !scalar.text.is_empty()
            && !scalar.text.contains('\n')
            && yaml::resolve_plain(&scalar.text, Dialect::Kubernetes) != ScalarKind::Text
        {
            scalar.quoted = true;
        }
    }

    /// Replaces a scalar; the quotes stay.
    ///
    /// # Errors
    /// When this is a list or mapping.
    pub(crate) fn set_scalar(&mut self, mut new: Scalar) -> Result<(), Fault> {
        let Node::Scalar(old) = self else { return Err("expected a scalar here".to_owned()) };
        if new.tag == Tag::Null {
            return Ok(());
        }
        new.quoted = old.is_quoted();
        new.tagged = old.tagged;
        new.twin = old.twin.set();
        *old = new;
        Ok(())
    }

    /// Calls `visit` on every scalar.
    pub(crate) fn scalars(&mut self, visit: &mut dyn FnMut(&mut Scalar)) {
        match self {
            Node::Scalar(scalar) => visit(scalar),
            Node::List(items) => items.iter_mut().for_each(|item| item.scalars(visit)),
            Node::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| value.scalars(visit)),
        }
    }

    /// Reads a parsed document: aliases and merge keys are resolved.
    ///
    /// # Errors
    /// When a merge key does not point to mappings.
    pub(crate) fn from_yaml(node: &yaml::Node, source: u32) -> Result<Self, YamlError> {
        let mut new = match &node.kind {
            NodeKind::Alias(_, target) => return Self::from_yaml(target, source),
            NodeKind::Sequence(items) => {
                Node::List(items.iter().map(|i| Self::from_yaml(i, source)).collect::<Result<_, _>>()?)
            }
            NodeKind::Mapping(pairs) => map_from_yaml(pairs, source)?,
            NodeKind::Scalar(text) => Node::Scalar(scalar_from_yaml(node, text, source)),
        };
        if node.style == Style::Flow {
            new.quote_missing_values();
        }
        Ok(new)
    }

    /// A value that is missing between brackets is written back as an empty text, since nothing cannot stand there.
    fn quote_missing_values(&mut self) {
        let quote = |node: &mut Node| {
            if let Node::Scalar(scalar) = node
                && scalar.text.is_empty()
                && scalar.tag == Tag::Null
            {
                scalar.quoted = true;
            }
        };
        match self {
            Node::Scalar(_) => {}
            Node::List(items) => items.iter_mut().for_each(quote),
            Node::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| quote(value)),
        }
    }

    /// Attaches schemas that stand behind keys as comments.
    pub(crate) fn read_schema_comments(&mut self, lines: &[&str]) {
        match self {
            Node::Scalar(_) => {}
            Node::List(items) => items.iter_mut().for_each(|item| item.read_schema_comments(lines)),
            Node::Map(pairs) => {
                for (key, value) in pairs {
                    let line = (key.line as usize).checked_sub(1).and_then(|i| lines.get(i));
                    let comment = line.and_then(|l| l.find("# {").map(|at| &l[at + 2..]));
                    key.schema = comment.and_then(|c| serde_json::from_str(c).ok()).map(Arc::new);
                    value.read_schema_comments(lines);
                }
            }
        }
    }

    /// The JSON value that the node means in the end.
    ///
    /// # Errors
    /// Repeated keys, keys that are no texts, numbers that JSON cannot write, texts that do not fit their tag.
    pub(crate) fn to_value(&self) -> Result<Value, Fault> {
        match self {
            Node::Scalar(scalar) => scalar_value(scalar),
            Node::List(items) => Ok(Value::Array(items.iter().map(Node::to_value).collect::<Result<_, _>>()?)),
            Node::Map(pairs) => match pairs.iter().find(|(key, _)| !key.is_text) {
                Some((key, _)) => Err(format!("the key {:?} is not a text: quote it", key.text)),
                None => map_value(pairs),
            },
        }
    }

    /// As [`Node::to_value`], for a whole object: its own keys are texts whatever they look like.
    ///
    /// # Errors
    /// As [`Node::to_value`].
    pub(crate) fn object_value(&self) -> Result<Value, Fault> {
        match self {
            Node::Map(pairs) => map_value(pairs),
            other => other.to_value(),
        }
    }

    /// The node that Go makes of JSON.
    pub(crate) fn from_value(value: &Value, json: Json) -> Self {
        match value {
            Value::Null => Node::null(),
            Value::Bool(flag) => Node::Scalar(Scalar { tag: Tag::Bool, ..Scalar::untagged(flag.to_string()) }),
            Value::Number(number) => {
                let text = json.number(number);
                Node::Scalar(Scalar { tag: Tag::resolved(&text), ..Scalar::untagged(text) })
            }
            Value::String(text) => {
                let quoted = json == Json::Text || Tag::resolved(text) != Tag::Str;
                Node::Scalar(Scalar { quoted, ..Scalar::string(text.clone()) })
            }
            Value::Array(items) => Node::List(items.iter().map(|item| Self::from_value(item, json)).collect()),
            Value::Object(map) => {
                Node::Map(map.iter().map(|(k, v)| (Key::new(k.clone()), Self::from_value(v, json))).collect())
            }
        }
    }
}

fn map_value(pairs: &[(Key, Node)]) -> Result<Value, Fault> {
    let mut map = JsonMap::new();
    for (key, value) in pairs {
        if map.insert(key.text.clone(), value.to_value()?).is_some() {
            return Err(format!("the key {:?} appears twice in one mapping", key.text));
        }
    }
    Ok(Value::Object(map))
}

fn scalar_from_yaml(node: &yaml::Node, text: &str, source: u32) -> Scalar {
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let place = Place { source, start: small(node.start.index), end: small(node.end.index) };
    let quoted = node.style != Style::Plain;
    let tag = match node.tag.as_deref().map(|t| t.strip_prefix("tag:yaml.org,2002:").unwrap_or(t)) {
        None if quoted => Tag::Str,
        None => Tag::resolved(text),
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("timestamp") => Tag::Timestamp,
        Some("binary") => Tag::Binary,
        Some(_) => Tag::Str,
    };
    let text = if node.style == Style::Folded { yaml::refolded(text) } else { text.to_owned() };
    let block = matches!(node.style, Style::Literal | Style::Folded);
    Scalar { text, tag, quoted, block, tagged: node.tag.is_some(), place, twin: Twin::default() }
}

fn is_merge_key(key: &yaml::Node) -> bool {
    let tag = key.tag.as_deref().map(|t| t.strip_prefix("tag:yaml.org,2002:").unwrap_or(t));
    matches!(&key.kind, NodeKind::Scalar(text) if text == "<<" && (tag == Some("merge") || (tag.is_none() && key.style == Style::Plain)))
}

fn map_from_yaml(pairs: &[(yaml::Node, yaml::Node)], source: u32) -> Result<Node, YamlError> {
    let mut map: Vec<(Key, Node)> = Vec::with_capacity(pairs.len());
    let mut merged: Vec<&yaml::Node> = Vec::new();
    for (key, value) in pairs {
        if is_merge_key(key) {
            if !merged.is_empty() {
                return Err(fault(key, "the merge key << appears twice in one mapping"));
            }
            merged = merge_sources(value)?;
            continue;
        }
        map.push((key_from_yaml(key)?, Node::from_yaml(value, source)?));
    }
    for mapping in merged {
        let Node::Map(other) = Node::from_yaml(mapping, source)? else { continue };
        for (key, mut value) in other {
            if let Node::Scalar(scalar) = &mut value {
                // whether a missing value can stay so is up to the mapping where it ends
                scalar.quoted &= scalar.tag != Tag::Null || !scalar.text.is_empty();
            }
            if !map.iter().any(|(k, _)| k.text == key.text) {
                map.push((key, value));
            }
        }
    }
    Ok(Node::Map(map))
}

fn key_from_yaml(key: &yaml::Node) -> Result<Key, YamlError> {
    let text = key.as_str().ok_or_else(|| fault(key, "a key must be a text"))?;
    let scalar = match &key.kind {
        NodeKind::Alias(_, target) => scalar_from_yaml(target, text, 0),
        _ => scalar_from_yaml(key, text, 0),
    };
    let line = u32::try_from(key.start.line).unwrap_or_default();
    // a missing key is written back as an empty text
    let is_text = scalar.tag == Tag::Str || (text.is_empty() && scalar.tag == Tag::Null);
    Ok(Key { is_text, line, ..Key::new(text) })
}

/// The mappings that a merge key names, the most important one first.
fn merge_sources(value: &yaml::Node) -> Result<Vec<&yaml::Node>, YamlError> {
    let target = match &value.kind {
        NodeKind::Alias(_, target) => target,
        _ => value,
    };
    match &target.kind {
        NodeKind::Mapping(_) => Ok(vec![target]),
        NodeKind::Sequence(items) if !matches!(value.kind, NodeKind::Alias(..)) => items
            .iter()
            .map(|i| if i.items().is_empty() { merge_sources(i) } else { Err(bad_merge(i)) })
            .try_fold(Vec::new(), |mut all, one| {
                all.extend(one?);
                Ok(all)
            }),
        _ => Err(bad_merge(value)),
    }
}

fn bad_merge(node: &yaml::Node) -> YamlError {
    fault(node, "the merge key << needs a mapping or a list of mappings")
}

fn fault(node: &yaml::Node, reason: &str) -> YamlError {
    YamlError { mark: node.start, reason: reason.to_owned() }
}

fn scalar_value(scalar: &Scalar) -> Result<Value, Fault> {
    let text = &scalar.text;
    let as_block = scalar.block || (!scalar.quoted && text.contains('\n'));
    if text.starts_with('\t') && as_block && !text.contains(" \n") && !text.ends_with(' ') {
        // go-yaml v3 writes it as a block that it cannot read
        return Err("a block of text cannot start with a tab".to_owned());
    }
    let string = || Ok(Value::String(text.clone()));
    let said = Tag::resolved(text);
    match (scalar.tag, scalar.quoted) {
        (Tag::Str, _) | (Tag::None, true) => string(),
        (Tag::Binary, _) => binary(text),
        // the tag says no more than the text, so Go drops it, and quotes make it a text
        (tag, true) if tag == said && !scalar.tagged => string(),
        (Tag::None, false) => typed(text, said),
        (Tag::Float, _) if said == Tag::Int => typed(text, Tag::Float),
        (tag, _) if tag == said => typed(text, tag),
        (tag, _) => Err(format!("a text that is tagged so cannot be read as {}", tag_name(tag))),
    }
}

fn tag_name(tag: Tag) -> &'static str {
    match tag {
        Tag::Null => "nothing",
        Tag::Bool => "a boolean",
        Tag::Int => "an integer",
        Tag::Float => "a number",
        Tag::Timestamp => "a date",
        Tag::None | Tag::Str | Tag::Binary => "a text",
    }
}

fn binary(text: &str) -> Result<Value, Fault> {
    let compact: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(compact);
    let bytes = bytes.map_err(|_| "a !!binary value is not base64".to_owned())?;
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

fn typed(text: &str, tag: Tag) -> Result<Value, Fault> {
    match tag {
        Tag::Null => Ok(Value::Null),
        Tag::Str | Tag::None | Tag::Binary => Ok(Value::String(text.to_owned())),
        Tag::Timestamp => Ok(Value::String(yaml::timestamp(text).unwrap_or_else(|| text.to_owned()))),
        Tag::Bool | Tag::Int | Tag::Float => yaml::scalar_value(text, Dialect::GoYaml3)
            .map(|value| match (&value, tag) {
                (Value::Number(number), Tag::Float) => {
                    number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
                }
                _ => value,
            })
            .ok_or_else(|| format!("what is tagged as {} cannot be written as JSON", tag_name(tag))),
    }
}
