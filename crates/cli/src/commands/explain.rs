//! `gantline explain APPLICATION|PIPELINE|PIPELINE/ENVIRONMENT|RELEASE`

use clap::Args;
use serde_json::Value;

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, or_dash, text};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An Application, a Pipeline, PIPELINE/ENVIRONMENT, or a Release by its name, tag or digest
    #[arg(value_parser = names::name, add = names::subjects())]
    name: String,
    #[command(flatten)]
    output: Output,
}

impl Explain {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let answer = client.get(&format!("/api/v1/explain/{}", segment(&self.name))).await?;
        output::one(&answer, self.output.output, "explanation", print)?;
        Ok(Code::Done.into())
    }
}

fn print(explanation: &Value) {
    output::line(or_dash(explanation, "/summary"));
    for reason in explanation.get("reasons").and_then(Value::as_array).into_iter().flatten() {
        output::line(format!("\n  {}", or_dash(reason, "/message")));
        for (title, pointer) in [
            ("value", "/value"),
            ("needed", "/needed"),
            ("since", "/since"),
            ("earliest", "/earliest"),
            ("who can act", "/who"),
        ] {
            if let Some(value) = text(reason, pointer) {
                output::line(format!("    {:<12} {value}", format!("{title}:")));
            }
        }
    }
}

/// The gates of a promotion, one line each.
pub(crate) fn print_gates(promotion: &Value) {
    for gate in promotion.pointer("/status/gates").and_then(Value::as_array).into_iter().flatten() {
        let mut line = format!("  {:<8} {}", or_dash(gate, "/state"), or_dash(gate, "/name"));
        for (title, pointer) in
            [("", "/value"), ("needs ", "/needed"), ("not before ", "/earliest"), ("can act: ", "/whoCanAct")]
        {
            if let Some(value) = text(gate, pointer) {
                line = format!("{line} · {title}{value}");
            }
        }
        output::line(line);
    }
}
