//! The recorded tables of Argo CD: what they ask, answered by the code that is in charge of it.

mod automated;
mod health_agg;
mod params;
mod rbac;
mod revision;
mod tracking;
mod windows;

use api::meta::without_nulls;
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::each_line;
use crate::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// May a sync go on? A JSON object a line with id and input; answers have output or error
    Windows(Lines),
    /// Is a sync started, and when is one tried again?
    Automated(Lines),
    /// How are objects marked, and whose are they?
    Tracking(Lines),
    /// The health of an Application from that of its objects
    HealthAgg(Lines),
    /// Which addresses are the same, and what does a project permit?
    Params(Lines),
    /// Who may do what?
    Rbac(Lines),
    /// What does a revision mean?
    Revision(Lines),
}

#[derive(Debug, Args)]
pub(crate) struct Lines {
    /// The only format there is
    #[arg(long)]
    jsonl: bool,
}

/// The output, or why there is none.
type Answer = Result<Value, String>;

impl Table {
    pub(super) fn run(self) -> Outcome {
        let (lines, answer): (Lines, fn(&Value) -> Answer) = match self {
            Self::Windows(lines) => (lines, windows::answer),
            Self::Automated(lines) => (lines, automated::answer),
            Self::Tracking(lines) => (lines, tracking::answer),
            Self::HealthAgg(lines) => (lines, health_agg::answer),
            Self::Params(lines) => (lines, params::answer),
            Self::Rbac(lines) => (lines, rbac::answer),
            Self::Revision(lines) => (lines, revision::answer),
        };
        each_line(lines.jsonl, |case| match answer(&case["input"]) {
            Ok(output) => json!({"id": case["id"], "output": output}),
            Err(error) => json!({"id": case["id"], "error": error}),
        })
    }
}

/// A text of the input; empty where there is none.
fn text<'a>(input: &'a Value, field: &str) -> &'a str {
    input[field].as_str().unwrap_or_default()
}

/// A part of the input, with its defaults where it is not there.
fn part<T: DeserializeOwned + Default>(input: &Value, field: &str) -> Result<T, String> {
    match without_nulls(input[field].clone()) {
        Value::Null => Ok(T::default()),
        value => T::deserialize(value).map_err(|error| format!("{field}: {error}")),
    }
}

fn unknown_op(input: &Value) -> String {
    format!("the operation {} is not known", input["op"])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case that is there agrees, and there are as many as ever.
    fn all_agree(name: &str, cases: usize, answer: impl Fn(&Value) -> Answer) {
        let Some(folder) = test_support::shared("conformance") else { return };
        let text = std::fs::read_to_string(folder.join(name).join("cases.jsonl")).unwrap();
        let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed: Vec<String> = all.iter().filter_map(|case| differs(case, &answer(&case["input"]))).collect();
        assert!(failed.is_empty(), "{name}: {} of {} differ\n{}", failed.len(), all.len(), failed.join("\n"));
        assert!(all.len() >= cases, "{name}: only {} cases", all.len());
    }

    fn differs(case: &Value, found: &Answer) -> Option<String> {
        let agrees = match found {
            Ok(output) => case.get("error").is_none() && plain(output) == plain(&case["output"]),
            Err(_) => case.get("error").is_some(),
        };
        (!agrees).then(|| format!("{}: {found:?}, not {} {}", case["id"], case["output"], case["error"]))
    }

    /// A list that is missing, null and empty are the same.
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
            Value::Array(list) if list.is_empty() => Value::Null,
            Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
            Value::Array(list) => list.iter().map(plain).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn sync_windows() {
        all_agree("windows", 323, windows::answer);
    }

    #[test]
    fn automated_sync_and_retries() {
        all_agree("automated", 74, automated::answer);
    }

    #[test]
    fn resource_tracking() {
        all_agree("tracking", 104, tracking::answer);
    }

    #[test]
    fn health_of_applications() {
        all_agree("health-agg", 48, health_agg::answer);
    }

    #[test]
    fn addresses_and_permissions() {
        all_agree("params", 181, params::answer);
    }

    #[test]
    fn policies() {
        all_agree("rbac", 301, rbac::answer);
    }

    #[test]
    fn revisions() {
        all_agree("revision", 160, revision::answer);
    }
}
