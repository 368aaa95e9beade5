//! `gantline cluster …`

use clap::Subcommand;
use serde_json::Value;

use crate::args::{Output, Reach};
use crate::client::Client;
use crate::failure::{Code, Outcome};
use crate::output::{self, Column, column, or_dash, text};

#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// List clusters: whether each answers, since when not and why, and how many Applications deploy there
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        output: Output,
    },
}

const COLUMNS: &[Column] = &[
    column("NAME", |c| or_dash(c, "/name")),
    column("SERVER", |c| or_dash(c, "/server")),
    column("VERSION", |c| or_dash(c, "/info/serverVersion")),
    column("STATUS", |c| or_dash(c, "/info/connectionState/status")),
    column("SINCE", |c| or_dash(c, "/info/connectionState/attemptedAt")),
    column("PROJECT", |c| or_dash(c, "/project")),
    column("NAMESPACES", namespaces),
    column("APPLICATIONS", |c| or_dash(c, "/info/applicationsCount")),
    column("MESSAGE", |c| text(c, "/info/connectionState/message").unwrap_or_default()),
];

fn namespaces(cluster: &Value) -> String {
    let names = cluster.get("namespaces").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "all".to_owned() } else { names.join(",") }
}

impl Cluster {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let Self::List { output } = self;
        let items = Client::connect(reach).await?.items("/api/v1/clusters").await?;
        output::list(&items, COLUMNS, output.output, "cluster")?;
        Ok(Code::Done.into())
    }
}
