//! Files and a source in, Kubernetes manifests out: [`render`] turns one folder of a repository into objects, as Argo CD
//! would: plain files, a Kustomize build or a chart.
//!
//! **Absent on purpose:** file system, network, environment, clock. Files come as an [`object::FileTree`], which also
//! records what was read.

mod directory;
mod environment;
pub mod helm;
pub mod kustomize;
mod likeness;
mod object_trace;
mod problem;
pub mod remote;
mod source;
mod suggest;
mod text;
mod trace;

use std::collections::BTreeMap;

use object::{FileTree, Manifest, ReadSet, path};

pub use helm::{ChartImage, ImageKey, ImagePart, ValueFile, ValueSource, image_parts};
pub use object_trace::{FieldTrace, ObjectTrace, TraceStep, trace_objects, trace_objects_in};
pub use problem::{Problem, Severity};
pub use remote::{FetchedChart, RemoteChart, RemoteRevision, RemoteTree, Remotes, Wanted};
pub use source::{
    DirectoryOptions, HelmFileParameter, HelmOptions, HelmParameter, KustomizeOptions, KustomizePatch, RenderContext,
    Source, Tool, ToolChoice,
};
pub use trace::{ImageField, ImageOrigin, ImageOriginKind, Place, trace_images, trace_images_in};

/// What one source renders to. Partial results are kept: a bad file does not hide the others.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// In the order in which the tool gives them.
    pub manifests: Vec<RenderedManifest>,
    pub problems: Vec<Problem>,
    /// Files in a folder of manifests that hold no object as they are now, and links that are not followed. Where one of
    /// them gave an object before, that object is not unwanted: nobody can tell.
    pub left_out: Vec<String>,
    /// Everything that was looked at: while it [holds](ReadSet::holds_in), the result is the same.
    pub reads: ReadSet,
    /// The same for each of [`RenderContext::references`] that was asked.
    pub reference_reads: BTreeMap<String, ReadSet>,
    pub tool: Tool,
}

impl Rendered {
    /// Whether the manifests are the whole desired set. Nothing may be pruned for want of a manifest otherwise.
    pub fn complete(&self) -> bool {
        self.problems.iter().all(|p| p.severity != Severity::Error)
    }

    /// What is outdated or doubtful.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|p| p.severity == Severity::Warning)
    }

    /// The problems that make the result incomplete.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|p| p.severity == Severity::Error)
    }
}

/// One object and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedManifest {
    pub manifest: Manifest,
    pub origin: Origin,
}

/// The file, and the 1-based line in it, where an object starts: for a Kustomize build the resource file or the
/// kustomization whose generator made the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    pub file: String,
    pub line: usize,
}

/// Renders `source` from `tree`. Never fails as a whole: what is wrong stands in [`Rendered::problems`].
pub fn render(tree: &FileTree, source: &Source) -> Rendered {
    render_in(tree, source, &RenderContext::default())
}

/// As [`render`], for one Application.
pub fn render_in(tree: &FileTree, source: &Source, context: &RenderContext) -> Rendered {
    let tree = source.remotes.mounted(tree).fresh();
    let mut rendered = match folder_of(&tree, source) {
        Ok(folder) => render_folder(&tree, &folder, source, context),
        Err(problem) => Rendered { problems: vec![*problem], ..Rendered::default() },
    };
    rendered.reads = tree.reads();
    for problem in &mut rendered.problems {
        problem.file = remote::shown(&problem.file);
    }
    // those are pinned to commits
    rendered.reads.0.retain(|path, _| remote::repository_of(path).is_none());
    rendered
}

fn render_folder(tree: &FileTree, folder: &str, source: &Source, context: &RenderContext) -> Rendered {
    match &source::resolved(tree, folder, source) {
        ToolChoice::Auto => directory::render(tree, folder, &DirectoryOptions::default()),
        ToolChoice::Directory(options) => directory::render(tree, folder, options),
        ToolChoice::Kustomize(options) => {
            kustomize::render(tree, folder, &options.for_application(context), &source.remotes)
        }
        ToolChoice::Helm(options) => helm::render(tree, folder, options, context),
        ToolChoice::Jsonnet => unsupported(folder, Tool::Jsonnet),
        ToolChoice::Plugin(_) => unsupported(folder, Tool::Plugin),
    }
}

/// Whether a file, as its bytes are, gives objects to a directory source, as far as a look at its lines tells.
pub fn names_an_object(file: &str, bytes: &[u8]) -> bool {
    text::text(file, bytes).is_ok_and(|text| likeness::names_an_object(&text))
}

/// Whether a directory source does not read a file for the capitals of its ending alone, as those of `a.YAML`.
pub fn is_miscased(file: &str) -> bool {
    directory::is_miscased(file)
}

/// Whether charts may be rendered for `source`: only then the cluster's versions, the time and chance matter.
pub fn has_charts(tree: &FileTree, source: &Source) -> bool {
    let folder = path::join("", &source.path).unwrap_or_default();
    match source::resolved(tree, &folder, source) {
        ToolChoice::Helm(_) => true,
        ToolChoice::Kustomize(options) => options.build.helm.is_some(),
        _ => false,
    }
}

fn unsupported(folder: &str, tool: Tool) -> Rendered {
    let problem = Problem::error(format!("{tool} is not supported yet, nothing was rendered"))
        .in_file(folder, 0, 0)
        .hint("render it in CI and commit the manifests, or use plain YAML, Kustomize or Helm");
    Rendered { problems: vec![problem], tool, ..Rendered::default() }
}

/// The folder that `source` names, or the problem that says what is there instead.
fn folder_of(tree: &FileTree, source: &Source) -> Result<String, Box<Problem>> {
    let Some(folder) = path::join("", &source.path) else {
        let problem = Problem::error(format!("the path {:?} leaves the repository", source.path));
        return Err(Box::new(problem.hint("spec.source.path is relative to the root of the repository")));
    };
    let packed_chart = matches!(source.tool, ToolChoice::Helm(_)) && tree.is_file(&folder).unwrap_or(false);
    match tree.is_folder(&folder) {
        Ok(true) => Ok(folder),
        Ok(false) if packed_chart => Ok(folder),
        Ok(false) => Err(Box::new(no_folder(tree, &folder))),
        Err(error) => Err(Box::new(Problem::error(error.to_string()).in_file(folder, 0, 0))),
    }
}

fn no_folder(tree: &FileTree, folder: &str) -> Problem {
    match submodule_above(tree, folder) {
        Some(submodule) => Problem::error("this is a Git submodule, whose files are not read")
            .in_file(submodule, 0, 0)
            .hint("name its repository as the source, or commit the files"),
        None => Problem::error(format!("the folder {folder:?} does not exist in the repository"))
            .hint(suggest::folders_hint(tree, "", folder)),
    }
}

/// The submodule that a path leads into. Every folder above it counts as read then: only for a path that is no folder.
fn submodule_above<'a>(tree: &FileTree, path: &'a str) -> Option<&'a str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let is_submodule = |path: &&str| {
        let entry = tree.entry(path).ok().flatten();
        entry.is_some_and(|entry| entry.kind == object::EntryKind::Submodule)
    };
    ends.map(|end| &path[..end]).find(is_submodule)
}
