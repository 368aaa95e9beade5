//! `gantline gates`

use api::gantline::{Gate, GateKind};
use clap::Args;
use promotion::Judge;
use serde_json::{Value, json};

use crate::args::Output;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, Column, column, or_dash, wide};

#[derive(Debug, Args)]
#[command(
    after_help = "Two conditions are always there: a quarantined digest enters nothing, and into a pinned environment\nnothing comes by itself. Needs no server and no cluster."
)]
pub(crate) struct Gates {
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    column("NAME", |g| or_dash(g, "/name")),
    column("PASSES WHEN", |g| or_dash(g, "/about")).spare(1),
    column("EXAMPLE", |g| or_dash(g, "/example")),
    wide("SAYS", |g| or_dash(g, "/says")),
];

impl Gates {
    pub(crate) fn run(&self) -> Outcome {
        let rows: Result<Vec<Value>, Failure> = GateKind::WRITTEN.iter().map(|kind| row(*kind)).collect();
        output::list(&rows?, COLUMNS, &self.output.view(None), "gate")?;
        Ok(Code::Done.into())
    }
}

/// What the registry has of a kind, and how the example reads in a list of gates.
fn row(kind: GateKind) -> Result<Value, Failure> {
    let gate: Gate = serde_json::from_value(object::yaml::value(kind.example()).map_err(Failure::new)?)?;
    Ok(json!({ "name": kind, "about": kind.about(), "example": kind.example(), "says": gate.says() }))
}
