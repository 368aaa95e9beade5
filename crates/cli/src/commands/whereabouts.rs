//! `gantline where IMAGE|TAG|DIGEST`

use clap::Args;

use crate::args::{Format, Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, column, or_dash, text};

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// An image (with or without tag), a tag, a digest, or the beginning of one
    #[arg(value_parser = names::name, add = names::releases())]
    image: String,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    column("APPLICATION", |w| or_dash(w, "/application")),
    column("ENVIRONMENT", |w| or_dash(w, "/environment")),
    column("CLUSTER", |w| or_dash(w, "/cluster")).spare(5),
    column("NAMESPACE", |w| or_dash(w, "/namespace")).spare(4),
    column("IMAGE", |w| or_dash(w, "/image")).spare(2),
    column("TAG", |w| or_dash(w, "/tag")),
    column("DIGEST", |w| or_dash(w, "/digest")).spare(3),
    column("SYNC", |w| or_dash(w, "/sync")),
    column("HEALTH", |w| or_dash(w, "/health")),
];

impl Where {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let answer = client.get(&format!("/api/v1/where?image={}", segment(&self.image))).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let people = matches!(self.output.output, Format::Table | Format::Wide);
        match items.is_empty() && people {
            true => output::line(format!("nothing runs {}", self.image)),
            false => output::list(&items, COLUMNS, &self.output.view(client.now()), "application")?,
        }
        text(&answer, "/note").iter().for_each(output::aside);
        Ok(if items.is_empty() { Code::Failed.into() } else { Code::Done.into() })
    }
}
