//! Where a promotion's commit goes: the branch that the Application follows; or, where it follows tags by a version
//! constraint, the branch of the environment before, with the next tag on the commit.

use api::argocd::{ApplicationSource, SyncStatusCode};
use api::gantline::{Environment, Pipeline, Release, ReleasePhase};
use git::{CommitId, Repository};
use promotion::writing::Stop;

use super::ground;
use super::write::{Halt, wait};

use crate::context::Context;

#[derive(Debug)]
pub(super) struct Destination {
    pub(super) branch: String,
    /// The constraint on tags that the Application follows.
    constraint: Option<String>,
    /// What the environment before runs, where the Pipeline wants that merged.
    merge: Option<CommitId>,
}

impl Destination {
    pub(super) async fn of(
        cx: &Context,
        pipeline: &Pipeline,
        environment: &Environment,
        release: &Release,
        source: &ApplicationSource,
        repository: &Repository,
    ) -> Result<Self, Halt> {
        let before = pipeline.before(&environment.name);
        let merge = match before.filter(|_| environment.merge) {
            Some(before) => Some(running(cx, before, release)?),
            None => None,
        };
        if let Some(branch) = repository.branch_of(source.revision()).await? {
            return Ok(Self { branch, constraint: None, merge });
        }
        let constraint = source.revision();
        let follows = |what: &str| {
            let name = &environment.application;
            Halt::Stop(Stop::Unknown(format!("{name} follows {constraint}, which is no branch {what}")))
        };
        if repository.highest_tag(constraint).await?.is_none() {
            return Err(follows(
                "and no version constraint that fits a tag: nothing can be committed to it; let it follow a branch, or \
                 tags as v1.*, and make the first tag",
            ));
        }
        let app = before.and_then(|before| cx.application(&before.application));
        let followed = app.as_deref().and_then(ground::written).map_or("", ApplicationSource::revision);
        let branch = repository.branch_of(followed).await?;
        let branch = branch.ok_or_else(|| follows("and the environment before it follows none either"))?;
        Ok(Self { branch, constraint: Some(constraint.to_owned()), merge })
    }

    /// The tag that the commit gets.
    pub(super) async fn tag(&self, repository: &Repository) -> Result<Option<String>, Halt> {
        let Some(constraint) = &self.constraint else { return Ok(None) };
        let none =
            || wait(format!("no tag after the highest one fits {constraint}: make the next tag by hand, or widen it"));
        repository.next_tag(constraint).await?.ok_or_else(none).map(Some)
    }

    /// The commit to merge into the branch, unless it is there already.
    pub(super) async fn merge(&self, repository: &Repository, head: CommitId) -> Result<Option<CommitId>, Halt> {
        match self.merge {
            Some(commit) if !repository.holds(head, commit).await? => Ok(Some(commit)),
            _ => Ok(None),
        }
    }
}

/// The commit that an environment runs with the release: what is tested there now, or else the one that brought it.
fn running(cx: &Context, environment: &Environment, release: &Release) -> Result<CommitId, Halt> {
    let app = cx.application(&environment.application);
    let synced = app.as_ref().filter(|app| app.status.sync.status == SyncStatusCode::Synced);
    let entry = release.in_environment(&environment.name);
    let there = entry.is_some_and(|entry| entry.phase != ReleasePhase::Replaced);
    let now = synced.filter(|_| there).and_then(|app| ground::synced(app).parse().ok());
    let none = || wait(format!("it is not known which commit brought the release to {}", environment.name));
    now.or_else(|| entry?.commit.parse().ok()).ok_or_else(none)
}
