//! `gantline env SERVICE`

use clap::Args;

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, column, or_dash};

#[derive(Debug, Args)]
pub(crate) struct Env {
    /// The Pipeline
    #[arg(value_parser = names::name, add = names::pipelines())]
    service: String,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    column("ENVIRONMENT", |e| or_dash(e, "/name")),
    column("PURPOSE", |e| or_dash(e, "/purpose")),
    column("CLUSTER", |e| or_dash(e, "/cluster")).spare(5),
    column("NAMESPACE", |e| or_dash(e, "/namespace")).spare(1),
    column("IMAGE SOURCE", |e| or_dash(e, "/imageSource")).spare(3),
    column("CONFIG SOURCE", |e| or_dash(e, "/configSource")).spare(4),
    column("PROMOTION TRIGGER", |e| or_dash(e, "/trigger")),
];

impl Env {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let items = client.items(&format!("/api/v1/pipelines/{}/environments", segment(&self.service))).await?;
        output::list(&items, COLUMNS, &self.output.view(client.now()), "environment")?;
        Ok(Code::Done.into())
    }
}
