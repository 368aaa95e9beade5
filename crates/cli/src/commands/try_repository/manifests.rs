//! Which files of a folder hold what a Kubernetes API takes.

use object::{FileTree, path, yaml};
use serde_json::Value;

/// The YAML and JSON files of a folder.
pub(super) struct Files {
    /// With their objects, as far as they can be read.
    pub(super) manifests: Vec<(String, Vec<Value>)>,
    pub(super) others: Vec<String>,
}

/// Whose objects are settings of other programs: no Kubernetes API has them.
const TOOLS: [&str; 22] = [
    "skaffold",
    "kind.x-k8s.io",
    "k3d.io",
    "ctlptl.dev",
    "eksctl.io",
    "kops.k8s.io",
    "kubeadm.k8s.io",
    "kubelet.config.k8s.io",
    "kubeproxy.config.k8s.io",
    "apiserver.config.k8s.io",
    "apiserver.k8s.io",
    "audit.k8s.io",
    "kubescheduler.config.k8s.io",
    "kustomize.config.k8s.io",
    "config.kubernetes.io",
    "kpt.dev",
    "fn.kpt.dev",
    "deploy.cloud.google.com",
    "backstage.io",
    "krew.googlecontainertools.github.com",
    "kuttl.dev",
    "cli.kyverno.io",
];

impl Files {
    pub(super) fn of(tree: &FileTree, folder: &str, files: &[String]) -> Self {
        let mut found = Self { manifests: Vec::new(), others: Vec::new() };
        let is_written = |file: &&String| [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end));
        for file in files.iter().filter(is_written) {
            let text = tree.read(&path::child(folder, file)).ok().flatten().unwrap_or_default();
            match objects(&String::from_utf8_lossy(&text)).filter(|_| !file.starts_with('.')) {
                Some(objects) => found.manifests.push((file.clone(), objects)),
                None => found.others.push(file.clone()),
            }
        }
        found
    }
}

/// `None` where the text holds no objects, or is the template of some.
fn objects(text: &str) -> Option<Vec<Value>> {
    let Ok(documents) = yaml::documents(text, yaml::Dialect::Kubernetes) else {
        let starts = |field: &str| text.lines().any(|line| line.starts_with(field));
        // what is wrong with it is told by the attempt
        return (starts("apiVersion:") && starts("kind:") && !text.contains("{{")).then(Vec::new);
    };
    let objects: Vec<Value> = documents.into_iter().map(|document| document.value).filter(is_object).collect();
    (!objects.is_empty()).then_some(objects)
}

fn is_object(value: &Value) -> bool {
    let (Some(version), Some(_)) = (value["apiVersion"].as_str(), value["kind"].as_str()) else { return false };
    let is_named = ["name", "generateName"].iter().any(|field| value["metadata"][*field].is_string());
    (is_named || value["items"].is_array()) && !TOOLS.contains(&group_of(version))
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether the object tells a control plane what to deploy, and is nothing that runs.
pub(super) fn is_of_control_plane(object: &Value) -> bool {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    match group_of(text("apiVersion")) {
        "gantline.dev" => true,
        "argoproj.io" => ["Application", "AppProject", "ApplicationSet"].contains(&text("kind")),
        _ => false,
    }
}
