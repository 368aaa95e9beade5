//! `gantline rollback SERVICE --in ENVIRONMENT`

use clap::Args;
use serde_json::{Value, json};

use super::followed::Following;
use crate::args::Reach;
use crate::client::{Client, segment};
use crate::failure::{Code, Failure, Outcome};
use crate::names;
use crate::output::{self, or_dash, text};

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
    #[arg(long, conflicts_with_all = ["reason", "dry_run"])]
    unpin: bool,
    /// Say what would follow, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    following: Following,
}

impl Rollback {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let consequences = if self.unpin { Vec::new() } else { self.consequences(&client).await? };
        if self.dry_run {
            consequences.iter().for_each(output::line);
            return Ok(Code::Done.into());
        }
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
        consequences.iter().for_each(|consequence| output::line(format!("  {consequence}")));
        self.following.follow(&client, &or_dash(&answer, "/metadata/name"), &Value::Null).await
    }

    /// All that would follow, as the page says it; none where it is refused.
    async fn consequences(&self, client: &Client) -> Result<Vec<String>, Failure> {
        let all = client.get(&format!("/api/v1/pipelines/{}/environments", segment(&self.service))).await?;
        let here = all["items"].as_array().into_iter().flatten().find(|it| it["name"] == *self.environment);
        let offers = here.and_then(|here| here["offers"].as_array()).into_iter().flatten();
        let offer = offers.into_iter().find(|offer| offer["action"] == "RollBack");
        match offer.map(|offer| (text(offer, "/refused"), &offer["consequences"])) {
            Some((None, said)) => {
                let said = said.as_array().into_iter().flatten();
                Ok(said.filter_map(|it| it.as_str().map(str::to_owned)).collect())
            }
            Some((Some(refused), _)) if self.dry_run => Err(Failure::new(refused)),
            None if self.dry_run => Err(Failure::new(format!("nothing ran in {} before", self.environment))),
            _ => Ok(Vec::new()),
        }
    }
}
