//! ConfigMap and Secret generators, and the hash that ends the names of what they make.

use std::collections::BTreeMap;

use base64::Engine as _;
use object::go_json;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::{Generator, GeneratorOptions};
use super::error::{KustomizeError, Result};
use super::load::Folder;
use super::node::{Fault, Node, Scalar, Tag};
use super::resource::{Behavior, Resource};

/// Base64 lines longer than this are broken.
const LINE: usize = 70;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    ConfigMap,
    Secret,
}

impl What {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            What::ConfigMap => "ConfigMap",
            What::Secret => "Secret",
        }
    }

    /// The field of a kustomization that asks for it.
    pub(crate) fn field(self) -> &'static str {
        match self {
            What::ConfigMap => "configMapGenerator",
            What::Secret => "secretGenerator",
        }
    }
}

/// The options of a generator united with those of the kustomization; the generator's own values win.
pub(crate) fn united(own: Option<&GeneratorOptions>, all: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    if let Some(all) = all {
        for (into, from) in [(&mut options.labels, &all.labels), (&mut options.annotations, &all.annotations)] {
            for (key, value) in from {
                into.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        options.disable_name_suffix_hash |= all.disable_name_suffix_hash;
        options.immutable |= all.immutable;
    }
    options
}

/// Makes the object of one generator.
///
/// # Errors
/// A source that cannot be read, a bad or repeated key, no name.
pub(crate) fn generate(
    what: What,
    generator: &Generator,
    options: &GeneratorOptions,
    folder: &Folder,
) -> Result<Resource> {
    let file = folder.file();
    let fail = |message: String| KustomizeError::new(file, message);
    if generator.name.is_empty() {
        return Err(fail(format!("a {} generator has no name", what.kind())).hint("add name: to the entry"));
    }
    let data = pairs(generator, folder)?;
    let mut node = Node::Map(Vec::new());
    let mut build = || -> std::result::Result<(), Fault> {
        node.set_field("apiVersion", Node::string("v1"))?;
        node.set_field("kind", Node::string(what.kind()))?;
        let mut metadata = Node::Map(Vec::new());
        metadata.set_field("name", Node::untagged(generator.name.clone()))?;
        if !generator.namespace.is_empty() {
            metadata.set_field("namespace", Node::untagged(generator.namespace.clone()))?;
        }
        for (field, map) in [("labels", &options.labels), ("annotations", &options.annotations)] {
            if !map.is_empty() {
                metadata.set_field(field, text_map(map)?)?;
            }
        }
        node.set_field("metadata", metadata)?;
        if what == What::Secret {
            let kind = if generator.r#type.is_empty() { "Opaque" } else { &generator.r#type };
            node.set_field("type", Node::string(kind))?;
        }
        set_data(&mut node, what, &data)?;
        if options.immutable {
            node.set_field("immutable", Node::Scalar(Scalar { tag: Tag::Bool, ..Scalar::untagged("true") }))?;
        }
        Ok(())
    };
    build().map_err(fail)?;
    let mut resource = Resource::new(node, file, 0);
    resource.behavior = Some(Behavior::of(&generator.behavior));
    resource.needs_hash = !options.disable_name_suffix_hash;
    Ok(resource)
}

fn text_map(map: &BTreeMap<String, String>) -> std::result::Result<Node, Fault> {
    let mut node = Node::Map(Vec::new());
    let quoted = |value: &String| Node::Scalar(Scalar { quoted: true, ..Scalar::string(value.clone()) });
    map.iter().try_for_each(|(key, value)| node.set_field(key, quoted(value)))?;
    Ok(node)
}

fn set_data(node: &mut Node, what: What, data: &BTreeMap<String, Vec<u8>>) -> std::result::Result<(), Fault> {
    if what == What::Secret {
        node.get_or_create("data", super::node::Kind::Map)?;
    }
    for (key, bytes) in data {
        let (field, text) = match (what, std::str::from_utf8(bytes)) {
            (What::Secret, _) => ("data", encoded(bytes)),
            (What::ConfigMap, Ok(text)) => ("data", text.to_owned()),
            (What::ConfigMap, Err(_)) => ("binaryData", encoded(bytes)),
        };
        node.get_or_create(field, super::node::Kind::Map)?.set_field(key, Node::string(text))?;
    }
    Ok(())
}

/// Base64; long ones in lines of 70 characters.
fn encoded(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() <= LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}

/// Keys and values of all sources: environment files, literals, files.
fn pairs(generator: &Generator, folder: &Folder) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = folder.file();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let single = (!generator.env.is_empty()).then_some(&generator.env);
    for env in generator.envs.iter().chain(single) {
        let (path, bytes) = folder.load(env).map_err(|e| folder.placed(e, env))?;
        all.extend(env_pairs(&path, &bytes)?);
    }
    for literal in &generator.literals {
        let parts = literal.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = parts
            .ok_or_else(|| KustomizeError::new(file, format!("a literal of {} is not key=value", generator.name)))?;
        all.push((key.to_owned(), unquoted(value).as_bytes().to_vec()));
    }
    for source in &generator.files {
        let (key, path) = file_source(source).map_err(|f| KustomizeError::new(file, f))?;
        all.push((key.to_owned(), folder.load(path).map_err(|e| folder.placed(e, source))?.1.to_vec()));
    }
    let mut map = BTreeMap::new();
    for (key, value) in all {
        if map.insert(key.clone(), value).is_some() {
            return Err(KustomizeError::new(file, format!("{} has the key {key:?} twice", generator.name)));
        }
    }
    Ok(map)
}

fn env_pairs(path: &str, bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let at = |message: &str| {
            let mark = object::yaml::Mark { index: 0, line: i + 1, column: 0 };
            KustomizeError::at(path, mark, message)
        };
        let line = std::str::from_utf8(line).map_err(|_| at("the line is not UTF-8"))?;
        let line = if i == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        all.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    Ok(all)
}

fn unquoted(text: &str) -> &str {
    ['"', '\''].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(text)
}

fn file_source(source: &str) -> std::result::Result<(&str, &str), Fault> {
    let parts: Vec<&str> = source.split('=').collect();
    match parts.as_slice() {
        [path] => Ok((object::path::file_name(path), path)),
        [key, path] if !key.is_empty() && !path.is_empty() => Ok((key, path)),
        _ => Err(format!("the file source {source:?} is not path or key=path")),
    }
}

/// The ten characters that end the name of a generated object.
///
/// # Errors
/// When the data cannot be written as JSON.
pub(crate) fn hash(resource: &Resource) -> std::result::Result<String, Fault> {
    let field = |path: &[&str]| match resource.node.at(path) {
        None => Ok(Value::String(String::new())),
        Some(Node::Scalar(scalar)) => Ok(Value::String(scalar.text.clone())),
        Some(node) => node.to_value(),
    };
    let mut map = Map::new();
    match resource.kind() {
        kind @ ("ConfigMap" | "Secret") => {
            map.insert("kind".to_owned(), Value::String(kind.to_owned()));
            // kustomize looks for the name under a key that no object has: it never counts
            map.insert("name".to_owned(), Value::String(String::new()));
            map.insert("data".to_owned(), field(&["data"])?);
            let (more, is_secret) = if kind == "Secret" { ("stringData", true) } else { ("binaryData", false) };
            if is_secret {
                map.insert("type".to_owned(), field(&["type"])?);
            }
            let value = field(&[more])?;
            if value.is_object() {
                map.insert(more.to_owned(), value);
            }
        }
        _ => {
            map.insert("object".to_owned(), resource.node.to_value()?);
        }
    }
    let text = go_json(&Value::Object(map));
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    Ok(digest[..10].chars().map(readable).collect())
}

/// Digits and vowels that could spell words are replaced.
fn readable(c: char) -> char {
    match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    }
}
