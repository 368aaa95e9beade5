//! From what templates read to keys of the values.

use std::collections::{BTreeMap, HashMap};

use gotemplate::Read;
use gotemplate::value::{Map, Value as GoValue};
use object::yaml::edit::{Step, shown};
use serde_json::Value;

use super::probe;
use crate::helm::instance::Instance;

/// The most leaves below one key that are looked at.
const LEAVES_MAX: usize = 500;

/// The keys of the values of a whole chart tree, as the root chart sees them.
#[derive(Debug)]
pub(crate) struct Keys {
    /// By identity of the mapping.
    paths: HashMap<usize, Vec<Step>>,
    pub(crate) values: Value,
    /// Keeps the mappings, so that none takes the place of another.
    _root: Map,
    /// The ways to all subcharts.
    charts: Vec<Vec<String>>,
}

/// A scalar of the values, or a key that has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) path: Vec<Step>,
    /// Null when there is none.
    pub(crate) value: Value,
}

impl Leaf {
    /// As a template prints it.
    pub(crate) fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

/// Leaves by the text of their path.
pub(crate) type Leaves = BTreeMap<String, Leaf>;

impl Keys {
    pub(crate) fn of(root: &Instance, values: &Map) -> Self {
        let (mut paths, mut charts) = (HashMap::new(), Vec::new());
        walk(&GoValue::Map(values.clone()), &mut Vec::new(), &mut paths);
        subcharts(root, &mut Vec::new(), &mut charts);
        Self { paths, values: probe::data(values), _root: values.clone(), charts }
    }

    /// The leaves that some reads may have used.
    pub(crate) fn leaves(&self, reads: &[Read]) -> Leaves {
        let mut leaves = Leaves::new();
        for read in reads {
            let Some(above) = self.paths.get(&read.map.identity()) else { continue };
            let mut path = above.clone();
            path.push(Step::Key(read.key.to_text().into_owned()));
            let path = self.own(path);
            self.below(&path, self.get(&path), &mut leaves, LEAVES_MAX);
        }
        leaves
    }

    /// All leaves.
    pub(crate) fn all(&self) -> Leaves {
        let mut leaves = Leaves::new();
        self.below(&[], &self.values, &mut leaves, usize::MAX);
        leaves
    }

    fn below(&self, path: &[Step], value: &Value, leaves: &mut Leaves, most: usize) {
        if leaves.len() >= most {
            return;
        }
        let step = |step: Step| [path, &[step]].concat();
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = self.own(step(Step::Key(key.clone())));
                    self.below(&path, value, leaves, most);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, v)| self.below(&step(Step::Index(at)), v, leaves, most));
            }
            scalar => {
                leaves.insert(shown(path), Leaf { path: path.to_vec(), value: scalar.clone() });
            }
        }
    }

    pub(crate) fn get(&self, path: &[Step]) -> &Value {
        get(&self.values, path).unwrap_or(&Value::Null)
    }

    /// A global of a subchart is that of the chart above where this has it.
    fn own(&self, path: Vec<Step>) -> Vec<Step> {
        let global = |step: &Step| *step == Step::from("global");
        let Some(at) = path.iter().position(global).filter(|at| *at > 0) else { return path };
        let is_chart = |chart: &&Vec<String>| {
            chart.len() == at && chart.iter().zip(&path).all(|(name, step)| *step == Step::from(name.as_str()))
        };
        if !self.charts.iter().any(|chart| is_chart(&chart)) {
            return path;
        }
        let above = (0..at).map(|depth| [&path[..depth], &path[at..]].concat());
        let found = above.into_iter().find(|path| get(&self.values, path).is_some());
        found.unwrap_or(path)
    }
}

/// The value at a path.
pub(crate) fn get<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn walk(value: &GoValue, path: &mut Vec<Step>, paths: &mut HashMap<usize, Vec<Step>>) {
    match value {
        GoValue::Map(map) if paths.insert(map.identity(), path.clone()).is_none() => {
            for (key, value) in map.entries().iter() {
                path.push(Step::Key(key.to_text().into_owned()));
                walk(value, path, paths);
                path.pop();
            }
        }
        GoValue::List(list) => {
            for (at, value) in list.items().iter().enumerate() {
                path.push(Step::Index(at));
                walk(value, path, paths);
                path.pop();
            }
        }
        _ => {}
    }
}

fn subcharts(chart: &Instance, way: &mut Vec<String>, charts: &mut Vec<Vec<String>>) {
    for child in &chart.children {
        way.push(child.name.clone());
        charts.push(way.clone());
        subcharts(child, way, charts);
        way.pop();
    }
}
