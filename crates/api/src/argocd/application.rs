//! The Application resource: what is wanted where.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names;
use super::operation::Operation;
use super::source::ApplicationSource;
use super::status::ApplicationStatus;
use crate::meta::{ObjectMeta, ShapeError, Unknown, is_default, read, write};

pub const APPLICATION_API_VERSION: &str = "argoproj.io/v1alpha1";
pub const APPLICATION_KIND: &str = "Application";

/// `argoproj.io/v1alpha1 Application`. Fields that are not known here survive reading and writing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Application {
    pub api_version: String,
    pub kind: String,
    pub metadata: ObjectMeta,
    pub spec: ApplicationSpec,
    #[serde(skip_serializing_if = "is_default")]
    pub status: ApplicationStatus,
    /// A request to sync: set by anyone, taken and cleared by the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

/// What the refresh annotation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refresh {
    /// Compare again with the revision as it is now.
    Normal,
    /// The same, without any cached render.
    Hard,
}

impl Application {
    /// # Errors
    /// When a known field has a wrong type.
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        read(value)
    }

    /// The object as JSON, with `apiVersion` and `kind`.
    pub fn to_value(&self) -> Value {
        write(self, APPLICATION_API_VERSION, APPLICATION_KIND)
    }

    /// The name in tracking ids and labels: `web`, or `team_web` outside the control plane's namespace.
    pub fn instance_name(&self, control_namespace: &str) -> String {
        let ObjectMeta { name, namespace, .. } = &self.metadata;
        if namespace.is_empty() || namespace == control_namespace {
            name.clone()
        } else {
            format!("{namespace}_{name}")
        }
    }

    /// The name with its namespace, `team/web`.
    pub fn qualified_name(&self) -> String {
        let ObjectMeta { name, namespace, .. } = &self.metadata;
        if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") }
    }

    /// The refresh that the annotation asks for; any text but `hard` means a normal one, as in Argo CD.
    pub fn requested_refresh(&self) -> Option<Refresh> {
        match self.metadata.annotation(names::REFRESH)? {
            "hard" => Some(Refresh::Hard),
            _ => Some(Refresh::Normal),
        }
    }

    /// When a person approved the deletions that a sync waits for.
    pub fn deletion_approved_at(&self) -> Option<Timestamp> {
        self.metadata.annotation(names::DELETION_APPROVED)?.parse().ok()
    }

    /// Whether a person approved its deletion after it was asked for.
    pub fn deletion_is_approved(&self) -> bool {
        self.deletion_approved_at().is_some_and(|at| self.metadata.deletion_timestamp.is_none_or(|asked| at >= asked))
    }

    /// Whether `argocd.argoproj.io/skip-reconcile: "true"` asks controllers to leave this Application alone.
    pub fn skips_reconcile(&self) -> bool {
        self.metadata.annotation(names::SKIP_RECONCILE) == Some("true")
    }

    /// How objects go when the Application is deleted: the propagation policy, or `None` when they stay.
    pub fn cascade(&self) -> Option<&'static str> {
        let has = |suffix: &str| {
            self.metadata.finalizers.iter().any(|f| f.strip_prefix(names::RESOURCES_FINALIZER) == Some(suffix))
        };
        match () {
            () if has("") || has("/foreground") => Some("Foreground"),
            () if has("/background") => Some("Background"),
            () => None,
        }
    }
}

/// `spec` of an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ApplicationSource>,
    pub destination: Destination,
    pub project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_policy: Option<SyncPolicy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<ResourceIgnoreDifferences>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// How many past syncs are kept; absent means 10, 0 keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ApplicationSource>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ApplicationSpec {
    /// All sources in order: `sources` wins over `source`.
    pub fn all_sources(&self) -> &[ApplicationSource] {
        if self.sources.is_empty() { self.source.as_slice() } else { &self.sources }
    }

    pub fn has_multiple_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The project's name; empty means `default`.
    pub fn project_name(&self) -> &str {
        if self.project.is_empty() { "default" } else { &self.project }
    }

    pub fn history_limit(&self) -> usize {
        self.revision_history_limit.map_or(10, |limit| usize::try_from(limit).unwrap_or(0))
    }

    /// The automated policy when it is switched on: present and not `enabled: false`.
    pub fn automated(&self) -> Option<&Automated> {
        self.sync_policy.as_ref()?.automated.as_ref().filter(|a| a.enabled != Some(false))
    }

    /// The sync options as written, such as `CreateNamespace=true`.
    pub fn sync_options(&self) -> &[String] {
        self.sync_policy.as_ref().map_or(&[], |policy| policy.sync_options.as_slice())
    }

    /// Whether a sync makes the destination's namespace.
    pub fn creates_namespace(&self) -> bool {
        self.sync_options().iter().any(|option| option == "CreateNamespace=true")
    }

    /// The labels and annotations that a sync keeps on the destination's namespace.
    pub fn kept_namespace_metadata(&self) -> Option<&ManagedNamespaceMetadata> {
        self.sync_policy.as_ref().filter(|_| self.creates_namespace())?.managed_namespace_metadata.as_ref()
    }

    /// What is wrong with the spec itself, in Argo CD's words; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.all_sources().is_empty() {
            problems
                .push("spec.source.repoURL and either spec.source.path or spec.source.chart are required".to_owned());
        }
        for source in self.all_sources() {
            if source.repo_url.is_empty() {
                problems.push("spec.source.repoURL is required".to_owned());
            } else if source.path.is_empty() && source.chart.is_empty() && source.reference.is_empty() {
                problems.push(
                    "spec.source.repoURL and either spec.source.path or spec.source.chart are required".to_owned(),
                );
            }
            if !source.chart.is_empty() && source.target_revision.is_empty() {
                let needed = "spec.source.targetRevision is required if the manifest source is a helm chart";
                problems.push(needed.to_owned());
            }
        }
        problems.extend(self.destination.problem());
        problems
    }
}

/// The cluster (by address or by name, exactly one) and the namespace for objects that name none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Destination {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl Destination {
    /// The address of the cluster that the control plane runs in.
    pub const IN_CLUSTER_SERVER: &'static str = "https://kubernetes.default.svc";
    /// Its name.
    pub const IN_CLUSTER_NAME: &'static str = "in-cluster";

    /// What is wrong with it, whatever clusters there are.
    pub fn problem(&self) -> Option<String> {
        let Self { server, name, .. } = self;
        match (server.is_empty(), name.is_empty()) {
            (false, false) => {
                Some(format!("application destination can't have both name and server defined: {name} {server}"))
            }
            (true, true) => Some("Destination server missing from app spec".to_owned()),
            _ => None,
        }
    }

    /// What people call the cluster: its name where that is written, else its server.
    pub fn cluster(&self) -> &str {
        match (self.name.as_str(), self.is_in_cluster()) {
            ("", true) => Self::IN_CLUSTER_NAME,
            ("", false) => &self.server,
            (name, _) => name,
        }
    }

    fn is_in_cluster(&self) -> bool {
        self.server.trim_end_matches('/') == Self::IN_CLUSTER_SERVER || self.name == Self::IN_CLUSTER_NAME
    }
}

/// `spec.syncPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryStrategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// `syncPolicy.automated`: present means on unless `enabled` is false.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Automated {
    #[serde(skip_serializing_if = "is_default")]
    pub prune: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub self_heal: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_empty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// When a failed sync is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryStrategy {
    /// Attempts after the first; negative means without end.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Whether a retry takes the newest revision instead of the failed one.
    #[serde(skip_serializing_if = "is_default")]
    pub refresh: bool,
}

/// `retry.backoff`; durations as [`super::parse_duration`] reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub duration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_duration: String,
}

/// Labels and annotations of the namespace that `CreateNamespace=true` makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagedNamespaceMetadata {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ManagedNamespaceMetadata {
    /// Whether another one keeps all of this as well.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.all(other, |value, known| known == Some(value))
    }

    /// Whether both can be kept: nothing has two values.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.all(other, |value, known| known.is_none_or(|known| known == value))
    }

    fn all(&self, other: &Self, holds: impl Fn(&String, Option<&String>) -> bool) -> bool {
        let parts = [(&self.labels, &other.labels), (&self.annotations, &other.annotations)];
        parts.iter().all(|(own, known)| own.iter().all(|(key, value)| holds(value, known.get(key))))
    }
}

/// One rule of what a comparison leaves out. Group and kind are globs; name and namespace, when set, are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceIgnoreDifferences {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    #[serde(rename = "jqPathExpressions", skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
}

/// A name and a value, shown to people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    pub name: String,
    pub value: String,
}
