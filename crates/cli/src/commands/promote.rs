//! `gantline promote SERVICE --to ENVIRONMENT`

use clap::Args;
use serde_json::{Value, json};

use super::followed::Following;
use crate::args::Reach;
use crate::client::{Client, segment};
use crate::failure::Outcome;
use crate::names;
use crate::output::or_dash;

#[derive(Debug, Args)]
#[command(after_help = "The gates still decide: this asks for the promotion and says what it waits for.")]
pub(crate) struct Promote {
    /// The Pipeline
    #[arg(value_parser = names::name, add = names::pipelines())]
    service: String,
    /// The environment that shall run it
    #[arg(long, value_name = "ENVIRONMENT", value_parser = names::name, add = names::environments())]
    to: String,
    /// The Release [default: what runs, verified, in the environment before]
    #[arg(long, value_parser = names::name, add = names::releases())]
    release: Option<String>,
    /// Why; stands in the audit trail
    #[arg(long, short = 'm')]
    reason: Option<String>,
    #[command(flatten)]
    following: Following,
}

impl Promote {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let body = json!({ "environment": self.to, "release": self.release, "reason": self.reason });
        let promotion = client.post(&format!("/api/v1/pipelines/{}/promote", segment(&self.service)), body).await?;
        self.following.follow(&client, &or_dash(&promotion, "/metadata/name"), &Value::Null).await
    }
}
