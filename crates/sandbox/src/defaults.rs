//! Defaulting as Kubernetes 1.36 does it on the way in: what `kubectl get -o yaml` shows though nobody wrote it.

use serde_json::{Map, Value, json};

use crate::schema::Schema;

type Fields = Map<String, Value>;

/// Fills in the defaults of a built-in object. `pod` says that it is a Pod itself: some defaults are not for templates.
pub(crate) fn fill(schema: &Schema, object: &mut Value) {
    let is_pod = schema.object().is_some_and(|o| o.name == "core/v1.Pod");
    walk(schema, object, is_pod);
}

fn walk(schema: &Schema, value: &mut Value, pod: bool) {
    match (schema, value) {
        (Schema::List { items, .. }, Value::Array(list)) => list.iter_mut().for_each(|item| walk(items, item, pod)),
        (Schema::Map { values, .. }, Value::Object(map)) => map.values_mut().for_each(|item| walk(values, item, pod)),
        (schema, Value::Object(map)) => {
            let Some(object) = schema.object() else { return };
            for (name, field) in &object.fields {
                // the defaults that the types themselves declare
                if let Some(default) = field.default.as_ref().filter(|_| declared(&object.name, name)) {
                    map.entry(name.clone()).or_insert_with(|| default.clone());
                }
            }
            of_type(&object.name, map, pod);
            for (name, field) in &object.fields {
                if let Some(child) = map.get_mut(name) {
                    walk(&field.schema, child, pod);
                }
            }
        }
        _ => {}
    }
}

/// Declared defaults that the server really applies; some only describe what a function does.
fn declared(owner: &str, field: &str) -> bool {
    matches!(
        (owner, field),
        ("core/v1.ContainerPort" | "core/v1.ServicePort", "protocol")
            | ("core/v1.ISCSIVolumeSource" | "core/v1.ISCSIPersistentVolumeSource", "iscsiInterface")
            | ("core/v1.RBDVolumeSource" | "core/v1.RBDPersistentVolumeSource", "pool" | "user" | "keyring")
            | ("core/v1.ScaleIOVolumeSource", "storageMode" | "fsType")
    )
}

fn set(map: &mut Fields, name: &str, value: Value) {
    map.entry(name).or_insert(value);
}

fn of_type(name: &str, map: &mut Fields, pod: bool) {
    match name {
        "core/v1.Pod" => of_pod(map),
        "core/v1.PodSpec" => of_pod_spec(map),
        "core/v1.Container" | "core/v1.EphemeralContainer" => of_container(map, pod),
        "core/v1.Probe" => {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                set(map, field, json!(value));
            }
            if let Some(grpc) = map.get_mut("grpc").and_then(Value::as_object_mut) {
                set(grpc, "service", json!(""));
            }
        }
        "core/v1.EndpointPort" => set(map, "protocol", json!("TCP")),
        "core/v1.HTTPGetAction" => {
            set(map, "path", json!("/"));
            set(map, "scheme", json!("HTTP"));
        }
        "core/v1.ObjectFieldSelector" => set(map, "apiVersion", json!("v1")),
        "core/v1.Volume" => {
            if map.keys().all(|key| key == "name") {
                set(map, "emptyDir", json!({}));
            }
        }
        "core/v1.SecretVolumeSource"
        | "core/v1.ConfigMapVolumeSource"
        | "core/v1.DownwardAPIVolumeSource"
        | "core/v1.ProjectedVolumeSource" => set(map, "defaultMode", json!(420)),
        "core/v1.HostPathVolumeSource" => set(map, "type", json!("")),
        "core/v1.ServiceAccountTokenProjection" => set(map, "expirationSeconds", json!(3600)),
        "core/v1.Secret" => set(map, "type", json!("Opaque")),
        "core/v1.ServiceSpec" => of_service(map),
        "core/v1.PersistentVolumeClaim" => set_in(map, "status", "phase", json!("Pending")),
        "core/v1.PersistentVolumeClaimSpec" | "core/v1.PersistentVolumeSpec" => {
            set(map, "volumeMode", json!("Filesystem"));
            if name.ends_with("VolumeSpec") {
                set(map, "persistentVolumeReclaimPolicy", json!("Retain"));
            }
        }
        "core/v1.PersistentVolume" => set_in(map, "status", "phase", json!("Pending")),
        "core/v1.LimitRangeItem" => of_limit(map),
        "core/v1.ReplicationControllerSpec" => {
            set(map, "replicas", json!(1));
            let labels = map.get("template").and_then(|t| t.pointer("/metadata/labels")).cloned();
            labels.into_iter().for_each(|labels| set(map, "selector", labels));
        }
        _ => of_workload(name, map),
    }
}

fn set_in(map: &mut Fields, outer: &str, name: &str, value: Value) {
    if let Some(inner) = map.entry(outer).or_insert_with(|| json!({})).as_object_mut() {
        set(inner, name, value);
    }
}

fn of_pod(map: &mut Fields) {
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        set(spec, "enableServiceLinks", json!(true));
    }
}

fn of_pod_spec(map: &mut Fields) {
    set(map, "dnsPolicy", json!("ClusterFirst"));
    set(map, "restartPolicy", json!("Always"));
    set(map, "securityContext", json!({}));
    set(map, "terminationGracePeriodSeconds", json!(30));
    set(map, "schedulerName", json!("default-scheduler"));
    if map.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
        map.insert("terminationGracePeriodSeconds".into(), json!(1));
    }
    // one is the old name of the other
    match (map.get("serviceAccountName").cloned(), map.get("serviceAccount").cloned()) {
        (Some(name), _) => drop(map.insert("serviceAccount".into(), name)),
        (None, Some(name)) => drop(map.insert("serviceAccountName".into(), name)),
        (None, None) => {}
    }
    if map.get("hostNetwork") == Some(&json!(true)) {
        for list in ["containers", "initContainers"] {
            let containers = map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            let ports = containers.filter_map(|c| c.get_mut("ports").and_then(Value::as_array_mut)).flatten();
            for port in ports.filter_map(Value::as_object_mut) {
                let container_port = port.get("containerPort").cloned().unwrap_or_default();
                set(port, "hostPort", container_port);
            }
        }
    }
}

fn of_container(map: &mut Fields, pod: bool) {
    let image = map.get("image").and_then(Value::as_str).unwrap_or_default();
    let always = image.is_empty() || latest(image);
    let policy = if always && !image.is_empty() || image.is_empty() { "Always" } else { "IfNotPresent" };
    let policy = json!(policy);
    set(map, "imagePullPolicy", policy);
    set(map, "terminationMessagePath", json!("/dev/termination-log"));
    set(map, "terminationMessagePolicy", json!("File"));
    if !pod {
        return;
    }
    // what is limited and not requested is requested as limited
    if let Some(resources) = map.get_mut("resources").and_then(Value::as_object_mut) {
        let limits = resources.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, quantity) in limits {
            let requests = resources.entry("requests").or_insert_with(|| json!({}));
            if let Some(requests) = requests.as_object_mut() {
                set(requests, &name, quantity);
            }
        }
    }
}

/// Whether an image means whatever is newest: no tag and no digest, or the tag `latest`.
fn latest(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, ""), |(name, digest)| (name, digest));
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map_or(digest.is_empty(), |(_, tag)| tag == "latest")
}

fn of_service(map: &mut Fields) {
    set(map, "sessionAffinity", json!("None"));
    set(map, "type", json!("ClusterIP"));
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if map.get("sessionAffinity") == Some(&json!("ClientIP")) {
        let config = map.entry("sessionAffinityConfig").or_insert_with(|| json!({}));
        if config.pointer("/clientIP/timeoutSeconds").is_none() {
            config["clientIP"] = json!({ "timeoutSeconds": 10800 });
        }
    } else {
        map.remove("sessionAffinityConfig");
    }
    let outside = kind == "NodePort" || kind == "LoadBalancer";
    if outside {
        set(map, "externalTrafficPolicy", json!("Cluster"));
    }
    if outside || kind == "ClusterIP" {
        set(map, "internalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(map, "allocateLoadBalancerNodePorts", json!(true));
    }
    for port in
        map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    {
        let number = port.get("port").cloned().unwrap_or_default();
        let target = port.entry("targetPort").or_insert_with(|| number.clone());
        if *target == json!(0) || *target == json!("") {
            *target = number;
        }
    }
}

fn of_limit(map: &mut Fields) {
    if map.get("type") != Some(&json!("Container")) {
        return;
    }
    let take = |map: &Fields, name: &str| map.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut default = take(map, "default");
    for (key, value) in take(map, "max") {
        default.entry(key).or_insert(value);
    }
    let mut request = take(map, "defaultRequest");
    for (key, value) in default.clone().into_iter().chain(take(map, "min")) {
        request.entry(key).or_insert(value);
    }
    for (name, values) in [("default", default), ("defaultRequest", request)] {
        if !values.is_empty() {
            map.insert(name.into(), Value::Object(values));
        }
    }
}

fn of_workload(name: &str, map: &mut Fields) {
    match name {
        "apps/v1.DeploymentSpec" => {
            set(map, "replicas", json!(1));
            set(map, "revisionHistoryLimit", json!(10));
            set(map, "progressDeadlineSeconds", json!(600));
        }
        "apps/v1.DeploymentStrategy" => {
            set(map, "type", json!("RollingUpdate"));
            if map.get("type") == Some(&json!("RollingUpdate")) {
                set_in(map, "rollingUpdate", "maxUnavailable", json!("25%"));
                set_in(map, "rollingUpdate", "maxSurge", json!("25%"));
            }
        }
        "core/v1.ReplicationController" => {
            let labels = map.get("spec").and_then(|s| s.pointer("/template/metadata/labels")).cloned();
            if let (Some(labels), Some(meta)) = (labels, map.get_mut("metadata").and_then(Value::as_object_mut)) {
                set(meta, "labels", labels);
            }
        }
        "apps/v1.ReplicaSetSpec" => set(map, "replicas", json!(1)),
        "apps/v1.StatefulSetSpec" => {
            set(map, "podManagementPolicy", json!("OrderedReady"));
            set(map, "replicas", json!(1));
            set(map, "revisionHistoryLimit", json!(10));
            set_in(map, "persistentVolumeClaimRetentionPolicy", "whenDeleted", json!("Retain"));
            set_in(map, "persistentVolumeClaimRetentionPolicy", "whenScaled", json!("Retain"));
            for claim in map.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
                claim["apiVersion"] = json!("v1");
                claim["kind"] = json!("PersistentVolumeClaim");
            }
        }
        "apps/v1.StatefulSetUpdateStrategy" => {
            set(map, "type", json!("RollingUpdate"));
            if map.get("type") == Some(&json!("RollingUpdate")) {
                set_in(map, "rollingUpdate", "partition", json!(0));
            }
        }
        "apps/v1.DaemonSetSpec" => set(map, "revisionHistoryLimit", json!(10)),
        "apps/v1.DaemonSetUpdateStrategy" => {
            set(map, "type", json!("RollingUpdate"));
            if map.get("type") == Some(&json!("RollingUpdate")) {
                set_in(map, "rollingUpdate", "maxUnavailable", json!(1));
                set_in(map, "rollingUpdate", "maxSurge", json!(0));
            }
        }
        // the template of a CronJob gets its defaults when a Job is made of it
        "batch/v1.Job" => {
            if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
                of_job(spec);
            }
        }
        "batch/v1.CronJobSpec" => {
            set(map, "concurrencyPolicy", json!("Allow"));
            set(map, "suspend", json!(false));
            set(map, "successfulJobsHistoryLimit", json!(3));
            set(map, "failedJobsHistoryLimit", json!(1));
        }
        "autoscaling/v2.HorizontalPodAutoscalerSpec" | "autoscaling/v1.HorizontalPodAutoscalerSpec" => {
            of_autoscaler(name, map)
        }
        "networking/v1.NetworkPolicySpec" => {
            let mut types = vec!["Ingress"];
            types.extend(map.contains_key("egress").then_some("Egress"));
            set(map, "policyTypes", json!(types));
        }
        "networking/v1.NetworkPolicyPort" => set(map, "protocol", json!("TCP")),
        "networking/v1.IngressClassParametersReference" => set(map, "scope", json!("Cluster")),
        "rbac/v1.Subject" if matches!(map.get("kind").and_then(Value::as_str), Some("User" | "Group")) => {
            set(map, "apiGroup", json!("rbac.authorization.k8s.io"));
        }
        "rbac/v1.RoleRef" if map.get("apiGroup").and_then(Value::as_str).unwrap_or_default().is_empty() => {
            map.insert("apiGroup".into(), json!("rbac.authorization.k8s.io"));
        }
        "storage/v1.StorageClass" => {
            set(map, "reclaimPolicy", json!("Delete"));
            set(map, "volumeBindingMode", json!("Immediate"));
        }
        "storage/v1.CSIDriverSpec" => {
            set(map, "attachRequired", json!(true));
            for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
                set(map, field, json!(false));
            }
            set(map, "fsGroupPolicy", json!("ReadWriteOnceWithFSType"));
            set(map, "volumeLifecycleModes", json!(["Persistent"]));
        }
        "scheduling/v1.PriorityClass" => set(map, "preemptionPolicy", json!("PreemptLowerPriority")),
        "discovery/v1.EndpointPort" => {
            set(map, "name", json!(""));
            set(map, "protocol", json!("TCP"));
        }
        "admissionregistration/v1.ValidatingWebhook" | "admissionregistration/v1.MutatingWebhook" => {
            set(map, "failurePolicy", json!("Fail"));
            set(map, "matchPolicy", json!("Equivalent"));
            set(map, "namespaceSelector", json!({}));
            set(map, "objectSelector", json!({}));
            set(map, "timeoutSeconds", json!(10));
            if name.ends_with("MutatingWebhook") {
                set(map, "reinvocationPolicy", json!("Never"));
            }
        }
        "admissionregistration/v1.RuleWithOperations" | "admissionregistration/v1.NamedRuleWithOperations" => {
            set(map, "scope", json!("*"))
        }
        "admissionregistration/v1.ServiceReference" | "apiextensions/v1.ServiceReference" => {
            set(map, "port", json!(443))
        }
        "admissionregistration/v1.ValidatingAdmissionPolicySpec" => set(map, "failurePolicy", json!("Fail")),
        "admissionregistration/v1.MatchResources" => {
            set(map, "matchPolicy", json!("Equivalent"));
            set(map, "namespaceSelector", json!({}));
            set(map, "objectSelector", json!({}));
        }
        "apiextensions/v1.CustomResourceDefinitionSpec" => of_definition(map),
        _ => {}
    }
}

fn of_job(map: &mut Fields) {
    let both_missing = !map.contains_key("completions") && !map.contains_key("parallelism");
    if both_missing {
        set(map, "completions", json!(1));
    }
    set(map, "parallelism", json!(1));
    let indexed = map.contains_key("backoffLimitPerIndex");
    set(map, "backoffLimit", json!(if indexed { i64::from(i32::MAX) } else { 6 }));
    set(map, "completionMode", json!("NonIndexed"));
    set(map, "suspend", json!(false));
    let policy = if map.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    set(map, "podReplacementPolicy", json!(policy));
    set(map, "manualSelector", json!(false));
    let rules = map.get_mut("podFailurePolicy").and_then(|p| p.get_mut("rules")).and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        for pattern in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(pattern) = pattern.as_object_mut() {
                set(pattern, "status", json!("True"));
            }
        }
    }
}

fn of_autoscaler(name: &str, map: &mut Fields) {
    set(map, "minReplicas", json!(1));
    if name.starts_with("autoscaling/v1") {
        return;
    }
    let cpu = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]);
    set(map, "metrics", cpu);
    let Some(behavior) = map.get_mut("behavior").and_then(Value::as_object_mut) else { return };
    let up = json!([{ "type": "Pods", "value": 4, "periodSeconds": 15 }, { "type": "Percent", "value": 100, "periodSeconds": 15 }]);
    let down = json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }]);
    for (direction, policies, window) in [("scaleUp", up, Some(0)), ("scaleDown", down, None)] {
        let rules = behavior.entry(direction).or_insert_with(|| json!({}));
        let Some(rules) = rules.as_object_mut() else { continue };
        set(rules, "selectPolicy", json!("Max"));
        set(rules, "policies", policies);
        if let Some(window) = window {
            set(rules, "stabilizationWindowSeconds", json!(window));
        }
    }
}

fn of_definition(map: &mut Fields) {
    set(map, "conversion", json!({ "strategy": "None" }));
    let Some(names) = map.get_mut("names").and_then(Value::as_object_mut) else { return };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    set(names, "singular", json!(kind.to_lowercase()));
    set(names, "listKind", json!(format!("{kind}List")));
}
