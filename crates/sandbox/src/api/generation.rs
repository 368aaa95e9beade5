//! `metadata.generation`: which kinds have it, and which changes count, as measured on 1.36.

use serde_json::Value;

use crate::schema::resources::Resource;

/// Kinds without `metadata.generation`, as measured on 1.36.
pub(super) fn has_generation(resource: &Resource) -> bool {
    let without = [
        "HorizontalPodAutoscaler",
        "Service",
        "ConfigMap",
        "Secret",
        "Lease",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ServiceAccount",
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        "Endpoints",
        "Event",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "StorageClass",
        "ControllerRevision",
        "RuntimeClass",
        "CSIDriver",
        "CSINode",
        "VolumeAttachment",
        "APIService",
    ];
    resource.is_custom() || !without.contains(&resource.kind.as_str())
}

pub(super) fn bumps_generation(resource: &Resource, old: &Value, new: &Value) -> bool {
    // counted once and never again
    if resource.kind == "PriorityClass" || !has_generation(resource) || !old["metadata"]["generation"].is_i64() {
        return false;
    }
    let annotated = ["Deployment", "CronJob"].contains(&resource.kind.as_str()) && resource.kind == "Deployment";
    let has_status = resource.subresources.contains_key("status");
    let body = |value: &Value| {
        let mut body = value.clone();
        if let Some(map) = body.as_object_mut() {
            map.remove("metadata");
            if has_status || !resource.is_custom() {
                map.remove("status");
            }
        }
        body
    };
    body(old) != body(new) || annotated && old["metadata"]["annotations"] != new["metadata"]["annotations"]
}
