//! Where an image is written, and what is written there: found by rendering at the commits that were compared.

use promotion::{Located, Spot};

use crate::context::Context;
use crate::pipelines::ground::{self, Ground};
use crate::pipelines::observe::at_of;
use crate::repositories::Address;

/// `None`: the Application is not at these commits any more.
pub(super) async fn ask(cx: &Context, spot: &Spot) -> Option<Result<Located, String>> {
    let app = cx.application(&spot.application).filter(|app| at_of(app) == spot.at)?;
    let source = ground::written(&app)?;
    Some(located(cx, &app, source, &spot.image).await)
}

async fn located(
    cx: &Context,
    app: &api::argocd::Application,
    source: &api::argocd::ApplicationSource,
    image: &str,
) -> Result<Located, String> {
    let commit = ground::synced(app);
    let tree = cx.repositories.tree(Address::of(source), app.spec.project_name(), commit).await;
    let ground = Ground::at(cx, app, tree.map_err(|error| error.to_string())?, commit).await?;
    let found = cx.renderer.locate(ground.subject, image).end().await;
    found.map_err(|ended| ended.to_string())?.map_err(|error| error.to_string())
}
