//! `gantline approve|reject`

use clap::Args;
use serde_json::{Value, json};

use super::followed::Following;
use crate::args::Reach;
use crate::client::{Client, segment};
use crate::failure::{Code, Failure, Outcome};
use crate::names;
use crate::output::{self, text};

#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The Pipeline, or the name of the promotion
    #[arg(value_parser = names::name, add = names::decisions())]
    subject: String,
    /// The environment, when a Pipeline was named
    #[arg(long, visible_alias = "in", value_name = "ENVIRONMENT", value_parser = names::name, add = names::environments())]
    to: Option<String>,
    /// Why; stands in the commit, the Promotion and the timeline
    #[arg(long, short = 'm')]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    decide: Decide,
    #[command(flatten)]
    following: Following,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    decide: Decide,
}

impl Approve {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let (name, before) = self.decide.say(&client, "approve").await?;
        output::line(format!("{name} approved"));
        self.following.follow(&client, &name, &before).await
    }
}

impl Reject {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let (name, _) = self.decide.say(&client, "reject").await?;
        output::line(format!("{name} rejected: whoever asks for it again begins anew"));
        Ok(Code::Done.into())
    }
}

impl Decide {
    /// The promotion about which something was said, and as it was until then.
    async fn say(&self, client: &Client, verb: &str) -> Result<(String, Value), Failure> {
        let name = waiting(client, &self.subject, self.to.as_deref()).await?;
        let before = client.get(&format!("/api/v1/promotions/{}", segment(&name))).await?;
        client.post(&format!("/api/v1/promotions/{}/{verb}", segment(&name)), json!({ "reason": self.reason })).await?;
        Ok((name, before))
    }
}

/// The one promotion that `subject` means.
async fn waiting(client: &Client, subject: &str, environment: Option<&str>) -> Result<String, Failure> {
    let all = client.items("/api/v1/promotions").await?;
    let is = |p: &&Value, pointer: &str, wanted: &str| text(p, pointer).as_deref() == Some(wanted);
    if all.iter().any(|p| is(&p, "/metadata/name", subject)) {
        return Ok(subject.to_owned());
    }
    let candidates: Vec<String> = all
        .iter()
        .filter(|p| is(p, "/spec/pipeline", subject) && is(p, "/status/phase", "Waiting"))
        .filter(|p| environment.is_none_or(|e| is(p, "/spec/environment", e)))
        .filter_map(|p| text(p, "/metadata/name"))
        .collect();
    match &candidates[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(format!("no promotion of {subject} waits for a decision"))
            .hint("what there is: gantline pipeline list")),
        many => Err(Failure::usage(format!("{} promotions of {subject} wait: {}", many.len(), many.join(", ")))
            .hint("say which with --to ENVIRONMENT")),
    }
}
