//! `gantline install`

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Code, Outcome};
use crate::{output, plane};

/// Print the manifests that a cluster needs
#[derive(Debug, Args)]
#[command(after_help = "Apply them: gantline install --image IMAGE | kubectl apply --server-side -f -")]
pub(crate) struct Install {
    /// The namespace of the control plane
    #[arg(long, default_value = "argocd")]
    into: String,
    /// The image of gantline to run; without it only the kinds, the namespace and the rights are printed
    #[arg(long)]
    image: Option<String>,
    /// How many processes share the work
    #[arg(long, default_value_t = 1, value_name = "N")]
    replicas: u32,
    /// Only the CustomResourceDefinitions
    #[arg(long)]
    crds_only: bool,
}

impl Install {
    pub(crate) fn run(self) -> Outcome {
        let mut objects = plane::definitions();
        if !self.crds_only {
            objects.extend(self.control_plane());
        }
        output::raw(&objects.iter().map(output::yaml).collect::<Vec<_>>().join("---\n"));
        Ok(Code::Done.into())
    }

    fn control_plane(&self) -> Vec<Value> {
        let namespace = self.into.as_str();
        let metadata = |name: &str| json!({ "name": name, "namespace": namespace, "labels": { "app.kubernetes.io/part-of": "argocd" } });
        let config = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name) });
        // who is logged in may read everything: a line that can be seen, and taken away
        let mut policy = config("argocd-rbac-cm");
        policy["data"] = json!({ "policy.default": "role:readonly" });
        let all = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
        let subject = json!([{ "kind": "ServiceAccount", "name": "gantline", "namespace": namespace }]);
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gantline" });
        let mut objects = vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("gantline") }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "gantline" }, "rules": all }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "gantline" },
                "roleRef": reference, "subjects": subject }),
            config("argocd-cm"),
            policy,
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata("argocd-secret"), "type": "Opaque" }),
        ];
        objects.extend(
            self.image.as_deref().map(|image| deployment(&metadata("gantline"), image, namespace, self.replicas)),
        );
        objects.extend(self.image.is_some().then(|| service(&metadata("gantline"))));
        objects
    }
}

fn deployment(metadata: &Value, image: &str, namespace: &str, replicas: u32) -> Value {
    let labels = json!({ "app.kubernetes.io/name": "gantline" });
    let port = json!({ "name": "https", "containerPort": 8443 });
    let probe = json!({ "httpGet": { "path": "/healthz", "port": "https", "scheme": "HTTPS" } });
    let security = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] } });
    let container = json!({
        "name": "gantline", "image": image, "args": ["serve", "--in-cluster", "--listen", "0.0.0.0:8443", "--cache", "/cache", "--namespace", namespace],
        "ports": [port], "readinessProbe": probe, "securityContext": security,
        "volumeMounts": [{ "name": "cache", "mountPath": "/cache" }],
        "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
    });
    let spec = json!({ "serviceAccountName": "gantline", "containers": [container], "volumes": [{ "name": "cache", "emptyDir": {} }] });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": spec } },
    })
}

fn service(metadata: &Value) -> Value {
    let ports = json!([{ "name": "https", "port": 443, "targetPort": "https" }]);
    let selector = json!({ "app.kubernetes.io/name": "gantline" });
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "selector": selector, "ports": ports } })
}
