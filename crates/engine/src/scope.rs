//! Which kinds live in namespaces.

use std::collections::BTreeMap;

use object::{GroupKind, Manifest};

/// What discovery knows about kinds; built-in cluster-scoped kinds are known without it.
#[derive(Debug, Clone, Default)]
pub struct Scopes {
    namespaced: BTreeMap<GroupKind, bool>,
}

const CLUSTER_SCOPED: [(&str, &str); 24] = [
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("policy", "PodSecurityPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
];

/// Groups whose other kinds are all namespaced.
const BUILT_IN_GROUPS: [&str; 9] = [
    "",
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
];

impl Scopes {
    /// From discovery: kind and whether it is namespaced.
    pub fn new(kinds: impl IntoIterator<Item = (GroupKind, bool)>) -> Self {
        Self { namespaced: kinds.into_iter().collect() }
    }

    /// `None` when nobody knows the kind.
    pub fn is_namespaced(&self, kind: &GroupKind) -> Option<bool> {
        if let Some(&known) = self.namespaced.get(kind) {
            return Some(known);
        }
        if CLUSTER_SCOPED.contains(&(kind.group.as_str(), kind.kind.as_str())) {
            return Some(false);
        }
        BUILT_IN_GROUPS.contains(&kind.group.as_str()).then_some(true)
    }

    /// Adds what CRDs among the manifests define: their kinds exist as soon as they are applied.
    #[must_use]
    pub fn with_definitions<'a>(mut self, manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        for manifest in manifests.into_iter().filter(|m| m.kind() == "CustomResourceDefinition") {
            let text = |pointer: &str| manifest.value().pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default();
            let kind = GroupKind::new(text("/spec/group"), text("/spec/names/kind"));
            self.namespaced.entry(kind).or_insert(text("/spec/scope") != "Cluster");
        }
        self
    }
}
