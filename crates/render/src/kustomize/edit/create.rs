//! `kustomize create`.

use object::{EntryKind, FileTree, path, yaml};
use serde_json::{Map, Value};

use super::super::FILE_NAMES;
use super::super::error::{KustomizeError, Result};
use super::super::load;
use super::super::sources::{Role, Sources};
use super::command::Create;
use super::{Edited, lists, metadata};

/// Writes the kustomization of a folder that has none.
///
/// # Errors
/// When there is one already, or a resource is not there, or an argument is malformed.
pub fn create(tree: &FileTree, folder: &str, command: &Create) -> Result<Edited> {
    let path = joined(folder, FILE_NAMES[0]);
    let mut resources = Vec::new();
    if !command.resources.is_empty() {
        let paths: Vec<String> = command.resources.split(',').map(str::to_owned).collect();
        resources = lists::expand(tree, folder, &path, &paths)?;
    }
    if let Some(there) = kustomization_in(tree, folder)? {
        return Err(KustomizeError::new(there, "the folder has a kustomization already")
            .hint("change it by `kustomize edit`, or remove it first"));
    }
    if command.autodetect {
        let mut found = Vec::new();
        detect(tree, folder, "", command.recursive, &mut found)?;
        found.retain(|resource| !resources.contains(resource));
        resources.extend(found);
    }
    let text = text(&path, command, resources)?;
    Ok(Edited { path, text, others: Vec::new(), warnings: Vec::new() })
}

/// Kustomize's order of fields.
fn text(path: &str, command: &Create, resources: Vec<String>) -> Result<String> {
    let fields: [(&str, Value); 8] = [
        ("apiVersion", "kustomize.config.k8s.io/v1beta1".into()),
        ("kind", "Kustomization".into()),
        ("resources", resources.into()),
        ("namePrefix", command.name_prefix.as_str().into()),
        ("nameSuffix", command.name_suffix.as_str().into()),
        ("namespace", command.namespace.as_str().into()),
        ("commonLabels", pairs(path, &command.labels)?),
        ("commonAnnotations", pairs(path, &command.annotations)?),
    ];
    let said = fields.into_iter().filter(|(_, value)| !is_empty(value));
    Ok(said
        .map(|(field, value)| yaml::to_string(&Value::Object([(field.to_owned(), value)].into_iter().collect())))
        .collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn pairs(path: &str, text: &str) -> Result<Value> {
    let mut map = Map::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (key, value) = metadata::pair(part).ok_or_else(|| {
            KustomizeError::new(path, format!("{part:?} has no key")).hint("write KEY:VALUE,KEY:VALUE")
        })?;
        map.insert(key, value.into());
    }
    Ok(Value::Object(map))
}

/// Collects the files that hold objects, as seen from the folder, in order of their names. A folder below that has a
/// kustomization stands for all that is in it.
fn detect(tree: &FileTree, folder: &str, below: &str, recursive: bool, found: &mut Vec<String>) -> Result<()> {
    let here = joined(folder, below);
    let entries = tree.list(&here).map_err(|e| KustomizeError::tree(&here, &e))?.unwrap_or_default();
    for entry in entries {
        let relative = joined(below, &entry.name);
        let full = joined(folder, &relative);
        match entry.kind {
            EntryKind::Folder if !recursive => {}
            EntryKind::Folder if kustomization_in(tree, &full)?.is_some() => found.push(relative),
            EntryKind::Folder => detect(tree, folder, &relative, recursive, found)?,
            EntryKind::File if holds_objects(tree, &full)? => found.push(relative),
            _ => {}
        }
    }
    Ok(())
}

fn holds_objects(tree: &FileTree, file: &str) -> Result<bool> {
    let bytes = tree.read(file).map_err(|e| KustomizeError::tree(file, &e))?.unwrap_or_default();
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(false) };
    Ok(load::objects(text, file, Role::Manifest, &mut Sources::default()).is_ok())
}

fn kustomization_in(tree: &FileTree, folder: &str) -> Result<Option<String>> {
    for name in FILE_NAMES {
        let file = joined(folder, name);
        if tree.entry(&file).map_err(|e| KustomizeError::tree(&file, &e))?.is_some() {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn joined(folder: &str, name: &str) -> String {
    path::join(folder, name).unwrap_or_default()
}
