//! What a pod needs from ConfigMaps and Secrets, and what of it is missing, in the kubelet's words.

use serde_json::Value;

use super::super::fields::{list, namespace, text};
use super::super::snapshot::Snapshot;

struct Kind {
    storage: &'static str,
    /// As in `configmap "x" not found`.
    word: &'static str,
    title: &'static str,
}

const CONFIG_MAP: Kind = Kind { storage: "configmaps", word: "configmap", title: "ConfigMap" };
const SECRET: Kind = Kind { storage: "secrets", word: "secret", title: "Secret" };

/// Why a container cannot be made: the first reference in its environment that leads nowhere.
pub(super) fn missing_for(view: &Snapshot, pod: &Value, container: &Value) -> Option<String> {
    let whole = list(container, "/envFrom")
        .iter()
        .flat_map(|source| [(&CONFIG_MAP, &source["configMapRef"]), (&SECRET, &source["secretRef"])]);
    let single = list(container, "/env").iter().flat_map(|variable| {
        [(&CONFIG_MAP, &variable["valueFrom"]["configMapKeyRef"]), (&SECRET, &variable["valueFrom"]["secretKeyRef"])]
    });
    whole
        .chain(single)
        .filter(|(_, reference)| reference.is_object())
        .find_map(|(kind, reference)| missing(view, pod, kind, reference))
}

fn missing(view: &Snapshot, pod: &Value, kind: &Kind, reference: &Value) -> Option<String> {
    if reference["optional"] == true {
        return None;
    }
    let name = text(reference, "/name");
    let Some(found) = view.find(kind.storage, namespace(pod), name) else {
        return Some(format!("{} {name:?} not found", kind.word));
    };
    let key = reference["key"].as_str()?;
    let has = found["data"].get(key).is_some() || found["binaryData"].get(key).is_some();
    (!has).then(|| format!("couldn't find key {key} in {} {}/{name}", kind.title, namespace(pod)))
}

/// Why a volume cannot be mounted.
pub(super) fn unmounted(view: &Snapshot, pod: &Value) -> Option<String> {
    list(pod, "/spec/volumes").iter().find_map(|volume| {
        let why = unmountable(view, pod, volume)?;
        Some(format!("MountVolume.SetUp failed for volume {:?} : {why}", text(volume, "/name")))
    })
}

fn unmountable(view: &Snapshot, pod: &Value, volume: &Value) -> Option<String> {
    let source = |kind: &Kind, source: &Value, name: &str| {
        let absent = source.is_object()
            && source["optional"] != true
            && view.find(kind.storage, namespace(pod), text(source, name)).is_none();
        absent.then(|| format!("{} {:?} not found", kind.word, text(source, name)))
    };
    let projected = list(volume, "/projected/sources").iter().find_map(|part| {
        source(&CONFIG_MAP, &part["configMap"], "/name").or_else(|| source(&SECRET, &part["secret"], "/name"))
    });
    let direct = source(&CONFIG_MAP, &volume["configMap"], "/name")
        .or_else(|| source(&SECRET, &volume["secret"], "/secretName"));
    direct.or(projected).or_else(|| missing_item(view, pod, volume))
}

/// Listed keys must be there.
fn missing_item(view: &Snapshot, pod: &Value, volume: &Value) -> Option<String> {
    [(&CONFIG_MAP, &volume["configMap"], "/name"), (&SECRET, &volume["secret"], "/secretName")].into_iter().find_map(
        |(kind, source, name)| {
            if !source.is_object() || source["optional"] == true {
                return None;
            }
            let found = view.find(kind.storage, namespace(pod), text(source, name))?;
            let keys = list(source, "/items").iter().filter_map(|item| item["key"].as_str());
            let absent =
                keys.into_iter().any(|key| found["data"].get(key).is_none() && found["binaryData"].get(key).is_none());
            absent.then(|| "references non-existent config key".to_owned())
        },
    )
}
