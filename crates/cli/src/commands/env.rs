//! `gantline env SERVICE`

use clap::Args;

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::output::{self, Column, column, or_dash};

#[derive(Debug, Args)]
pub(crate) struct Env {
    /// The Pipeline
    service: String,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    column("ENVIRONMENT", |e| or_dash(e, "/name")),
    column("PURPOSE", |e| or_dash(e, "/purpose")),
    column("CLUSTER", |e| or_dash(e, "/cluster")),
    column("NAMESPACE", |e| or_dash(e, "/namespace")),
    column("IMAGE SOURCE", |e| or_dash(e, "/imageSource")),
    column("CONFIG SOURCE", |e| or_dash(e, "/configSource")),
    column("PROMOTION TRIGGER", |e| or_dash(e, "/trigger")),
];

impl Env {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let items = client.items(&format!("/api/v1/pipelines/{}/environments", segment(&self.service))).await?;
        output::list(&items, COLUMNS, self.output.output, "environment")?;
        Ok(Code::Done.into())
    }
}
