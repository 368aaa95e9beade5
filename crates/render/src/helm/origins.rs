//! Where in a template an object comes from.

use std::collections::HashMap;

use super::scope::Renderable;
use crate::Origin;

/// Finds, for the documents of one rendered file in their order, the lines of the template that write their kind.
#[derive(Debug)]
pub(crate) struct Origins {
    file: String,
    /// What follows `kind:` in the template, and the line where that object starts.
    kinds: Vec<(String, usize)>,
    /// How many documents of a kind were found so far.
    found: HashMap<String, usize>,
}

impl Origins {
    pub(crate) fn of(renderable: &Renderable<'_>, file: String) -> Self {
        Self { file, kinds: kinds(&renderable.file.data), found: HashMap::new() }
    }

    /// The template.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The place of the next document of this kind: where its first field is written. The first line when the kind is
    /// not written in the file itself.
    pub(crate) fn next(&mut self, kind: &str) -> Origin {
        let nth = self.found.entry(kind.to_owned()).or_default();
        let places: Vec<usize> = self.kinds.iter().filter(|(written, _)| written == kind).map(|(_, at)| *at).collect();
        let line = places.get(*nth).or(places.last()).copied().unwrap_or(1);
        *nth += 1;
        Origin { file: self.file.clone(), line }
    }
}

/// The lines `kind: NAME` of a template, or the line above where that is the `apiVersion`.
fn kinds(template: &[u8]) -> Vec<(String, usize)> {
    let mut kinds = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for at in memchr::memmem::find_iter(template, b"kind:") {
        line += memchr::memchr_iter(b'\n', &template[counted..at]).count();
        counted = at;
        let start = memchr::memrchr(b'\n', &template[..at]).map_or(0, |end| end + 1);
        if !template[start..at].trim_ascii().is_empty() {
            continue;
        }
        let rest = template[at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let kind = String::from_utf8_lossy(&rest[b"kind:".len()..]).trim().trim_matches('"').to_owned();
        let above = memchr::memrchr(b'\n', &template[..start.saturating_sub(1)]).map_or(0, |end| end + 1);
        let starts_above = line > 1 && template[above..].starts_with(b"apiVersion:");
        kinds.push((kind, if starts_above { line - 1 } else { line }));
    }
    kinds
}
