//! Why: of an Application, why it is not green; of a release, why it does not move.

use api::gantline::Release;
use axum::Json;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Path;
use crate::views::{Explanation, ReleaseExplanation};

/// An Application by its name, else a release by its name, tag or digest.
pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Explanation>, ApiError> {
    if let Ok(app) = asker.application(&name) {
        return Ok(Json(Explanation::Application(asker.controller().explain(&app).await.into())));
    }
    match asker.release(&name, None) {
        Ok(release) => Ok(Json(Explanation::Release(explain_release(&asker, &release)))),
        Err(error) if error.is_not_found() => Err(ApiError::not_found(format!(
            "there is neither an Application nor a release {name:?}: see `gantline app list` and `gantline release list`"
        ))),
        Err(error) => Err(error),
    }
}

fn explain_release(asker: &Asker, release: &Release) -> ReleaseExplanation {
    asker.explained(release).unwrap_or_else(|| {
        let summary = format!("its Pipeline {} does not exist any more", release.spec.pipeline);
        ReleaseExplanation { release: release.metadata.name.clone(), summary, ..ReleaseExplanation::default() }
    })
}
