//! `gantline debug`: single parts of the program, for those who work on it and for the conformance runners.

mod tables;

use std::io::BufRead as _;

use clap::Subcommand;
use object::LiveObject;
use render::helm::{TemplateOptions, snippet};
use serde_json::{Value, json};

use super::helm::surroundings;
use crate::failure::{Code, Failure, Outcome};
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Debug {
    /// Render templates: a JSON object a line with id, template, helpers and values; answers have output or error
    Template {
        /// The only format there is
        #[arg(long)]
        jsonl: bool,
    },
    /// Judge objects by the rules of their kinds: a JSON object a line with id and manifest; answers have output (status and
    /// message, or null for kinds without health) or error
    Health {
        /// The only format there is
        #[arg(long)]
        jsonl: bool,
    },
    #[command(flatten)]
    Table(tables::Table),
    /// Print the OpenAPI document of the server
    Openapi,
    /// Print where a test may end a process, and its step in docs/threats.md; a release has no such places
    Failpoints,
}

impl Debug {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::Template { jsonl } => template(jsonl),
            Self::Health { jsonl } => each_line(jsonl, health),
            Self::Table(table) => table.run(),
            Self::Openapi => {
                output::line(format!("{:#}", server::openapi()));
                Ok(Code::Done.into())
            }
            Self::Failpoints => {
                let places = failpoint::VARIABLE.map_or(&[][..], |_| failpoint::Point::ALL);
                places.iter().for_each(|point| output::line(format!("{} {}", point.name(), point.id())));
                Ok(Code::Done.into())
            }
        }
    }
}

fn template(jsonl: bool) -> Outcome {
    let options = TemplateOptions {
        release_name: "rel".to_owned(),
        namespace: "ns-a".to_owned(),
        surroundings: Some(surroundings()),
        ..TemplateOptions::default()
    };
    each_line(jsonl, |case| answer(case, &options))
}

/// Answers each line of standard input with a line.
fn each_line(jsonl: bool, answer: impl Fn(&Value) -> Value) -> Outcome {
    if !jsonl {
        return Err(Failure::usage("say --jsonl: it is the only format there is"));
    }
    for line in std::io::stdin().lock().lines() {
        output::line(answer(&serde_json::from_str(&line?)?));
    }
    Ok(Code::Done.into())
}

/// The manifest is `manifest`, or `input` as in the tables of the conformance corpora.
fn health(case: &Value) -> Value {
    let manifest = case.get("manifest").or_else(|| case.get("input")).cloned().unwrap_or_default();
    match LiveObject::new(manifest) {
        Ok(object) => json!({"id": case["id"], "output": engine::health_by_rule(&object)}),
        Err(error) => json!({"id": case["id"], "error": error.to_string()}),
    }
}

fn answer(case: &Value, options: &TemplateOptions) -> Value {
    let text = |name: &str| case.get(name).and_then(Value::as_str);
    let values = case.get("values").cloned().unwrap_or_default();
    match snippet(text("template").unwrap_or_default(), text("helpers"), &values, options) {
        Ok(output) => json!({"id": case["id"], "output": output}),
        Err(error) => json!({"id": case["id"], "error": error.to_string()}),
    }
}
