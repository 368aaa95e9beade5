//! What the API server's own admission does to objects on the way in: service accounts and tolerations of Pods, cluster
//! addresses and node ports of Services, finalizers and labels of Namespaces.

use std::sync::Arc;

use clock::Ids;
use serde_json::{Map, Value, json};

use crate::quantity::Quantity;
use crate::schema::resources::Resource;
use crate::status::{Answer, Cause, Failure};
use crate::store::{Key, Transaction};

/// What is converted before anybody owns it: texts of Secrets become base64, a Namespace carries its name as a label.
pub(crate) fn convert(resource: &Resource, value: &mut Value) {
    use base64::Engine as _;
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => {
            let name = value["metadata"]["name"].clone();
            value["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        ("", "Secret") => {
            let texts = value.as_object_mut().and_then(|map| map.remove("stringData"));
            for (key, text) in texts.as_ref().and_then(Value::as_object).into_iter().flatten() {
                let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
                value["data"][key] = json!(encoded);
            }
        }
        _ => {}
    }
}

/// # Errors
/// When admission refuses the object.
pub(crate) fn admit(
    txn: &mut Transaction<'_>,
    resource: &Resource,
    value: &mut Value,
    old: Option<&Value>,
    ids: &Ids,
) -> Answer<()> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") if old.is_none() => pod(txn, resource, value, ids),
        ("", "Namespace") if old.is_none() => {
            value["spec"]["finalizers"] = json!(["kubernetes"]);
            value["status"]["phase"] = json!("Active");
            Ok(())
        }
        ("", "PersistentVolume") if old.is_none() => {
            protect(value, "kubernetes.io/pv-protection");
            Ok(())
        }
        ("", "PersistentVolumeClaim") if old.is_none() => {
            protect(value, "kubernetes.io/pvc-protection");
            Ok(())
        }
        ("", "Service") => service(txn, resource, value, old, ids),
        ("batch", "Job") if old.is_none() => {
            job(value, ids);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn protect(value: &mut Value, finalizer: &str) {
    let mut finalizers = crate::schema::resources::strings(&value["metadata"]["finalizers"]);
    if !finalizers.iter().any(|known| known == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
    value["metadata"]["finalizers"] = json!(finalizers);
}

/// A DaemonSet counts the changes of its template in an annotation.
pub(crate) fn count_template(resource: &Resource, value: &mut Value, old: Option<&Value>) {
    if resource.kind != "DaemonSet" {
        return;
    }
    const COUNTER: &str = "deprecated.daemonset.template.generation";
    let before = old.and_then(|old| old["metadata"]["annotations"][COUNTER].as_str()?.parse::<i64>().ok());
    let changed = old.is_some_and(|old| old["spec"]["template"] != value["spec"]["template"]);
    let count = before.map_or(1, |count| count + i64::from(changed));
    value["metadata"]["annotations"][COUNTER] = json!(count.to_string());
}

fn pod(txn: &Transaction<'_>, resource: &Resource, value: &mut Value, ids: &Ids) -> Answer<()> {
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let account = value["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned();
    let found = txn.get(&Key::new("serviceaccounts", &namespace, &account));
    if found.is_none() && account != "default" {
        let why =
            format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
        return Err(Failure::forbidden(resource, &name, &why));
    }
    value["spec"]["serviceAccountName"] = json!(account);
    value["spec"]["serviceAccount"] = json!(account);
    let own = value["spec"]["imagePullSecrets"].as_array().is_some_and(|secrets| !secrets.is_empty());
    if let Some(secrets) = found.as_ref().and_then(|found| found.get("imagePullSecrets")).filter(|_| !own) {
        value["spec"]["imagePullSecrets"] = secrets.clone();
    }
    let mounts = value["spec"]["automountServiceAccountToken"].as_bool();
    let mounts = mounts.or_else(|| found.as_ref()?["automountServiceAccountToken"].as_bool()).unwrap_or(true);
    if mounts {
        mount_token(value, ids);
    }
    let tolerations = value["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let has = |key: &str| {
        tolerations.iter().any(|t| t["key"] == key && (t["effect"] == "NoExecute" || t.get("effect").is_none()))
    };
    let missing: Vec<Value> = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
        .into_iter()
        .filter(|key| !has(key))
        .map(|key| json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }))
        .collect();
    value["spec"]["tolerations"] = json!([tolerations, missing].concat());
    priority(txn, resource, &name, value)?;
    value["status"]["phase"] = json!("Pending");
    if value["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        let now = value["metadata"]["creationTimestamp"].clone();
        value["status"]["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": now,
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    value["status"]["qosClass"] = json!(qos(value));
    Ok(())
}

fn priority(txn: &Transaction<'_>, resource: &Resource, name: &str, value: &mut Value) -> Answer<()> {
    let class = value["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let known = |class: &str| match class {
        "system-node-critical" => Some((2_000_001_000, "PreemptLowerPriority".to_owned())),
        "system-cluster-critical" => Some((2_000_000_000, "PreemptLowerPriority".to_owned())),
        class => {
            let found = txn.get(&Key::new("priorityclasses.scheduling.k8s.io", "", class))?;
            Some((
                found["value"].as_i64()?,
                found["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority").to_owned(),
            ))
        }
    };
    let (number, policy) = match class.as_str() {
        "" => (0, "PreemptLowerPriority".to_owned()),
        class => known(class).ok_or_else(|| {
            Failure::forbidden(resource, name, &format!("no PriorityClass with name {class} was found"))
        })?,
    };
    if value["spec"]["priority"].as_i64().is_some_and(|given| given != number) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {number} from the given PriorityClass name",
            value["spec"]["priority"]
        );
        return Err(Failure::forbidden(resource, name, &why));
    }
    value["spec"]["priority"] = json!(number);
    if value["spec"]["preemptionPolicy"].is_null() {
        value["spec"]["preemptionPolicy"] = json!(policy);
    }
    Ok(())
}

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn mount_token(value: &mut Value, ids: &Ids) {
    let volume = format!("kube-api-access-{}", ids.suffix(5));
    let mut any = false;
    for list in ["initContainers", "containers"] {
        for container in value["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if mounts.iter().any(|mount| mount["mountPath"] == TOKEN_PATH) {
                continue;
            }
            let mount = json!({ "name": volume, "readOnly": true, "mountPath": TOKEN_PATH });
            container["volumeMounts"] = json!([mounts, vec![mount]].concat());
            any = true;
        }
    }
    if any {
        let sources = json!([
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
        ]);
        let volumes = value["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let token = json!({ "name": volume, "projected": { "sources": sources, "defaultMode": 420 } });
        value["spec"]["volumes"] = json!([volumes, vec![token]].concat());
    }
}

/// `Guaranteed` when every container limits cpu and memory to what it requests, `BestEffort` when none says anything.
fn qos(pod: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array().cloned().unwrap_or_default());
    let containers = lists.concat();
    let part = |container: &Value, part: &str, name: &str| {
        Quantity::of(&container["resources"][part][name]).filter(|q| q.nano > 0)
    };
    let all = containers.iter().all(|c| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = part(c, "limits", name);
            limit.is_some() && part(c, "requests", name).or(limit).map(|q| q.nano) == limit.map(|q| q.nano)
        })
    });
    let any = containers
        .iter()
        .any(|c| ["limits", "requests"].iter().any(|p| ["cpu", "memory"].iter().any(|n| part(c, p, n).is_some())));
    if all {
        "Guaranteed"
    } else if any {
        "Burstable"
    } else {
        "BestEffort"
    }
}

fn job(value: &mut Value, ids: &Ids) {
    if value["spec"]["manualSelector"] == true {
        return;
    }
    // the API server derives them from the uid, which a create has not got yet: the store keeps what is made here
    let uid = value["metadata"]["uid"].as_str().map_or_else(|| ids.uuid(), str::to_owned);
    value["metadata"]["uid"] = json!(uid);
    let name = value["metadata"]["name"].clone();
    let labels = [
        ("batch.kubernetes.io/controller-uid", json!(uid)),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", json!(uid)),
        ("job-name", name),
    ];
    for (key, label) in labels {
        value["spec"]["template"]["metadata"]["labels"][key] = label;
    }
    let unlabelled = value["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty);
    if unlabelled {
        value["metadata"]["labels"] = value["spec"]["template"]["metadata"]["labels"].clone();
    }
    value["spec"]["selector"] = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } });
}

/// Node ports that another Service has.
fn taken_ports(spec: &Map<String, Value>, others: &[Arc<Value>]) -> Vec<Cause> {
    let used: Vec<i64> = others
        .iter()
        .flat_map(|service| service["spec"]["ports"].as_array().cloned().unwrap_or_default())
        .filter_map(|port| port["nodePort"].as_i64())
        .collect();
    let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten().enumerate();
    ports
        .filter(|(_, port)| port["nodePort"].as_i64().is_some_and(|number| used.contains(&number)))
        .map(|(index, port)| {
            Cause::invalid(
                format!("spec.ports[{index}].nodePort"),
                &port["nodePort"],
                "provided port is already allocated",
            )
        })
        .collect()
}

fn service(
    txn: &Transaction<'_>,
    resource: &Resource,
    value: &mut Value,
    old: Option<&Value>,
    ids: &Ids,
) -> Answer<()> {
    let kind = value["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    let value_name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let uid = value["metadata"]["uid"].clone();
    let spec = value["spec"].as_object_mut();
    let Some(spec) = spec else { return Ok(()) };
    if kind == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        if old.is_some_and(|old| old["spec"]["type"] != "ExternalName") {
            for field in ["internalTrafficPolicy", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"] {
                spec.remove(field);
            }
        }
        return Ok(());
    }
    let old_spec = old.map(|old| old["spec"].clone()).unwrap_or_default();
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        if !spec.contains_key(field) {
            old_spec.get(field).into_iter().for_each(|value| drop(spec.insert(field.into(), value.clone())));
        }
    }
    let services = txn.list("services", "");
    if spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().is_empty() {
        let used: Vec<&str> = services.iter().filter_map(|service| service["spec"]["clusterIP"].as_str()).collect();
        let free = (0..4000).map(|_| address(ids)).find(|address| !used.contains(&address.as_str()));
        spec.insert("clusterIP".into(), json!(free.unwrap_or_else(|| address(ids))));
    }
    let address = spec.get("clusterIP").cloned().unwrap_or_default();
    spec.entry("clusterIPs").or_insert_with(|| json!([address]));
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
    if old_spec["type"] == "LoadBalancer" && kind != "LoadBalancer" {
        spec.remove("allocateLoadBalancerNodePorts");
    }
    if kind == "ClusterIP" && old.is_some() {
        spec.remove("externalTrafficPolicy");
    }
    let others: Vec<Arc<Value>> = services.iter().filter(|s| s["metadata"]["uid"] != uid).cloned().collect();
    node_ports(spec, &old_spec, &kind, &others, ids);
    let taken = taken_ports(spec, &others);
    if taken.is_empty() { Ok(()) } else { Err(Failure::invalid(resource, &value_name, &taken)) }
}

fn address(ids: &Ids) -> String {
    let [a, b, ..] = ids.key();
    format!("10.96.{}.{}", a, b.clamp(2, 254))
}

fn node_ports(spec: &mut Map<String, Value>, old: &Value, kind: &str, services: &[std::sync::Arc<Value>], ids: &Ids) {
    let wanted = kind == "NodePort"
        || kind == "LoadBalancer" && spec.get("allocateLoadBalancerNodePorts") != Some(&json!(false));
    let mut used: Vec<i64> = services
        .iter()
        .flat_map(|s| s["spec"]["ports"].as_array().cloned().unwrap_or_default())
        .filter_map(|p| p["nodePort"].as_i64())
        .collect();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if !wanted {
            // what was asked for now is refused later; what another type had before goes
            if !old.is_null() {
                port.as_object_mut().map(|port| port.remove("nodePort"));
            }
            continue;
        }
        if port["nodePort"].as_i64().is_some_and(|number| number != 0) {
            continue;
        }
        let before = old["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|p| p["port"] == port["port"] && p["protocol"] == port["protocol"]);
        let number = before.and_then(|p| p["nodePort"].as_i64()).unwrap_or_else(|| free_port(&used, ids));
        used.push(number);
        port["nodePort"] = json!(number);
    }
    if kind == "LoadBalancer"
        && spec.get("externalTrafficPolicy") == Some(&json!("Local"))
        && !spec.contains_key("healthCheckNodePort")
    {
        spec.insert("healthCheckNodePort".into(), json!(free_port(&used, ids)));
    }
}

fn free_port(used: &[i64], ids: &Ids) -> i64 {
    let next = || {
        let [a, b, ..] = ids.key();
        30000 + i64::from(u16::from_be_bytes([a, b])) % 2768
    };
    (0..4000).map(|_| next()).find(|port| !used.contains(port)).unwrap_or_else(next)
}
