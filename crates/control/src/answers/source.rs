//! Which commit set an image, and who wrote what changed it since the release before: who wrote it may not approve it.

use api::argocd::Application;
use api::gantline::ReleaseSource;
use git::{CommitId, CommitInfo, Repository};
use object::ImageRef;
use promotion::{Located, Spot};

use super::people::people_of;
use crate::context::Context;
use crate::pipelines::ground::{self, Ground};
use crate::pipelines::observe::at_of;
use crate::repositories::Address;

/// How far back is looked.
const HISTORY: usize = 500;

/// `since` is the commit of the release before; empty where there is none. `None`: the Application is not at these
/// commits any more. Where the history does not tell, the commit that was compared stands without an author.
pub(super) async fn ask(cx: &Context, spot: &Spot, since: &str) -> Option<ReleaseSource> {
    let app = cx.application(&spot.application).filter(|app| at_of(app) == spot.at)?;
    let written = ground::written(&app)?;
    // another replica may have compared it: without the commit nobody can tell who wrote it, and that is no author
    cx.repositories.tree(Address::of(written), app.spec.project_name(), ground::synced(&app)).await.ok()?;
    let url = written.repo_url.as_str();
    let source = ReleaseSource {
        repository: url.to_owned(),
        commit: ground::synced(&app).to_owned(),
        ..ReleaseSource::default()
    };
    let told = match Past::of(cx, &app, &spot.image).await {
        Some(past) => past.told(since, &source).await,
        None => None,
    };
    let unread = || format!("the commit that set the image is not among the last {HISTORY}, or cannot be read");
    Some(told.unwrap_or_else(|| ReleaseSource { unread: unread(), ..source }))
}

/// An image of an Application, and the history of the repository where it is written.
struct Past<'a> {
    cx: &'a Context,
    repository: Repository,
    head: CommitId,
    now: Ground,
    written: Located,
}

impl<'a> Past<'a> {
    async fn of(cx: &'a Context, app: &Application, image: &str) -> Option<Self> {
        let repository = cx.repositories.git(Address::of(ground::written(app)?), app.spec.project_name()).ok()?;
        let head = ground::synced(app).parse().ok()?;
        let now = Ground::at(cx, app, repository.tree(head).await.ok()?, ground::synced(app)).await.ok()?;
        let written: Located = cx.renderer.locate(now.subject.clone(), image).end().await.ok()?.ok()?;
        Some(Self { cx, repository, head, now, written })
    }

    /// What the history says of the image. A commit that changed something else in the same file is somebody else's.
    async fn told(&self, since: &str, source: &ReleaseSource) -> Option<ReleaseSource> {
        let setter = self.setter().await?;
        let (commits, unread) = self.range(since, &setter).await;
        let mut people = people_of(self.cx, &setter);
        for commit in &commits {
            if self.is_set_by(commit).await {
                people.extend(people_of(self.cx, commit));
            }
        }
        Some(ReleaseSource {
            commit: setter.id.to_string(),
            author: setter.author.name.clone(),
            email: setter.author.email.clone(),
            time: Some(setter.author.time),
            people: people.into_iter().collect(),
            unread,
            ..source.clone()
        })
    }

    /// The newest commit that made the image what it is.
    async fn setter(&self) -> Option<CommitInfo> {
        for commit in self.repository.log(self.head, None, HISTORY).await.ok()? {
            if self.is_set_by(&commit).await {
                return Some(commit);
            }
        }
        None
    }

    /// The commits that came since the release before, and why these are not all. Where there is none before, what the
    /// commit that set the image brought: more than itself where it merged.
    async fn range(&self, since: &str, setter: &CommitInfo) -> (Vec<CommitInfo>, String) {
        let (from, until) = match since.parse::<CommitId>() {
            Ok(since) => (self.head, Some(since)),
            Err(_) => (setter.id, setter.parents.first().copied()),
        };
        match self.repository.log(from, until, HISTORY + 1).await {
            Ok(commits) if commits.len() > HISTORY => {
                (commits, format!("there are more than {HISTORY} commits since the release before"))
            }
            Ok(commits) => (commits, String::new()),
            Err(error) => (Vec::new(), format!("the commits since the release before cannot be read: {error}")),
        }
    }

    /// Whether a commit changed the image; where that cannot be told it counts.
    async fn is_set_by(&self, commit: &CommitInfo) -> bool {
        let Some(parent) = commit.parents.first().copied() else { return true };
        let touched = self.repository.changed_paths(parent, commit.id).await;
        if touched.is_ok_and(|touched| !touched.contains(&self.written.file)) {
            return false;
        }
        let before = self.image_at(parent).await;
        before.is_none() || before != self.image_at(commit.id).await
    }

    /// The image at an earlier commit; `None` when it cannot be told.
    async fn image_at(&self, commit: CommitId) -> Option<ImageRef> {
        let then = self.now.with_written(self.repository.tree(commit).await.ok()?);
        let found = self.cx.renderer.locate(then.subject, &self.written.image.name).end().await;
        found.ok()?.ok().map(|located| located.image)
    }
}
