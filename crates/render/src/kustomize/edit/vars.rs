//! `edit fix --vars`: `vars` become `replacements`, and `$(NAME)` in the files becomes `NAME_PLACEHOLDER`.

use std::collections::BTreeMap;

use object::path;
use object::yaml::{self, Node, NodeKind};
use serde_json::{Map, Value, json};

use super::super::FILE_NAMES;
use super::super::config::{self, Kustomization, Patch, Var};
use super::super::error::{KustomizeError, Result};
use super::file::File;

/// The files that variables may stand in, with what they say by now.
#[derive(Debug, Default)]
struct Files {
    /// In the order in which kustomize looks at them.
    order: Vec<String>,
    texts: BTreeMap<String, String>,
    /// Patch files, whose objects may be named otherwise than what they patch.
    patches: BTreeMap<String, Patch>,
}

/// Replaces `vars` and gives the other files that change. Kustomize throws existing `replacements` away, we do not.
///
/// # Errors
/// When a variable stands in a text in a way that no replacement can express, or the text cannot be edited there.
pub(crate) fn convert(file: &mut File) -> Result<Vec<(String, String)>> {
    let vars = file.read.vars.clone().unwrap_or_default();
    let mut files = Files::default();
    files.gather(file, &file.read.clone(), file.folder())?;
    let before = files.texts.clone();
    for var in &vars {
        let targets = files.targets(var)?;
        files.set_placeholder(&var.name);
        file.push(&["replacements".into()], &json!({"source": source(var), "targets": targets}))?;
    }
    file.remove(&["vars".into()])?;
    Ok(files.texts.into_iter().filter(|(path, text)| before.get(path) != Some(text)).collect())
}

fn source(var: &Var) -> Value {
    let of = &var.objref;
    let (group, version) = group_version(&of.api_version);
    said(&[
        ("group", group),
        ("version", version),
        ("kind", &of.kind),
        ("name", &of.name),
        ("namespace", &of.namespace),
        ("fieldPath", &var.fieldref.field_path),
    ])
}

fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The fields that are not empty.
fn said(fields: &[(&str, &str)]) -> Value {
    let given = fields.iter().filter(|(_, text)| !text.is_empty());
    Value::Object(given.map(|(field, text)| ((*field).to_owned(), (*text).into())).collect())
}

impl Files {
    /// Notes resources, those of bases below, and patches.
    fn gather(&mut self, file: &File, read: &Kustomization, folder: &str) -> Result<()> {
        for entry in read.resources.iter().flatten() {
            let Some(full) = path::join(folder, entry) else { continue };
            for name in FILE_NAMES {
                if let Some((at, text)) = text_of(file, &format!("{full}/{name}")) {
                    let (below, _) = config::kustomization_of_any_kind(&text, &at)?;
                    self.gather(file, &below, &full)?;
                }
            }
            self.note(file, full);
        }
        for patch in read.patches.iter().filter(|patch| !patch.path.is_empty()) {
            let Some(full) = path::join(folder, &patch.path) else { continue };
            self.patches.insert(full.clone(), patch.clone());
            self.note(file, full);
        }
        Ok(())
    }

    fn note(&mut self, file: &File, path: String) {
        if let Some((path, text)) = text_of(file, &path) {
            self.texts.insert(path.clone(), text);
            self.order.push(path);
        }
    }

    fn set_placeholder(&mut self, name: &str) {
        for text in self.texts.values_mut() {
            *text = text.replace(&format!("$({name})"), &format!("{name}_PLACEHOLDER"));
        }
    }

    /// The fields that a variable stands in.
    fn targets(&self, var: &Var) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for path in &self.order {
            let objects = yaml::parse(&self.texts[path]).unwrap_or_default();
            for object in objects.iter().flat_map(unrolled) {
                let mut found = Vec::new();
                find(object, &format!("$({})", var.name), &mut Vec::new(), &mut found);
                for (field, node, place) in found {
                    let place = place.map_err(|reason| {
                        KustomizeError::at(path, node.start, reason).hint(
                        "a replacement needs the same character before and behind the variable, or the variable alone",
                    )
                    })?;
                    all.push(self.target(path, object, &field, place));
                }
            }
        }
        Ok(all)
    }

    fn target(&self, path: &str, object: &Node, field: &str, options: Option<Value>) -> Value {
        let mut target = Map::new();
        let patch = self.patches.get(path).filter(|p| !(p.options.allow_name_change && p.options.allow_kind_change));
        let select = patch.map_or_else(|| selector(object), |patch| patch_selector(patch, object));
        target.insert("select".to_owned(), select);
        target.insert("fieldPaths".to_owned(), json!([field]));
        if let Some(options) = options {
            target.insert("options".to_owned(), options);
        }
        Value::Object(target)
    }
}

fn text_of(file: &File, path: &str) -> Option<(String, String)> {
    let bytes = file.tree().read(path).ok().flatten()?;
    Some((path.to_owned(), String::from_utf8(bytes.to_vec()).ok()?))
}

/// The objects of a list, or the object itself.
fn unrolled(object: &Node) -> Vec<&Node> {
    let is_list =
        object.get("kind").and_then(Node::as_str).is_some_and(|kind| kind == "List" || kind == "ResourceList");
    match object.get("items") {
        Some(items) if is_list => items.items().iter().collect(),
        _ => vec![object],
    }
}

fn text<'n>(object: &'n Node, fields: &[&str]) -> &'n str {
    let found = fields.iter().try_fold(object, |node, field| node.get(field));
    found.and_then(Node::as_str).unwrap_or_default()
}

fn selector(object: &Node) -> Value {
    let (group, version) = group_version(text(object, &["apiVersion"]));
    said(&[
        ("group", group),
        ("version", version),
        ("kind", text(object, &["kind"])),
        ("name", text(object, &["metadata", "name"])),
        ("namespace", text(object, &["metadata", "namespace"])),
    ])
}

/// What a patch selects: its target, with what the patch itself decides.
fn patch_selector(patch: &Patch, object: &Node) -> Value {
    let target = patch.target.clone().unwrap_or_default();
    let own = |decides: bool, field: &[&str], target: String| match text(object, field) {
        own if decides && !own.is_empty() => own.to_owned(),
        _ => target,
    };
    let name = own(patch.options.allow_name_change, &["metadata", "name"], target.name);
    let kind = own(patch.options.allow_kind_change, &["kind"], target.kind);
    let namespace = own(true, &["metadata", "namespace"], target.namespace);
    said(&[
        ("group", &target.group),
        ("version", &target.version),
        ("kind", &kind),
        ("name", &name),
        ("namespace", &namespace),
        ("annotationSelector", &target.annotation_selector),
        ("labelSelector", &target.label_selector),
    ])
}

/// A field path, the scalar there, and the options of its replacement, or why there are none.
type Spot<'n> = (String, &'n Node, std::result::Result<Option<Value>, String>);

fn find<'n>(node: &'n Node, wanted: &str, path: &mut Vec<String>, found: &mut Vec<Spot<'n>>) {
    let mut below = |step: String, node: &'n Node| {
        path.push(step);
        find(node, wanted, path, found);
        path.pop();
    };
    match &node.kind {
        NodeKind::Sequence(items) => items.iter().enumerate().for_each(|(i, item)| below(i.to_string(), item)),
        NodeKind::Mapping(pairs) => pairs.iter().for_each(|(key, value)| {
            let key = key.as_str().unwrap_or_default().trim();
            below(if key.contains('.') { format!("[{key}]") } else { key.to_owned() }, value);
        }),
        NodeKind::Scalar(text) if text.contains(wanted) => found.push((path.join("."), node, options(text, wanted))),
        NodeKind::Scalar(_) | NodeKind::Alias(..) => {}
    }
}

/// Delimiter and index of a variable in a text; none when it is the whole text.
fn options(text: &str, wanted: &str) -> std::result::Result<Option<Value>, String> {
    let Some((before, behind)) = text.split_once(wanted) else { return Ok(None) };
    let (left, right) = (before.chars().next_back(), behind.chars().next());
    let parts = |delimiter: char| text.split(delimiter).collect::<Vec<_>>();
    let (delimiter, index) = match (left, right) {
        (None, None) => return Ok(None),
        (None, Some(right)) => (right, 0),
        (Some(left), None) => (left, parts(left).len() - 1),
        (Some(left), Some(right)) => {
            let index = parts(left).iter().position(|part| *part == wanted).filter(|_| left == right);
            let reason = || format!("{wanted} stands in the text {text:?} without one delimiter around it");
            (left, index.ok_or_else(reason)?)
        }
    };
    let mut options = Map::new();
    options.insert("delimiter".to_owned(), delimiter.to_string().into());
    if index > 0 {
        options.insert("index".to_owned(), index.into());
    }
    Ok(Some(Value::Object(options)))
}
