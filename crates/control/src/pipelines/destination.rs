//! Where a promotion's commit goes: the branch that the Application follows; or, where it follows tags by a version
//! constraint, the branch of the environment before, with the next tag on the commit.

use std::sync::Arc;

use api::argocd::{Application, ApplicationSource, SyncStatusCode};
use api::gantline::{Environment, Pipeline, Release, ReleasePhase};
use git::{CommitId, Repository};
use promotion::writing::Stop;

use super::ground;
use super::write::{Halt, wait};

use crate::context::Context;

#[derive(Debug)]
pub(super) struct Destination {
    pub(super) branch: String,
    tags: Option<Tags>,
    /// What the environment before runs, where the Pipeline wants that merged.
    merge: Option<CommitId>,
}

/// A version constraint that the Application follows.
#[derive(Debug)]
struct Tags {
    constraint: String,
    /// That of the environment before, whose branch is tagged: all that it has comes along.
    before: Arc<Application>,
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
            return Ok(Self { branch, tags: None, merge });
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
        let none = || follows("and the environment before it follows none either");
        let before = before.and_then(|before| cx.application(&before.application)).ok_or_else(none)?;
        let followed = ground::written(&before).map_or("", ApplicationSource::revision);
        let branch = repository.branch_of(followed).await?.ok_or_else(none)?;
        Ok(Self { branch, tags: Some(Tags { constraint: constraint.to_owned(), before }), merge })
    }

    /// The tag that the commit gets.
    pub(super) async fn tag(&self, repository: &Repository) -> Result<Option<String>, Halt> {
        let Some(Tags { constraint, .. }) = &self.tags else { return Ok(None) };
        let none =
            || wait(format!("no tag after the highest one fits {constraint}: make the next tag by hand, or widen it"));
        repository.next_tag(constraint).await?.ok_or_else(none).map(Some)
    }

    /// The Application whose branch is tagged.
    pub(super) fn tagged(&self) -> Option<&Application> {
        self.tags.as_ref().map(|tags| &*tags.before)
    }

    /// The Application that has to look at the branch first: what it was not compared with nobody judged, and a tag brings it
    /// along.
    pub(super) fn unjudged(&self, head: CommitId) -> Option<&Application> {
        self.tagged().filter(|before| ground::synced(before).parse::<CommitId>().ok() != Some(head))
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
