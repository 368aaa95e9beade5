//! `gantline render PATH --trace OBJECT`: which file and which step of the build set each field.

use std::collections::BTreeMap;

use object::yaml::{self, NodeKind};
use object::{ResourceKey, path};
use render::{FieldTrace, ObjectTrace, RenderContext, Rendered, Source, TraceStep};
use serde_json::{Value, json};

use crate::args::Format;
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::output;

pub(super) fn run(place: &Place, source: &Source, context: &RenderContext, object: &str, format: Format) -> Outcome {
    let meant = |key: &ResourceKey| is_meant(key, object);
    let traces = render::trace_objects_in(&place.tree, source, context, meant);
    let traces = traces.map_err(|problem| place.failure(&problem))?;
    if traces.is_empty() {
        return Err(none_found(object, &render::render_in(&place.tree, source, context)));
    }
    match format {
        Format::Json => output::line(serde_json::to_string_pretty(&data(&traces))?),
        Format::Yaml => output::raw(&output::yaml(&data(&traces))),
        Format::Name => traces.iter().for_each(|trace| output::line(&trace.object)),
        Format::Table | Format::Wide => traces.iter().for_each(|trace| print(trace, place, &source.path)),
    }
    Ok(Code::Done.into())
}

/// `name`, `kind/name` or `namespace/kind/name`; kinds in any case, also as `kubectl` lists them (`deployments`).
fn is_meant(key: &ResourceKey, text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let kind = |wanted: &str| {
        let (wanted, kind) = (wanted.to_lowercase(), key.kind.to_lowercase());
        wanted == kind || wanted == format!("{kind}s") || wanted == format!("{kind}es")
    };
    match parts.as_slice() {
        [name] => key.name == *name,
        [wanted, name] => kind(wanted) && key.name == *name,
        [namespace, wanted, name] => key.namespace == *namespace && kind(wanted) && key.name == *name,
        _ => false,
    }
}

fn none_found(object: &str, all: &Rendered) -> Failure {
    let names = all.manifests.iter().map(|m| format!("{}/{}", m.manifest.kind(), m.manifest.name()));
    let names: Vec<String> = names.collect();
    let hint = match names.len() {
        0 => "nothing is rendered here".to_owned(),
        _ => format!("there are: {}", names.join(", ")),
    };
    Failure::new(format!("no rendered object is called {object:?}")).hint(hint)
}

/// The object as YAML, each scalar with what set it.
fn print(trace: &ObjectTrace, place: &Place, folder: &str) {
    let text = yaml::to_string(&trace.value);
    let mut notes = BTreeMap::new();
    for node in yaml::parse(&text).unwrap_or_default() {
        lines(&node, String::new(), &mut |line, pointer| {
            let field = trace.fields.iter().find(|f| f.pointer == pointer);
            notes.insert(line, field.map(|f| note(f, folder)).unwrap_or_default());
        });
    }
    let width = text.lines().map(|l| l.chars().count()).filter(|w| *w <= WIDTH_MAX).max().unwrap_or_default();
    output::line(format!("# {}; paths are relative to {}", trace.object, place.path(folder)));
    for (i, line) in text.lines().enumerate() {
        match notes.get(&(i + 1)) {
            Some(note) => output::line(format!("{line:width$}  # {note}")),
            None => output::line(line),
        }
    }
}

/// Wider lines do not push the notes of all others to the right.
const WIDTH_MAX: usize = 64;

/// Calls `found` with the 1-based line and the JSON pointer of each scalar.
fn lines(node: &yaml::Node, pointer: String, found: &mut dyn FnMut(usize, &str)) {
    match &node.kind {
        NodeKind::Scalar(_) => found(node.start.line, &pointer),
        NodeKind::Sequence(items) => {
            items.iter().enumerate().for_each(|(i, item)| lines(item, format!("{pointer}/{i}"), found));
        }
        NodeKind::Mapping(pairs) => {
            for (key, value) in pairs {
                let key = path::pointer_part(key.as_str().unwrap_or_default());
                lines(value, format!("{pointer}/{key}"), found);
            }
        }
        NodeKind::Alias(..) => {}
    }
}

/// What set a field, and what it replaced; of a chart, the line of the template and the keys that feed it.
fn note(field: &FieldTrace, folder: &str) -> String {
    if field.steps.last().is_some_and(|step| step.by == "template") {
        let steps: Vec<String> = field.steps.iter().rev().map(|step| setter(step, folder)).collect();
        return steps.join(", ");
    }
    let mut steps = field.steps.iter().rev();
    let last = steps.next().map_or_else(|| "the build".to_owned(), |step| setter(step, folder));
    match steps.next() {
        Some(step) => format!("{last}, before: {} ({})", shown(&step.value), setter(step, folder)),
        None => last,
    }
}

fn setter(step: &TraceStep, folder: &str) -> String {
    let shown = render::remote::shown(&step.file);
    let file = if shown == step.file { path::relative(folder, &step.file) } else { shown };
    match (step.by.as_str(), step.line) {
        ("manifest" | "template" | "include", line) => format!("{file}:{line}"),
        (by, 0) if !file.is_empty() => format!("{} {file}", by.trim_start_matches(VALUE)),
        (by, line) if by.starts_with(VALUE) => format!("{file}:{line} {}", by.trim_start_matches(VALUE)),
        (by, 0) => by.to_owned(),
        (by, line) => format!("{by} {file}:{line}"),
    }
}

/// What the step of a key of the values begins with.
const VALUE: &str = "value ";

/// A value in one short line.
fn shown(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    if short == value { short } else { format!("{short}…") }
}

fn data(traces: &[ObjectTrace]) -> Value {
    let step = |s: &TraceStep| json!({"by": s.by, "file": s.file, "line": s.line, "value": s.value});
    let field = |f: &FieldTrace| json!({"path": f.path, "pointer": f.pointer, "value": f.value, "steps": f.steps.iter().map(step).collect::<Vec<_>>()});
    let object = |t: &ObjectTrace| {
        let fields: Vec<Value> = t.fields.iter().map(field).collect();
        json!({"object": t.object.to_string(), "file": t.origin.file, "line": t.origin.line, "fields": fields})
    };
    traces.iter().map(object).collect()
}
