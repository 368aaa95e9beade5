//! Where in a template an object comes from.

use std::collections::HashMap;

use super::scope::Renderable;
use crate::Origin;

/// Finds, for the documents of one rendered file in their order, the lines of the template that write their kind.
#[derive(Debug)]
pub(crate) struct Origins {
    file: String,
    /// The template's lines.
    lines: Vec<String>,
    /// How many documents of a kind were found so far.
    found: HashMap<String, usize>,
}

impl Origins {
    pub(crate) fn of(renderable: &Renderable<'_>, file: String) -> Self {
        let text = String::from_utf8_lossy(&renderable.file.data);
        Self { file, lines: text.lines().map(str::to_owned).collect(), found: HashMap::new() }
    }

    /// The template.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The place of the next document of this kind: where its first field is written. The first line when the kind is
    /// not written in the file itself.
    pub(crate) fn next(&mut self, kind: &str) -> Origin {
        let nth = self.found.entry(kind.to_owned()).or_default();
        let writes =
            |line: &String| line.trim().strip_prefix("kind:").is_some_and(|rest| rest.trim().trim_matches('"') == kind);
        let places: Vec<usize> = self.lines.iter().enumerate().filter(|(_, l)| writes(l)).map(|(at, _)| at).collect();
        let at = places.get(*nth).or(places.last()).copied().unwrap_or_default();
        *nth += 1;
        let above = at.saturating_sub(1);
        let starts_above = self.lines.get(above).is_some_and(|line| line.starts_with("apiVersion:"));
        Origin { file: self.file.clone(), line: if starts_above { above + 1 } else { at + 1 } }
    }
}
