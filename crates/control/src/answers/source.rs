//! Which commit set an image, and who wrote it: who wrote it may not approve it.

use api::argocd::Application;
use api::gantline::ReleaseSource;
use git::{CommitId, Repository};
use object::ImageRef;
use promotion::{Located, Spot};

use crate::context::Context;
use crate::pipelines::ground::{self, Ground};
use crate::pipelines::observe::at_of;
use crate::repositories::Address;

/// How far back the commit is looked for.
const HISTORY: usize = 50;

/// `None`: the Application is not at these commits any more. Where the history does not tell, the commit that was
/// compared stands without an author.
pub(super) async fn ask(cx: &Context, spot: &Spot) -> Option<ReleaseSource> {
    let app = cx.application(&spot.application).filter(|app| at_of(app) == spot.at)?;
    let written = ground::written(&app)?;
    // another replica may have compared it: without the commit nobody can tell who wrote it, and that is no author
    cx.repositories.tree(Address::of(written), app.spec.project_name(), ground::synced(&app)).await.ok()?;
    let url = written.repo_url.as_str();
    let mut source = ReleaseSource {
        repository: url.to_owned(),
        commit: ground::synced(&app).to_owned(),
        ..ReleaseSource::default()
    };
    if let Some(commit) = setter(cx, &app, &spot.image).await {
        source.commit = commit.id.to_string();
        source.author = commit.author.name.clone();
        source.email = commit.author.email.clone();
        source.time = Some(commit.author.time);
    }
    Some(source)
}

/// The newest commit that changed the image. A later one that changed something else in the same file is somebody
/// else's.
async fn setter(cx: &Context, app: &Application, image: &str) -> Option<git::CommitInfo> {
    let repository = cx.repositories.git(Address::of(ground::written(app)?), app.spec.project_name()).ok()?;
    let head = ground::synced(app).parse().ok()?;
    let now = Ground::at(cx, app, repository.tree(head).await.ok()?, ground::synced(app)).await.ok()?;
    let written: Located = cx.renderer.locate(now.subject.clone(), image).end().await.ok()?.ok()?;
    for commit in repository.log(head, None, HISTORY).await.ok()? {
        let Some(parent) = commit.parents.first().copied() else { return Some(commit) };
        let touched = repository.changed_paths(parent, commit.id).await.ok()?;
        if touched.contains(&written.file)
            && image_at(cx, &repository, parent, &now, &written).await != Some(written.image.clone())
        {
            return Some(commit);
        }
    }
    None
}

/// The image at an earlier commit; `None` when it cannot be told.
async fn image_at(
    cx: &Context,
    repository: &Repository,
    commit: CommitId,
    now: &Ground,
    written: &Located,
) -> Option<ImageRef> {
    let then = now.with_written(repository.tree(commit).await.ok()?);
    let found = cx.renderer.locate(then.subject, &written.image.name).end().await;
    found.ok()?.ok().map(|located| located.image)
}
