//! The loop for Pipelines: look at each environment, move releases along, write promotions to Git.
//!
//! Everything is decided anew at each look from what the Kubernetes API and Git say; what is kept here may be dropped.

mod destination;
mod execute;
mod ground;
mod look;
mod memory;
mod neighbours;
pub(crate) mod open;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use api::gantline::{Pipeline, PipelineCondition, Release, ReleasePhase};
use cluster::ClusterError;
use futures::StreamExt;

use crate::context::Context;
use look::Look;
use memory::Memory;

/// How often every Pipeline is looked at, also when nothing tells of a change: gates count time.
const INTERVAL: Duration = Duration::from_secs(5);
/// Changes closer together than this are looked at together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Runs until it is dropped.
pub(crate) async fn run(cx: Arc<Context>) {
    cx.stores.ready().await;
    let mut memory = Memory::default();
    let mut changes = cx.stores.changes();
    loop {
        for pipeline in cx.stores.pipelines.all() {
            let name = &pipeline.metadata.name;
            match pass(&cx, &pipeline, &mut memory).await {
                Ok(()) => {}
                // somebody wrote meanwhile: the next look sees it
                Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => {}
                Err(error) => tracing::warn!(pipeline = name, %error, "the look was not finished"),
            }
        }
        pause(TOGETHER).await;
        tokio::select! {
            _ = changes.next() => {}
            () = cx.clock.sleep(INTERVAL) => {}
        }
    }
}

/// Real time: two looks within a moment see the same, however fast the clock runs.
#[expect(clippy::disallowed_methods, reason = "spares the processor, decides nothing")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// One look at one Pipeline, and what follows from it.
async fn pass(cx: &Context, pipeline: &Arc<Pipeline>, memory: &mut Memory) -> Result<(), ClusterError> {
    let problems = Pipeline::problems(&pipeline.to_value());
    if problems.iter().any(|problem| problem.error) {
        let mut status = pipeline.status.clone();
        status.conditions = problems.into_iter().map(|p| condition("Invalid", p.message)).collect();
        return store::pipeline_status(cx, pipeline, status).await;
    }
    let mut look = Look::at(cx, pipeline, memory).await;
    look.conditions.extend(problems.into_iter().map(|problem| condition("Warning", problem.message)));
    open::first_environment(cx, pipeline, &mut look).await?;
    for release in cx.stores.releases(Some(&pipeline.metadata.name)) {
        follow(cx, pipeline, &release, &look, memory).await?;
    }
    open::promotions(cx, pipeline, &look).await?;
    for promotion in cx.stores.promotions(Some(&pipeline.metadata.name)) {
        if promotion.status.phase.is_open() {
            execute::go_on(cx, pipeline, &promotion, &look).await?;
        }
    }
    let name = Some(pipeline.metadata.name.as_str());
    let status = look.status(pipeline, &cx.stores.releases(name), &cx.stores.promotions(name));
    store::pipeline_status(cx, pipeline, status).await
}

pub(crate) fn condition(kind: &str, message: impl Into<String>) -> PipelineCondition {
    PipelineCondition { r#type: kind.to_owned(), message: message.into() }
}

/// Moves one release along in every environment where it is.
async fn follow(
    cx: &Context,
    pipeline: &Pipeline,
    release: &Arc<Release>,
    look: &Look,
    memory: &mut Memory,
) -> Result<(), ClusterError> {
    let mut next = release.status.clone();
    for environment in &pipeline.spec.environments {
        let seen = look.environment(&environment.name);
        let here = seen.is_some_and(|seen| seen.holds(release));
        let entry = next.environments.iter_mut().find(|entry| entry.name == environment.name);
        let Some(entry) = entry else {
            if here {
                let mut entry = look.entry(&environment.name, cx.clock.now());
                let source = &release.spec.source;
                if source.environment == environment.name && !source.commit.is_empty() {
                    // what a rollback takes back; others may have committed since
                    entry.commit.clone_from(&source.commit);
                }
                next.environments.push(entry);
            }
            continue;
        };
        let gone = matches!(entry.phase, ReleasePhase::Replaced);
        if gone && here {
            // it came back, by a rollback or by hand
            *entry = look.entry(&environment.name, cx.clock.now());
            continue;
        }
        // asked only where it decides: it looks through all releases
        let newer = !here && entry.phase == ReleasePhase::Deploying && look.is_followed(cx, release, &environment.name);
        let Some(observation) = look.observe(pipeline, release, environment, entry, newer, memory, cx.clock.now())
        else {
            continue;
        };
        let moved = promotion::advance(entry, &observation);
        store::tell_progress(cx, pipeline, release, &environment.name, entry, &moved);
        *entry = moved;
    }
    let failed = next.environments.iter().find(|entry| entry.phase == ReleasePhase::Failed);
    if let Some(failed) = failed.filter(|_| next.quarantine.is_none()) {
        let reason = format!("failed in {}: {}", failed.name, failed.message);
        next.quarantine = Some(store::quarantine(cx, pipeline, release, "gantline", &reason));
    }
    store::release_status(cx, release, next).await
}
