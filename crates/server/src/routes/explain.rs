//! Why: of an Application, why it is not green, and why it does not run what is next; of a Pipeline, why its environments do
//! not; of a release, why it does not move.

use api::gantline::Release;
use axum::Json;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Path;
use crate::views::{ApplicationExplanation, Explanation, ReleaseExplanation};

/// An Application by its name, else a Pipeline, else a release by its name, tag or digest.
pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Explanation>, ApiError> {
    if let Ok(app) = asker.application(&name) {
        let own: ApplicationExplanation = asker.controller().explain(&app).await.into();
        let next = asker.explained_environments(&app);
        return Ok(Json(Explanation::Application(next.into_iter().fold(own, ApplicationExplanation::and))));
    }
    match asker.pipeline(&name) {
        Ok(pipeline) => {
            if let Some(explained) = asker.explained_pipeline(&pipeline) {
                return Ok(Json(Explanation::Pipeline(explained)));
            }
        }
        // it is there, and cannot be read
        Err(error) if error.is_conflict() => return Err(error),
        Err(_) => {}
    }
    match asker.release(&name, None) {
        Ok(release) => Ok(Json(Explanation::Release(explain_release(&asker, &release)))),
        Err(error) if error.is_not_found() => Err(ApiError::not_found(format!(
            "there is neither an Application, nor a Pipeline, nor a release {name:?}: see `gantline app list`, `gantline \
             pipeline list` and `gantline release list`"
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
