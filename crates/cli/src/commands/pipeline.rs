//! `gantline pipeline …`

use clap::Subcommand;
use serde_json::Value;

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::output::{self, Column, column, or_dash, text, wide};

#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// List Pipelines and what each environment runs
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show one Pipeline: each environment, its gates, and what they wait for
    Get {
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

const COLUMNS: &[Column] = &[
    column("NAME", |p| or_dash(p, "/metadata/name")),
    column("ENVIRONMENTS", |p| {
        let environments = p.pointer("/status/environments").and_then(Value::as_array).into_iter().flatten();
        environments
            .map(|e| format!("{}={}", or_dash(e, "/name"), short(&or_dash(e, "/tag"))))
            .collect::<Vec<_>>()
            .join(" ")
    }),
    column("PROBLEM", |p| {
        let conditions = p.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.map(|c| or_dash(c, "/message")).collect::<Vec<_>>().join("; ")
    }),
    wide("IMAGES", |p| {
        let images = p.pointer("/spec/images").and_then(Value::as_array).into_iter().flatten();
        images.map(|i| or_dash(i, "/name")).collect::<Vec<_>>().join(",")
    }),
];

/// Commit hashes as tags are cut where people still tell them apart.
pub(crate) fn short(tag: &str) -> String {
    if tag.len() > 16 { tag.chars().take(10).collect() } else { tag.to_owned() }
}

impl Pipeline {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        match self {
            Self::List { output } => {
                let items = client.items("/api/v1/pipelines").await?;
                output::list(&items, COLUMNS, output.output, "pipeline")?;
            }
            Self::Get { name, output } => {
                let item = client.get(&format!("/api/v1/pipelines/{}", segment(&name))).await?;
                output::one(&item, output.output, "pipeline", describe)?;
            }
        }
        Ok(Code::Done.into())
    }
}

fn describe(pipeline: &Value) {
    output::line(format!("Name:    {}", or_dash(pipeline, "/metadata/name")));
    let mut table = output::plain_table();
    table.set_header(["ENVIRONMENT", "APPLICATION", "TAG", "DIGEST", "HEALTH", "SINCE", "WAITING"]);
    for e in pipeline.pointer("/status/environments").and_then(Value::as_array).into_iter().flatten() {
        let waiting = e.get("waiting").and_then(Value::as_array).into_iter().flatten();
        let waiting: Vec<String> =
            waiting.filter_map(|w| w.as_str().map(str::to_owned).or_else(|| text(w, "/message"))).collect();
        let digest: String = or_dash(e, "/digest").chars().take(19).collect();
        table.add_row([
            output::cell(or_dash(e, "/name")),
            output::cell(or_dash(e, "/application")),
            output::cell(short(&or_dash(e, "/tag"))),
            output::cell(digest),
            output::cell(or_dash(e, "/health")),
            output::cell(or_dash(e, "/since")),
            output::cell(waiting.join("; ")),
        ]);
    }
    output::rows(&table);
    for condition in pipeline.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten() {
        output::line(format!("{}: {}", or_dash(condition, "/type"), or_dash(condition, "/message")));
    }
}
