//! The part of the story that charts play: one image, through values files. task-api stays on `main`; manual-app is merged
//! to `release` and tagged for production.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::check::{User, ensure};
use super::stage::Stage;
use super::story::text;
use crate::failure::Failure;
use crate::output;

/// A service that a chart deploys.
struct Service {
    name: &'static str,
    image: &'static str,
    tag: &'static str,
    repository: &'static str,
    /// The values files of its environments, in order.
    values: [(&'static str, &'static str); 3],
}

const SERVICES: [Service; 2] = [
    Service {
        name: "manual-app",
        image: "acme/manual-app",
        tag: "16",
        repository: "manual-app-helm",
        values: [("dev", "values-dev.yaml"), ("stage", "values-stage.yaml"), ("prod", "values-prod.yaml")],
    },
    Service {
        name: "task-api",
        image: "acme/task-manager-api",
        tag: "2.5.0",
        repository: "task-manager",
        values: [
            ("dev", "charts/task-manager/values-dev.yaml"),
            ("staging", "charts/task-manager/values-staging.yaml"),
            ("prod", "charts/task-manager/values-prod.yaml"),
        ],
    },
];

/// The images that are on their way, with their digests.
pub(super) struct Charts(Vec<(&'static Service, String)>);

/// What CI does: push both images, write their tags into the values files of dev.
pub(super) async fn deliver(stage: &Stage) -> Result<Charts, Failure> {
    let mut digests = Vec::new();
    for service in &SERVICES {
        let digest = stage.registry.push_image(service.image, service.tag, &BTreeMap::new());
        let message = format!("ci: {} {}", service.name, service.tag);
        stage.commits.write_tag(service.repository, service.values[0].1, "tag:", service.tag, &message).await?;
        digests.push((service, digest));
    }
    Ok(Charts(digests))
}

impl Charts {
    /// Approves what waits for it, and checks every environment and what was written for it.
    pub(super) async fn arrive(&self, stage: &Stage, lead: &User) -> Result<(), Failure> {
        for (service, _) in &self.0 {
            let waiting = |e: &Value| e["next"]["needsApproval"] == true;
            let prod = lead.until_environment("prod needs an approval", service.name, "prod", waiting).await?;
            let path = format!("/api/v1/promotions/{}/approve", text(&prod["next"], "promotion"));
            let (code, answer) = lead.post(&path, json!({})).await?;
            ensure(code == 200, format!("the team lead cannot approve {}: {code} {answer}", service.name))?;
        }
        for (service, digest) in &self.0 {
            let runs = |e: &Value| e["digest"] == **digest && e["sync"] == "Synced" && e["health"] == "Healthy";
            for (environment, _) in service.values {
                lead.until_environment("it runs the digest", service.name, environment, runs).await?;
            }
        }
        written(stage).await
    }
}

/// Every environment's file says the tag, on the branch or tag that it follows.
async fn written(stage: &Stage) -> Result<(), Failure> {
    for service in &SERVICES {
        let revisions = if service.name == "manual-app" { ["main", "release", "v1.*"] } else { ["main"; 3] };
        for ((environment, path), revision) in service.values.into_iter().zip(revisions) {
            let values = stage.commits.file(service.repository, revision, path).await?;
            ensure(values.contains(service.tag), format!("{path} at {revision} does not say {}", service.tag))?;
            output::line(format!("   {} in {environment}: {} in {path} at {revision}", service.name, service.tag));
        }
    }
    let repository = stage.commits.repository("manual-app-helm")?;
    repository.refresh().await?;
    let tag = repository.highest_tag("v1.*").await?.map(|(tag, _)| tag).unwrap_or_default();
    ensure(tag == "v1.1", format!("the highest tag is {tag}, not v1.1"))
}
