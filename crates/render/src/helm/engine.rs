//! Executing the templates of a chart tree (Helm 4.2, `pkg/engine`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gotemplate::function::Effects;
use gotemplate::templates::Templates;
use gotemplate::{Recording, Render};

use super::error::HelmError;
use super::instance::Instance;
use super::options::TemplateOptions;
use super::problems;
use super::scope::Renderables;
use super::world::World;

/// What the files of a chart tree render to.
#[derive(Debug, Default)]
pub(crate) struct RenderedFiles {
    /// By name, `chart/templates/x.yaml`, without notes.
    pub(crate) files: BTreeMap<String, String>,
    /// Of the root chart.
    pub(crate) notes: String,
    pub(crate) effects: Effects,
}

/// Renders every file of the tree that does not start with `_`.
///
/// # Errors
/// The first file that cannot be parsed or rendered.
pub(crate) fn render(
    root: &Instance,
    files: &Renderables<'_>,
    options: &TemplateOptions,
) -> Result<RenderedFiles, HelmError> {
    let order = parse_order(files);
    let templates = root.chart.compiled.templates(files, &order)?;
    let rendered = execute(&templates, files, &order, options)?;
    check_effects(rendered.effects, options)?;
    Ok(take_notes(rendered, &root.name))
}

/// Some files of a tree, with what is asked to be noted of them.
#[derive(Debug, Default)]
pub(crate) struct RecordedFiles {
    /// By name: the text, and where it comes from.
    pub(crate) files: BTreeMap<String, (String, Recording)>,
    /// Steps that the templates took.
    pub(crate) steps: u64,
}

/// Renders the files that are `wanted`, without notes of the chart.
///
/// # Errors
/// As [`render`].
pub(crate) fn record(
    root: &Instance,
    files: &Renderables<'_>,
    options: &TemplateOptions,
    wanted: impl Fn(&str) -> bool,
    recording: bool,
) -> Result<RecordedFiles, HelmError> {
    let order = parse_order(files);
    let templates = root.chart.compiled.templates(files, &order)?;
    let mut world = World::new(options.surroundings);
    let mut render = Render::new(&templates, options.limits, &mut world);
    if recording {
        render.record();
    }
    let mut recorded = RecordedFiles::default();
    let is_rendered = |name: &&String| {
        !object::path::file_name(name).starts_with('_') && !name.ends_with("NOTES.txt") && wanted(name)
    };
    for name in order.into_iter().filter(is_rendered) {
        let Some(renderable) = files.get(name) else { continue };
        let bytes = render.execute(name, &renderable.data(name));
        let bytes = bytes.map_err(|error| problems::of_render(&error, files, name))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        recorded.files.insert(name.clone(), (text, render.recorded()));
    }
    recorded.steps = render.budget().spent();
    Ok(recorded)
}

/// The deepest files first, so that a chart's definitions win over those of its subcharts.
fn parse_order<'a>(files: &'a Renderables<'_>) -> Vec<&'a String> {
    let mut order: Vec<&String> = files.keys().collect();
    order.sort_by_key(|name| Reverse((name.matches('/').count(), *name)));
    order
}

fn execute(
    templates: &Templates,
    files: &Renderables<'_>,
    order: &[&String],
    options: &TemplateOptions,
) -> Result<RenderedFiles, HelmError> {
    let mut world = World::new(options.surroundings);
    let mut render = Render::new(templates, options.limits, &mut world);
    let mut rendered = RenderedFiles::default();
    for name in order {
        let Some(renderable) = files.get(*name) else { continue };
        if object::path::file_name(name).starts_with('_') {
            continue;
        }
        let bytes = render.execute(name, &renderable.data(name));
        let bytes = bytes.map_err(|error| problems::of_render(&error, files, name))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if name.ends_with("NOTES.txt") => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Err(_) => return Err(problems::not_utf8(files, name)),
        };
        rendered.files.insert((*name).clone(), text);
    }
    rendered.effects = render.effects();
    Ok(rendered)
}

fn check_effects(effects: Effects, options: &TemplateOptions) -> Result<(), HelmError> {
    if options.surroundings.is_none() && (effects.random || effects.clock) {
        let asked = if effects.random { "random values" } else { "the time" };
        return Err(HelmError::new(format!("the chart asks for {asked}, which are not given here"))
            .hint("give them in the options of the render"));
    }
    Ok(())
}

fn take_notes(mut rendered: RenderedFiles, root: &str) -> RenderedFiles {
    let own = format!("{root}/templates/NOTES.txt");
    rendered.notes = rendered.files.get(&own).cloned().unwrap_or_default();
    rendered.files.retain(|name, _| !name.ends_with("NOTES.txt"));
    rendered
}
