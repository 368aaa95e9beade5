//! `gantline approve|reject`

use clap::Args;
use serde_json::{Value, json};

use crate::args::Reach;
use crate::client::{Client, segment};
use crate::failure::{Code, Failure, Outcome};
use crate::names;
use crate::output::{self, or_dash, text};

#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The Pipeline, or the name of the promotion
    #[arg(value_parser = names::name, add = names::decisions())]
    subject: String,
    /// The environment, when a Pipeline was named
    #[arg(long, visible_alias = "in", value_name = "ENVIRONMENT", value_parser = names::name, add = names::environments())]
    to: Option<String>,
    /// Why; stands in the Promotion and the timeline
    #[arg(long, short = 'm')]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Approve,
    Reject,
}

impl Decide {
    pub(crate) async fn run(self, reach: &Reach, verdict: Verdict) -> Outcome {
        let client = Client::connect(reach).await?;
        let name = waiting(&client, &self.subject, self.to.as_deref()).await?;
        let (verb, done) = match verdict {
            Verdict::Approve => ("approve", "approved"),
            Verdict::Reject => ("reject", "rejected"),
        };
        let promotion = client
            .post(&format!("/api/v1/promotions/{}/{verb}", segment(&name)), json!({ "reason": self.reason }))
            .await?;
        output::line(format!("{name} {done}: {}", or_dash(&promotion, "/status/phase")));
        super::explain::print_gates(&promotion);
        Ok(Code::Done.into())
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
