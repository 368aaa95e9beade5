//! Renders of one chart with single values changed: what depends on a value changes with it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use gotemplate::Recording;
use object::yaml::edit::{Step, shown};
use object::{Manifest, ResourceKey, yaml};
use serde_json::{Map, Value};

use crate::helm::chart::Chart;
use crate::helm::coalesce::{Nulls, coalesce};
use crate::helm::engine::{self, RecordedFiles};
use crate::helm::error::HelmError;
use crate::helm::given;
use crate::helm::go_values::{map_from_json, to_json};
use crate::helm::instance::Instance;
use crate::helm::manifests::split;
use crate::helm::options::TemplateOptions;
use crate::helm::problems;
use crate::helm::scope::renderables;
use crate::helm::template::guarded;

use super::keys::Keys;

/// Steps of templates that all renders of a trace may take together: some seconds.
const STEPS_MAX: u64 = 60_000_000;
/// What a render costs beside the steps of its templates.
const STEPS_A_RENDER: u64 = 20_000;

/// One object of a rendered file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) key: ResourceKey,
    /// The template, as Helm names it.
    pub(crate) template: String,
    /// The document: where its text starts in that of the file.
    pub(crate) start: usize,
    /// Where the object stands in the document: empty, or the way to an item of a list.
    pub(crate) within: String,
    pub(crate) value: Value,
}

/// A render with notes.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) objects: Vec<Object>,
    /// By template: the text, and where it comes from.
    pub(crate) files: BTreeMap<String, (String, Recording)>,
    /// Where each template lies: a path in the repository, or in an archive in it.
    pub(crate) places: BTreeMap<String, String>,
    pub(crate) keys: Keys,
    pub(crate) root: Instance,
}

/// A scalar that changed: the object, the JSON pointer in it, and the new value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) object: usize,
    pub(crate) pointer: String,
    pub(crate) value: Value,
}

type Changes = Option<Rc<Vec<Change>>>;

/// A chart with its values, ready to be rendered again and again.
pub(crate) struct Probe {
    chart: Arc<Chart>,
    options: TemplateOptions,
    given: Map<String, Value>,
    left: Cell<u64>,
    known: RefCell<HashMap<(String, String), Changes>>,
    /// Whether a template gives the same when it is rendered alone.
    alone: RefCell<HashMap<String, bool>>,
}

impl Probe {
    /// # Errors
    /// When the values cannot be read.
    pub(crate) fn new(chart: Arc<Chart>, options: TemplateOptions) -> Result<Self, HelmError> {
        let given = given::values(&options.values)?;
        Ok(Self {
            chart,
            options,
            given,
            left: Cell::new(STEPS_MAX),
            known: RefCell::default(),
            alone: RefCell::default(),
        })
    }

    /// The render as it is, with notes.
    ///
    /// # Errors
    /// When it does not render.
    pub(crate) fn first(&self) -> Result<First, HelmError> {
        guarded(|| {
            let (root, values) = self.tree(&self.given)?;
            let keys = Keys::of(&root, &values);
            let files = renderables(&root, &values, &self.options);
            let recorded = engine::record(&root, &files, &self.options, |_| true, true)?;
            let places = files.iter().map(|(name, file)| (name.clone(), problems::place(file, name))).collect();
            drop(files);
            Ok(First { objects: objects(&recorded), files: recorded.files, places, keys, root })
        })
    }

    fn tree(&self, given: &Map<String, Value>) -> Result<(Instance, gotemplate::value::Map), HelmError> {
        let given = map_from_json(given);
        let (mut root, mut warnings) = (Instance::new(&self.chart), Vec::new());
        root.check_dependencies()?;
        root.process(&given, &mut warnings)?;
        let values = coalesce(&root, &given, Nulls::Delete, &mut warnings)?;
        Ok((root, values))
    }

    /// What changes in the objects of a template when a key has another value. None when it does not render then,
    /// objects come or go, or all renders that a trace may make are made.
    pub(crate) fn changes(&self, first: &First, template: &str, path: &[Step], value: &Value) -> Changes {
        let known = (template.to_owned(), format!("{}={value}", shown(path)));
        if let Some(changes) = self.known.borrow().get(&known) {
            return changes.clone();
        }
        let changes = self.changed(first, template, path, value).map(Rc::new);
        self.known.borrow_mut().insert(known, changes.clone());
        changes
    }

    fn changed(&self, first: &First, template: &str, path: &[Step], value: &Value) -> Option<Vec<Change>> {
        let alone = self.is_same_alone(first, template);
        let mut given = Value::Object(self.given.clone());
        put(&mut given, path, &first.keys.values, value)?;
        let recorded = self.again(given.as_object()?, |name| !alone || name == template)?;
        differences(first, template, &objects(&recorded))
    }

    fn is_same_alone(&self, first: &First, template: &str) -> bool {
        if let Some(same) = self.alone.borrow().get(template) {
            return *same;
        }
        let recorded = self.again(&self.given, |name| name == template);
        let text = |files: &BTreeMap<String, (String, Recording)>| files.get(template).map(|file| file.0.clone());
        let same = recorded.is_some_and(|recorded| text(&recorded.files) == text(&first.files));
        self.alone.borrow_mut().insert(template.to_owned(), same);
        same
    }

    fn again(&self, given: &Map<String, Value>, wanted: impl Fn(&str) -> bool) -> Option<RecordedFiles> {
        let left = self.left.get().checked_sub(STEPS_A_RENDER)?;
        self.left.set(left);
        let recorded = guarded(|| {
            let (root, values) = self.tree(given)?;
            let files = renderables(&root, &values, &self.options);
            engine::record(&root, &files, &self.options, &wanted, false)
        });
        let recorded = recorded.ok()?;
        self.left.set(left.saturating_sub(recorded.steps));
        Some(recorded)
    }
}

fn objects(recorded: &RecordedFiles) -> Vec<Object> {
    let mut objects = Vec::new();
    for (template, (text, _)) in &recorded.files {
        for (start, document) in split(text) {
            let value = yaml::value(document).unwrap_or_default();
            add(&value, &mut String::new(), &mut |value, within| {
                if let Ok(manifest) = Manifest::new(value.clone()) {
                    let (key, template) = (manifest.key(), template.clone());
                    let (within, value) = (within.to_owned(), value.clone());
                    objects.push(Object { key, template, start, within, value });
                }
            });
        }
    }
    objects
}

/// An object, or the items of a list of objects.
fn add(value: &Value, within: &mut String, found: &mut dyn FnMut(&Value, &str)) {
    let Some(Value::Array(items)) = value.get("items") else { return found(value, within) };
    for (at, item) in items.iter().enumerate() {
        let length = within.len();
        within.push_str(&format!("/items/{at}"));
        add(item, within, found);
        within.truncate(length);
    }
}

/// Puts a value over the given ones. Lists are not merged: the whole list is given.
fn put(given: &mut Value, path: &[Step], values: &Value, value: &Value) -> Option<()> {
    let Some((step, rest)) = path.split_first() else {
        *given = value.clone();
        return Some(());
    };
    match step {
        Step::Key(key) => {
            if !given.is_object() {
                *given = Value::Object(Map::new());
            }
            let below = given.as_object_mut()?.entry(key.clone()).or_insert(Value::Null);
            put(below, rest, values.get(key).unwrap_or(&Value::Null), value)
        }
        Step::Index(index) => {
            if !given.is_array() {
                *given = values.clone();
            }
            put(given.as_array_mut()?.get_mut(*index)?, rest, values.get(index)?, value)
        }
    }
}

/// None when objects of the template come or go, or anything but scalars changes.
fn differences(first: &First, template: &str, now: &[Object]) -> Option<Vec<Change>> {
    let before: Vec<(usize, &Object)> =
        first.objects.iter().enumerate().filter(|(_, object)| object.template == template).collect();
    let now: Vec<&Object> = now.iter().filter(|object| object.template == template).collect();
    if before.len() != now.len() {
        return None;
    }
    let mut changes = Vec::new();
    for ((object, before), now) in before.into_iter().zip(now) {
        compare(&before.value, &now.value, &mut String::new(), &mut |pointer, value| {
            changes.push(Change { object, pointer: pointer.to_owned(), value: value.clone() });
        });
    }
    Some(changes)
}

/// Calls `changed` for every scalar that differs; what is on one side only is left out.
fn compare(a: &Value, b: &Value, pointer: &mut String, changed: &mut dyn FnMut(&str, &Value)) {
    let length = pointer.len();
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                if let Some(other) = b.get(key) {
                    pointer.push('/');
                    pointer.push_str(&object::path::pointer_part(key));
                    compare(value, other, pointer, changed);
                    pointer.truncate(length);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                pointer.push_str(&format!("/{at}"));
                compare(a, b, pointer, changed);
                pointer.truncate(length);
            }
        }
        (a, b) if a == b => {}
        (_, b) => changed(pointer, b),
    }
}

/// The values of a whole tree as data.
pub(crate) fn data(values: &gotemplate::value::Map) -> Value {
    to_json(&gotemplate::value::Value::Map(values.clone()))
}
