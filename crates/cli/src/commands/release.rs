//! `gantline release …`

use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, View, age, column, or_dash, text, wide};

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// List Releases, the newest first
    #[command(visible_alias = "ls")]
    List {
        /// Only those of one Pipeline
        #[arg(value_parser = names::name, add = names::pipelines())]
        pipeline: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show one Release: its images, where it came from, how far it is
    #[command(visible_alias = "get")]
    Show {
        /// Its name, tag or digest
        #[arg(value_parser = names::name, add = names::releases())]
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Lift the quarantine of a Release: it may be asked for again, the gates still decide
    Lift {
        /// Its name, tag or digest
        #[arg(value_parser = names::name, add = names::releases())]
        name: String,
        /// Why; stands in the timeline
        #[arg(long, short = 'm')]
        reason: Option<String>,
    },
}

const COLUMNS: &[Column] = &[
    column("NAME", |r| or_dash(r, "/metadata/name")),
    column("PIPELINE", |r| or_dash(r, "/spec/pipeline")).spare(2),
    column("TAG", |r| of_images(r, "/tag")),
    column("REACHED", reached),
    column("ENVIRONMENTS", environments).spare(1),
    column("QUARANTINE", |r| or_dash(r, "/status/quarantine/reason")),
    age("AGE", "/metadata/creationTimestamp"),
    wide("IMAGES", |r| of_images(r, "/name")),
    wide("DIGEST", |r| of_images(r, "/digest")),
    wide("AUTHOR", |r| or_dash(r, "/spec/source/author")),
];

const ENVIRONMENTS: &[Column] = &[
    column("ENVIRONMENT", |e| or_dash(e, "/name")),
    column("PHASE", |e| or_dash(e, "/phase")),
    age("SINCE", "/since"),
    column("COMMIT", |e| or_dash(e, "/commit")).spare(1),
    column("MESSAGE", |e| text(e, "/message").unwrap_or_default()),
];

/// What differs between its images, all of it.
fn of_images(release: &Value, pointer: &str) -> String {
    let images = release.pointer("/spec/images").and_then(Value::as_array).into_iter().flatten();
    let mut all: Vec<String> = images.map(|image| or_dash(image, pointer)).collect();
    all.dedup();
    if all.is_empty() { "-".into() } else { all.join(" + ") }
}

/// How far it is: entries come in the order of the way.
fn reached(release: &Value) -> String {
    let last = release.pointer("/status/environments").and_then(Value::as_array).and_then(|all| all.last());
    last.map_or_else(|| "-".to_owned(), |it| format!("{} {}", or_dash(it, "/name"), or_dash(it, "/phase")))
}

fn environments(release: &Value) -> String {
    let list = release.pointer("/status/environments").and_then(Value::as_array).into_iter().flatten();
    let parts: Vec<String> = list.map(|e| format!("{}={}", or_dash(e, "/name"), or_dash(e, "/phase"))).collect();
    if parts.is_empty() { "-".into() } else { parts.join(" ") }
}

impl Release {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let client = Client::connect(reach).await?;
        match self {
            Self::List { pipeline, output } => {
                let query = pipeline.map(|p| format!("?pipeline={}", segment(&p))).unwrap_or_default();
                let mut items = client.items(&format!("/api/v1/releases{query}")).await?;
                items.sort_by_key(|r| std::cmp::Reverse(text(r, "/metadata/creationTimestamp")));
                output::list(&items, COLUMNS, &output.view(client.now()), "release")?;
            }
            Self::Show { name, output } => {
                let item = client.get(&format!("/api/v1/releases/{}", segment(&name))).await?;
                output::one(&item, output, "release", |item| describe(item, &output.view(client.now())))?;
            }
            Self::Lift { name, reason } => {
                let path = format!("/api/v1/releases/{}/lift", segment(&name));
                let release = client.post(&path, json!({ "reason": reason })).await?;
                let name = or_dash(&release, "/metadata/name");
                output::line(match text(&release, "/status/quarantine/reason") {
                    None => format!("{name} is not quarantined any more"),
                    Some(why) => format!(
                        "{name} is quarantined still, by {} as {}: {why}; lift that too, or there",
                        or_dash(&release, "/status/quarantine/by"),
                        or_dash(&release, "/status/quarantine/release")
                    ),
                });
            }
        }
        Ok(Code::Done.into())
    }
}

fn describe(item: &Value, view: &View) {
    let (release, promotions) = (&item["release"], &item["promotions"]);
    for (title, pointer) in [
        ("Name", "/metadata/name"),
        ("Pipeline", "/spec/pipeline"),
        ("Commit", "/spec/source/commit"),
        ("Author", "/spec/source/author"),
        ("Time", "/spec/source/time"),
        ("Quarantine", "/status/quarantine/reason"),
    ] {
        if let Some(value) = text(release, pointer) {
            output::line(format!("{:<12} {value}", format!("{title}:")));
        }
    }
    if item["canLift"] == true {
        let lift = format!("gantline release lift {}", or_dash(release, "/metadata/name"));
        let by = or_dash(release, "/status/quarantine/by");
        output::line(match text(release, "/status/quarantine/release") {
            Some(other) => format!("{:<12} by {by}, of {other}; to lift it for this Pipeline alone: {lift}", ""),
            None => format!("{:<12} by {by}; to lift it: {lift}", ""),
        });
    }
    for image in release.pointer("/spec/images").and_then(Value::as_array).into_iter().flatten() {
        output::line(format!(
            "{:<12} {}:{}@{}",
            "Image:",
            or_dash(image, "/name"),
            or_dash(image, "/tag"),
            or_dash(image, "/digest")
        ));
    }
    let environments = release.pointer("/status/environments").and_then(Value::as_array);
    output::rows(environments.map_or(&[], Vec::as_slice), ENVIRONMENTS, view);
    for promotion in promotions.as_array().into_iter().flatten() {
        let place = or_dash(promotion, "/spec/environment");
        output::line(format!(
            "\nPromotion to {place}: {} ({})",
            or_dash(promotion, "/status/phase"),
            or_dash(promotion, "/metadata/name")
        ));
        super::explain::print_gates(promotion);
        let askers = askers(promotion);
        for (title, value) in [
            ("message", text(promotion, "/status/message")),
            ("commit", text(promotion, "/status/commit")),
            ("asked by", Some(askers).filter(|askers| !askers.is_empty())),
        ] {
            if let Some(value) = value {
                output::line(format!("  {:<9} {value}", format!("{title}:")));
            }
        }
    }
}

/// Who asked for a promotion, also after it was opened.
fn askers(promotion: &Value) -> String {
    let later = promotion.pointer("/status/asked").and_then(Value::as_array).into_iter().flatten();
    let all = text(promotion, "/spec/requestedBy").into_iter().chain(later.filter_map(|ask| text(ask, "/by")));
    all.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_images_of_a_release_are_listed() {
        let images = json!([{ "name": "shop", "tag": "v1", "digest": "sha256:1" }, { "name": "worker", "tag": "w2" }]);
        let release = json!({ "spec": { "images": images } });
        assert_eq!(of_images(&release, "/tag"), "v1 + w2");
        assert_eq!(of_images(&release, "/digest"), "sha256:1 + -");
        let same = json!({ "spec": { "images": [{ "tag": "v1" }, { "tag": "v1" }] } });
        assert_eq!(of_images(&same, "/tag"), "v1");
    }
}
