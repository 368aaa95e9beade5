//! What every cluster has from the first moment on: namespaces, nodes, the API's own Service.

use serde_json::{Value, json};

use crate::api::{Api, DEFINITIONS, Wish};
use crate::body::Validation;
use crate::reviews;

/// Creates what is missing, and ends what a process that was killed had begun.
pub(crate) fn run(api: &Api) {
    if api.store.is_on_disk() {
        finish(api);
    }
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        ensure(api, "", "Namespace", "", json!({ "metadata": { "name": name } }));
    }
    for number in 1..=3 {
        ensure(api, "", "Node", "", node(api, number));
    }
    roles(api);
    let ports = json!([{ "name": "https", "port": 443, "targetPort": 6443 }]);
    let spec = json!({ "clusterIP": "10.96.0.1", "ports": ports });
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    ensure(
        api,
        "",
        "Service",
        "default",
        json!({ "metadata": { "name": "kubernetes", "labels": labels }, "spec": spec }),
    );
    ensure(
        api,
        "scheduling.k8s.io",
        "PriorityClass",
        "",
        json!({ "metadata": { "name": "system-cluster-critical" }, "value": 2_000_000_000 }),
    );
    ensure(
        api,
        "scheduling.k8s.io",
        "PriorityClass",
        "",
        json!({ "metadata": { "name": "system-node-critical" }, "value": 2_000_001_000 }),
    );
}

/// Some requests are several writes.
fn finish(api: &Api) {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let (namespaces, _) = api.store.list("namespaces", "");
    let lives = |object: &Value| !object["metadata"]["deletionTimestamp"].is_string();
    namespaces.iter().filter(|namespace| lives(namespace)).for_each(|namespace| furnish(api, &name(namespace)));
    let kind = api.kinds().of_kind("apiextensions.k8s.io", "CustomResourceDefinition");
    let (definitions, _) = api.store.list(DEFINITIONS, "");
    for (definition, kind) in definitions.iter().zip(kind.iter().cycle()) {
        if definition["status"]["conditions"].is_null() {
            api.establish(kind, &name(definition));
        }
        api.end_definition(kind, &name(definition));
    }
}

/// The roles that every cluster has, as far as people look at them.
fn roles(api: &Api) {
    let metadata = |name: &str| {
        json!({
            "name": name, "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
            "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
        })
    };
    let create =
        |group: &str, resources: &[&str]| json!({ "verbs": ["create"], "apiGroups": [group], "resources": resources });
    let paths = |paths: &[&str]| json!([{ "verbs": ["get"], "nonResourceURLs": paths }]);
    let everything = json!([
        { "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] },
        { "verbs": ["*"], "nonResourceURLs": ["*"] },
    ]);
    let basic = json!([
        create("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        create("authentication.k8s.io", &["selfsubjectreviews"]),
    ]);
    let all = [
        ("cluster-admin", everything, "system:masters"),
        ("system:basic-user", basic, "system:authenticated"),
        ("system:discovery", paths(&reviews::OPEN_PATHS), "system:authenticated"),
        (
            "system:public-info-viewer",
            paths(&["/healthz", "/livez", "/readyz", "/version", "/version/"]),
            "system:authenticated",
        ),
    ];
    const GROUP: &str = "rbac.authorization.k8s.io";
    for (name, rules, group) in all {
        ensure(api, GROUP, "ClusterRole", "", json!({ "metadata": metadata(name), "rules": rules }));
        let subjects = json!([{ "kind": "Group", "apiGroup": GROUP, "name": group }]);
        let role = json!({ "kind": "ClusterRole", "apiGroup": GROUP, "name": name });
        let binding = json!({ "metadata": metadata(name), "subjects": subjects, "roleRef": role });
        ensure(api, GROUP, "ClusterRoleBinding", "", binding);
    }
    for (name, above) in [("view", Some("edit")), ("edit", Some("admin")), ("admin", None)] {
        let label = |role: &str| format!("{GROUP}/aggregate-to-{role}");
        let mut metadata = metadata(name);
        above.iter().for_each(|above| metadata["labels"][label(above)] = json!("true"));
        let selector = json!({ "clusterRoleSelectors": [{ "matchLabels": { label(name): "true" } }] });
        let rules = reviews::well_known(name);
        ensure(
            api,
            GROUP,
            "ClusterRole",
            "",
            json!({ "metadata": metadata, "aggregationRule": selector, "rules": rules }),
        );
    }
}

/// What controllers put into each namespace; here at once, so that nothing has to wait for it.
pub(crate) fn furnish(api: &Api, namespace: &str) {
    ensure(api, "", "ServiceAccount", namespace, json!({ "metadata": { "name": "default" } }));
    let note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or \
                kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
    let metadata = json!({ "name": "kube-root-ca.crt", "annotations": { "kubernetes.io/description": note } });
    ensure(api, "", "ConfigMap", namespace, json!({ "metadata": metadata, "data": { "ca.crt": "" } }));
}

fn ensure(api: &Api, group: &str, kind: &str, namespace: &str, value: Value) {
    let Some(resource) = api.kinds().of_kind(group, kind) else { return };
    let wish = Wish {
        resource,
        namespace: namespace.to_owned(),
        name: String::new(),
        subresource: String::new(),
        manager: "kube-apiserver".to_owned(),
        dry_run: false,
        validation: Validation::Ignore,
    };
    let status = value.get("status").cloned();
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    match api.create(&wish, value) {
        Ok(_) => {}
        Err(failure) if failure.reason == "AlreadyExists" => return,
        Err(failure) => {
            tracing::error!(message = failure.message, kind, name, "the sandbox lacks an object of its own")
        }
    }
    if let Some(status) = status {
        // written right after the creation, by nobody else
        let _ = api.modify(&wish.resource, namespace, &name, "status", "kubelet", |object| object["status"] = status);
    }
}

/// A node with room for everything that a demo runs.
fn node(api: &Api, number: u8) -> Value {
    let name = format!("sandbox-{number}");
    let now = api.now();
    let room = json!({ "cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti" });
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now, "lastTransitionTime": now });
    let conditions = json!([
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]);
    let info = json!({
        "architecture": "amd64", "operatingSystem": "linux", "osImage": "Gantline sandbox", "kernelVersion": "simulated",
        "containerRuntimeVersion": "simulated://1", "kubeletVersion": "v1.36.3+sandbox", "kubeProxyVersion": "", "machineID": "",
        "systemUUID": "", "bootID": "",
    });
    let labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "sandbox", "topology.kubernetes.io/zone": format!("sandbox-{number}"),
    });
    json!({
        "metadata": { "name": name, "labels": labels },
        "status": {
            "capacity": room, "allocatable": room, "conditions": conditions, "nodeInfo": info,
            "addresses": [{ "type": "InternalIP", "address": format!("10.0.0.{number}") }, { "type": "Hostname", "address": name }],
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clock::{Ids, ManualClock};

    use super::*;
    use crate::status::Failure;
    use crate::store::{Key, OnDamage, Store};

    #[test]
    fn what_a_killed_process_had_begun_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let start = || {
            let store = Store::open(folder.path(), OnDamage::Refuse).unwrap();
            let api = Api::new(store, Arc::new(clock.clone()), Ids::seeded(1));
            run(&api);
            api
        };
        let put = |api: &Api, storage: &str, value: Value| {
            let key = Key::new(storage, "", value["metadata"]["name"].as_str().unwrap());
            api.store.transact(&clock, |txn| Ok::<_, Failure>(txn.put(key, value))).unwrap();
        };
        let definition = |plural: &str, metadata: Value| {
            let mut metadata = metadata;
            metadata["name"] = json!(format!("{plural}.acme.example"));
            let names =
                json!({ "plural": plural, "singular": plural, "kind": plural, "listKind": format!("{plural}List") });
            let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } });
            let spec = json!({ "group": "acme.example", "names": names, "scope": "Namespaced", "versions": [version] });
            json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "spec": spec, "status": {} })
        };
        let api = start();
        put(&api, "namespaces", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }));
        put(&api, DEFINITIONS, definition("begun", json!({})));
        let cleanup = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["customresourcecleanup.apiextensions.k8s.io"] });
        put(&api, DEFINITIONS, definition("ended", cleanup));
        drop(api);
        let api = start();
        assert!(api.store.get(&Key::new("serviceaccounts", "shop", "default")).is_some());
        let begun = api.store.get(&Key::new(DEFINITIONS, "", "begun.acme.example")).unwrap();
        assert_eq!(begun["status"]["conditions"][1]["type"], "Established");
        assert!(api.store.get(&Key::new(DEFINITIONS, "", "ended.acme.example")).is_none());
        let version = api.store.revision();
        drop(api);
        assert_eq!(start().store.revision(), version, "a start writes what is missing, and nothing else");
    }
}
