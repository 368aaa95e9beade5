//! The edit of a values file that gives a chart's containers an image.

use std::collections::BTreeMap;

use object::yaml::edit::{Editor, Step, shown};
use object::{FileTree, ImageRef, yaml};
use render::{ChartImage, ImageKey, ImageOrigin, ImageOriginKind, ImagePart, RenderContext, ValueSource, image_parts};
use serde_json::Value;

use crate::prove::{Edited, prove};
use crate::write::{WriteError, WritePlan};

/// A file of values that may be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    reference: String,
    file: String,
}

/// What becomes of a key.
struct KeyEdit<'a> {
    key: &'a ImageKey,
    text: String,
}

/// Edits by the text of their path: several containers may take the same key.
type Edits<'a> = BTreeMap<String, KeyEdit<'a>>;

/// The key that decides which image runs.
fn deciding(chart: &ChartImage) -> Option<&ImageKey> {
    let feeds = |part: ImagePart| chart.keys.iter().find(|key| key.parts.contains(&part));
    feeds(ImagePart::Tag).or_else(|| feeds(ImagePart::Digest)).or(chart.keys.first())
}

/// For people: `env/prod.yaml:7 (image.tag)`, else the line of the template.
pub(crate) fn place_of(origin: &ImageOrigin, chart: &ChartImage) -> String {
    let line = |line: usize| if line == 0 { String::new() } else { format!(":{line}") };
    match deciding(chart).map(|key| (key, key.from.place())) {
        Some((key, (file, at))) if !file.is_empty() => format!("{file}{} ({})", line(at), shown(&key.path)),
        Some((key, _)) => format!("{}{} ({})", chart.template.file, line(chart.template.line), shown(&key.path)),
        None => format!("{}{} ({})", chart.template.file, line(chart.template.line), origin.pointer),
    }
}

/// The repository, by the `ref` of its source, and the file that decides the image; none for what is no chart.
pub(crate) fn file_of(origin: &ImageOrigin) -> Option<(String, String)> {
    let ImageOriginKind::Chart(chart) = &origin.kind else { return None };
    let key = deciding(chart);
    Some(match key.map(|key| &key.from) {
        Some(ValueSource::File { file, .. }) => (file.reference.clone(), file.path.clone()),
        Some(ValueSource::Chart { file, .. }) => (String::new(), file.clone()),
        _ => {
            let target = target(chart).unwrap_or(Target { reference: String::new(), file: origin.file.clone() });
            (target.reference, target.file)
        }
    })
}

/// # Errors
/// When no key can be edited, or more than the image would change.
pub(crate) fn plan(before: &Edited<'_>, image: &ImageRef, origins: &[ImageOrigin]) -> Result<WritePlan, WriteError> {
    let mut edits = Edits::new();
    let mut chart = None;
    for origin in origins {
        let ImageOriginKind::Chart(of) = &origin.kind else { continue };
        chart = Some(&**of);
        for edit in edits_of(origin, of, image)? {
            let path = shown(&edit.key.path);
            match edits.get(&path) {
                Some(other) if other.text != edit.text => {
                    let places = format!("{path} as {}, {path} as {}", other.text, edit.text);
                    return Err(WriteError::Several { image: image.name.clone(), places });
                }
                _ => drop(edits.insert(path, edit)),
            }
        }
    }
    let first = origins.first().zip(chart);
    let Some((origin, chart)) = first else {
        let (path, image) = (before.source.path.clone(), image.name.clone());
        return Err(WriteError::NotFound { path, image });
    };
    let edits: Vec<KeyEdit<'_>> = edits.into_values().collect();
    let target = target_of(origin, chart, &edits)?;
    write(before, image, &target, &edits)
}

/// What has to become of the keys behind one container's image.
fn edits_of<'a>(origin: &ImageOrigin, chart: &'a ChartImage, image: &ImageRef) -> Result<Vec<KeyEdit<'a>>, WriteError> {
    let mut missing: Vec<ImagePart> =
        image_parts(&origin.image).into_iter().map(|(part, _)| part).filter(|part| *part != ImagePart::Name).collect();
    if missing.is_empty() {
        missing.push(ImagePart::Tag);
    }
    let mut edits = Vec::new();
    for key in &chart.keys {
        let Some((text, parts)) = new_text(key, &origin.image, image) else { continue };
        if parts.iter().any(|part| missing.contains(part)) {
            missing.retain(|part| !parts.contains(part));
            edits.push(KeyEdit { key, text });
        }
    }
    if missing.is_empty() { Ok(edits) } else { Err(no_key(origin, chart, &missing)) }
}

fn no_key(origin: &ImageOrigin, chart: &ChartImage, missing: &[ImagePart]) -> WriteError {
    let part = if missing.contains(&ImagePart::Tag) { "tag" } else { "digest" };
    let template = chart.included.as_ref().unwrap_or(&chart.template);
    WriteError::NoKey {
        template: format!("{}:{}", template.file, template.line),
        image: origin.image.clone(),
        reason: format!("no key of the values was found that feeds its {part} and can be written"),
        fix: format!("write it there as {{{{ .Values.image.{part} }}}}, and set image.{part} in the values"),
    }
}

/// The new text of a key, and the parts of the image that it covers.
fn new_text(key: &ImageKey, old: &str, image: &ImageRef) -> Option<(String, Vec<ImagePart>)> {
    let wanted = |part: ImagePart| match part {
        ImagePart::Name => None,
        ImagePart::Tag => image.tag.clone(),
        ImagePart::Digest => image.digest.as_ref().map(ToString::to_string),
    };
    let text = match &key.value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let Some(at) = position(&text, key, old) else { return transformed(&text, key, old, wanted) };
    let end = at + text.len();
    let (mut new, mut covered, mut from) = (String::new(), Vec::new(), at);
    let parts = image_parts(old);
    for (part, range) in &parts {
        let inside = range.start.max(at)..range.end.min(end);
        if *part == ImagePart::Name || inside.is_empty() {
            continue;
        }
        let wanted = wanted(*part)?;
        // what other keys add to the part stays
        let inner = wanted.strip_prefix(&old[range.start..inside.start])?.strip_suffix(&old[inside.end..range.end])?;
        new.push_str(&old[from..inside.start]);
        new.push_str(inner);
        (from, covered) = (inside.end, [covered, vec![*part]].concat());
    }
    new.push_str(&old[from..end]);
    if parts.len() == 1 && end == old.len() {
        // an image without a tag gets one
        return Some((format!("{new}:{}", wanted(ImagePart::Tag)?), vec![ImagePart::Tag]));
    }
    (!covered.is_empty()).then_some((new, covered))
}

/// Where the text of a key stands in the image: the place where another text came when it was tried.
fn position(text: &str, key: &ImageKey, image: &str) -> Option<usize> {
    let (variant, changed) = &key.changed;
    let places = image.match_indices(text).map(|(at, _)| at).filter(|_| !text.is_empty());
    places.into_iter().find(|at| format!("{}{variant}{}", &image[..*at], &image[at + text.len()..]) == *changed)
}

/// The new text of a key that the chart changes on the way to the image, such as `v1.2` for a tag `1.2`. The proof
/// tells whether it is right.
fn transformed(
    text: &str,
    key: &ImageKey,
    old: &str,
    wanted: impl Fn(ImagePart) -> Option<String>,
) -> Option<(String, Vec<ImagePart>)> {
    let [part] = key.parts.as_slice() else {
        // an empty digest key that would take the place of the tag
        return None;
    };
    let new = wanted(*part)?;
    let range = image_parts(old).into_iter().find(|(p, _)| p == part).map(|(_, range)| range);
    let was = range.and_then(|range| old.get(range)).unwrap_or_default();
    let text = if !was.is_empty() && text.contains(was) { text.replacen(was, &new, 1) } else { new };
    Some((text, vec![*part]))
}

/// The file that is edited: one that belongs to the environment.
fn target_of(origin: &ImageOrigin, chart: &ChartImage, edits: &[KeyEdit<'_>]) -> Result<Target, WriteError> {
    for edit in edits {
        if let ValueSource::Application { field } = &edit.key.from {
            let (field, key, image) = (field.clone(), shown(&edit.key.path), origin.image.clone());
            return Err(WriteError::InApplication { field, key, image });
        }
    }
    let target = target(chart).ok_or_else(|| WriteError::NoKey {
        template: format!("{}:{}", chart.template.file, chart.template.line),
        image: origin.image.clone(),
        reason: "the chart is an archive, and the Application has no value file".to_owned(),
        fix: "give the Application a file in spec.source.helm.valueFiles".to_owned(),
    })?;
    for edit in edits {
        let elsewhere = !matches!(&edit.key.from, source if is_in(source, &target));
        if elsewhere && edit.key.path.iter().any(|step| matches!(step, Step::Index(_))) {
            let (file, line) = edit.key.from.place();
            let reason = format!(
                "it is an item of a list, and {} would have to repeat the whole list: write the list there",
                target.file
            );
            return Err(WriteError::NotEditable { file, line, key: shown(&edit.key.path), reason });
        }
    }
    Ok(target)
}

/// The last value file of the Application, which is the environment's own: earlier ones may be shared. Without any, the
/// chart's `values.yaml`.
fn target(chart: &ChartImage) -> Option<Target> {
    match chart.value_files.last() {
        Some(last) => Some(Target { reference: last.reference.clone(), file: last.path.clone() }),
        None => chart.chart_values.clone().map(|file| Target { reference: String::new(), file }),
    }
}

fn is_in(source: &ValueSource, target: &Target) -> bool {
    match source {
        ValueSource::File { file, .. } => file.reference == target.reference && file.path == target.file,
        ValueSource::Chart { file, .. } => target.reference.is_empty() && *file == target.file,
        _ => false,
    }
}

/// Edits the file and proves it. A number stays one where that gives the image; else it becomes a text.
fn write(
    before: &Edited<'_>,
    image: &ImageRef,
    target: &Target,
    edits: &[KeyEdit<'_>],
) -> Result<WritePlan, WriteError> {
    let repository = match target.reference.as_str() {
        "" => before.tree,
        name => before.context.references.get(name).unwrap_or(before.tree),
    };
    let old = repository.read(&target.file).ok().flatten().unwrap_or_default();
    let editor = editor(target, &old, edits)?;
    let numbers = with_values(&editor, target, edits, true)?;
    let texts = with_values(&editor, target, edits, false)?;
    let place = place(target, edits);
    let proven = |content: &String| {
        let (tree, context) = after(before, repository, target, content);
        prove(before, &Edited { tree: &tree, context: &context, ..*before }, image, &place)
    };
    let (content, proof) = match proven(&numbers) {
        Err(_) if texts != numbers => proven(&texts).map(|proof| (texts, proof)),
        proof => proof.map(|proof| (numbers, proof)),
    }?;
    Ok(WritePlan {
        reference: target.reference.clone(),
        file: target.file.clone(),
        content: content.into_bytes(),
        place,
        rendered: proof.rendered,
        beside: proof.beside,
    })
}

/// Trees and context with the new content in the right repository.
fn after(before: &Edited<'_>, repository: &FileTree, target: &Target, content: &str) -> (FileTree, RenderContext) {
    let edited = repository.with_file(&target.file, content.as_bytes().to_vec());
    let mut context = before.context.clone();
    if target.reference.is_empty() {
        return (edited, context);
    }
    context.references.insert(target.reference.clone(), edited);
    (before.tree.clone(), context)
}

fn place(target: &Target, edits: &[KeyEdit<'_>]) -> String {
    let keys: Vec<String> = edits.iter().map(|edit| shown(&edit.key.path)).collect();
    let here = edits.iter().find(|edit| is_in(&edit.key.from, target)).map(|edit| edit.key.from.place().1);
    let line = here.filter(|line| *line > 0).map_or(String::new(), |line| format!(":{line}"));
    let reference = if target.reference.is_empty() { String::new() } else { format!("${}/", target.reference) };
    format!("{reference}{}{line} ({})", target.file, keys.join(", "))
}

fn editor(target: &Target, old: &[u8], edits: &[KeyEdit<'_>]) -> Result<Editor, WriteError> {
    let key = || edits.first().map_or_else(String::new, |edit| shown(&edit.key.path));
    let refused = |line: usize, reason: &str| WriteError::NotEditable {
        file: target.file.clone(),
        line,
        key: key(),
        reason: reason.to_owned(),
    };
    let text = std::str::from_utf8(old).map_err(|_| refused(1, "the file is no UTF-8 text"))?;
    if let Some(second) = yaml::parse(text).ok().and_then(|documents| documents.get(1).cloned()) {
        return Err(refused(second.start.line, "the file has several documents: make one of them"));
    }
    Editor::new(text).map_err(|error| refused(error.line, &error.reason.to_string()))
}

fn with_values(editor: &Editor, target: &Target, edits: &[KeyEdit<'_>], numbers: bool) -> Result<String, WriteError> {
    let mut editor = editor.clone();
    for edit in edits {
        let number = edit.text.parse::<i64>().ok().filter(|number| number.to_string() == edit.text);
        let value = match number {
            Some(number) if numbers && edit.key.value.is_number() => Value::from(number),
            _ => Value::from(edit.text.as_str()),
        };
        editor.set(&edit.key.path, &value).map_err(|error| WriteError::NotEditable {
            file: target.file.clone(),
            line: error.line,
            key: shown(&edit.key.path),
            reason: error.reason.to_string(),
        })?;
    }
    Ok(editor.text())
}
