//! The destination's namespace, where a sync makes it.

use api::argocd::{ManagedNamespaceMetadata, names};
use object::{Manifest, ResourceKey};
use serde_json::json;

pub(crate) fn key(name: &str) -> ResourceKey {
    ResourceKey::new("", "Namespace", "", name)
}

/// With the labels and annotations that are kept there, if any are. It carries no mark of the Application, as in Argo CD:
/// it is neither pruned nor deleted with it.
pub(crate) fn manifest(name: &str, kept: Option<&ManagedNamespaceMetadata>) -> Option<Manifest> {
    let mut value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    if let Some(ManagedNamespaceMetadata { labels, annotations, .. }) = kept {
        value["metadata"]["labels"] = json!(labels);
        value["metadata"]["annotations"] = json!(annotations);
        value["metadata"]["annotations"][names::SYNC_OPTIONS] = "ServerSideApply=true".into();
    }
    Manifest::new(value).ok()
}
