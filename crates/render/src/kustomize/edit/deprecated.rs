//! Fields that are deprecated, and what stands for them now.

use serde_json::{Map, Value, json};

use object::path;

use super::super::error::Result;
use super::file::File;

/// What kustomize moves on every edit.
///
/// # Errors
/// When the text cannot be edited there.
pub(crate) fn move_always(file: &mut File) -> Result<()> {
    move_list(file, "bases", "resources", |_, item| item.clone())?;
    move_list(file, "imageTags", "images", |_, item| item.clone())?;
    for generators in ["configMapGenerator", "secretGenerator"] {
        let count = file.field(generators).and_then(Value::as_array).map_or(0, Vec::len);
        (0..count).try_for_each(|index| move_env(file, generators, index))?;
    }
    move_helm(file)
}

/// `env: a` becomes an item of `envs`.
fn move_env(file: &mut File, generators: &str, index: usize) -> Result<()> {
    let env = [generators.into(), index.into(), "env".into()];
    let Some(Value::String(text)) = file.get(&file.path(&env)).cloned() else { return Ok(()) };
    let envs = [generators.into(), index.into(), "envs".into()];
    if text.is_empty() {
        return file.remove(&env);
    }
    if file.get(&file.path(&envs)).is_none() {
        file.set(&env, &json!([text]))?;
        return file.rename(&env, "envs");
    }
    file.push(&envs, &text.into())?;
    file.remove(&env)
}

/// `helmChartInflationGenerator` becomes `helmCharts` and `helmGlobals`.
fn move_helm(file: &mut File) -> Result<()> {
    let old = file.field("helmChartInflationGenerator").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut globals = Map::new();
    for entry in &old {
        for (from, to) in [("helmHome", "configHome"), ("chartHome", "chartHome")] {
            if let Some(home) = entry.get(from).filter(|home| **home != json!("")) {
                globals.insert(to.to_owned(), home.clone());
            }
        }
    }
    if !globals.is_empty() && file.field("helmGlobals").is_none_or(Value::is_null) {
        file.set(&["helmGlobals".into()], &Value::Object(globals))?;
    }
    move_list(file, "helmChartInflationGenerator", "helmCharts", |_, item| chart(item))
}

const CHART_FIELDS: [(&str, &str); 7] = [
    ("chartName", "name"),
    ("chartVersion", "version"),
    ("chartRepoUrl", "repo"),
    ("values", "valuesFile"),
    ("valuesLocal", "valuesInline"),
    ("valuesMerge", "valuesMerge"),
    ("releaseName", "releaseName"),
];

fn chart(old: &Value) -> Value {
    let known = CHART_FIELDS.iter().filter_map(|(from, to)| Some(((*to).to_owned(), old.get(*from)?.clone())));
    Value::Object(known.collect())
}

/// Appends the items of one list to another one, changed by `changed`, and takes the first list away. Where there is no
/// other list, the first one gets its name and keeps its place.
fn move_list(file: &mut File, from: &str, to: &str, changed: impl Fn(&File, &Value) -> Value) -> Result<()> {
    let Some(old) = file.field(from).cloned() else { return Ok(()) };
    let items = old.as_array().cloned().unwrap_or_default();
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if items.is_empty() {
        return file.remove(&[from.into()]);
    }
    for (index, item) in items.iter().enumerate() {
        let new = changed(file, item);
        file.set(&[from.into(), index.into()], &new)?;
    }
    if file.field(to).is_some_and(is_empty) {
        file.remove(&[to.into()])?;
    }
    if file.field(to).is_none() {
        return file.rename(&[from.into()], to);
    }
    file.merge_into(&[from.into()], &[to.into()])
}

/// What `edit fix` replaces beside: patches and labels.
///
/// # Errors
/// When a label is in both lists, or the text cannot be edited there.
pub(crate) fn fix(file: &mut File) -> Result<()> {
    move_list(file, "patchesJson6902", "patches", |_, item| item.clone())?;
    move_list(file, "patchesStrategicMerge", "patches", strategic)?;
    move_labels(file)?;
    file.reread()
}

/// A text that names a file is a path, any other is the patch itself.
fn strategic(file: &File, item: &Value) -> Value {
    let text = item.as_str().unwrap_or_default();
    let full = path::join(file.folder(), text).filter(|_| !text.contains('\n'));
    let is_file = full.is_some_and(|full| file.tree().is_file(&full).unwrap_or_default());
    json!({ (if is_file { "path" } else { "patch" }): text })
}

/// `commonLabels` becomes an entry of `labels` that selects, too.
fn move_labels(file: &mut File) -> Result<()> {
    let Some(old) = file.field("commonLabels").cloned() else { return Ok(()) };
    let keys = old.as_object().cloned().unwrap_or_default();
    if let Some(key) = file.read.labels.iter().flat_map(|label| label.pairs.keys()).find(|k| keys.contains_key(*k)) {
        let place = file.path(&["commonLabels".into(), key.as_str().into()]);
        return Err(file
            .error_at(&place, format!("the label {key} is in commonLabels and in labels"))
            .hint("remove one of them"));
    }
    if keys.is_empty() {
        return file.remove(&["commonLabels".into()]);
    }
    let end = file.field("labels").and_then(Value::as_array).map_or(0, Vec::len);
    file.push(&["labels".into()], &json!({"includeSelectors": true, "pairs": {}}))?;
    file.merge_into(&["commonLabels".into()], &["labels".into(), end.into(), "pairs".into()])
}
