//! `gantline pipeline …`

use clap::Subcommand;
use serde_json::Value;

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, View, age, column, conditions_of, or_dash, text, wide};

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
        #[arg(value_parser = names::name, add = names::pipelines())]
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

const COLUMNS: &[Column] = &[
    column("NAME", |p| or_dash(p, "/metadata/name")),
    column("ENVIRONMENTS", |p| {
        let environments = p.pointer("/status/environments").and_then(Value::as_array).into_iter().flatten();
        environments.map(|e| format!("{}={}", or_dash(e, "/name"), or_dash(e, "/tag"))).collect::<Vec<_>>().join(" ")
    }),
    column("PROBLEM", |p| conditions_of(p).map(|c| or_dash(c, "/message")).collect::<Vec<_>>().join("; ")).if_said(),
    wide("IMAGES", |p| {
        let images = p.pointer("/spec/images").and_then(Value::as_array).into_iter().flatten();
        images.map(|i| or_dash(i, "/name")).collect::<Vec<_>>().join(",")
    }),
];

const ENVIRONMENTS: &[Column] = &[
    column("ENVIRONMENT", |e| or_dash(e, "/name")),
    column("APPLICATION", |e| or_dash(e, "/application")).spare(1),
    column("TAG", |e| or_dash(e, "/tag")),
    column("DIGEST", |e| or_dash(e, "/digest")).spare(2),
    column("HEALTH", |e| or_dash(e, "/health")),
    age("SINCE", "/since"),
    column("WAITING", |e| waiting(e).join("; ")),
];

fn waiting(environment: &Value) -> Vec<String> {
    let all = environment.get("waiting").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|it| it.as_str().map(str::to_owned).or_else(|| text(it, "/message"))).collect()
}

impl Pipeline {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        match self {
            Self::List { output } => {
                let items = client.items("/api/v1/pipelines").await?;
                output::list(&items, COLUMNS, &output.view(client.now()), "pipeline")?;
            }
            Self::Get { name, output } => {
                let item = client.get(&format!("/api/v1/pipelines/{}", segment(&name))).await?;
                output::one(&item, output, "pipeline", |item| describe(item, &output.view(client.now())))?;
            }
        }
        Ok(Code::Done.into())
    }
}

fn describe(pipeline: &Value, view: &View) {
    output::line(format!("Name:    {}", or_dash(pipeline, "/metadata/name")));
    let environments = pipeline.pointer("/status/environments").and_then(Value::as_array);
    output::rows(environments.map_or(&[], Vec::as_slice), ENVIRONMENTS, view);
    for condition in conditions_of(pipeline) {
        output::line(format!("{}: {}", or_dash(condition, "/type"), or_dash(condition, "/message")));
    }
}
