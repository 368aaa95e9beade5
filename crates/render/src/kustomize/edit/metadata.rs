//! `commonLabels`, `labels` and `commonAnnotations`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use object::yaml::edit::Step;
use regex::Regex;
use serde_json::{Map, Value};

use super::super::error::Result;
use super::file::File;

/// Which metadata a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Label,
    Annotation,
}

impl What {
    fn field(self) -> &'static str {
        match self {
            Self::Label => "commonLabels",
            Self::Annotation => "commonAnnotations",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Annotation => "annotation",
        }
    }
}

/// `KEY:VALUE`, the value perhaps in double quotes; a key alone has an empty value. None without a key.
pub(crate) fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once(':').unwrap_or((text, ""));
    if key.is_empty() && text.starts_with(':') {
        return None;
    }
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    Some((key.to_owned(), bare.to_owned()))
}

fn pairs(file: &File, what: What, texts: &[String]) -> Result<BTreeMap<String, String>> {
    if texts.is_empty() {
        return Err(file.error(format!("no {} is named", what.name())).hint("write KEY:VALUE"));
    }
    let read = |text: &String| {
        pair(text).ok_or_else(|| file.error(format!("{text:?} has no key")).hint("write KEY:VALUE, or KEY:\"VALUE\""))
    };
    texts.iter().map(read).collect()
}

/// `set label|annotation`.
///
/// # Errors
/// When an argument has no key or a key that annotations cannot have, or the text cannot be edited there.
pub(crate) fn set(file: &mut File, what: What, texts: &[String]) -> Result<()> {
    let pairs = pairs(file, what, texts)?;
    if what == What::Annotation {
        pairs.keys().try_for_each(|key| check_annotation_key(file, key))?;
    }
    put(file, &[what.field().into()], &pairs)
}

fn put(file: &mut File, map: &[Step], pairs: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in pairs {
        file.set_key(map, key, &value.as_str().into())?;
    }
    Ok(())
}

/// Kustomize checks the keys of `set annotation` alone, by this pattern.
fn check_annotation_key(file: &File, key: &str) -> Result<()> {
    #[expect(clippy::unwrap_used, reason = "the pattern is constant")]
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^([a-zA-Z](([-a-zA-Z0-9.]{0,251})[a-zA-Z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$")
            .unwrap()
    });
    if KEY.is_match(key) {
        return Ok(());
    }
    Err(file
        .error(format!("{key:?} cannot be the key of an annotation"))
        .hint("a key is [PREFIX/]NAME: letters, digits, '-', '_' and '.', at most 63 in the name"))
}

/// `add label|annotation`.
///
/// # Errors
/// As [`set`]; when a key is there already and `force` is not given.
pub(crate) fn add(file: &mut File, what: What, texts: &[String], force: bool) -> Result<()> {
    let pairs = pairs(file, what, texts)?;
    let map = file.path(&[what.field().into()]);
    refuse_known(file, what, &map, &pairs, force)?;
    put(file, &map, &pairs)
}

fn refuse_known(file: &File, what: What, map: &[Step], pairs: &BTreeMap<String, String>, force: bool) -> Result<()> {
    let known = file.get(map).and_then(Value::as_object);
    match pairs.keys().find(|key| known.is_some_and(|known| known.contains_key(*key))) {
        Some(key) if !force => {
            let place = [map, &[key.as_str().into()]].concat();
            let error = file.error_at(&place, format!("the {} {key} is there already", what.name()));
            Err(error.hint("add --force to give it the new value"))
        }
        _ => Ok(()),
    }
}

/// `add label --without-selector`: into the first entry of `labels` that selects as little, or a new one.
///
/// # Errors
/// As [`add`].
pub(crate) fn add_without_selector(file: &mut File, texts: &[String], force: bool, templates: bool) -> Result<()> {
    let pairs = pairs(file, What::Label, texts)?;
    let fits = |label: &&super::super::config::Label| !label.include_selectors && label.include_templates == templates;
    if let Some(index) = file.read.labels.iter().position(|label| fits(&label)) {
        let map = file.path(&["labels".into(), index.into(), "pairs".into()]);
        refuse_known(file, What::Label, &map, &pairs, force)?;
        return put(file, &map, &pairs);
    }
    let mut entry = Map::new();
    entry.insert("pairs".to_owned(), pairs.into_iter().map(|(k, v)| (k, Value::String(v))).collect());
    if templates {
        entry.insert("includeTemplates".to_owned(), true.into());
    }
    let end = file.read.labels.len();
    file.insert(&["labels".into()], end, &Value::Object(entry))
}

/// `remove label|annotation`: keys with commas between them.
///
/// # Errors
/// When a key is not there and that is not to be ignored, or the text cannot be edited there.
pub(crate) fn remove(file: &mut File, what: What, keys: &str, ignore: bool) -> Result<()> {
    let field = what.field();
    if keys.split(',').any(str::is_empty) {
        return Err(file.error(format!("{keys:?} has an empty key")).hint("write KEY,KEY without spaces"));
    }
    for key in keys.split(',') {
        let map = file.path(&[field.into()]);
        let there = file.get(&map).and_then(|map| map.get(key)).is_some();
        if !there && !ignore {
            let error = file.error_at(&map, format!("the {} {key} is not in {field}", what.name()));
            return Err(error.hint("add --ignore-non-existence if that is fine"));
        }
        file.remove_key(&map, key)?;
    }
    Ok(())
}
