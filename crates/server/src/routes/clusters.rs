//! The clusters that Applications may name, on Argo CD's paths.

use axum::Json;
use control::ConnectedCluster;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::views::{Cluster, ClusterList};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
pub(super) struct Wanted {
    /// The one at this address.
    server: String,
    /// The one that is called so.
    name: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
pub(super) struct Id {
    /// What the path says: `url` (or nothing) for the address, else `name`.
    #[serde(rename = "id.type")]
    #[param(rename = "id.type")]
    kind: String,
}

pub(super) async fn list(Query(wanted): Query<Wanted>, asker: Asker) -> Json<ClusterList> {
    let mut all = asker.clusters().await;
    let is = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
    all.retain(|cluster| is(&wanted.server, &cluster.server) && is(&wanted.name, &cluster.name));
    Json(all.into())
}

/// By its server, in the path as one segment (`https%3A%2F%2Fprod.test`), or by its name.
pub(super) async fn get(
    Path(said): Path<String>,
    Query(id): Query<Id>,
    asker: Asker,
) -> Result<Json<Cluster>, ApiError> {
    let is: fn(&ConnectedCluster, &str) -> bool = match id.kind.as_str() {
        "" | "url" => |cluster, said| cluster.server.trim_end_matches('/') == said.trim_end_matches('/'),
        "name" => |cluster, said| cluster.name == said,
        other => return Err(ApiError::invalid(format!("id.type={other:?} is neither url nor name"))),
    };
    let found = asker.clusters().await.into_iter().find(|cluster| is(cluster, &said));
    // what may not be seen and what is not there are told alike
    found.map(|cluster| Json(cluster.into())).ok_or_else(|| asker.no_cluster(&said))
}
