//! `edit add patch` and `edit remove patch`.

use object::path;
use serde_json::{Map, Value};

use super::super::config::{Patch, Selector};
use super::super::error::Result;
use super::command::PatchEntry;
use super::file::File;

impl PatchEntry {
    /// None when no field of the target is given.
    fn target(&self) -> Option<Selector> {
        let target = Selector {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            annotation_selector: self.annotation_selector.clone(),
            label_selector: self.label_selector.clone(),
        };
        (target != Selector::default()).then_some(target)
    }

    fn value(&self) -> Value {
        let target = [
            ("group", &self.group),
            ("version", &self.version),
            ("kind", &self.kind),
            ("name", &self.name),
            ("namespace", &self.namespace),
            ("annotationSelector", &self.annotation_selector),
            ("labelSelector", &self.label_selector),
        ];
        let mut entry = texts(&[("path", &self.path), ("patch", &self.patch)]);
        if self.target().is_some() {
            entry.insert("target".to_owned(), Value::Object(texts(&target)));
        }
        Value::Object(entry)
    }
}

fn texts(fields: &[(&str, &String)]) -> Map<String, Value> {
    let given = fields.iter().filter(|(_, text)| !text.is_empty());
    given.map(|(field, text)| ((*field).to_owned(), text.as_str().into())).collect()
}

/// Which entries of the file are the given one. Entries with options never are: no command line has any.
fn places(file: &File, entry: &PatchEntry) -> Vec<bool> {
    let target = entry.target();
    let same = |(index, patch): (usize, &Patch)| {
        let options = file.path(&["patches".into(), index.into(), "options".into()]);
        let plain = file.get(&options).is_none_or(Value::is_null);
        plain && patch.path == entry.path && patch.patch == entry.patch && patch.target == target
    };
    file.read.patches.iter().enumerate().map(same).collect()
}

fn check(file: &File, entry: &PatchEntry) -> Result<()> {
    if !entry.path.is_empty() && !entry.patch.is_empty() {
        return Err(file.error("a patch has a path or a text, not both").hint("give --path or --patch"));
    }
    Ok(())
}

/// Adds an entry, unless it is there already.
///
/// # Errors
/// When it has both path and patch, or none, or the text cannot be edited there.
pub(crate) fn add(file: &mut File, entry: &PatchEntry) -> Result<()> {
    check(file, entry)?;
    if entry.path.is_empty() && entry.patch.is_empty() {
        return Err(file.error("the patch has neither a path nor a text").hint("give --path or --patch"));
    }
    if places(file, entry).contains(&true) {
        file.warn("the patch is in patches already".to_owned());
        file.leave();
        return Ok(());
    }
    if !entry.path.is_empty() && !is_there(file, &entry.path) {
        file.warn(format!("{} does not exist yet: the build fails until it does", entry.path));
    }
    let end = file.read.patches.len();
    file.insert(&["patches".into()], end, &entry.value())
}

fn is_there(file: &File, relative: &str) -> bool {
    let full = path::join(file.folder(), relative);
    full.is_some_and(|full| file.tree().is_file(&full).unwrap_or_default())
}

/// Removes the entries that are exactly the given one.
///
/// # Errors
/// When it has both path and patch, or the text cannot be edited there.
pub(crate) fn remove(file: &mut File, entry: &PatchEntry) -> Result<()> {
    check(file, entry)?;
    let gone = places(file, entry);
    if !gone.contains(&true) {
        file.warn("no entry of patches is exactly that: nothing was removed".to_owned());
        file.leave();
        return Ok(());
    }
    file.remove_items("patches", &gone)
}
