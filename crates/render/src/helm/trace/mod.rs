//! What feeds a field of a rendered chart: the template and its line, and the keys of the values.
//!
//! Templates are rendered once with notes of what they read. Keys that may feed a field are then proven: the chart is
//! rendered again with another value there, and what changes depends on it.

mod fields;
mod images;
mod keys;
mod layers;
mod origin;
mod parts;
mod probe;
mod variants;
mod written;

use object::{FileTree, ResourceKey};

use self::layers::Layers;
use self::probe::{First, Probe};
use super::application::template_options;
use super::instance::Instance;
use super::shelf;
use super::template::add_crds;
use crate::{HelmOptions, ImageOrigin, ObjectTrace, Problem, RenderContext};

pub use self::origin::{ChartImage, ImageKey, ImagePart, ValueFile, ValueSource};
pub use self::parts::ranges as image_parts;

/// A chart that was rendered with notes.
struct Traced {
    probe: Probe,
    first: First,
    layers: Layers,
}

impl Traced {
    fn new(
        tree: &FileTree,
        folder: &str,
        options: &HelmOptions,
        context: &RenderContext,
    ) -> Result<Self, Box<Problem>> {
        let options = template_options(tree, folder, options, context)?;
        let chart = shelf::chart(tree, folder)?;
        let probe = Probe::new(chart, options.clone())?;
        let first = probe.first()?;
        let layers = Layers::of(tree, &first.root, &options, context);
        Ok(Self { probe, first, layers })
    }
}

/// Where the image of every container of a chart comes from. What does not render is left out.
pub(crate) fn trace_images(
    tree: &FileTree,
    folder: &str,
    options: &HelmOptions,
    context: &RenderContext,
) -> Vec<ImageOrigin> {
    Traced::new(tree, folder, options, context).map(|traced| traced.images()).unwrap_or_default()
}

/// What set each field of the wanted objects of a chart, those of its `crds` folder left out.
///
/// # Errors
/// The problem because of which the chart does not render.
pub(crate) fn trace_fields(
    tree: &FileTree,
    folder: &str,
    options: &HelmOptions,
    context: &RenderContext,
    wanted: impl Fn(&ResourceKey) -> bool,
) -> Result<Vec<ObjectTrace>, Box<Problem>> {
    Ok(Traced::new(tree, folder, options, context)?.objects(wanted))
}

/// The files in the `crds` folders of a chart and those below it: where they lie, and their text.
///
/// # Errors
/// When the chart cannot be loaded.
pub(crate) fn definitions(tree: &FileTree, folder: &str) -> Result<Vec<(String, String)>, Box<Problem>> {
    let chart = shelf::chart(tree, folder)?;
    let (root, mut documents) = (Instance::new(&chart), Vec::new());
    add_crds(&root, &root.name, &mut documents);
    Ok(documents.into_iter().map(|document| (document.origin.file, document.text)).collect())
}
