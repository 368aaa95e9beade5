//! `gantline cluster …`

use clap::Subcommand;
use serde_json::Value;

use crate::args::{Output, Reach};
use crate::client::Client;
use crate::failure::{Code, Outcome};
use crate::output::{self, Column, age, column, or_dash, text};

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
    column("VERSION", |c| or_dash(c, "/info/serverVersion")).spare(2),
    column("STATUS", |c| or_dash(c, "/info/connectionState/status")),
    age("SINCE", "/info/connectionState/attemptedAt").spare(1),
    column("PROJECT", |c| or_dash(c, "/project")).spare(5),
    column("NAMESPACES", namespaces).spare(4),
    column("APPLICATIONS", |c| or_dash(c, "/info/applicationsCount")).spare(3),
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
        let client = Client::connect(reach).await?;
        let items = client.items("/api/v1/clusters").await?;
        output::list(&items, COLUMNS, &output.view(client.now()), "cluster")?;
        Ok(Code::Done.into())
    }
}
