//! Tables: what `kubectl get` prints, per kind.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::schema::resources::{Resource, strings};

/// A `Table` of objects; `columns` says whether the definitions are told.
pub(crate) fn of<'o>(
    resource: &Resource,
    objects: impl Iterator<Item = &'o Value>,
    metadata: &Value,
    now: Timestamp,
    columns: bool,
) -> Value {
    let rows: Vec<Value> = objects
        .map(|object| {
            let cells = cells(resource, object, now);
            let partial = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] });
            json!({ "cells": cells, "object": partial })
        })
        .collect();
    let definitions: Vec<Value> = resource
        .columns
        .iter()
        .map(|column| {
            let mut column = column.clone();
            column.as_object_mut().into_iter().for_each(|map| drop(map.remove("jsonPath")));
            column
        })
        .collect();
    let mut metadata = metadata.clone();
    let unknown = metadata.as_object().is_some_and(serde_json::Map::is_empty);
    if let Some(first) = rows.first().filter(|_| unknown) {
        metadata = json!({ "resourceVersion": first["object"]["metadata"]["resourceVersion"] });
    }
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": rows,
        "columnDefinitions": if columns { json!(definitions) } else { Value::Null },
    })
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How long ago, as kubectl writes it.
fn age(object: &Value, now: Timestamp) -> String {
    since(object.pointer("/metadata/creationTimestamp"), now)
}

fn since(time: Option<&Value>, now: Timestamp) -> String {
    match time.and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok()) {
        Some(time) => duration(now.as_second() - time.as_second()),
        None => "<unknown>".to_owned(),
    }
}

/// `HumanDuration` of apimachinery: two units at most, the smaller one only while it matters.
pub(crate) fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        s if s < -1 => "<invalid>".to_owned(),
        s if s < 0 => "0s".to_owned(),
        s if s < 120 => format!("{s}s"),
        s if s < 600 => two(minutes, "m", s % 60, "s"),
        s if s < 3 * 3600 => format!("{minutes}m"),
        s if s < 8 * 3600 => two(hours, "h", minutes % 60, "m"),
        s if s < 48 * 3600 => format!("{hours}h"),
        s if s < 8 * 86400 => two(days, "d", hours % 24, "h"),
        s if s < 2 * 365 * 86400 => format!("{days}d"),
        s if s < 8 * 365 * 86400 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

fn none_or(texts: &[String]) -> String {
    if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") }
}

fn containers(spec: &Value, pointer: &str) -> (String, String) {
    let all = list(spec, pointer);
    let part = |name: &str| all.iter().map(|container| text(container, name)).collect::<Vec<_>>().join(",");
    (part("/name"), part("/image"))
}

fn selector(value: &Value) -> String {
    let selector = if value.get("matchLabels").is_some() || value.get("matchExpressions").is_some() {
        &value["matchLabels"]
    } else {
        value
    };
    let pairs: Vec<String> =
        selector.as_object().into_iter().flatten().filter_map(|(k, v)| Some(format!("{k}={}", v.as_str()?))).collect();
    none_or(&pairs)
}

fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text(object, "/metadata/name"));
    if resource.is_custom() {
        return custom(resource, object, now);
    }
    let age = json!(age(object, now));
    let (spec, status) = (&object["spec"], &object["status"]);
    let template = containers(spec, "/template/spec/containers");
    let numbers = |pointers: &[&str]| pointers.iter().map(|p| json!(number(object, p))).collect::<Vec<_>>();
    let with = |rest: Vec<Value>| [vec![name.clone()], rest].concat();
    match resource.kind.as_str() {
        "Pod" => pod(object, now),
        "Deployment" => with(vec![
            json!(format!("{}/{}", number(status, "/readyReplicas"), number(spec, "/replicas"))),
            json!(number(status, "/updatedReplicas")),
            json!(number(status, "/availableReplicas")),
            age,
            json!(template.0),
            json!(template.1),
            json!(selector(&spec["selector"])),
        ]),
        "ReplicaSet" | "ReplicationController" => with(
            [
                numbers(&["/spec/replicas", "/status/replicas", "/status/readyReplicas"]),
                vec![age, json!(template.0), json!(template.1), json!(selector(&spec["selector"]))],
            ]
            .concat(),
        ),
        "StatefulSet" => with(vec![
            json!(format!("{}/{}", number(status, "/readyReplicas"), number(spec, "/replicas"))),
            age,
            json!(template.0),
            json!(template.1),
        ]),
        "DaemonSet" => {
            let counts = numbers(&[
                "/status/desiredNumberScheduled",
                "/status/currentNumberScheduled",
                "/status/numberReady",
                "/status/updatedNumberScheduled",
                "/status/numberAvailable",
            ]);
            let nodes = selector(spec.pointer("/template/spec/nodeSelector").unwrap_or(&Value::Null));
            with(
                [
                    counts,
                    vec![json!(nodes), age, json!(template.0), json!(template.1), json!(selector(&spec["selector"]))],
                ]
                .concat(),
            )
        }
        "Job" => job(object, now),
        "CronJob" => {
            let inner = containers(spec, "/jobTemplate/spec/template/spec/containers");
            let zone = spec["timeZone"].as_str().unwrap_or("<none>").to_owned();
            let last = status.get("lastScheduleTime").map_or("<none>".to_owned(), |time| since(Some(time), now));
            let suspended = if spec["suspend"] == true { "True" } else { "False" };
            with(vec![
                json!(text(spec, "/schedule")),
                json!(zone),
                json!(suspended),
                json!(list(status, "/active").len()),
                json!(last),
                age,
                json!(inner.0),
                json!(inner.1),
                json!("<none>"),
            ])
        }
        "Service" => service(object, now),
        "Namespace" => with(vec![json!(text(status, "/phase")), age]),
        "ConfigMap" => {
            let count = ["data", "binaryData"]
                .iter()
                .map(|part| object[*part].as_object().map_or(0, serde_json::Map::len))
                .sum::<usize>();
            with(vec![json!(count), age])
        }
        "Secret" => with(vec![
            json!(text(object, "/type")),
            json!(object["data"].as_object().map_or(0, serde_json::Map::len)),
            age,
        ]),
        "ServiceAccount" => with(vec![age]),
        "Node" => node(object, now),
        "Event" => event(object, now),
        "Ingress" => ingress(object, now),
        "IngressClass" => {
            let parameters = &spec["parameters"];
            let shown = if parameters.is_null() {
                "<none>".to_owned()
            } else {
                let kind = text(parameters, "/kind");
                let group = text(parameters, "/apiGroup");
                format!(
                    "{}/{}",
                    if group.is_empty() { kind } else { format!("{kind}.{group}") },
                    text(parameters, "/name")
                )
            };
            with(vec![json!(text(spec, "/controller")), json!(shown), age])
        }
        "NetworkPolicy" => with(vec![json!(selector(&spec["podSelector"])), age]),
        "PodDisruptionBudget" => {
            let shown = |field: &str| {
                spec.get(field).map_or("N/A".to_owned(), |v| v.as_str().map_or(v.to_string(), str::to_owned))
            };
            with(vec![
                json!(shown("minAvailable")),
                json!(shown("maxUnavailable")),
                json!(number(status, "/disruptionsAllowed")),
                age,
            ])
        }
        "HorizontalPodAutoscaler" => {
            let target = format!("{}/{}", text(spec, "/scaleTargetRef/kind"), text(spec, "/scaleTargetRef/name"));
            let (min, max) = (number(spec, "/minReplicas"), number(spec, "/maxReplicas"));
            with(vec![
                json!(target),
                json!("<unknown>"),
                json!(min.to_string()),
                json!(max),
                json!(number(status, "/currentReplicas")),
                age,
            ])
        }
        "PersistentVolumeClaim" => {
            let modes = access_modes(&spec["accessModes"]);
            let bound = text(spec, "/volumeName");
            let capacity = if bound.is_empty() { String::new() } else { text(status, "/capacity/storage") };
            let modes = if bound.is_empty() { String::new() } else { modes };
            with(vec![
                json!(text(status, "/phase")),
                json!(bound),
                json!(capacity),
                json!(modes),
                json!(text(spec, "/storageClassName")),
                json!("<unset>"),
                age,
                json!(text(spec, "/volumeMode")),
            ])
        }
        "PersistentVolume" => {
            let claim = &spec["claimRef"];
            let claim = if claim.is_null() {
                String::new()
            } else {
                format!("{}/{}", text(claim, "/namespace"), text(claim, "/name"))
            };
            with(vec![
                json!(text(spec, "/capacity/storage")),
                json!(access_modes(&spec["accessModes"])),
                json!(text(spec, "/persistentVolumeReclaimPolicy")),
                json!(text(status, "/phase")),
                json!(claim),
                json!(text(spec, "/storageClassName")),
                json!("<unset>"),
                json!(text(status, "/reason")),
                age,
                json!(text(spec, "/volumeMode")),
            ])
        }
        "StorageClass" => {
            let default = object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
            let shown = format!("{}{}", text(object, "/metadata/name"), if default { " (default)" } else { "" });
            vec![
                json!(shown),
                json!(text(object, "/provisioner")),
                json!(text(object, "/reclaimPolicy")),
                json!(text(object, "/volumeBindingMode")),
                json!(object["allowVolumeExpansion"] == true),
                age,
            ]
        }
        "Endpoints" => with(vec![json!(endpoints(object)), age]),
        "EndpointSlice" => {
            let ports: Vec<String> =
                list(object, "/ports").iter().filter_map(|p| p["port"].as_i64().map(|n| n.to_string())).collect();
            let addresses: Vec<String> =
                list(object, "/endpoints").iter().flat_map(|e| strings(&e["addresses"])).take(3).collect();
            let unset = |texts: &[String]| if texts.is_empty() { "<unset>".to_owned() } else { texts.join(",") };
            with(vec![json!(text(object, "/addressType")), json!(unset(&ports)), json!(unset(&addresses)), age])
        }
        "Role" | "ClusterRole" => with(vec![json!(text(object, "/metadata/creationTimestamp"))]),
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
            let of = |kind: &str| {
                let names = list(object, "/subjects").iter().filter(|s| s["kind"] == kind);
                let names = names.map(|s| {
                    if kind == "ServiceAccount" {
                        format!("{}/{}", text(s, "/namespace"), text(s, "/name"))
                    } else {
                        text(s, "/name")
                    }
                });
                names.collect::<Vec<_>>().join(", ")
            };
            with(vec![json!(role), age, json!(of("User")), json!(of("Group")), json!(of("ServiceAccount"))])
        }
        "ControllerRevision" => {
            let owner = list(object, "/metadata/ownerReferences").iter().find(|o| o["controller"] == true);
            let owner = owner.map_or("<none>".to_owned(), |owner| {
                let kind = text(owner, "/kind").to_lowercase();
                let group = text(owner, "/apiVersion");
                let kind = group.split_once('/').map_or(kind.clone(), |(group, _)| format!("{kind}.{group}"));
                format!("{kind}/{}", text(owner, "/name"))
            });
            with(vec![json!(owner), json!(number(object, "/revision")), age])
        }
        "PodTemplate" => {
            let inner = containers(object, "/template/spec/containers");
            with(vec![json!(inner.0), json!(inner.1), json!(selector(&object["template"]["metadata"]["labels"]))])
        }
        "ResourceQuota" => with(quota(object, age)),
        "LimitRange" => with(vec![json!(text(object, "/metadata/creationTimestamp"))]),
        "Lease" => with(vec![json!(text(spec, "/holderIdentity")), age]),
        "PriorityClass" => with(vec![
            json!(number(object, "/value")),
            json!(object["globalDefault"] == true),
            age,
            json!(text(object, "/preemptionPolicy")),
        ]),
        "RuntimeClass" => with(vec![json!(text(object, "/handler")), age]),
        "CSIDriver" => {
            let flag = |field: &str| json!(spec[field] == true);
            let modes = strings(&spec["volumeLifecycleModes"]).join(",");
            let tokens = list(spec, "/tokenRequests").iter().map(|t| text(t, "/audience")).collect::<Vec<_>>();
            let tokens = if tokens.is_empty() { "<unset>".to_owned() } else { tokens.join(",") };
            with(vec![
                flag("attachRequired"),
                flag("podInfoOnMount"),
                flag("storageCapacity"),
                json!(tokens),
                flag("requiresRepublish"),
                json!(modes),
                age,
            ])
        }
        "CustomResourceDefinition" => with(vec![json!(text(object, "/metadata/creationTimestamp"))]),
        _ => {
            let mut cells = vec![name.clone()];
            cells.extend((resource.columns.len() == 2).then_some(age));
            while cells.len() < resource.columns.len() {
                cells.push(json!(""));
            }
            cells
        }
    }
}

fn quota(object: &Value, age: Value) -> Vec<Value> {
    let hard = object["spec"]["hard"].as_object().cloned().unwrap_or_default();
    let part = |limits: bool| {
        let rows = hard.iter().filter(|(name, _)| name.starts_with("limits.") == limits);
        let rows = rows.map(|(name, hard)| {
            let used = object["status"]["used"][name].as_str().unwrap_or("0").to_owned();
            format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
        });
        rows.collect::<Vec<_>>().join(", ")
    };
    vec![json!(part(false)), json!(part(true)), age]
}

fn access_modes(modes: &Value) -> String {
    let short = |mode: String| match mode.as_str() {
        "ReadWriteOnce" => "RWO".to_owned(),
        "ReadOnlyMany" => "ROX".to_owned(),
        "ReadWriteMany" => "RWX".to_owned(),
        "ReadWriteOncePod" => "RWOP".to_owned(),
        _ => mode,
    };
    strings(modes).into_iter().map(short).collect::<Vec<_>>().join(",")
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let statuses = list(status, "/containerStatuses");
    let ready = statuses.iter().filter(|s| s["ready"] == true && s["state"].get("running").is_some()).count();
    let restarts: i64 = statuses.iter().map(|s| number(s, "/restartCount")).sum();
    let last = statuses
        .iter()
        .filter_map(|s| s.pointer("/lastState/terminated/finishedAt")?.as_str())
        .max()
        .map(str::to_owned);
    let restarts = match last {
        Some(time) if restarts > 0 => format!("{restarts} ({} ago)", since(Some(&json!(time)), now)),
        _ => restarts.to_string(),
    };
    let or_none = |text: String| json!(if text.is_empty() { "<none>".to_owned() } else { text });
    let gates = list(spec, "/readinessGates");
    let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("0/{}", gates.len()) };
    vec![
        json!(text(object, "/metadata/name")),
        json!(format!("{ready}/{}", list(spec, "/containers").len())),
        json!(pod_reason(object)),
        json!(restarts),
        json!(age(object, now)),
        or_none(text(status, "/podIP")),
        or_none(text(spec, "/nodeName")),
        or_none(text(status, "/nominatedNodeName")),
        json!(gates),
    ]
}

/// The STATUS column: the phase, or what says more.
fn pod_reason(object: &Value) -> String {
    let status = &object["status"];
    let own = text(status, "/reason");
    let mut reason = if own.is_empty() { text(status, "/phase") } else { own };
    if list(status, "/conditions").iter().any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let inits = list(status, "/initContainerStatuses");
    let mut initializing = false;
    for (index, container) in inits.iter().enumerate() {
        let state = &container["state"];
        if state.pointer("/terminated/exitCode").is_some_and(|code| code == 0) {
            continue;
        }
        let waiting = text(state, "/waiting/reason");
        reason = if state.get("terminated").is_some() {
            format!("Init:{}", text(state, "/terminated/reason"))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", inits.len())
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        for container in list(status, "/containerStatuses").iter().rev() {
            let state = &container["state"];
            let waiting = text(state, "/waiting/reason");
            let ended = text(state, "/terminated/reason");
            if !waiting.is_empty() {
                reason = waiting;
            } else if !ended.is_empty() {
                reason = ended;
            } else if state.get("terminated").is_some() {
                reason = format!("ExitCode:{}", number(state, "/terminated/exitCode"));
            } else if container["ready"] == true && state.get("running").is_some() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            reason = "Running".to_owned();
        }
    }
    if object["metadata"]["deletionTimestamp"].is_string() {
        reason = if text(status, "/reason") == "NodeLost" { "Unknown".to_owned() } else { "Terminating".to_owned() };
    }
    reason
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let done = number(status, "/succeeded");
    let completions = match (spec["completions"].as_i64(), spec["parallelism"].as_i64()) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, Some(parallel)) if parallel > 1 => format!("{done}/1 of {parallel}"),
        _ => format!("{done}/1"),
    };
    let is = |kind: &str| list(status, "/conditions").iter().any(|c| c["type"] == kind && c["status"] == "True");
    let state = if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let time = |field: &str| status[field].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let took = match (time("startTime"), time("completionTime")) {
        (Some(start), end) => duration(end.unwrap_or(now).as_second() - start.as_second()),
        (None, _) => String::new(),
    };
    let inner = containers(spec, "/template/spec/containers");
    vec![
        json!(text(object, "/metadata/name")),
        json!(state),
        json!(completions),
        json!(took),
        json!(age(object, now)),
        json!(inner.0),
        json!(inner.1),
        json!(selector(&spec["selector"])),
    ]
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let kind = text(spec, "/type");
    let cluster = strings(&spec["clusterIPs"]).first().cloned().unwrap_or_else(|| "<none>".to_owned());
    let cluster = if kind == "ExternalName" { "<none>".to_owned() } else { cluster };
    let external = strings(&spec["externalIPs"]);
    let external = match kind.as_str() {
        "ExternalName" => text(spec, "/externalName"),
        "LoadBalancer" => {
            let ingress = list(object, "/status/loadBalancer/ingress");
            let mut all: Vec<String> =
                ingress.iter().map(|i| [text(i, "/ip"), text(i, "/hostname")].concat()).collect();
            all.extend(external);
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => none_or(&external),
    };
    let ports: Vec<String> = list(spec, "/ports")
        .iter()
        .map(|port| match number(port, "/nodePort") {
            0 => format!("{}/{}", number(port, "/port"), text(port, "/protocol")),
            node => format!("{}:{node}/{}", number(port, "/port"), text(port, "/protocol")),
        })
        .collect();
    vec![
        json!(text(object, "/metadata/name")),
        json!(kind),
        json!(cluster),
        json!(external),
        json!(none_or(&ports)),
        json!(age(object, now)),
        json!(selector(&spec["selector"])),
    ]
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = list(object, "/status/conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let address = |kind: &str| {
        let found = list(object, "/status/addresses").iter().find(|a| a["type"] == kind);
        found.map_or("<none>".to_owned(), |a| text(a, "/address"))
    };
    let info = |field: &str| {
        let text = text(object, &format!("/status/nodeInfo/{field}"));
        json!(if text.is_empty() { "<unknown>".to_owned() } else { text })
    };
    let roles: Vec<String> = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/").map(str::to_owned))
        .collect();
    vec![
        json!(text(object, "/metadata/name")),
        json!(if ready { "Ready" } else { "NotReady" }),
        json!(none_or(&roles)),
        json!(age(object, now)),
        json!(text(object, "/status/nodeInfo/kubeletVersion")),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let involved = if object.get("regarding").is_some() { &object["regarding"] } else { &object["involvedObject"] };
    let shown = format!("{}/{}", text(involved, "/kind").to_lowercase(), text(involved, "/name"));
    let last = [&object["lastTimestamp"], &object["eventTime"]].into_iter().find(|time| time.is_string());
    let first = [&object["firstTimestamp"], &object["eventTime"]].into_iter().find(|time| time.is_string());
    let source = text(object, "/source/component");
    let source = if source.is_empty() { text(object, "/reportingComponent") } else { source };
    let count = object["count"].as_i64().unwrap_or(1);
    vec![
        json!(since(last, now)),
        json!(text(object, "/type")),
        json!(text(object, "/reason")),
        json!(shown),
        json!(text(involved, "/fieldPath")),
        json!(source),
        json!(text(object, "/message").trim()),
        json!(since(first, now)),
        json!(count),
        json!(text(object, "/metadata/name")),
    ]
}

fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let hosts: Vec<String> =
        list(spec, "/rules").iter().map(|rule| text(rule, "/host")).filter(|host| !host.is_empty()).collect();
    let addresses: Vec<String> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|i| [text(i, "/ip"), text(i, "/hostname")].concat())
        .collect();
    let class = spec["ingressClassName"].as_str().map_or("<none>".to_owned(), str::to_owned);
    let ports = if list(spec, "/tls").is_empty() { "80" } else { "80, 443" };
    let hosts = if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") };
    vec![
        json!(text(object, "/metadata/name")),
        json!(class),
        json!(hosts),
        json!(addresses.join(",")),
        json!(ports),
        json!(age(object, now)),
    ]
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        for port in list(subset, "/ports") {
            all.extend(
                list(subset, "/addresses").iter().map(|a| format!("{}:{}", text(a, "/ip"), number(port, "/port"))),
            );
        }
        if list(subset, "/ports").is_empty() {
            all.extend(list(subset, "/addresses").iter().map(|a| text(a, "/ip")));
        }
    }
    match all.len() {
        0 => "<none>".to_owned(),
        count if count > 3 => format!("{} + {} more...", all[..3].join(","), count - 3),
        _ => all.join(","),
    }
}

fn custom(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![json!(text(object, "/metadata/name"))];
    for column in resource.columns.iter().skip(1) {
        let path = column["jsonPath"].as_str().unwrap_or_default();
        let found = json_path(object, path);
        cells.push(match (column["type"].as_str(), found) {
            (_, None) => Value::Null,
            (Some("date"), Some(time)) => json!(since(Some(&time), now)),
            (Some("string"), Some(Value::String(text))) => json!(text),
            (Some("string"), Some(other)) => json!(other.to_string()),
            (Some("integer"), Some(value)) => value.as_i64().map_or(Value::Null, |n| json!(n)),
            (Some("number"), Some(value)) => value.as_f64().map_or(Value::Null, |n| json!(n)),
            (Some("boolean"), Some(value)) => value.as_bool().map_or(Value::Null, |b| json!(b)),
            (_, Some(value)) => value,
        });
    }
    cells
}

/// Where in a list of that length an index leads, or a slice begins.
fn place(inside: &str, length: usize) -> Option<usize> {
    let start = match inside.split_once(':').map_or(inside, |(start, _)| start) {
        "*" | "" => 0,
        start => start.parse::<isize>().ok()?,
    };
    if start < 0 { length.checked_sub(start.unsigned_abs()) } else { usize::try_from(start).ok() }
}

/// The simple JSONPath of printer columns: fields, indexes, and `[?(@.type=="Ready")]`; of several values the first, as in
/// an API server.
fn json_path(object: &Value, path: &str) -> Option<Value> {
    let mut at = object.clone();
    let mut rest = path.trim_start_matches('.').to_owned();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']')?;
            at = match inside.strip_prefix("?(@.") {
                Some(filter) => {
                    let (field, value) = filter.trim_end_matches(')').split_once("==")?;
                    let value = value.trim_matches(['"', '\'']);
                    at.as_array()?.iter().find(|item| item[field.trim()] == value)?.clone()
                }
                None => match place(inside, at.as_array().map_or(0, Vec::len)) {
                    Some(index) => at.get(index)?.clone(),
                    None => at.get(inside.trim_matches(['\'', '"']))?.clone(),
                },
            };
            rest = after.trim_start_matches('.').to_owned();
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        at = at.get(name.replace("\\", ""))?.clone();
        rest = after.strip_prefix('.').unwrap_or(after).to_owned();
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10799, "179m"),
            (10800, "3h"),
            (12000, "3h20m"),
            (172_800, "2d"),
            (200_000, "2d7h"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn paths_of_columns_find_conditions() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}], "n": [1, 2]}});
        assert_eq!(json_path(&object, ".status.conditions[?(@.type==\"Ready\")].status"), Some(json!("True")));
        assert_eq!(json_path(&object, ".status.n[1]"), Some(json!(2)));
        assert_eq!(json_path(&object, ".status.x"), None);
        for (path, expected) in [("n[-1:]", 2), ("n[*]", 1), ("n[1:]", 2), ("n[-2]", 1)] {
            assert_eq!(json_path(&object, &format!(".status.{path}")), Some(json!(expected)), "{path}");
        }
        assert_eq!(json_path(&json!({"n": []}), ".n[-1:]"), None);
    }
}
