//! Which images an object runs.

use std::borrow::Cow;

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

/// The labels of the object's pods; `None` for kinds without any.
pub fn pod_labels(manifest: &Manifest) -> Option<&Value> {
    let pointer = match manifest.kind() {
        "Pod" => "/metadata/labels",
        "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
        "PodTemplate" => "/template/metadata/labels",
        _ => "/spec/template/metadata/labels",
    };
    manifest.value().pointer(pointer)
}

/// Whether a Service with this selector sends to the object's pods. An empty one sends to none.
pub fn selects(selector: &Value, manifest: &Manifest) -> bool {
    let (Some(selector), Some(labels)) = (selector.as_object(), pod_labels(manifest)) else { return false };
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
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

/// An image that an object names, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// `spec.template.spec.containers[0].image`
    pub path: String,
    /// What the container or volume is called; empty where nothing is.
    pub of: String,
    /// As written.
    pub text: String,
    /// It is a container's or a volume's, so that it can be nothing but an image.
    pub runs: bool,
}

impl NamedImage {
    /// The list and the name, whatever the order: where an image has to be to be the same container's.
    pub fn place(&self) -> String {
        let parts = self.path.split('.').map(|part| part.split('[').next().unwrap_or(part));
        format!("{}/{}", parts.collect::<Vec<_>>().join("."), self.of)
    }
}

/// All images that an object of any kind may bring into a pod, by its structure alone: a text `image`, and an `image` that
/// is made of a `reference`, or of `repository` and `tag` or `digest`, at any depth of what the object describes.
/// Controllers make pods of kinds that nobody knows here.
pub fn all_images(manifest: &Manifest) -> Vec<NamedImage> {
    let Value::Object(fields) = manifest.value() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status")) {
        look(name, value, Holder::Other, &mut found);
    }
    found
}

/// What a value is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Containers,
    Volumes,
    Other,
}

impl Holder {
    fn named(name: &str) -> Self {
        match name {
            "containers" | "initContainers" | "ephemeralContainers" => Self::Containers,
            "volumes" => Self::Volumes,
            _ => Self::Other,
        }
    }
}

fn look(path: &str, value: &Value, holder: Holder, found: &mut Vec<NamedImage>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look(&format!("{path}[{index}]"), item, holder, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                if name == "image"
                    && let Some((text, runs)) = written(value, holder)
                {
                    let of = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                    found.push(NamedImage { path: path.clone(), of, text, runs });
                }
                look(&path, value, Holder::named(name), found);
            }
        }
        _ => {}
    }
}

/// The image that the value of a field `image` writes, and whether it can be nothing else.
fn written(image: &Value, holder: Holder) -> Option<(String, bool)> {
    let part = |name: &str| image.get(name).and_then(scalar).filter(|text| !text.is_empty());
    let runs = holder == Holder::Volumes;
    match image {
        Value::String(text) => (!text.is_empty()).then(|| (text.clone(), holder == Holder::Containers)),
        _ => match (part("reference"), part("repository").or(part("name"))) {
            (Some(text), _) => Some((text.into_owned(), runs)),
            (None, name) => Some((joined(part("registry"), &name?, part("tag"), part("digest"))?, false)),
        },
    }
}

/// A tag may be written without quotes: `9` is a number in YAML, and a tag all the same.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As charts and operators do it; `None` where neither tag nor digest is written.
fn joined(
    registry: Option<Cow<'_, str>>,
    name: &str,
    tag: Option<Cow<'_, str>>,
    digest: Option<Cow<'_, str>>,
) -> Option<String> {
    let registry = registry.map(|registry| format!("{registry}/")).unwrap_or_default();
    match (tag, digest) {
        (_, Some(digest)) => Some(format!("{registry}{name}@{digest}")),
        (Some(tag), None) => Some(format!("{registry}{name}:{tag}")),
        (None, None) => None,
    }
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
    fn a_service_sends_to_pods_with_all_its_labels() {
        let pods = |labels: Value| json!({"template": {"metadata": {"labels": labels}}});
        for (selector, labels, expected) in [
            (json!({"app": "shop"}), json!({"app": "shop", "tier": "web"}), true),
            (json!({"app": "shop", "tier": "web"}), json!({"app": "shop"}), false),
            (json!({"app": "shop"}), json!({"app": "tool"}), false),
            (json!({}), json!({"app": "shop"}), false),
            (Value::Null, json!({"app": "shop"}), false),
        ] {
            let body = pods(labels.clone());
            for (kind, spec) in [("Deployment", body.clone()), ("CronJob", json!({"jobTemplate": {"spec": body}}))] {
                let manifest = Manifest::new(json!({"apiVersion": "v1", "kind": kind, "spec": spec})).unwrap();
                assert_eq!(selects(&selector, &manifest), expected, "{kind} {selector} {labels}");
            }
            let pod =
                Manifest::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}})).unwrap();
            assert_eq!(selects(&selector, &pod), expected);
        }
    }

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
    fn all_images_are_found_by_structure_in_any_kind() {
        let pod = json!({"containers": [{"name": "a", "image": "x:1"}], "initContainers": [{"image": "y"}],
            "ephemeralContainers": [{"image": "z:${TAG}"}],
            "volumes": [{"name": "v", "image": {"reference": "vol:1"}}, {"name": "e", "emptyDir": {}}]});
        let of_pod = ["x:1", "y", "z:${TAG}", "vol:1"];
        let all = |kind: &str, body: Value| {
            let mut value = json!({"apiVersion": "example.com/v1", "kind": kind,
                "metadata": {"annotations": {"image": "not:this"}}, "status": {"containers": [{"image": "nor:this"}]}});
            value.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            all_images(&Manifest::new(value).unwrap())
        };
        for (kind, body) in [
            ("Pod", json!({"spec": pod})),
            ("CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}})),
            ("PodTemplate", json!({"template": {"spec": pod}})),
            ("Rollout", json!({"spec": {"template": {"spec": pod}}})),
            ("Whatever", json!({"spec": {"roles": [{"deep": [{"podSpec": pod}]}]}})),
        ] {
            let mut found = all(kind, body);
            assert!(found.iter().all(|image| image.runs), "{kind}: {found:?}");
            found.sort_by(|a, b| a.path.cmp(&b.path));
            let places: Vec<String> = found.iter().map(NamedImage::place).collect();
            assert!(
                places.iter().any(|place| place.ends_with(".containers.image/a") || place == "spec.containers.image/a")
            );
            assert!(places.iter().any(|place| place.ends_with("volumes.image/v")), "{places:?}");
            let mut texts: Vec<&str> = found.iter().map(|image| image.text.as_str()).collect();
            texts.sort_unstable_by_key(|text| of_pod.iter().position(|known| known == text));
            assert_eq!(texts, of_pod, "{kind}");
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        let operator = all(
            "Database",
            json!({"spec": {"image": "db:1", "steps": [{"image": "step:1"}], "logo": {"image": ""}, "port": {"image": 3},
                "a": {"image": {"registry": "h.io", "repository": "r", "tag": "1"}},
                "b": {"image": {"name": "n", "digest": digest}}, "c": {"image": {"repository": "untagged"}},
                "d": {"image": {"repository": "numbered", "tag": 9}}, "e": {"image": {"name": "n", "tag": 1.5}}}}),
        );
        let mut texts: Vec<&str> = operator.iter().map(|image| image.text.as_str()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["db:1", "h.io/r:1", "n:1.5", &format!("n@{digest}"), "numbered:9", "step:1"]);
        assert!(operator.iter().all(|image| !image.runs));
        let path = |image: &NamedImage| image.path.clone();
        assert!(operator.iter().map(path).any(|path| path == "spec.steps[0].image"), "{operator:?}");
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
