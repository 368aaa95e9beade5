//! The fields that kustomize 5.8.1 knows without configuration (`api/internal/konfig/builtinpluginconsts`), as data.

use std::sync::{Arc, OnceLock};

use super::config::{NameReference, TransformerConfig};
use super::fieldspec::FieldSpec;

/// Kinds with a pod template and where its pod spec stands.
const POD_SPECS: [(&str, &str); 8] = [
    ("Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];
const APPS: &str = "apps";
const BATCH: &str = "batch";
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const NETWORKING: &str = "networking.k8s.io";

/// The configuration that every kustomization starts from.
pub(crate) fn config() -> Arc<TransformerConfig> {
    static DEFAULT: OnceLock<Arc<TransformerConfig>> = OnceLock::new();
    Arc::clone(DEFAULT.get_or_init(|| {
        Arc::new(TransformerConfig {
            name_prefix: vec![FieldSpec::any("metadata/name", false)],
            name_suffix: vec![FieldSpec::any("metadata/name", false)],
            namespace: namespace(),
            common_labels: common_labels(),
            labels: Vec::new(),
            template_labels: metadata_labels().into_iter().chain(claim_labels()).collect(),
            common_annotations: common_annotations(),
            name_reference: name_references(),
            var_reference: var_references(),
            images: images(),
            replicas: replicas(),
        })
    }))
}

fn spec(group: &str, version: &str, kind: &str, path: &str, create: bool) -> FieldSpec {
    FieldSpec { group: group.into(), version: version.into(), kind: kind.into(), path: path.into(), create }
}

fn namespace() -> Vec<FieldSpec> {
    vec![
        spec("", "", "Namespace", "metadata/name", true),
        spec("apiregistration.k8s.io", "", "APIService", "spec/service/namespace", true),
        spec(
            "apiextensions.k8s.io",
            "",
            "CustomResourceDefinition",
            "spec/conversion/webhook/clientConfig/service/namespace",
            false,
        ),
    ]
}

fn metadata_labels() -> Vec<FieldSpec> {
    let mut all = vec![FieldSpec::any("metadata/labels", true)];
    all.push(spec("", "v1", "ReplicationController", "spec/template/metadata/labels", true));
    for (group, kind) in
        [("", "Deployment"), ("", "ReplicaSet"), ("", "DaemonSet"), (APPS, "StatefulSet"), (BATCH, "Job")]
    {
        all.push(spec(group, "", kind, "spec/template/metadata/labels", true));
    }
    all.push(spec(BATCH, "", "CronJob", "spec/jobTemplate/metadata/labels", true));
    all.push(spec(BATCH, "", "CronJob", "spec/jobTemplate/spec/template/metadata/labels", true));
    all
}

fn claim_labels() -> Vec<FieldSpec> {
    vec![spec(APPS, "", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels", true)]
}

fn common_labels() -> Vec<FieldSpec> {
    let mut all = vec![
        spec("", "v1", "Service", "spec/selector", true),
        spec("", "v1", "ReplicationController", "spec/selector", true),
    ];
    for (group, kind) in [("", "Deployment"), ("", "ReplicaSet"), ("", "DaemonSet"), (APPS, "StatefulSet")] {
        all.push(spec(group, "", kind, "spec/selector/matchLabels", true));
    }
    for kind in ["Deployment", "StatefulSet"] {
        for affinity in ["podAffinity", "podAntiAffinity"] {
            let base = format!("spec/template/spec/affinity/{affinity}");
            for path in [
                "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
                "requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
            ] {
                all.push(spec(APPS, "", kind, &format!("{base}/{path}"), false));
            }
        }
        let spread = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";
        all.push(spec(APPS, "", kind, spread, false));
    }
    for (group, kind, path) in [
        (BATCH, "Job", "spec/selector/matchLabels"),
        (BATCH, "CronJob", "spec/jobTemplate/spec/selector/matchLabels"),
        ("policy", "PodDisruptionBudget", "spec/selector/matchLabels"),
        (NETWORKING, "NetworkPolicy", "spec/podSelector/matchLabels"),
        (NETWORKING, "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels"),
        (NETWORKING, "NetworkPolicy", "spec/egress/to/podSelector/matchLabels"),
    ] {
        all.push(spec(group, "", kind, path, false));
    }
    all.extend(metadata_labels());
    all.extend(claim_labels());
    all
}

fn common_annotations() -> Vec<FieldSpec> {
    let mut all = vec![FieldSpec::any("metadata/annotations", true)];
    all.push(spec("", "v1", "ReplicationController", "spec/template/metadata/annotations", true));
    for (group, kind) in
        [("", "Deployment"), ("", "ReplicaSet"), ("", "DaemonSet"), ("", "StatefulSet"), (BATCH, "Job")]
    {
        all.push(spec(group, "", kind, "spec/template/metadata/annotations", true));
    }
    all.push(spec(BATCH, "", "CronJob", "spec/jobTemplate/metadata/annotations", true));
    all.push(spec(BATCH, "", "CronJob", "spec/jobTemplate/spec/template/metadata/annotations", true));
    all
}

fn images() -> Vec<FieldSpec> {
    let mut all = Vec::new();
    for base in ["spec", "spec/template/spec"] {
        for path in ["containers[]/image", "initContainers[]/image", "volumes[]/image/reference"] {
            all.push(FieldSpec::any(&format!("{base}/{path}"), true));
        }
    }
    all
}

fn replicas() -> Vec<FieldSpec> {
    ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
        .map(|kind| spec("", "", kind, "spec/replicas", true))
        .to_vec()
}

fn reference(group: &str, version: &str, kind: &str, referrers: Vec<FieldSpec>) -> NameReference {
    NameReference { group: group.into(), version: version.into(), kind: kind.into(), field_specs: referrers }
}

/// In the order in which kustomize sorts them: by the legacy kind order, then by name.
fn name_references() -> Vec<NameReference> {
    let mut all = vec![
        reference("storage.k8s.io", "v1", "StorageClass", storage_class_referrers()),
        reference("", "v1", "ServiceAccount", service_account_referrers()),
        reference(RBAC, "", "Role", vec![spec(RBAC, "", "RoleBinding", "roleRef/name", false)]),
        reference(
            RBAC,
            "",
            "ClusterRole",
            ["RoleBinding", "ClusterRoleBinding"].map(|k| spec(RBAC, "", k, "roleRef/name", false)).to_vec(),
        ),
        reference("", "v1", "ConfigMap", config_map_referrers()),
        reference("", "v1", "Secret", secret_referrers()),
        reference("", "v1", "Service", service_referrers()),
        reference("scheduling.k8s.io", "v1", "PriorityClass", workload_referrers("priorityClassName")),
        reference(
            "",
            "v1",
            "PersistentVolume",
            vec![
                spec("", "", "PersistentVolumeClaim", "spec/volumeName", false),
                spec("", "", "ClusterRole", "rules/resourceNames", false),
            ],
        ),
        reference("", "v1", "PersistentVolumeClaim", workload_referrers("volumes/persistentVolumeClaim/claimName")),
    ];
    let scaled = || vec![spec("", "", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name", false)];
    all.extend(["Deployment", "StatefulSet"].map(|kind| reference("", "", kind, scaled())));
    all.push(reference(
        ADMISSION,
        "",
        "ValidatingAdmissionPolicy",
        vec![spec(ADMISSION, "", "ValidatingAdmissionPolicyBinding", "spec/policyName", false)],
    ));
    // the group is misspelled in kustomize, so this one never applies
    all.push(reference(
        "networking.k8s.io/v1",
        "v1",
        "IngressClass",
        vec![spec("", "", "Ingress", "spec/ingressClassName", false)],
    ));
    all.extend(["ReplicaSet", "ReplicationController"].map(|kind| reference("", "", kind, scaled())));
    all
}

fn storage_class_referrers() -> Vec<FieldSpec> {
    vec![
        spec("", "", "PersistentVolume", "spec/storageClassName", false),
        spec("", "", "PersistentVolumeClaim", "spec/storageClassName", false),
        spec("", "", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName", false),
    ]
}

/// Pods and the workloads that claims, accounts and priorities are followed in (no ReplicaSet, no PodTemplate).
fn workload_referrers(field: &str) -> Vec<FieldSpec> {
    let at = |kind: &str, base: &str| spec("", "", kind, &format!("{base}/{field}"), false);
    let mut all = vec![at("Pod", "spec"), at("CronJob", "spec/jobTemplate/spec/template/spec")];
    for kind in ["StatefulSet", "Deployment", "ReplicationController", "Job", "DaemonSet"] {
        all.push(at(kind, "spec/template/spec"));
    }
    all
}

fn service_account_referrers() -> Vec<FieldSpec> {
    let mut all = ["RoleBinding", "ClusterRoleBinding"].map(|kind| spec(RBAC, "", kind, "subjects", false)).to_vec();
    all.extend(workload_referrers("serviceAccountName"));
    all
}

fn pod_referrers(fields: &[&str]) -> Vec<FieldSpec> {
    let mut all = Vec::new();
    for (kind, base) in POD_SPECS {
        let version = if kind == "Pod" { "v1" } else { "" };
        all.extend(fields.iter().map(|field| spec("", version, kind, &format!("{base}/{field}"), false)));
    }
    all
}

fn role_rules() -> [FieldSpec; 2] {
    ["Role", "ClusterRole"].map(|kind| spec("", "", kind, "rules/resourceNames", false))
}

fn ingress_annotation(name: &str) -> FieldSpec {
    spec("", "", "Ingress", &format!("metadata/annotations/{}", name.replace('/', "\\/")), false)
}

fn config_map_referrers() -> Vec<FieldSpec> {
    let mut all = pod_referrers(&[
        "volumes/configMap/name",
        "containers/env/valueFrom/configMapKeyRef/name",
        "initContainers/env/valueFrom/configMapKeyRef/name",
        "containers/envFrom/configMapRef/name",
        "initContainers/envFrom/configMapRef/name",
        "volumes/projected/sources/configMap/name",
    ]);
    all.push(spec("", "", "Node", "spec/configSource/configMap", false));
    all.extend(role_rules());
    all.push(ingress_annotation("nginx.ingress.kubernetes.io/fastcgi-params-configmap"));
    all
}

fn secret_referrers() -> Vec<FieldSpec> {
    let mut all = pod_referrers(&[
        "volumes/secret/secretName",
        "containers/env/valueFrom/secretKeyRef/name",
        "initContainers/env/valueFrom/secretKeyRef/name",
        "containers/envFrom/secretRef/name",
        "initContainers/envFrom/secretRef/name",
        "imagePullSecrets/name",
        "volumes/projected/sources/secret/name",
    ]);
    all.push(spec("", "", "Ingress", "spec/tls/secretName", false));
    for name in [
        "ingress.kubernetes.io/auth-secret",
        "nginx.ingress.kubernetes.io/auth-secret",
        "nginx.ingress.kubernetes.io/auth-tls-secret",
    ] {
        all.push(ingress_annotation(name));
    }
    all.push(spec("", "", "ServiceAccount", "imagePullSecrets/name", false));
    for parameter in ["secretName", "adminSecretName", "userSecretName", "secretRef"] {
        all.push(spec("", "", "StorageClass", &format!("parameters/{parameter}"), false));
    }
    all.extend(role_rules());
    let knative = "spec/template/spec/containers/env/valueFrom/secretKeyRef/name";
    all.push(spec("serving.knative.dev", "v1", "Service", knative, false));
    all.push(spec("", "", "PersistentVolume", "spec/azureFile/secretName", false));
    all
}

fn service_referrers() -> Vec<FieldSpec> {
    let mut all = vec![spec(APPS, "", "StatefulSet", "spec/serviceName", false)];
    for path in [
        "spec/rules/http/paths/backend/serviceName",
        "spec/backend/serviceName",
        "spec/rules/http/paths/backend/service/name",
        "spec/defaultBackend/service/name",
    ] {
        all.push(spec("", "", "Ingress", path, false));
    }
    all.push(spec("apiregistration.k8s.io", "", "APIService", "spec/service/name", false));
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        all.push(spec(ADMISSION, "", kind, "webhooks/clientConfig/service", false));
    }
    all
}

fn var_references() -> Vec<FieldSpec> {
    let mut all = Vec::new();
    for (kind, base) in POD_SPECS.into_iter().filter(|(kind, _)| *kind != "PodTemplate") {
        for list in ["containers", "initContainers"] {
            for field in ["args", "command", "env/value", "volumeMounts/mountPath"] {
                all.push(spec("", "", kind, &format!("{base}/{list}/{field}"), false));
            }
        }
        let server = match kind {
            // as kustomize has them: the pod spec is missing in one, the volumes in the other
            "CronJob" => "spec/jobTemplate/spec/template/volumes/nfs/server".to_owned(),
            "StatefulSet" => "spec/volumeClaimTemplates/spec/nfs/server".to_owned(),
            _ => format!("{base}/volumes/nfs/server"),
        };
        all.push(spec("", "", kind, &server, false));
    }
    for (kind, path) in [
        ("Deployment", "spec/template/metadata/annotations"),
        ("Ingress", "spec/rules/host"),
        ("Ingress", "spec/tls/hosts"),
        ("Ingress", "spec/tls/secretName"),
        ("Service", "spec/ports/port"),
        ("Service", "spec/ports/targetPort"),
        ("PersistentVolume", "spec/nfs/server"),
        ("", "metadata/labels"),
        ("", "metadata/annotations"),
    ] {
        all.push(spec("", "", kind, path, false));
    }
    all
}
