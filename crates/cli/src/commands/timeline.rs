//! `gantline timeline`

use clap::Args;

use crate::args::{Format, Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, age, column, or_dash, text, wide};

#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// Only of this Application
    #[arg(long, short = 'a', value_parser = names::name, add = names::applications())]
    application: Option<String>,
    /// Only of this Pipeline
    #[arg(long, short = 'p', value_parser = names::name, add = names::pipelines())]
    pipeline: Option<String>,
    /// Only of this environment of Pipelines
    #[arg(long, short = 'e', value_parser = names::name, add = names::environments())]
    environment: Option<String>,
    /// Only of this release: its name, tag or digest
    #[arg(long, short = 'r', value_parser = names::name, add = names::releases())]
    release: Option<String>,
    /// Only these kinds, with commas between: promoted,rolledBack
    #[arg(long, value_parser = names::name)]
    kind: Option<String>,
    /// Only what is younger: 30m, 2h, 7d, or since a moment
    #[arg(long, value_parser = names::name, value_name = "AGE")]
    since: Option<String>,
    /// How many entries, at most 1000
    #[arg(long, short = 'n', default_value_t = 60)]
    limit: usize,
    /// Older than this: what the line below a page says
    #[arg(long, value_name = "MARK")]
    before: Option<String>,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    age("AGE", "/time"),
    column("WHAT", |e| or_dash(e, "/message")).spare(1),
    column("WHY", |e| text(e, "/reason").unwrap_or_default()).spare(2),
    column("BY", |e| text(e, "/actor").unwrap_or_default()),
    column("COMMIT", |e| text(e, "/commit").unwrap_or_default()).spare(3),
    wide("KIND", |e| or_dash(e, "/kind")),
    wide("RELEASE", |e| text(e, "/release").unwrap_or_default()),
];

impl Timeline {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let answer = client.get(&self.path()).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let people = matches!(self.output.output, Format::Table | Format::Wide);
        if items.is_empty() && people {
            output::aside("nothing that happened is known of that");
            return Ok(Code::Done.into());
        }
        output::list(&items, COLUMNS, &self.output.view(client.now()), "entry")?;
        if let Some(next) = text(&answer, "/continue").filter(|_| people) {
            output::aside(format!("older: --before {next}"));
        }
        Ok(Code::Done.into())
    }

    fn path(&self) -> String {
        let parts = [
            ("application", &self.application),
            ("pipeline", &self.pipeline),
            ("environment", &self.environment),
            ("release", &self.release),
            ("kind", &self.kind),
            ("since", &self.since),
            ("before", &self.before),
        ];
        let said = parts.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", segment(value.as_ref()?))));
        format!("/api/v1/timeline?limit={}{}", self.limit, said.collect::<String>())
    }
}
