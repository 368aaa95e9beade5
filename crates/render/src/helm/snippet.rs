//! One template on its own, in an empty chart: what `gantline debug template` answers.

use std::sync::Arc;

use object::MemoryTree;
use serde_json::{Number, Value};

use super::coalesce::{Nulls, coalesce};
use super::engine;
use super::error::HelmError;
use super::go_values::map_from_json;
use super::instance::Instance;
use super::load::load;
use super::options::TemplateOptions;
use super::scope::renderables;
use super::template::guarded;

const CHART: &str = "apiVersion: v2\nname: t\nversion: 0.1.0\nappVersion: \"1.0\"\n";

/// What the engine makes of `template` as `templates/t.yaml` of a chart `t`, beside `helpers` in `_helpers.tpl`: the text
/// before documents are split. Numbers of `values` are read as those of a values file.
///
/// # Errors
/// As for a chart.
pub fn snippet(
    template: &str,
    helpers: Option<&str>,
    values: &Value,
    options: &TemplateOptions,
) -> Result<String, HelmError> {
    let mut files = MemoryTree::default().file("t/Chart.yaml", CHART).file("t/templates/t.yaml", template);
    if let Some(helpers) = helpers {
        files = files.file("t/templates/_helpers.tpl", helpers);
    }
    let chart = Arc::new(load(&files.tree(), "t")?);
    guarded(|| {
        let given = match floats(values) {
            Value::Object(map) => map_from_json(&map),
            _ => map_from_json(&serde_json::Map::new()),
        };
        let mut root = Instance::new(&chart);
        root.process(&given, &mut Vec::new())?;
        let values = coalesce(&root, &given, Nulls::Delete, &mut Vec::new())?;
        let files = renderables(&root, &values, options);
        let mut rendered = engine::render(&root, &files, options)?;
        Ok(rendered.files.remove("t/templates/t.yaml").unwrap_or_default())
    })
}

fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_f64().and_then(Number::from_f64).map_or_else(|| value.clone(), Value::Number)
        }
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}
