//! A chart tree as one render sees it: which subcharts take part, under which names (Helm 4.2,
//! `pkg/chart/v2/util/dependencies.go`).

use std::sync::Arc;

use gotemplate::value::{Map, Value};
use serde_json::Value as Json;

use super::chart::Chart;
use super::coalesce::{Nulls, coalesce, merge_tables};
use super::error::HelmError;
use super::go_values::{copy_map, deep_copy, leaf, map_from_json, table};
use super::metadata::Dependency;
use super::versions::in_range;

/// One chart of the tree.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) chart: Arc<Chart>,
    /// The chart's name, or the alias under which its parent uses it.
    pub(crate) name: String,
    /// As in the metadata, with what was found out about each.
    pub(crate) dependencies: Option<Vec<Dependency>>,
    pub(crate) children: Vec<Instance>,
    /// The defaults with what was imported from subcharts; none: those of the chart.
    imported: Option<Map>,
}

impl Instance {
    /// The whole tree of `chart`, with everything that lies in `charts/`.
    pub(crate) fn new(chart: &Arc<Chart>) -> Self {
        Self {
            name: chart.metadata.name.clone(),
            dependencies: chart.metadata.dependencies.clone(),
            children: chart.subcharts.iter().map(Self::new).collect(),
            imported: None,
            chart: Arc::clone(chart),
        }
    }

    /// A copy of the defaults.
    pub(crate) fn default_values(&self) -> Map {
        self.imported.as_ref().map_or_else(|| map_from_json(&self.chart.values), copy_map)
    }

    /// Every dependency that the chart names has to be in `charts/`, by its name.
    ///
    /// # Errors
    /// Names those that are missing.
    pub(crate) fn check_dependencies(&self) -> Result<(), HelmError> {
        let present = |name: &str| self.children.iter().any(|c| c.name == name);
        let missing = self.dependencies.iter().flatten().map(|d| d.name.as_str()).filter(|name| !present(name));
        let missing: Vec<&str> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("found in Chart.yaml, but missing in charts/ directory: {}", missing.join(", "));
        Err(HelmError::new(message)
            .of_chart(&self.name)
            .hint("run helm dependency build and commit charts/, or let Gantline fetch them from the chart repository"))
    }

    /// Leaves out what is disabled, applies aliases, imports values.
    ///
    /// # Errors
    /// When the values do not fit the tree.
    pub(crate) fn process(&mut self, given: &Map, warnings: &mut Vec<String>) -> Result<(), HelmError> {
        self.enable(given, "", warnings)?;
        self.import_all(warnings)
    }

    fn enable(&mut self, given: &Map, path: &str, warnings: &mut Vec<String>) -> Result<(), HelmError> {
        let Some(mut dependencies) = self.dependencies.take() else { return Ok(()) };
        self.adopt(&mut dependencies);
        let values = coalesce(self, given, Nulls::Delete, warnings)?;
        for dependency in &mut dependencies {
            dependency.enabled = by_tags(dependency, &values, warnings);
            dependency.enabled = by_conditions(dependency, &values, path, warnings);
        }
        let off: Vec<String> = dependencies.iter().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
        self.children.retain(|c| !off.contains(&c.name));
        dependencies.retain(|d| !off.contains(&d.name));
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.enable(&values, &path, warnings)?;
        }
        self.dependencies = (!dependencies.is_empty()).then_some(dependencies);
        Ok(())
    }

    /// Takes, for each dependency, the first chart of its name and version under the dependency's alias; charts that no
    /// dependency asks for stay as they are, before the others.
    fn adopt(&mut self, dependencies: &mut [Dependency]) {
        let existing = std::mem::take(&mut self.children);
        let fits = |chart: &Instance, d: &Dependency| {
            chart.name == d.name && in_range(&d.version, &chart.chart.metadata.version)
        };
        for dependency in dependencies.iter_mut() {
            let found = existing.iter().find(|c| fits(c, dependency));
            if let Some(chart) = found {
                let mut child = Self::new(&chart.chart);
                if !dependency.alias.is_empty() {
                    child.name.clone_from(&dependency.alias);
                }
                self.children.push(child);
            }
        }
        let unasked = existing.into_iter().filter(|c| !dependencies.iter().any(|d| fits(c, d)));
        let asked = std::mem::take(&mut self.children);
        self.children = unasked.chain(asked).collect();
        for dependency in dependencies {
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
        }
    }

    fn import_all(&mut self, warnings: &mut Vec<String>) -> Result<(), HelmError> {
        for child in &mut self.children {
            child.import_all(warnings)?;
        }
        self.import(warnings)
    }

    fn import(&mut self, warnings: &mut Vec<String>) -> Result<(), HelmError> {
        let Some(mut dependencies) = self.dependencies.take() else { return Ok(()) };
        let values = coalesce(self, &Map::default(), Nulls::Keep, warnings)?;
        let imported = Map::default();
        for dependency in &mut dependencies {
            for item in &mut dependency.import_values {
                let Some((child, parent)) = child_and_parent(item) else { continue };
                *item = serde_json::json!({"child": child, "parent": parent});
                match table(&values, &format!("{}.{child}", dependency.name)) {
                    // what is imported first stays shared with the child's table, as in Helm, unless that is empty
                    Some(found) if found.is_empty() => {
                        merge_tables(&imported, &below(&parent, Map::default()), warnings);
                    }
                    Some(found) => merge_tables(&imported, &below(&parent, found), warnings),
                    None => warnings
                        .push(format!("chart {}: import-values: {} has no table {child}", self.name, dependency.name)),
                }
            }
        }
        let Value::Map(values) = deep_copy(&Value::Map(values)) else { return Ok(()) };
        merge_tables(&values, &imported, warnings);
        self.imported = Some(values);
        self.dependencies = Some(dependencies);
        Ok(())
    }
}

/// What an entry of `import-values` imports, and to where.
fn child_and_parent(item: &Json) -> Option<(String, String)> {
    let text = |value: Option<&Json>| match value {
        Some(Json::String(text)) => text.clone(),
        None | Some(Json::Null) => "<nil>".to_owned(),
        Some(other) => other.to_string(),
    };
    match item {
        Json::String(name) => Some((format!("exports.{name}"), ".".to_owned())),
        Json::Object(map) => Some((text(map.get("child")), text(map.get("parent")))),
        _ => None,
    }
}

/// `table` at a dotted path; `.` is the root.
fn below(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| {
        let outer = Map::default();
        outer.insert(key, Value::Map(inner));
        outer
    })
}

/// Whether tags let a dependency take part: any true one does, else any false one keeps it out.
fn by_tags(dependency: &Dependency, values: &Map, warnings: &mut Vec<String>) -> bool {
    let Some(tags) = table(values, "tags") else { return true };
    let (mut on, mut off) = (false, false);
    for tag in &dependency.tags {
        match tags.get(tag.as_bytes()) {
            Some(Value::Bool(flag)) => (on, off) = (on || flag, off || !flag),
            Some(_) => warnings.push(format!("tags.{tag}, a tag of {}, is neither true nor false", dependency.name)),
            None => {}
        }
    }
    on || !off
}

/// The first condition that is true or false decides; paths start at the chart that names the dependency.
fn by_conditions(dependency: &Dependency, values: &Map, path: &str, warnings: &mut Vec<String>) -> bool {
    for condition in dependency.condition.trim().split(',').filter(|c| !c.is_empty()) {
        match leaf(values, &format!("{path}{condition}")) {
            Some(Value::Bool(flag)) => return flag,
            Some(_) => warnings
                .push(format!("{path}{condition}, a condition of {}, is neither true nor false", dependency.name)),
            None => {}
        }
    }
    dependency.enabled
}
