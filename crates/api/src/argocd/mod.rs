//! Argo CD's resources and configuration as people write them.
//!
//! Shapes and rules follow Argo CD 3.5.1.

mod application;
mod crds;
mod customizations;
mod duration;
mod git_url;
mod glob;
mod operation;
mod permission;
mod project;
mod project_check;
mod rbac;
mod schedule;
mod secrets;
mod settings;
mod source;
mod status;
mod window;

pub use application::{
    APPLICATION_API_VERSION, APPLICATION_KIND, Application, ApplicationSpec, Automated, Backoff, Destination, Info,
    ManagedNamespaceMetadata, Refresh, ResourceIgnoreDifferences, RetryStrategy, SyncPolicy,
};
pub use crds::{application_crd, project_crd};
pub use customizations::HealthScript;
pub use duration::{DurationError, parse_duration, parse_go_duration};
pub use git_url::{normalize_git_url, same_git_url, ssh_user};
pub use glob::{Glob, GlobError, MatchMode, glob_match, list_match};
pub use operation::{
    InitiatedBy, Operation, OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation,
    SyncOperationResource, SyncOperationResult, SyncPhase, SyncStrategy, SyncStrategyKind,
};
pub use permission::{ClusterIdentity, Reading};
pub use project::{
    AppProject, AppProjectSpec, DestinationServiceAccount, ProjectDestination, ResourceRestriction,
    SourceNamespaceDenied,
};
pub use project_check::ProjectError;
pub use rbac::{ADMIN, BuiltIn, Grants, Policy, PolicyError, Subject, denial};
pub use schedule::{Schedule, ScheduleError, time_zone};
pub use secrets::{
    ClusterConfig, ClusterSecret, CredentialStore, RepositoryCredentials, RepositorySecret, SECRET_TYPE_LABEL,
    SecretError, TlsClientConfig, secret_data,
};
pub use settings::{Account, AccountSecrets, ResourceFilter, Settings, SettingsProblem, TrackingMethod};
pub use source::{
    ApplicationSource, DirectorySource, HelmFileParameter, HelmParameter, HelmSource, KustomizePatch, KustomizeReplica,
    KustomizeSource,
};
pub use status::{
    ApplicationStatus, ApplicationSummary, ComparedTo, Condition, ConditionType, HealthStatus, HealthStatusCode,
    ResourceStatus, RevisionHistory, SyncStatus, SyncStatusCode,
};
pub use window::{SyncWindow, WindowError, WindowKind};

/// Annotations and labels that Argo CD gives a meaning.
pub mod names {
    pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
    pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
    pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
    pub const REFRESH: &str = "argocd.argoproj.io/refresh";
    pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
    pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
    pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
    pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
    pub const HOOK: &str = "argocd.argoproj.io/hook";
    pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
    pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";
    pub const HELM_HOOK: &str = "helm.sh/hook";
    pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
    pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
    pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";
    pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";
    pub const DELETION_APPROVED: &str = "argocd.argoproj.io/deletion-approved";
    pub const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
    /// The field manager of Argo CD, and ours: objects that it applied before stay ours.
    pub const FIELD_MANAGER: &str = "argocd-controller";
}
