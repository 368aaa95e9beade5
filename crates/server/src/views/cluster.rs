use control::{ConnectedCluster, ConnectionStatus};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::ListMeta;

/// The clusters, as Argo CD lists them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClusterList {
    metadata: ListMeta,
    /// By server.
    items: Vec<Cluster>,
}

impl From<Vec<ConnectedCluster>> for ClusterList {
    fn from(all: Vec<ConnectedCluster>) -> Self {
        Self { metadata: ListMeta::default(), items: all.into_iter().map(Cluster::from).collect() }
    }
}

/// A cluster that Applications may name. Credentials are not in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cluster {
    server: String,
    name: String,
    /// Those that are managed; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    /// The project that it belongs to; empty: to none.
    #[serde(skip_serializing_if = "String::is_empty")]
    project: String,
    info: ClusterInfo,
    /// As in `info`, for older clients.
    connection_state: ConnectionState,
    /// As in `info`, for older clients.
    server_version: String,
}

/// How a cluster is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterInfo {
    connection_state: ConnectionState,
    /// Kubernetes' version; empty while it is not known.
    server_version: String,
    /// How many Applications deploy there.
    applications_count: usize,
}

/// Whether a cluster answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ConnectionState {
    status: Connection,
    /// Why it does not; empty where it does.
    message: String,
    /// Since when it is so, where that is known.
    #[serde(rename = "attemptedAt")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) enum Connection {
    Successful,
    Failed,
}

impl From<ConnectedCluster> for Cluster {
    fn from(cluster: ConnectedCluster) -> Self {
        let ConnectedCluster { server, name, namespaces, project, connection_state, version, applications } = cluster;
        let (connection_state, server_version) = (ConnectionState::from(connection_state), version.unwrap_or_default());
        let info = ClusterInfo {
            connection_state: connection_state.clone(),
            server_version: server_version.clone(),
            applications_count: applications,
        };
        Self { server, name, namespaces, project, info, connection_state, server_version }
    }
}

impl From<control::ConnectionState> for ConnectionState {
    fn from(state: control::ConnectionState) -> Self {
        let status = match state.status {
            ConnectionStatus::Successful => Connection::Successful,
            ConnectionStatus::Failed => Connection::Failed,
        };
        Self { status, message: state.message, since: state.since.map(api::meta::time::whole_seconds) }
    }
}
