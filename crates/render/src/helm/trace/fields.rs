//! What set each field of a rendered object.

use std::collections::BTreeMap;

use object::ResourceKey;
use object::yaml::edit;
use serde_json::Value;

use super::Traced;
use super::keys::{Leaf, Leaves};
use super::probe::Object;
use super::variants::variants;
use super::written::Written;
use crate::object_trace::{below, field_name};
use crate::{FieldTrace, ObjectTrace, Origin, TraceStep};

/// The most keys that are tried for one object.
const TRIES: usize = 300;

/// A scalar of an object.
struct Field<'v> {
    pointer: String,
    path: String,
    value: &'v Value,
}

/// The keys that feed each field, by pointer.
type Feeds = BTreeMap<String, Vec<Leaf>>;

impl Traced {
    pub(crate) fn objects(&self, wanted: impl Fn(&ResourceKey) -> bool) -> Vec<ObjectTrace> {
        let objects = self.first.objects.iter().enumerate().filter(|(_, object)| wanted(&object.key));
        objects.map(|(at, object)| self.object(at, object)).collect()
    }

    fn object(&self, at: usize, object: &Object) -> ObjectTrace {
        let written = Written::of(&self.first, object);
        let mut fields = Vec::new();
        scalars(&object.value, (String::new(), String::new()), &mut fields);
        let feeds = written.as_ref().map(|written| self.feeds(at, object, written, &fields)).unwrap_or_default();
        let traced = fields.iter().map(|field| self.field(field, written.as_ref(), &feeds));
        let fields: Vec<FieldTrace> = traced.collect();
        let origin = fields.iter().find_map(|field| field.steps.iter().rfind(|step| step.by == "template"));
        let origin = origin.map_or_else(Origin::default, |step| Origin { file: step.file.clone(), line: step.line });
        ObjectTrace { object: object.key.clone(), origin, value: object.value.clone(), fields }
    }

    /// Tries every key that the object may show.
    fn feeds(&self, at: usize, object: &Object, written: &Written<'_>, fields: &[Field<'_>]) -> Feeds {
        let mut feeds = Feeds::new();
        for leaf in self.candidates(written, fields).into_values().take(TRIES) {
            let changes = variants(&leaf.value)
                .into_iter()
                .find_map(|variant| self.probe.changes(&self.first, &object.template, &leaf.path, &variant));
            for change in changes.iter().flat_map(|changes| changes.iter()).filter(|change| change.object == at) {
                feeds.entry(change.pointer.clone()).or_default().push(leaf.clone());
            }
        }
        feeds
    }

    /// The keys with a value that were read for a field, and those of the file whose text a field shows.
    fn candidates(&self, written: &Written<'_>, fields: &[Field<'_>]) -> Leaves {
        let mut all = self.first.keys.leaves(written.all_reads());
        all.retain(|_, leaf| {
            let text = leaf.text();
            !text.is_empty() && fields.iter().any(|field| shown(field.value).contains(&text))
        });
        for field in fields {
            if let Some(bytes) = written.bytes(&field.pointer) {
                all.extend(self.first.keys.leaves(&written.reads(&bytes)));
            }
        }
        all.retain(|_, leaf| !leaf.text().is_empty());
        all
    }

    fn field(&self, field: &Field<'_>, written: Option<&Written<'_>>, feeds: &Feeds) -> FieldTrace {
        let mut found = Vec::new();
        for leaf in feeds.get(&field.pointer).into_iter().flatten() {
            let (file, line) = self.layers.decide(&leaf.path, &leaf.value).place();
            found.push(TraceStep { by: format!("value {}", edit::shown(&leaf.path)), file, line, value: leaf.text() });
        }
        let value = shown(field.value);
        let step =
            |by: &str, at: Origin| TraceStep { by: by.to_owned(), file: at.file, line: at.line, value: value.clone() };
        if let Some(writers) = written.and_then(|w| Some(w.writers(&w.bytes(&field.pointer)?))) {
            found.extend(writers.included.map(|at| step("include", at)));
            found.push(step("template", writers.template));
        }
        FieldTrace { pointer: field.pointer.clone(), path: field.path.clone(), value, steps: found }
    }
}

/// As a scalar of a YAML text reads.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn scalars<'v>(value: &'v Value, (pointer, path): (String, String), fields: &mut Vec<Field<'v>>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let pointer = format!("{pointer}/{}", object::path::pointer_part(key));
                scalars(value, (pointer, below(&path, key)), fields);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let name = field_name(item).map_or_else(|| at.to_string(), str::to_owned);
                scalars(item, (format!("{pointer}/{at}"), format!("{path}[{name}]")), fields);
            }
        }
        scalar => fields.push(Field { pointer, path, value: scalar }),
    }
}
