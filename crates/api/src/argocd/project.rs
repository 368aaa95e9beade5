//! The AppProject resource: what a group of Applications may use.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::window::SyncWindow;
use crate::meta::{ObjectMeta, ShapeError, Unknown, is_default, read};

/// `argoproj.io/v1alpha1 AppProject`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProject {
    pub api_version: String,
    pub kind: String,
    pub metadata: ObjectMeta,
    pub spec: AppProjectSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

impl AppProject {
    /// # Errors
    /// When a known field has a wrong type.
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        read(value)
    }

    /// The name of the project that Applications belong to when they name none.
    pub const DEFAULT: &str = "default";

    /// The project `default` as Argo CD makes it when it is missing: everything is permitted.
    pub fn default_project(namespace: &str) -> Self {
        let any = ResourceRestriction { group: "*".into(), kind: "*".into(), name: String::new() };
        let anywhere = ProjectDestination { server: "*".into(), name: String::new(), namespace: "*".into() };
        Self {
            api_version: "argoproj.io/v1alpha1".into(),
            kind: "AppProject".into(),
            metadata: ObjectMeta { name: Self::DEFAULT.into(), namespace: namespace.into(), ..ObjectMeta::default() },
            spec: AppProjectSpec {
                source_repos: vec!["*".into()],
                destinations: vec![anywhere],
                cluster_resource_whitelist: vec![any],
                ..AppProjectSpec::default()
            },
            status: None,
        }
    }
}

/// `spec` of an AppProject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectSpec {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_repos: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<ProjectDestination>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Kept as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_whitelist: Vec<ResourceRestriction>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespace_resource_blacklist: Vec<ResourceRestriction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned_resources: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_windows: Vec<SyncWindow>,
    /// Absent permits every namespaced kind, an empty list none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_resource_whitelist: Option<Vec<ResourceRestriction>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_blacklist: Vec<ResourceRestriction>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_namespaces: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub permit_only_project_scoped_clusters: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_service_accounts: Vec<DestinationServiceAccount>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A destination that a project permits; every field is a glob, `!` in front denies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectDestination {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// The account that syncs to some destinations are made with; server and namespace are globs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationServiceAccount {
    pub server: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub default_service_account: String,
}

/// Group and kind (globs) of objects; the name, where written, is a glob as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceRestriction {
    pub group: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Why an Application outside the control plane's namespace may not use a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "application in namespace {namespace} is not permitted to use project {project}: add the namespace to spec.sourceNamespaces of the project"
)]
pub struct SourceNamespaceDenied {
    pub namespace: String,
    pub project: String,
}
