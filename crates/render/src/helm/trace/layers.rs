//! Which of the sources of values decides a key.

use object::yaml::edit::{Editor, Step, shown};
use object::{FileTree, path};
use serde_json::{Map, Value};

use super::keys::get;
use crate::helm::application::OWN_FIELDS;
use crate::helm::instance::Instance;
use crate::helm::options::{TemplateOptions, ValuesFile};
use crate::helm::strvals::{self, ValueKind};
use crate::helm::values_file;
use crate::{RenderContext, ValueFile, ValueSource};

/// One source of values.
struct Layer {
    from: ValueSource,
    values: Value,
    text: String,
}

/// All sources of values of an Application's chart, the strongest first.
pub(crate) struct Layers {
    layers: Vec<Layer>,
    /// The value files, in their order.
    pub(crate) files: Vec<ValueFile>,
}

impl Layers {
    pub(crate) fn of(tree: &FileTree, root: &Instance, options: &TemplateOptions, context: &RenderContext) -> Self {
        let mut layers = Self { layers: Vec::new(), files: Vec::new() };
        layers.add_parameters(options);
        for file in options.values.files.iter().rev() {
            layers.add_file(file, context);
        }
        layers.files.reverse();
        layers.add_chart(tree, root, &mut Vec::new());
        layers
    }

    fn add_parameters(&mut self, options: &TemplateOptions) {
        let sources = &options.values;
        let content = |_: &str| Ok(Value::String(String::new()));
        let kinds = [
            ("fileParameters", &sources.set_file, ValueKind::File(&content)),
            ("parameters", &sources.set_string, ValueKind::Text),
            ("parameters", &sources.set, ValueKind::Typed),
        ];
        for (field, texts, kind) in kinds {
            for text in texts.iter().rev() {
                let mut values = Map::new();
                if strvals::set(text, kind, &mut values).is_ok() {
                    let from = ValueSource::Application { field: format!("{OWN_FIELDS}{field}") };
                    self.layers.push(Layer { from, values: Value::Object(values), text: String::new() });
                }
            }
        }
    }

    fn add_file(&mut self, file: &ValuesFile, context: &RenderContext) {
        let values = Value::Object(values_file::read(&file.content).unwrap_or_default());
        if file.name.starts_with(OWN_FIELDS) {
            let from = ValueSource::Application { field: file.name.clone() };
            return self.layers.push(Layer { from, values, text: String::new() });
        }
        let file_of = |name: &str| {
            let (reference, path) = name.strip_prefix('$')?.split_once('/')?;
            let known = context.references.contains_key(reference);
            known.then(|| ValueFile { reference: reference.to_owned(), path: path.to_owned() })
        };
        let own = || ValueFile { reference: String::new(), path: file.name.clone() };
        let place = file_of(&file.name).unwrap_or_else(own);
        let text = String::from_utf8_lossy(&file.content).into_owned();
        self.layers.push(Layer { from: ValueSource::File { file: place.clone(), line: 0 }, values, text });
        self.files.push(place);
    }

    /// The defaults of a chart and of those below it.
    fn add_chart(&mut self, tree: &FileTree, instance: &Instance, way: &mut Vec<String>) {
        let chart = &instance.chart;
        let file = if chart.packed {
            format!("{}: values.yaml", chart.location)
        } else {
            path::child(&chart.location, "values.yaml")
        };
        let bytes = if chart.packed { None } else { tree.read(&file).ok().flatten() };
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let from = ValueSource::Chart { file, line: 0, below: way.clone() };
        self.layers.push(Layer { from, values: Value::Object(chart.values.clone()), text });
        for child in &instance.children {
            way.push(child.name.clone());
            self.add_chart(tree, child, way);
            way.pop();
        }
    }

    /// What decides a key, with its line. `value` is the one that the key has in the end.
    pub(crate) fn decide(&self, path: &[Step], value: &Value) -> ValueSource {
        let decides = |layer: &&Layer| {
            let found = layer.inner(path).and_then(|path| get(&layer.values, path));
            found.is_some_and(|found| value.is_null() || !found.is_null())
        };
        let Some(layer) = self.layers.iter().find(decides) else { return ValueSource::Nowhere };
        let line = layer.line(path);
        match &layer.from {
            ValueSource::File { file, .. } => ValueSource::File { file: file.clone(), line },
            ValueSource::Chart { file, below, .. } => {
                ValueSource::Chart { file: file.clone(), line, below: below.clone() }
            }
            ValueSource::Application { field } if field.ends_with("arameters") => {
                ValueSource::Application { field: format!("{field} ({})", shown(path)) }
            }
            other => other.clone(),
        }
    }
}

impl Layer {
    /// The path as this source has it: a subchart does not know its name in the parent.
    fn inner<'p>(&self, path: &'p [Step]) -> Option<&'p [Step]> {
        let ValueSource::Chart { below, .. } = &self.from else { return Some(path) };
        let is_below =
            below.len() < path.len() && below.iter().zip(path).all(|(name, step)| *step == Step::from(name.as_str()));
        is_below.then(|| &path[below.len()..])
    }

    /// 0 where it has no lines.
    fn line(&self, path: &[Step]) -> usize {
        let path = self.inner(path).unwrap_or_default();
        if self.text.is_empty() { 0 } else { Editor::new(&self.text).map_or(0, |editor| editor.line(path)) }
    }
}
