//! Lists of texts: `resources`, `components`, `generators`, `transformers`, `buildMetadata`.

use object::{FileTree, path};
use serde_json::Value;

use super::super::error::{KustomizeError, Result};
use super::super::load::is_remote;
use super::file::File;
use super::glob;
use crate::suggest;
use object::go_match;

/// The texts of a list of the file.
fn texts(file: &File, field: &str) -> Vec<String> {
    let items = file.field(field).and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

fn push(file: &mut File, field: &str, text: &str) -> Result<()> {
    let end = texts(file, field).len();
    file.insert(&[field.into()], end, &text.into())
}

/// What paths and globs stand for: each must be there, or be remote.
///
/// # Errors
/// When something is not there: the error is about `file`.
pub(crate) fn expand(tree: &FileTree, folder: &str, file: &str, paths: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for wanted in paths {
        let there = if is_remote(wanted) { vec![wanted.clone()] } else { glob::glob(tree, folder, file, wanted)? };
        if there.is_empty() {
            let full = path::join(folder, wanted).unwrap_or_default();
            let error = KustomizeError::new(file, format!("{wanted} does not exist"));
            return Err(error.hint(suggest::paths_hint(tree, folder, &full)));
        }
        found.extend(there);
    }
    Ok(found)
}

/// `add resource|component`.
///
/// # Errors
/// When a path is not there, or the text cannot be edited there.
pub(crate) fn add(file: &mut File, field: &str, paths: &[String], verify: bool) -> Result<()> {
    let paths = if verify { expand(file.tree(), file.folder(), file.path_in_tree(), paths)? } else { paths.to_vec() };
    add_all(file, field, &paths)
}

/// `add generator|transformer`: what is not there is left out.
///
/// # Errors
/// When a pattern is malformed, or the text cannot be edited there.
pub(crate) fn add_existing(file: &mut File, field: &str, paths: &[String]) -> Result<()> {
    let mut found = Vec::new();
    for pattern in paths {
        let there = file.glob(pattern)?;
        if there.is_empty() {
            file.warn(format!("{pattern} does not exist: it was left out"));
        }
        found.extend(there);
    }
    if found.is_empty() {
        file.leave();
        return Ok(());
    }
    add_all(file, field, &found)
}

fn add_all(file: &mut File, field: &str, paths: &[String]) -> Result<()> {
    let own = path::file_name(file.path_in_tree()).to_owned();
    let mut known = texts(file, field);
    let start = known.len();
    for path in paths.iter().filter(|path| **path != own) {
        if known.contains(path) {
            file.warn(format!("{path} is in {field} already"));
        } else {
            known.push(path.clone());
        }
    }
    let new: Vec<Value> = known.drain(start..).map(Value::from).collect();
    if new.is_empty() { Ok(()) } else { file.extend(field, &new) }
}

/// `add base`: folders with commas between them, each there and new.
///
/// # Errors
/// When one is not there or listed already, or the text cannot be edited there.
pub(crate) fn add_bases(file: &mut File, folders: &str) -> Result<()> {
    for folder in folders.split(',') {
        let full = path::join(file.folder(), folder).filter(|_| !folder.is_empty());
        let there = full.is_some_and(|full| file.tree().entry(&full).ok().flatten().is_some());
        if !there {
            let full = path::join(file.folder(), folder).unwrap_or_default();
            let hint = suggest::folders_hint(file.tree(), file.folder(), &full);
            return Err(file.error(format!("{folder} does not exist")).hint(hint));
        }
        if texts(file, "resources").iter().any(|known| known == folder) {
            return Err(file.error(format!("{folder} is in resources already")).hint("nothing needs to be added"));
        }
        push(file, "resources", folder)?;
    }
    Ok(())
}

/// `remove resource|component|transformer`: the entries that fit any of the globs.
///
/// # Errors
/// When a pattern is malformed, or the text cannot be edited there.
pub(crate) fn remove(file: &mut File, field: &str, patterns: &[String]) -> Result<()> {
    let entries = texts(file, field);
    let mut gone = vec![false; entries.len()];
    for text in patterns {
        go_match::check(text).map_err(|_| file.error(format!("the pattern {text:?} is malformed")))?;
        let fit: Vec<bool> = entries.iter().map(|entry| go_match::matches(text, entry).unwrap_or(false)).collect();
        if !fit.contains(&true) {
            file.warn(format!("{text} is not in {field}"));
        }
        gone.iter_mut().zip(fit).for_each(|(gone, fit)| *gone |= fit);
    }
    if !gone.contains(&true) {
        file.leave();
        return Ok(());
    }
    file.remove_items(field, &gone)
}

const BUILD_METADATA: [&str; 3] = ["originAnnotations", "transformerAnnotations", "managedByLabel"];

fn options<'a>(file: &File, text: &'a str) -> Result<Vec<&'a str>> {
    let options: Vec<&str> = text.split(',').collect();
    match options.iter().find(|option| !BUILD_METADATA.contains(option)) {
        None => Ok(options),
        Some(option) => Err(file
            .error(format!("{option:?} is no option of buildMetadata"))
            .hint(format!("the options are {}, with commas between them", BUILD_METADATA.join(", ")))),
    }
}

/// `set buildmetadata`.
///
/// # Errors
/// When an option is not known, or the text cannot be edited there.
pub(crate) fn set_build_metadata(file: &mut File, text: &str) -> Result<()> {
    let options = options(file, text)?;
    let gone: Vec<bool> = texts(file, "buildMetadata").iter().map(|o| !options.contains(&o.as_str())).collect();
    if gone.iter().all(|gone| *gone) {
        return file.set(&["buildMetadata".into()], &options.into());
    }
    file.remove_items("buildMetadata", &gone)?;
    if texts(file, "buildMetadata") == options {
        return Ok(());
    }
    file.set(&["buildMetadata".into()], &options.into())
}

/// `add buildmetadata`.
///
/// # Errors
/// When an option is not known or there already, or the text cannot be edited there.
pub(crate) fn add_build_metadata(file: &mut File, text: &str) -> Result<()> {
    for option in options(file, text)? {
        if texts(file, "buildMetadata").iter().any(|known| known == option) {
            return Err(file.error(format!("{option} is in buildMetadata already")).hint("nothing needs to be added"));
        }
        push(file, "buildMetadata", option)?;
    }
    Ok(())
}

/// `remove buildmetadata`.
///
/// # Errors
/// When an option is not known, or the text cannot be edited there.
pub(crate) fn remove_build_metadata(file: &mut File, text: &str) -> Result<()> {
    let options = options(file, text)?;
    let gone: Vec<bool> = texts(file, "buildMetadata").iter().map(|o| options.contains(&o.as_str())).collect();
    file.remove_items("buildMetadata", &gone)
}
