//! The value files of an Application (Argo CD 3.5, `getResolvedValueFiles`).

use std::collections::VecDeque;

use globset::GlobBuilder;
use object::{EntryKind, FileTree, path};

use super::options::ValuesFile;
use crate::environment::expand;
use crate::text::not_in_lfs;
use crate::{HelmOptions, Problem, RenderContext, suggest};

/// Folders looked at for one pattern.
const FOLDERS_MAX: usize = 5000;

/// Where an Application's files are read from.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    pub(crate) tree: &'a FileTree,
    /// The folder of the chart.
    pub(crate) folder: &'a str,
    pub(crate) context: &'a RenderContext,
}

/// A file, or several by a pattern, in the source's tree or in that of another source.
#[derive(Clone)]
struct Place<'a> {
    /// Empty for the source itself.
    reference: &'a str,
    tree: &'a FileTree,
    path: String,
}

impl Place<'_> {
    fn is_pattern(&self) -> bool {
        self.path.contains(['*', '?', '['])
    }

    /// For people.
    fn shown(&self) -> String {
        if self.reference.is_empty() { self.path.clone() } else { format!("${}/{}", self.reference, self.path) }
    }

    fn is(&self, other: &Self) -> bool {
        self.reference == other.reference && self.path == other.path
    }
}

impl<'a> Repository<'a> {
    /// The contents of all value files, in order. A file is read once: where it is named, else where a pattern finds it.
    pub(crate) fn value_files(&self, options: &HelmOptions) -> Result<Vec<ValuesFile>, Box<Problem>> {
        let wanted: Vec<Place<'a>> = options.value_files.iter().map(|w| self.place(w)).collect::<Result<_, _>>()?;
        let mut places: Vec<Place<'a>> = Vec::new();
        for place in &wanted {
            let found = if place.is_pattern() { matching(place)? } else { existing(place)? };
            if found.is_empty() && !options.ignore_missing_value_files {
                return Err(Box::new(missing(place)));
            }
            let explicit = |found: &Place<'_>| place.is_pattern() && wanted.iter().any(|w| w.is(found));
            for found in found.into_iter().filter(|f| !explicit(f)) {
                if !places.iter().any(|p| p.is(&found)) {
                    places.push(found);
                }
            }
        }
        places.iter().map(|place| Ok(ValuesFile { name: place.shown(), content: read(place)? })).collect()
    }

    /// The content of a file of `fileParameters`.
    pub(crate) fn file(&self, wanted: &str) -> Result<std::sync::Arc<[u8]>, Box<Problem>> {
        let place = self.place(wanted)?;
        if existing(&place)?.is_empty() { Err(Box::new(missing(&place))) } else { read(&place) }
    }

    fn place(&self, wanted: &str) -> Result<Place<'a>, Box<Problem>> {
        let (first, rest) = wanted.split_once('/').unwrap_or((wanted, ""));
        let referenced = first.strip_prefix('$').and_then(|name| self.context.references.get_key_value(name));
        let (reference, tree, text) = match referenced {
            Some((name, tree)) => (name.as_str(), tree, format!("/{rest}")),
            None => ("", self.tree, wanted.to_owned()),
        };
        let text = expand(&text, &self.context.environment);
        if let Some((scheme, _)) = text.split_once("://") {
            let shown = object::without_credentials(&text);
            let problem = Problem::error(format!("the value file {shown} is not read: {scheme} URLs are not fetched"));
            return Err(Box::new(problem.hint("commit it, or read it from another source with ref")));
        }
        let folder = if text.starts_with('/') { "" } else { self.folder };
        match path::join(folder, &text) {
            Some(path) if !path.is_empty() => Ok(Place { reference, tree, path }),
            _ => Err(Box::new(
                Problem::error(format!("the value file {wanted} is outside of the repository"))
                    .hint("paths are relative to the chart; those that start with / to the root of the repository"),
            )),
        }
    }
}

fn missing(place: &Place<'_>) -> Problem {
    let shown = place.shown();
    if place.is_pattern() {
        return Problem::error(format!("no file matches the value file pattern {shown}"))
            .hint("correct the pattern, or set ignoreMissingValueFiles");
    }
    let hint = suggest::paths_hint(place.tree, "", &place.path);
    Problem::error(format!("the value file {shown} does not exist"))
        .hint(format!("{hint}; or set ignoreMissingValueFiles"))
}

fn storage(place: &Place<'_>, error: &object::TreeError) -> Box<Problem> {
    Box::new(Problem::error(error.to_string()).in_file(place.shown(), 0, 0))
}

fn read(place: &Place<'_>) -> Result<std::sync::Arc<[u8]>, Box<Problem>> {
    let bytes = place.tree.read(&place.path).map_err(|e| storage(place, &e))?.unwrap_or_default();
    not_in_lfs(&place.shown(), &bytes)?;
    Ok(bytes)
}

fn existing<'a>(place: &Place<'a>) -> Result<Vec<Place<'a>>, Box<Problem>> {
    let is_file = place.tree.is_file(&place.path).map_err(|e| storage(place, &e))?;
    let there = place.tree.reader().entry(&place.path).map_err(|e| storage(place, &e))?.filter(|_| !is_file);
    match there.map(|entry| entry.kind) {
        // a link to a folder is none of the files
        Some(EntryKind::Symlink) if !place.tree.is_folder(&place.path).unwrap_or_default() => {
            let problem = Problem::error("the symbolic link points to nothing").in_file(place.shown(), 0, 0);
            Err(Box::new(problem.hint("correct or remove the link")))
        }
        _ => Ok(if is_file { vec![place.clone()] } else { Vec::new() }),
    }
}

/// The files that a pattern chooses, in the order of their paths.
fn matching<'a>(place: &Place<'a>) -> Result<Vec<Place<'a>>, Box<Problem>> {
    let glob = GlobBuilder::new(&place.path).literal_separator(true).build();
    let glob = glob.map_err(|e| {
        let problem = Problem::error(format!("the value file pattern {} is malformed: {}", place.shown(), e.kind()));
        Box::new(problem.hint("patterns look like env/*.yaml or env/**/values.yaml"))
    })?;
    let glob = glob.compile_matcher();
    let fixed =
        place.path.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect::<Vec<_>>().join("/");
    let (mut queue, mut found, mut seen) = (VecDeque::from([fixed]), Vec::new(), 0);
    while let Some(folder) = queue.pop_front() {
        seen += 1;
        if seen > FOLDERS_MAX {
            let problem =
                Problem::error(format!("the value file pattern {} looks into too many folders", place.shown()));
            return Err(Box::new(problem.hint(format!("at most {FOLDERS_MAX}: name the folder more exactly"))));
        }
        for entry in place.tree.list(&folder).map_err(|e| storage(place, &e))?.unwrap_or_default() {
            let path = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
            match entry.kind {
                EntryKind::Folder => queue.push_back(path),
                EntryKind::File | EntryKind::Symlink if glob.is_match(&path) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    let places = found.into_iter().map(|path| Place { path, ..place.clone() });
    places.map(|place| existing(&place)).collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().flatten().collect())
}
