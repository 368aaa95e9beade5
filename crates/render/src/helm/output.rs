//! What `helm template` gives.

use gotemplate::function::Effects;

use super::error::HelmError;
use super::manifests::{Document, split};
use object::go_match;

use crate::{Origin, Problem};

/// What a chart renders to, in the order of installation.
#[derive(Debug, Clone, Default)]
pub struct TemplateOutput {
    /// Of the whole tree, parents before children; empty unless asked for. Each is a whole file.
    pub crds: Vec<Document>,
    pub manifests: Vec<Document>,
    /// Documents with `helm.sh/hook`.
    pub hooks: Vec<Document>,
    /// The rendered `NOTES.txt` of the chart itself.
    pub notes: String,
    /// What is outdated or doubtful, in sentences.
    pub warnings: Vec<String>,
    /// Whether the output depends on a cluster, the time or chance, so that the next render may differ.
    pub effects: Effects,
}

impl TemplateOutput {
    /// The documents in the order of the text.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.crds.iter().chain(&self.manifests).chain(&self.hooks)
    }

    /// The files that `--output-dir` asks for, in the order in which Helm writes them: a path below that folder and what
    /// is written there. A path may come again: its later texts are appended.
    pub fn files(&self) -> impl Iterator<Item = (&str, String)> {
        self.documents().map(|document| {
            let mut text = String::new();
            write(document, &mut text);
            (document.source.as_str(), text)
        })
    }

    /// The text that `helm template` prints.
    pub fn text(&self) -> String {
        self.written(|_, _| {})
    }

    /// As [`TemplateOutput::text`], with the 1-based line of the text at which each document starts and where it comes
    /// from.
    pub(crate) fn text_with_places(&self) -> (String, Vec<(usize, &Origin)>) {
        let (mut places, mut line, mut seen) = (Vec::new(), 1, 0);
        let text = self.written(|document, before| {
            line += before.get(seen..).unwrap_or_default().matches('\n').count();
            seen = before.len();
            places.push((line, &document.origin));
        });
        (text, places)
    }

    /// The text; `note` sees each document, and the text before it.
    fn written<'a>(&'a self, mut note: impl FnMut(&'a Document, &str)) -> String {
        let mut text = String::new();
        for document in self.crds.iter().chain(&self.manifests) {
            note(document, &text);
            write(document, &mut text);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        for document in &self.hooks {
            note(document, &text);
            write(document, &mut text);
        }
        text
    }

    /// What is outdated or doubtful.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.warnings.iter().map(Problem::warning).chain(self.doubts()).collect()
    }

    /// What the output depends on beside the repository.
    fn doubts(&self) -> Vec<Problem> {
        let effects = self.effects;
        let random =
            "the chart uses random values or the time: each render differs, so the Application never stays in sync";
        let lookup = "the chart asks the cluster with lookup, which finds nothing here, as in Argo CD";
        let mut doubts = Vec::new();
        if effects.random || effects.clock {
            doubts.push(
                Problem::warning(random)
                    .hint("set the generated values, such as passwords and certificates, in the values"),
            );
        }
        if effects.lookup {
            doubts.push(Problem::warning(lookup).hint("set what it looks for in the values"));
        }
        doubts
    }

    /// The text for `--show-only`: documents of the files whose path below the chart matches a pattern.
    ///
    /// # Errors
    /// Names a pattern that matches no file.
    pub fn text_of(&self, patterns: &[String]) -> Result<String, HelmError> {
        let all = self.text();
        let documents: Vec<(&str, &str)> =
            split(&all).into_iter().filter_map(|(_, d)| Some((inner_path(d)?, d))).collect();
        let mut text = String::new();
        for pattern in patterns {
            let fits = |path: &str| go_match::matches(pattern, path).unwrap_or(false);
            let before = text.len();
            documents.iter().filter(|(path, _)| fits(path)).for_each(|(_, d)| text.push_str(&format!("---\n{d}\n")));
            if text.len() == before {
                let error = HelmError::new(format!("could not find template {pattern} in chart"));
                return Err(error.hint("name files as in the # Source lines, without the name of the chart"));
            }
        }
        Ok(text)
    }
}

fn write(document: &Document, text: &mut String) {
    for part in ["---\n# Source: ", &document.source, "\n", &document.text, "\n"] {
        text.push_str(part);
    }
}

/// The path behind the name of the chart in the first `# Source:` line of a document.
fn inner_path(document: &str) -> Option<&str> {
    document.match_indices("# Source: ").find_map(|(at, mark)| {
        let line = document[at + mark.len()..].lines().next()?;
        line.split_once('/').filter(|(chart, path)| !chart.is_empty() && !path.is_empty()).map(|(_, path)| path)
    })
}
