//! Which images an object runs.

use object::{ImageDigest, LiveObject, Manifest};
use serde_json::Value;

/// A container of a pod or pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerImage {
    pub container: String,
    /// As written.
    pub image: String,
    pub init: bool,
}

/// Where each kind keeps its pod spec.
fn pod_spec(manifest: &Manifest) -> Option<&Value> {
    let pointer = match manifest.kind() {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "PodTemplate" => "/template/spec",
        _ => "/spec/template/spec",
    };
    manifest.value().pointer(pointer)
}

/// The containers of the object's pods with their images: init containers first, each in its order. Empty for kinds
/// without a pod template.
pub fn images(manifest: &Manifest) -> Vec<ContainerImage> {
    let Some(spec) = pod_spec(manifest) else { return Vec::new() };
    let list = |field: &str, init: bool| {
        let items = spec.get(field).and_then(Value::as_array).into_iter().flatten();
        items
            .filter_map(move |item| {
                let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
                Some(ContainerImage { container: text("name").unwrap_or_default(), image: text("image")?, init })
            })
            .collect::<Vec<_>>()
    };
    [list("initContainers", true), list("containers", false)].concat()
}

/// A container that a pod reports, and the digest that really runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningImage {
    pub container: String,
    /// As the runtime names it.
    pub image: String,
    /// From `imageID`; `None` until the image was pulled, or when the runtime reports no registry digest.
    pub digest: Option<ImageDigest>,
    pub ready: bool,
}

/// What a pod's status says about the images that run. Empty for other kinds.
pub fn pod_image_ids(pod: &LiveObject) -> Vec<RunningImage> {
    let statuses = |field: &str| pod.value().pointer(&format!("/status/{field}")).and_then(Value::as_array);
    let all = [statuses("initContainerStatuses"), statuses("containerStatuses")];
    all.into_iter().flatten().flatten().map(running_image).collect()
}

fn running_image(status: &Value) -> RunningImage {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
    // an id without `@` is one of the runtime's own: no registry knows it
    let digest = text("imageID").rsplit_once('@').and_then(|(_, digest)| digest.parse().ok());
    RunningImage {
        container: text("name").to_owned(),
        image: text("image").to_owned(),
        digest,
        ready: status.get("ready").and_then(Value::as_bool).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_images_in_pods_and_templates() {
        let spec =
            json!({"containers": [{"name": "a", "image": "x:1"}], "initContainers": [{"name": "i", "image": "y"}]});
        let template = json!({"template": {"spec": spec}});
        for (kind, body, count) in [
            ("Pod", spec, 2),
            ("Deployment", template.clone(), 2),
            ("CronJob", json!({"jobTemplate": {"spec": template}}), 2),
            ("Service", json!({"ports": []}), 0),
        ] {
            let manifest = Manifest::new(json!({"apiVersion": "v1", "kind": kind, "spec": body})).unwrap();
            let found = images(&manifest);
            assert_eq!(found.len(), count, "{kind}");
            assert!(found.first().is_none_or(|image| image.init && image.image == "y"), "{kind}");
        }
    }

    #[test]
    fn digests_come_from_registry_ids_only() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (id, expected) in [
            (format!("docker-pullable://h/x@{digest}"), Some(digest.as_str())),
            (format!("h/x@{digest}"), Some(digest.as_str())),
            (digest.clone(), None),
            (String::new(), None),
        ] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "status": {"containerStatuses": [{"name": "a", "imageID": id}]}});
            let found = pod_image_ids(&LiveObject::new(pod).unwrap());
            assert_eq!(found[0].digest.as_ref().map(ImageDigest::as_str), expected, "{id}");
        }
    }
}
