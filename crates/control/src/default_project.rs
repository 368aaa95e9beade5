//! The project `default`, which Argo CD makes at its start when it is missing. Afterwards it is a project like any other: who
//! deletes it takes away what it permitted.

use std::sync::Arc;
use std::time::Duration;

use api::argocd::AppProject;
use cluster::ClusterError;
use object::Manifest;

use crate::context::Context;

const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Makes it, once. What is given back goes on where that failed, and ends when there is one.
pub(crate) async fn made(cx: Arc<Context>) -> impl Future<Output = ()> {
    let error = attempt(&cx).await.err();
    async move {
        let Some(error) = error else { return };
        tracing::warn!(%error, "there is no project default, and it cannot be made: until then it permits nothing");
        while attempt(&cx).await.is_err() {
            cx.clock.sleep(LOOK_AGAIN).await;
        }
    }
}

async fn attempt(cx: &Context) -> Result<(), String> {
    if cx.stores.projects.exists(&cx.namespace, AppProject::DEFAULT) {
        return Ok(());
    }
    let project = AppProject::default_project(&cx.namespace);
    let value = serde_json::to_value(&project).map_err(|error| error.to_string())?;
    let manifest = Manifest::new(value).map_err(|error| error.to_string())?;
    match cx.cluster.create(&manifest).await {
        Ok(live) => {
            cx.stores.projects.note(live);
            Ok(())
        }
        Err(ClusterError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
