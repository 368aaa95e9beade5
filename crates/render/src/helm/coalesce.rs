//! Values of a chart tree: what the user gives over what charts bring (Helm 4.2, `pkg/chart/common/util/coalesce.go`).
//!
//! Maps are shared where Helm shares them: tables below `global` are the same for a chart and its dependencies, so that
//! a subchart's defaults for them, and what a template sets there, are seen by all.

use gotemplate::value::{Map, Str, Value};

use super::error::HelmError;
use super::go_values::copy_map;
use super::instance::Instance;

const GLOBAL: &str = "global";

/// What becomes of nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A null takes the default away.
    Delete,
    /// Nulls stay, for a later pass.
    Keep,
}

/// The values of `chart` and all charts below it, with `given` on top; `given` is not changed.
///
/// # Errors
/// When the values give something else than a table for a subchart.
pub(crate) fn coalesce(
    chart: &Instance,
    given: &Map,
    nulls: Nulls,
    warnings: &mut Vec<String>,
) -> Result<Map, HelmError> {
    let values = copy_map(given);
    Coalescing { warnings }.chart(chart, &values, "", nulls)?;
    Ok(values)
}

/// Puts what `below` has and `above` has not into `above`; tables are merged.
pub(crate) fn merge_tables(above: &Map, below: &Map, warnings: &mut Vec<String>) {
    Coalescing { warnings }.tables(above, below, "", Nulls::Keep);
}

struct Coalescing<'a> {
    warnings: &'a mut Vec<String>,
}

impl Coalescing<'_> {
    fn chart(&mut self, chart: &Instance, values: &Map, prefix: &str, nulls: Nulls) -> Result<(), HelmError> {
        let path = concat(prefix, &chart.name);
        self.defaults(chart, values, &path, nulls);
        for child in &chart.children {
            let inner = child_table(values, child).map_err(|error| error.of_chart(&chart.name))?;
            self.globals(&inner, values, &path);
            self.chart(child, &inner, &path, nulls)?;
        }
        Ok(())
    }

    fn defaults(&mut self, chart: &Instance, values: &Map, path: &str, nulls: Nulls) {
        for (key, default) in entries(&chart.default_values()) {
            match (values.get(key.as_bytes()), default) {
                (Some(Value::Nil), _) if nulls == Nulls::Delete => drop(values.remove(key.as_bytes())),
                (Some(Value::Map(table)), Value::Map(default)) => {
                    let name = key.to_text();
                    let is_child = chart.children.iter().any(|c| c.name == name);
                    let nulls = if is_child { Nulls::Keep } else { nulls };
                    if nulls == Nulls::Delete {
                        remove_nulls(&default);
                    }
                    self.tables(&table, &default, &concat(path, &name), nulls);
                }
                (Some(Value::Map(_)), Value::Nil) => {}
                (Some(Value::Map(_)), _) => {
                    self.warn(format!(
                        "the value {path}.{} is a mapping, its default is not: the default is left out",
                        key.to_text()
                    ));
                }
                (Some(_), _) => {}
                (None, Value::Nil) if nulls == Nulls::Delete => {}
                (None, default) => {
                    if let (Value::Map(table), Nulls::Delete) = (&default, nulls) {
                        remove_nulls(table);
                    }
                    values.insert(key, default);
                }
            }
        }
    }

    fn tables(&mut self, above: &Map, below: &Map, path: &str, nulls: Nulls) {
        // a null above shows below, too
        let defaults = entries(below);
        for (key, value) in entries(above) {
            if matches!(value, Value::Nil) {
                below.insert(key, Value::Nil);
            }
        }
        for (key, default) in defaults {
            match (above.get(key.as_bytes()), default) {
                (Some(Value::Nil), Value::Nil) => {}
                (Some(Value::Nil), _) if nulls == Nulls::Delete => drop(above.remove(key.as_bytes())),
                (Some(Value::Map(table)), Value::Map(default)) => {
                    self.tables(&table, &default, &concat(path, &key.to_text()), nulls);
                }
                (Some(Value::Map(_)), Value::Nil) | (Some(Value::Nil), _) => {}
                (Some(Value::Map(_)), _) => {
                    self.warn(format!(
                        "{} is a mapping, its default is not: the default is left out",
                        concat(path, &key.to_text())
                    ));
                }
                (Some(_), Value::Map(_)) => {
                    self.warn(format!(
                        "{} is no mapping, its default is one: the default is left out",
                        concat(path, &key.to_text())
                    ));
                }
                (Some(_), _) => {}
                (None, default) => above.insert(key, default),
            }
        }
    }

    /// Hands the parent's globals down; they win over the child's.
    fn globals(&mut self, child: &Map, parent: &Map, path: &str) {
        let global = |map: &Map| match map.get(GLOBAL.as_bytes()) {
            Some(Value::Map(table)) => Some(table),
            None => Some(Map::default()),
            Some(_) => None,
        };
        let (Some(into), Some(from)) = (global(child), global(parent)) else {
            return self.warn(format!(
                "global is no mapping in the values of {path} or of a chart below it: globals are not handed down"
            ));
        };
        for (key, value) in entries(&from) {
            match (into.get(key.as_bytes()), value) {
                (None, Value::Map(table)) => into.insert(key, Value::Map(shallow(&table))),
                (Some(Value::Map(own)), Value::Map(table)) => {
                    let merged = shallow(&table);
                    self.tables(&merged, &own, &concat(path, &key.to_text()), Nulls::Keep);
                    into.insert(key, Value::Map(merged));
                }
                (Some(_), Value::Map(_)) => {
                    self.warn(format!("global.{} is a mapping in {path}, but not in a chart below it", key.to_text()));
                }
                (Some(Value::Map(_)), _) => {
                    self.warn(format!(
                        "global.{} is no mapping in {path}, but is one in a chart below it",
                        key.to_text()
                    ));
                }
                (_, value) => into.insert(key, value),
            }
        }
        child.insert(GLOBAL, Value::Map(into));
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// The table of values for `child` in those of its parent, made where there is none.
fn child_table(values: &Map, child: &Instance) -> Result<Map, HelmError> {
    match values.get(child.name.as_bytes()) {
        Some(Value::Map(table)) => Ok(table),
        None => {
            let table = Map::default();
            values.insert(child.name.as_str(), Value::Map(table.clone()));
            Ok(table)
        }
        Some(other) => Err(HelmError::new(format!(
            "the values give a {} for {:?}, but this is the name of a subchart, whose values are a mapping",
            other.type_name(),
            child.name
        ))),
    }
}

/// The entries as they are now, so that the map may change meanwhile.
fn entries(map: &Map) -> Vec<(Str, Value)> {
    map.entries().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn shallow(map: &Map) -> Map {
    entries(map).into_iter().collect()
}

fn remove_nulls(map: &Map) {
    map.entries_mut().retain(|_, value| !matches!(value, Value::Nil));
    for value in map.entries().values() {
        if let Value::Map(table) = value {
            remove_nulls(table);
        }
    }
}

fn concat(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}
