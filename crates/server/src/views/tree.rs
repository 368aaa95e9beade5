use api::argocd::HealthStatusCode;
use jiff::Timestamp;
use object::ResourceKey;
use serde::Serialize;
use utoipa::ToSchema;

/// What identifies an object in one cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    group: String,
    kind: String,
    /// Empty for what is cluster-scoped.
    namespace: String,
    name: String,
}

impl From<&ResourceKey> for Key {
    fn from(key: &ResourceKey) -> Self {
        let ResourceKey { group, kind, namespace, name } = key.clone();
        Self { group, kind, namespace, name }
    }
}

/// The objects of an Application and what grew out of them, owners first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResourceTree {
    nodes: Vec<Node>,
}

/// One object of the tree.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    key: Key,
    version: String,
    uid: String,
    /// Its owners in the tree; none for the Application's own objects.
    parents: Vec<Key>,
    health: Option<Health>,
    images: Vec<String>,
    /// Names and values of short facts, such as `Containers` and `1/2`.
    info: Vec<[String; 2]>,
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
}

/// How well an object does, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    status: HealthStatusCode,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(with = "api::meta::time_option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_transition_time: Option<Timestamp>,
}

impl From<engine::ResourceTree> for ResourceTree {
    fn from(tree: engine::ResourceTree) -> Self {
        Self { nodes: tree.nodes.into_iter().map(Node::from).collect() }
    }
}

impl From<engine::ResourceNode> for Node {
    fn from(node: engine::ResourceNode) -> Self {
        Self {
            key: Key::from(&node.key),
            version: node.version,
            uid: node.uid,
            parents: node.parents.iter().map(Key::from).collect(),
            health: node.health.map(Health::from),
            images: node.images,
            info: node.info.into_iter().map(|(name, value)| [name, value]).collect(),
            created_at: node.created_at,
        }
    }
}

impl From<api::argocd::HealthStatus> for Health {
    fn from(health: api::argocd::HealthStatus) -> Self {
        let api::argocd::HealthStatus { status, message, last_transition_time } = health;
        Self { status, message, last_transition_time }
    }
}
