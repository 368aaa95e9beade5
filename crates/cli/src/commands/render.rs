//! `gantline render PATH [-f VALUES] [--trace OBJECT]`

use std::path::{Path, PathBuf};

use clap::Args;
use render::{HelmOptions, RenderContext, Rendered, Source, Tool, ToolChoice};

use crate::args::Format;
use crate::commands::helm::surroundings;
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::{output, remotes};

mod trace;

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// A folder of a repository on this machine
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A value file of the chart, as an Application names it in valueFiles: from the folder of the chart, or with a / in front
    /// from the root of the repository; what is not there is looked for from the working directory. Later ones win
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    values: Vec<PathBuf>,
    /// yaml, json or name
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Say for each field of one object which file and which step of the build set it
    #[arg(long, value_name = "[NAMESPACE/]KIND/NAME")]
    trace: Option<String>,
}

impl Render {
    pub(crate) async fn run(self) -> Outcome {
        let place = Place::open(&self.path)?;
        let source = remotes::fetched(&place, self.source(&place)?).await?;
        let context = RenderContext { surroundings: Some(surroundings()), ..RenderContext::default() };
        if let Some(object) = &self.trace {
            return trace::run(&place, &source, &context, object, self.output.unwrap_or_default());
        }
        let rendered = render::render_in(&place.tree, &source, &context);
        match self.output.unwrap_or(Format::Yaml) {
            Format::Json => {
                let values: Vec<_> = rendered.manifests.iter().map(|m| m.manifest.value()).collect();
                output::line(serde_json::to_string_pretty(&values)?);
            }
            Format::Name => rendered.manifests.iter().for_each(|m| output::line(m.manifest.key())),
            _ => output::raw(
                &rendered.manifests.iter().map(|m| output::yaml(m.manifest.value())).collect::<Vec<_>>().join("---\n"),
            ),
        }
        for problem in &rendered.problems {
            output::aside(place.shown(problem));
        }
        if rendered.manifests.is_empty() && rendered.complete() {
            return nothing(&self.path, &rendered);
        }
        Ok(if rendered.complete() { Code::Done.into() } else { Code::Failed.into() })
    }

    fn source(&self, place: &Place) -> Result<Source, Failure> {
        let source = Source::auto(place.folder.as_str());
        if self.values.is_empty() {
            return Ok(source);
        }
        let value_files: Result<_, _> =
            self.values.iter().map(|file| place.value_file(file).map(|f| format!("/{f}"))).collect();
        let options = HelmOptions { value_files: value_files?, ..HelmOptions::default() };
        Ok(Source { tool: ToolChoice::Helm(Box::new(options)), ..source })
    }
}

/// A folder without manifests is a mistake; a chart or a kustomization may have reasons to give none.
fn nothing(path: &Path, rendered: &Rendered) -> Outcome {
    let path = path.display();
    if rendered.tool != Tool::Directory {
        output::aside(format!("warning: {path} renders to nothing"));
        return Ok(Code::Done.into());
    }
    Err(Failure::new(format!(
        "{path} has no manifests: neither a kustomization, nor a Chart.yaml, nor YAML or JSON files with objects"
    ))
    .hint("name the folder that an Application names in spec.source.path"))
}
