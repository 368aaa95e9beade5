//! The clusters that Applications may name, on Argo CD's path.

use axum::Json;

use crate::asker::Asker;
use crate::views::ClusterList;

pub(super) async fn list(asker: Asker) -> Json<ClusterList> {
    Json(asker.clusters().await.into())
}
