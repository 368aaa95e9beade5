//! `gantline render PATH [--trace OBJECT]`

use std::path::PathBuf;

use clap::Args;
use render::Source;

use crate::args::Format;
use crate::failure::{Code, Outcome};
use crate::folder::Place;
use crate::{output, remotes};

mod trace;

/// Render a folder: what the controller would deploy
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// A folder of a repository on this machine
    #[arg(default_value = ".")]
    path: PathBuf,
    /// yaml, json or name
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Say for each field of one object which file and which step of the build set it
    #[arg(long, value_name = "[NAMESPACE/]KIND/NAME")]
    trace: Option<String>,
}

impl Render {
    #[expect(clippy::print_stderr, reason = "problems go beside the manifests")]
    pub(crate) async fn run(self) -> Outcome {
        let place = Place::open(&self.path)?;
        let source = remotes::fetched(&place, Source::auto(place.folder.as_str())).await?;
        if let Some(object) = &self.trace {
            return trace::run(&place, &source, object, self.output.unwrap_or_default());
        }
        let rendered = render::render(&place.tree, &source);
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
            eprintln!("{}", place.shown(problem));
        }
        Ok(if rendered.complete() { Code::Done.into() } else { Code::Failed.into() })
    }
}
