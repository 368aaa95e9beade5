//! What runs: the Deployment, and what stands around it. It passes Pod Security's `restricted`.

use serde_json::{Value, json};

use super::{NAME, metadata};

const PORT: u16 = 8443;
/// For the controller and for several renders at once, which may take 1 GiB each (`serve --render-memory`).
const MEMORY: &str = "4Gi";

pub(super) fn objects(namespace: &str, image: &str, replicas: u32) -> Vec<Value> {
    let metadata = metadata(NAME, namespace);
    let pods = json!({ "matchLabels": labels() });
    vec![
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": replicas, "selector": pods,
            "template": { "metadata": { "labels": labels() }, "spec": pod(namespace, image) },
        } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
            "selector": labels(), "ports": [{ "name": "https", "port": 443, "targetPort": "https" }],
        } }),
        // a drain takes one at a time; a single replica does not hold it up
        json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": {
            "selector": pods, "maxUnavailable": 1,
        } }),
        // what goes out depends on where repositories, registries and clusters are: docs/install.md
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": {
            "podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{ "ports": [{ "port": "https", "protocol": "TCP" }] }],
        } }),
    ]
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": NAME })
}

fn pod(namespace: &str, image: &str) -> Value {
    json!({
        "serviceAccountName": NAME, "automountServiceAccountToken": true, "enableServiceLinks": false,
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [container(namespace, image)],
        "volumes": WRITTEN.map(|(name, _)| json!({ "name": name, "emptyDir": {} })),
    })
}

/// The only places that can be written to: copies of repositories, and what libraries put aside.
const WRITTEN: [(&str, &str); 2] = [("cache", "/cache"), ("tmp", "/tmp")];

fn container(namespace: &str, image: &str) -> Value {
    let listen = format!("0.0.0.0:{PORT}");
    let health = |every: u32, failures: u32| {
        json!({ "httpGet": { "path": "/healthz", "port": "https", "scheme": "HTTPS" },
            "periodSeconds": every, "failureThreshold": failures, "timeoutSeconds": 5 })
    };
    json!({
        "name": NAME, "image": image,
        "args": ["serve", "--in-cluster", "--listen", listen, "--cache", "/cache", "--namespace", namespace],
        "ports": [{ "name": "https", "containerPort": PORT }],
        // it listens once everything was listed, which takes its time where there is much
        "startupProbe": health(5, 120), "readinessProbe": health(10, 3), "livenessProbe": health(10, 6),
        "securityContext": {
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
        },
        "volumeMounts": WRITTEN.map(|(name, path)| json!({ "name": name, "mountPath": path })),
        "resources": { "requests": { "cpu": "100m", "memory": "256Mi" }, "limits": { "memory": MEMORY } },
    })
}
