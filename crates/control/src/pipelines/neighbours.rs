//! What a promotion writes is for one environment. Those that follow the same branch have to render as before.

use api::argocd::{Application, same_git_url};
use api::gantline::Environment;
use object::FileTree;

use super::ground::{self, Ground};
use super::write::{Attempt, Halt, wait};

/// The files of a branch before and after a commit.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// The commit before, as text.
    pub(super) head: &'a str,
    pub(super) before: FileTree,
    pub(super) after: FileTree,
}

/// # Errors
/// When the commit would change what another environment renders.
pub(super) async fn stay_the_same(attempt: &Attempt<'_>, step: &Step<'_>) -> Result<(), Halt> {
    let others = attempt.pipeline.spec.environments.iter().filter(|other| other.name != attempt.environment.name);
    for other in others {
        let Some(app) = attempt.cx.application(&other.application) else { continue };
        if follows_the_branch(attempt, &app).await? && changes(attempt, &app, step).await? {
            return Err(wait(refusal(attempt, other)));
        }
    }
    Ok(())
}

async fn follows_the_branch(attempt: &Attempt<'_>, app: &Application) -> Result<bool, Halt> {
    let Some((own, source)) = ground::written(&attempt.app).zip(ground::written(app)) else { return Ok(false) };
    if !same_git_url(&own.repo_url, &source.repo_url) {
        return Ok(false);
    }
    let branch = attempt.repository.branch_of(source.revision()).await?;
    Ok(branch.as_deref() == Some(attempt.destination.branch.as_str()))
}

/// Whether what an Application renders differs. One that does not render as it is cannot be told.
async fn changes(attempt: &Attempt<'_>, app: &Application, step: &Step<'_>) -> Result<bool, Halt> {
    let cx = attempt.cx;
    let before = Ground::at(cx, app, step.before.clone(), step.head).await.map_err(wait)?;
    let after = before.with_written(step.after.clone());
    let render = async |ground: Ground| cx.renderer.render(ground.subject).end().await.map_err(wait);
    let (before, after) = (render(before).await?, render(after).await?);
    Ok(before.complete() && (!after.complete() || before.manifests != after.manifests))
}

fn refusal(attempt: &Attempt<'_>, other: &Environment) -> String {
    let (branch, own) = (&attempt.destination.branch, &attempt.environment.name);
    format!(
        "nothing is written: the commit would change {} too, which follows {branch} as well; give {own} a place of its \
         own for the image: an entry of images in its kustomization, or a values file that only {own} uses",
        other.name
    )
}
