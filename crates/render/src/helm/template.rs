//! From a chart to its objects.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use object::FileTree;
use serde_json::Value;

use super::chart::Chart;
use super::coalesce::{Nulls, coalesce};
use super::engine;
use super::error::HelmError;
use super::given;
use super::go_values::map_from_json;
use super::instance::Instance;
use super::manifests::{self, Document};
use super::options::TemplateOptions;
use super::origins::Origins;
use super::output::TemplateOutput;
use super::problems;
use super::schema;
use super::scope::renderables;
use super::shelf;
use super::versions::in_range;
use crate::Origin;

/// Renders the chart in the folder or archive at `chart_path`, as `helm template` does.
///
/// # Errors
/// The first problem, with its place and what to do about it.
pub fn template(tree: &FileTree, chart_path: &str, options: &TemplateOptions) -> Result<TemplateOutput, HelmError> {
    render_chart(&shelf::chart(tree, chart_path)?, options)
}

/// Renders a loaded chart. What is parsed stays with the chart for the next render.
///
/// # Errors
/// As [`template`].
pub fn render_chart(chart: &Arc<Chart>, options: &TemplateOptions) -> Result<TemplateOutput, HelmError> {
    guarded(|| run(chart, options))
}

/// Runs a render so that a fault of ours ends it with an error. The stack that it takes is bounded by the limits.
pub(crate) fn guarded<T>(render: impl FnOnce() -> Result<T, HelmError>) -> Result<T, HelmError> {
    let ended = panic::catch_unwind(AssertUnwindSafe(render));
    ended.unwrap_or_else(|_| Err(HelmError::new("the render failed from within; please report it with the chart")))
}

fn run(chart: &Arc<Chart>, options: &TemplateOptions) -> Result<TemplateOutput, HelmError> {
    let given = map_from_json(&given::values(&options.values)?);
    check_installable(chart)?;
    check_release_name(&options.release_name)?;
    let mut output = TemplateOutput { warnings: warnings(chart), ..TemplateOutput::default() };
    let mut root = Instance::new(chart);
    root.check_dependencies()?;
    root.process(&given, &mut output.warnings)?;
    let values = coalesce(&root, &given, Nulls::Delete, &mut output.warnings)?;
    if !options.skip_schema_validation {
        schema::validate(&root, &values)?;
    }
    check_kube_version(chart, options)?;
    let files = renderables(&root, &values, options);
    let rendered = engine::render(&root, &files, options)?;
    output.effects = rendered.effects;
    output.notes = rendered.notes;
    let sorted = manifests::sort(&rendered.files, |name| {
        files.get(name).map(|renderable| Origins::of(renderable, problems::place(renderable, name)))
    })?;
    output.manifests = sorted.objects;
    if !options.no_hooks {
        let hooks = sorted.hooks.into_iter().filter(|(_, is_test)| !(*is_test && options.skip_tests));
        output.hooks = hooks.map(|(document, _)| document).collect();
    }
    if options.include_crds {
        add_crds(&root, &root.name, &mut output.crds);
    }
    Ok(output)
}

fn check_installable(chart: &Chart) -> Result<(), HelmError> {
    match chart.metadata.kind.as_str() {
        "" | "application" => Ok(()),
        kind => {
            let error = HelmError::new(format!("{kind} charts are not installable")).in_file(&chart.location, 0, 0);
            Err(error.of_chart(chart.name()).hint("name it as a dependency of an application chart"))
        }
    }
}

/// Dots separate parts of lower-case letters, digits and dashes that start and end with no dash.
fn check_release_name(name: &str) -> Result<(), HelmError> {
    let is_part = |part: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !part.is_empty() && part.bytes().all(fits) && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.len() <= 53 && name.split('.').all(is_part) {
        return Ok(());
    }
    let hint = "a release name has up to 53 lower-case letters, digits, dashes and dots, and starts and ends with a letter or digit";
    Err(HelmError::new(format!("invalid release name {name:?}")).hint(hint))
}

fn check_kube_version(chart: &Chart, options: &TemplateOptions) -> Result<(), HelmError> {
    let (wanted, given) = (&chart.metadata.kube_version, &options.kube_version);
    if wanted.is_empty() || in_range(wanted, &given.normalized) {
        return Ok(());
    }
    let message =
        format!("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {}", given.version);
    Err(HelmError::new(message).of_chart(chart.name()).in_file(&chart.location, 0, 0))
}

fn warnings(chart: &Chart) -> Vec<String> {
    let mut warnings = chart.warnings.clone();
    if chart.metadata.deprecated {
        warnings.push(format!("the chart {} is deprecated", chart.name()));
    }
    warnings
}

pub(crate) fn add_crds(instance: &Instance, path: &str, crds: &mut Vec<Document>) {
    for file in instance.chart.crds() {
        let text = String::from_utf8_lossy(&file.data).into_owned();
        let source = format!("{path}/{}", file.name);
        let location = &instance.chart.location;
        let place = if instance.chart.packed {
            format!("{location}: {source}")
        } else {
            object::path::child(location, &file.name)
        };
        let origin = Origin { file: place, line: 1 };
        crds.push(Document { source, text, origin, value: Value::Null, whole_file: true });
    }
    for child in &instance.children {
        add_crds(child, &format!("{path}/charts/{}", child.name), crds);
    }
}
