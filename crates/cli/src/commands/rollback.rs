//! `gantline rollback SERVICE --in ENVIRONMENT`

use clap::Args;
use serde_json::{Value, json};

use super::followed::Following;
use crate::args::Reach;
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, or_dash};

#[derive(Debug, Args)]
#[command(
    after_help = "The image that is rolled back is quarantined: it goes nowhere until somebody lifts that (gantline release lift).\nThe environment is pinned: nothing is promoted into it by itself until --unpin."
)]
pub(crate) struct Rollback {
    /// The Pipeline
    #[arg(value_parser = names::name, add = names::pipelines())]
    service: String,
    #[arg(long = "in", visible_alias = "to", value_name = "ENVIRONMENT", value_parser = names::name, add = names::environments())]
    environment: String,
    /// Why; stands in the commit and the audit trail
    #[arg(long, short = 'm')]
    reason: Option<String>,
    /// Lift the pin of an earlier rollback instead
    #[arg(long, conflicts_with = "reason")]
    unpin: bool,
    #[command(flatten)]
    following: Following,
}

impl Rollback {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let verb = if self.unpin { "unpin" } else { "rollback" };
        let mut body = json!({ "environment": self.environment });
        if !self.unpin {
            body["reason"] = json!(self.reason);
        }
        let answer = client.post(&format!("/api/v1/pipelines/{}/{verb}", segment(&self.service)), body).await?;
        if self.unpin {
            output::line(format!("{} in {} is not pinned any more", self.service, self.environment));
            return Ok(Code::Done.into());
        }
        output::line(format!(
            "{} in {} goes back to {}",
            self.service,
            self.environment,
            or_dash(&answer, "/spec/tag")
        ));
        self.following.follow(&client, &or_dash(&answer, "/metadata/name"), &Value::Null).await
    }
}
