//! Why: of an Application, why it is not green, and why it does not run what is next; of a Pipeline, why its environments do
//! not; of a release, why it does not move.

use api::gantline::Release;
use axum::Json;

use crate::asker::{Asker, called};
use crate::error::ApiError;
use crate::input::Path;
use crate::suggest;
use crate::views::{ApplicationExplanation, Explanation, ReleaseExplanation};

/// An Application by its name, else a Pipeline, else an environment as `PIPELINE/ENVIRONMENT`, else a release by its name, tag
/// or digest.
pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Explanation>, ApiError> {
    asker.look_for(&name).await;
    match asker.application(&name) {
        Ok(app) => {
            let own: ApplicationExplanation = asker.controller().explain(&app).await.into();
            let next = asker.explained_environments(&app);
            return Ok(Json(Explanation::Application(next.into_iter().fold(own, ApplicationExplanation::and))));
        }
        // it is there, and cannot be read
        Err(error) if error.is_conflict() => return Err(error),
        Err(_) => {}
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
    if let Some((pipeline, environment)) = name.split_once('/')
        && let Ok(pipeline) = asker.pipeline(pipeline)
        && let Some(explained) = asker.explained_environment(&pipeline, environment)
    {
        return Ok(Json(Explanation::Release(explained)));
    }
    match asker.release(&name, None) {
        Ok(release) => Ok(Json(Explanation::Release(explain_release(&asker, &release)))),
        Err(error) if error.is_not_found() => Err(ApiError::not_found(format!(
            "there is no Application, Pipeline, environment or release {name:?}: {}",
            meant(&asker, &name)
        ))),
        Err(error) => Err(error),
    }
}

/// What can be explained and is called nearly so.
fn meant(asker: &Asker, name: &str) -> String {
    let mut known: Vec<String> = asker.all_applications().iter().map(|app| asker.name_of(app)).collect();
    for pipeline in asker.all_pipelines() {
        let own = &pipeline.metadata.name;
        known.push(own.clone());
        known.extend(pipeline.spec.environments.iter().map(|environment| format!("{own}/{}", environment.name)));
    }
    known.extend(asker.releases(None).iter().flat_map(|release| called(release)));
    let lists = || "see `gantline app list`, `gantline pipeline list` and `gantline release list`".to_owned();
    suggest::meant(name, &known).unwrap_or_else(lists)
}

fn explain_release(asker: &Asker, release: &Release) -> ReleaseExplanation {
    asker.explained(release).unwrap_or_else(|| {
        let summary = format!("its Pipeline {} does not exist any more", release.spec.pipeline);
        ReleaseExplanation { release: release.metadata.name.clone(), summary, ..ReleaseExplanation::default() }
    })
}
