//! `gantline where IMAGE|TAG|DIGEST`

use clap::Args;

use crate::args::{Format, Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::output::{self, Column, column, or_dash};

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// An image (with or without tag), a tag, a digest, or the beginning of one
    image: String,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    column("APPLICATION", |w| or_dash(w, "/application")),
    column("ENVIRONMENT", |w| or_dash(w, "/environment")),
    column("CLUSTER", |w| or_dash(w, "/cluster")),
    column("NAMESPACE", |w| or_dash(w, "/namespace")),
    column("IMAGE", |w| or_dash(w, "/image")),
    column("TAG", |w| or_dash(w, "/tag")),
    column("DIGEST", |w| or_dash(w, "/digest")),
    column("SYNC", |w| or_dash(w, "/sync")),
    column("HEALTH", |w| or_dash(w, "/health")),
];

impl Where {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        let items = client.items(&format!("/api/v1/where?image={}", segment(&self.image))).await?;
        let people = matches!(self.output.output, Format::Table | Format::Wide);
        match items.is_empty() && people {
            true => output::line(format!("nothing runs {}", self.image)),
            false => output::list(&items, COLUMNS, self.output.output, "application")?,
        }
        Ok(if items.is_empty() { Code::Failed.into() } else { Code::Done.into() })
    }
}
