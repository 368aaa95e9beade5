//! Services: the addresses of the pods behind them, and the outer address of load balancers.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{controller_ref, fnv, key_of, leaving, list, name, namespace, text, time, uid};
use super::outcome::{Outcome, manager};
use super::replicaset::is_ready;
use super::routes::chooses;
use super::snapshot::Snapshot;
use crate::store::Key;

const SLICES: &str = "endpointslices.discovery.k8s.io";

pub(super) fn reconcile(view: &Snapshot, key: &Key, service: Option<&Value>, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(service) = service else {
        // slices have an owner, the older kind has not
        if let Some(left) = view.find("endpoints", &key.namespace, &key.name) {
            outcome.delete(key_of("endpoints", left), left, "Background");
        }
        return outcome;
    };
    if leaving(service) {
        return outcome;
    }
    balance(&mut outcome, key, service);
    if service["spec"]["selector"].as_object().is_none_or(serde_json::Map::is_empty) {
        return outcome;
    }
    let pods: Vec<&Value> = behind(view, service);
    keep_endpoints(&mut outcome, view, service, &pods, now);
    keep_slice(&mut outcome, view, service, &pods);
    outcome
}

/// A load balancer gets an address at once.
fn balance(outcome: &mut Outcome, key: &Key, service: &Value) {
    if service["spec"]["type"] != "LoadBalancer" || !list(service, "/status/loadBalancer/ingress").is_empty() {
        return;
    }
    let [a, b, ..] = fnv(uid(service).as_bytes()).to_be_bytes();
    let mut status = service["status"].clone();
    status["loadBalancer"] =
        json!({ "ingress": [{ "ip": format!("172.18.{a}.{}", b.clamp(2, 254)), "ipMode": "VIP" }] });
    outcome.status(key, service, status, manager::CONTROLLERS);
}

/// Pods with an address, in the order of their names.
fn behind<'v>(view: &'v Snapshot, service: &Value) -> Vec<&'v Value> {
    let selector = &service["spec"]["selector"];
    let pods = view.list("pods", namespace(service)).map(|pod| &**pod);
    let fits = |pod: &&Value| {
        let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        chooses(selector, &pod["metadata"]["labels"]) && !text(pod, "/status/podIP").is_empty() && !ended
    };
    pods.filter(fits).collect()
}

fn counts_as_ready(service: &Value, pod: &Value) -> bool {
    service["spec"]["publishNotReadyAddresses"] == true || is_ready(pod) && !leaving(pod)
}

/// The port of a container that a service port leads to; named ports are looked up.
fn target(port: &Value, pod: &Value) -> Option<i64> {
    let target = &port["targetPort"];
    let Some(wanted) = target.as_str() else { return target.as_i64().or_else(|| port["port"].as_i64()) };
    let ports = list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/ports"));
    ports.into_iter().find(|port| port["name"] == wanted).and_then(|port| port["containerPort"].as_i64())
}

fn ports(service: &Value, pods: &[&Value]) -> Vec<Value> {
    let resolve = |port: &Value| {
        let number = match pods {
            [] => port["targetPort"].as_i64()?,
            pods => pods.iter().find_map(|pod| target(port, pod))?,
        };
        let mut out = json!({ "port": number, "protocol": port["protocol"], "name": text(port, "/name") });
        if let Some(protocol) = port.get("appProtocol").filter(|protocol| !protocol.is_null()) {
            out["appProtocol"] = protocol.clone();
        }
        Some(out)
    };
    list(service, "/spec/ports").iter().filter_map(resolve).collect()
}

fn pod_ref(pod: &Value) -> Value {
    json!({ "kind": "Pod", "name": name(pod), "namespace": namespace(pod), "uid": uid(pod) })
}

fn keep_endpoints(outcome: &mut Outcome, view: &Snapshot, service: &Value, pods: &[&Value], now: Timestamp) {
    let address = |pod: &&&Value| json!({ "ip": text(pod, "/status/podIP"), "nodeName": text(pod, "/spec/nodeName"), "targetRef": pod_ref(pod) });
    let staying: Vec<&&Value> = pods.iter().filter(|pod| !leaving(pod)).collect();
    let ready: Vec<Value> =
        staying.iter().copied().filter(|pod| counts_as_ready(service, pod)).map(|pod| address(&pod)).collect();
    let unready: Vec<Value> =
        staying.iter().copied().filter(|pod| !counts_as_ready(service, pod)).map(|pod| address(&pod)).collect();
    let mut subsets = json!([]);
    if !ready.is_empty() || !unready.is_empty() {
        let mut subset = json!({ "ports": named(ports(service, pods)) });
        for (field, addresses) in [("addresses", ready), ("notReadyAddresses", unready)] {
            if !addresses.is_empty() {
                subset[field] = json!(addresses);
            }
        }
        subsets = json!([subset]);
    }
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".into(), json!("endpoint-controller"));
    match view.find("endpoints", namespace(service), name(service)) {
        None => {
            let annotations = json!({ "endpoints.kubernetes.io/last-change-trigger-time": time(now) });
            let metadata = json!({ "name": name(service), "namespace": namespace(service), "labels": labels, "annotations": annotations });
            outcome
                .create(json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets }));
        }
        Some(live) => {
            let same = list(live, "/subsets") == subsets.as_array().map_or(&[][..], Vec::as_slice);
            if !same || live["metadata"]["labels"] != json!(labels) {
                let annotations = json!({ "endpoints.kubernetes.io/last-change-trigger-time": time(now) });
                let patch = json!({ "metadata": { "labels": labels, "annotations": annotations }, "subsets": subsets });
                outcome.merge(key_of("endpoints", live), patch);
            }
        }
    }
}

/// The older kind leaves empty port names out.
fn named(mut ports: Vec<Value>) -> Vec<Value> {
    for port in ports.iter_mut().filter(|port| port["name"] == "") {
        port.as_object_mut().map(|port| port.remove("name"));
    }
    ports
}

fn keep_slice(outcome: &mut Outcome, view: &Snapshot, service: &Value, pods: &[&Value]) {
    let endpoint = |pod: &&Value| {
        let (ready, terminating) = (counts_as_ready(service, pod), leaving(pod));
        let node = view.find("nodes", "", text(pod, "/spec/nodeName"));
        let mut endpoint = json!({
            "addresses": [text(pod, "/status/podIP")],
            "conditions": { "ready": ready, "serving": is_ready(pod), "terminating": terminating },
            "nodeName": text(pod, "/spec/nodeName"), "targetRef": pod_ref(pod),
        });
        if let Some(zone) = node.and_then(|node| node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str()) {
            endpoint["zone"] = json!(zone);
        }
        endpoint
    };
    let endpoints: Vec<Value> = pods.iter().map(endpoint).collect();
    let ports = ports(service, pods);
    let Some(live) = view.controlled(uid(service), SLICES).into_iter().next() else {
        let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert("kubernetes.io/service-name".into(), json!(name(service)));
        labels.insert("endpointslice.kubernetes.io/managed-by".into(), json!("endpointslice-controller.k8s.io"));
        let metadata = json!({
            "generateName": format!("{}-", name(service)), "namespace": namespace(service), "labels": labels,
            "ownerReferences": [controller_ref(service)],
        });
        let slice = json!({ "addressType": "IPv4", "endpoints": endpoints, "ports": ports, "metadata": metadata });
        return outcome.create(with_kind(slice));
    };
    if list(live, "/endpoints") != endpoints || list(live, "/ports") != ports {
        outcome.merge(key_of(SLICES, live), json!({ "endpoints": endpoints, "ports": ports }));
    }
}

fn with_kind(mut slice: Value) -> Value {
    slice["apiVersion"] = json!("discovery.k8s.io/v1");
    slice["kind"] = json!("EndpointSlice");
    slice
}
