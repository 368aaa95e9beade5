//! The mistakes that people make, refused in the API server's words.

mod limits;
mod networking;
mod pod;

use serde_json::Value;

use crate::quantity::Quantity;
use crate::schema::resources::Resource;
use crate::status::Cause;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Everything that is wrong with an object; `old` is what it replaces.
pub(crate) fn problems(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    metadata(resource, object, &mut found);
    if resource.is_custom() {
        return found;
    }
    let old_spec = old.map(|old| &old["spec"]);
    match resource.kind.as_str() {
        "Pod" => {
            pod_spec(&object["spec"], "spec", &mut found);
            old_spec.into_iter().for_each(|old| pod::immutable(&object["spec"], old, &mut found));
        }
        "PodTemplate" => pod_spec(&object["template"]["spec"], "template.spec", &mut found),
        "ReplicationController" => {
            pod_spec(&object["spec"]["template"]["spec"], "spec.template.spec", &mut found);
        }
        "NetworkPolicy" => networking::policy(&object["spec"], &mut found),
        "EndpointSlice" => networking::slice(object, &mut found),
        "ResourceQuota" => limits::quota(&object["spec"], &mut found),
        "LimitRange" => limits::limit_range(&object["spec"], &mut found),
        "PriorityClass" => limits::priority_class(object, old, &mut found),
        "Event" => event(object, &mut found),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => workload(resource, object, old_spec, &mut found),
        "Job" => job(&object["spec"], "spec", old_spec, &mut found),
        "CronJob" => cron_job(object, &mut found),
        "Service" => {
            service(&object["spec"], &mut found);
            networking::service_ports(&object["spec"], &mut found);
            old_spec.into_iter().for_each(|old| networking::cluster_address(&object["spec"], old, &mut found));
        }
        "Secret" => secret(object, old, &mut found),
        "ConfigMap" => immutable_data(object, old, &mut found),
        "Role" | "ClusterRole" => role(object, &mut found),
        "RoleBinding" | "ClusterRoleBinding" => binding(object, old, &mut found),
        "Ingress" => {
            ingress(&object["spec"], &mut found);
            networking::backends(&object["spec"], &mut found);
        }
        "PodDisruptionBudget" => budget(&object["spec"], &mut found),
        "HorizontalPodAutoscaler" => autoscaler(&object["spec"], &mut found),
        "CustomResourceDefinition" => crate::definition::problems(object, &mut found),
        "StorageClass" => storage_class(object, &mut found),
        "PersistentVolumeClaim" => {
            claim(&object["spec"], "spec", &mut found);
            old_spec.into_iter().for_each(|old| claim_update(&object["spec"], old, &mut found));
        }
        _ => {}
    }
    found
}

fn metadata(resource: &Resource, object: &Value, found: &mut Vec<Cause>) {
    let name = text(object, "/metadata/name");
    if name.is_empty() {
        found.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        let value = &object["metadata"]["name"];
        let invalid = |detail: &str| Cause::invalid("metadata.name", value, detail);
        let longest =
            |limit: usize| format!("must be no more than {limit} {}", if limit == 52 { "characters" } else { "bytes" });
        match resource.kind.as_str() {
            _ if resource.group == "rbac.authorization.k8s.io" => {
                if let Some(detail) = path_segment(name) {
                    found.push(invalid(detail));
                }
            }
            "Namespace" => {
                let problems = label_problems(name).into_iter().map(|d| d.replace("63 bytes", "63 characters"));
                found.extend(problems.map(|d| invalid(&d)));
            }
            "Service" => found.extend(label_1035_problems(name).into_iter().map(|d| invalid(&d))),
            "CronJob" if name.len() > 52 => found.push(invalid(&longest(52))),
            _ => found.extend(subdomain_problems(name).into_iter().map(|d| invalid(&d))),
        }
    }
    labels(&object["metadata"]["labels"], "metadata.labels", found);
    annotations(&object["metadata"]["annotations"], "metadata.annotations", found);
}

fn path_segment(name: &str) -> Option<&'static str> {
    match name {
        "." => Some("may not be '.'"),
        ".." => Some("may not be '..'"),
        name if name.contains('/') => Some("may not contain '/'"),
        name if name.contains('%') => Some("may not contain '%'"),
        _ => None,
    }
}

fn word(text: &str, inner: impl Fn(char) -> bool, outer: impl Fn(char) -> bool) -> bool {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().last()) else { return false };
    outer(first) && outer(last) && text.chars().all(inner)
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

pub(crate) fn is_label(text: &str) -> bool {
    word(text, |c| lower(c) || c == '-', lower)
}

fn label_problems(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    if name.len() > 63 {
        out.push("must be no more than 63 bytes".to_owned());
    }
    if !is_label(name) {
        out.push(LABEL.to_owned());
    }
    out
}

pub(crate) fn label_1035_problems(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    if name.len() > 63 {
        out.push("must be no more than 63 bytes".to_owned());
    }
    if !(is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase())) {
        out.push(LABEL_1035.to_owned());
    }
    out
}

pub(crate) fn subdomain_problems(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    if name.len() > 253 {
        out.push("must be no more than 253 bytes".to_owned());
    }
    if !name.split('.').all(is_label) {
        out.push(SUBDOMAIN.to_owned());
    }
    out
}

fn labels(labels: &Value, field: &str, found: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        found.extend(qualified_name(key).into_iter().map(|d| Cause::invalid(field, &Value::from(key.as_str()), &d)));
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            found.push(Cause::invalid(field, value, "must be no more than 63 bytes"));
        }
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !text.is_empty() && !word(text, ok, |c| c.is_ascii_alphanumeric()) {
            found.push(Cause::invalid(field, value, LABEL_VALUE));
        }
    }
}

fn annotations(annotations: &Value, field: &str, found: &mut Vec<Cause>) {
    for key in annotations.as_object().into_iter().flatten().map(|(key, _)| key) {
        let lower = key.to_lowercase();
        found.extend(qualified_name(&lower).into_iter().map(|d| Cause::invalid(field, &Value::from(key.as_str()), &d)));
    }
}

fn qualified_name(key: &str) -> Vec<String> {
    let mut out = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                out.extend(subdomain_problems(prefix).into_iter().map(|d| format!("prefix part {d}")));
            }
            name
        }
        _ => {
            let detail = format!(
                "a qualified {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            );
            return vec![detail.replace("a qualified name part", "a valid label key")];
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        out.push("name part must be no more than 63 bytes".to_owned());
    }
    let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !word(name, ok, |c| c.is_ascii_alphanumeric()) {
        out.push(NAME_PART.to_owned());
    }
    out
}

fn workload(resource: &Resource, object: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        found.push(Cause::invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0"));
    }
    let selector = &spec["selector"];
    if old.is_some_and(|old| old["selector"] != *selector) && resource.kind != "StatefulSet" {
        found.push(Cause::invalid("spec.selector", selector, "field is immutable"));
    }
    if selector.is_null() {
        found.push(Cause::required("spec.selector", ""));
        if resource.kind == "Deployment" {
            let labels = &spec["template"]["metadata"]["labels"];
            found.push(Cause::invalid(
                "spec.template.metadata.labels",
                labels,
                "`selector` does not match template `labels`",
            ));
        }
    } else if ["matchLabels", "matchExpressions"].iter().all(|part| selector.get(part).is_none_or(is_blank)) {
        found.push(Cause::invalid(
            "spec.selector",
            selector,
            &format!("empty selector is invalid for {}", resource.singular),
        ));
    }
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    if !selector.is_null() && !crate::selector::label_selector_matches(selector, labels) {
        found.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    pod_spec(&template["spec"], "spec.template.spec", found);
    let policy = &template["spec"]["restartPolicy"];
    if policy.as_str().is_some_and(|policy| policy != "Always") {
        found.push(Cause::unsupported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
    if resource.kind == "StatefulSet" {
        stateful_set(spec, old, found);
    }
    if resource.kind == "Deployment" {
        let strategy = &spec["strategy"];
        for (field, bounded) in [("maxUnavailable", true), ("maxSurge", false)] {
            let path = format!("spec.strategy.rollingUpdate.{field}");
            limits::percentage(&strategy["rollingUpdate"][field], &path, bounded, found);
        }
        if strategy["type"] == "Recreate" && strategy.get("rollingUpdate").is_some() {
            found.push(Cause::forbidden(
                "spec.strategy.rollingUpdate",
                "may not be specified when strategy `type` is 'Recreate'",
            ));
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn job(spec: &Value, path: &str, old: Option<&Value>, found: &mut Vec<Cause>) {
    for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        if spec[field].as_i64().is_some_and(|number| number < 0) {
            found.push(Cause::invalid(format!("{path}.{field}"), &spec[field], "must be greater than or equal to 0"));
        }
    }
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if policy == "Always" {
        found.push(Cause::unsupported(format!("{path}.template.spec.restartPolicy"), policy, &["OnFailure", "Never"]));
    }
    if let Some(old) = old {
        let elastic = spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
        for field in ["selector", "completionMode", "completions"] {
            if old[field] != spec[field] && !(field == "completions" && elastic) {
                found.push(Cause::invalid(format!("{path}.{field}"), &spec[field], "field is immutable"));
            }
        }
        if old["template"] != spec["template"] {
            let part = if old["template"]["spec"] == spec["template"]["spec"] { "template" } else { "template.spec" };
            found.push(Cause::invalid(format!("{path}.{part}"), &spec["template"], "field is immutable"));
        }
    }
    pod_spec(&spec["template"]["spec"], &format!("{path}.template.spec"), found);
}

fn cron_job(object: &Value, found: &mut Vec<Cause>) {
    let schedule = text(object, "/spec/schedule");
    if schedule.is_empty() {
        found.push(Cause::required("spec.schedule", ""));
    }
    limits::schedule(&object["spec"], found);
    job(&object["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec", None, found);
}

fn pod_spec(spec: &Value, path: &str, found: &mut Vec<Cause>) {
    let containers = list(spec, "/containers");
    if containers.is_empty() {
        found.push(Cause::required(format!("{path}.containers"), ""));
    }
    pod::parts(spec, path, found);
    let mut names: Vec<&str> = Vec::new();
    let init =
        list(spec, "/initContainers").iter().enumerate().map(|(i, c)| (format!("{path}.initContainers[{i}]"), c));
    let all = containers.iter().enumerate().map(|(i, c)| (format!("{path}.containers[{i}]"), c)).chain(init);
    for (at, container) in all {
        let name = text(container, "/name");
        if name.is_empty() {
            found.push(Cause::required(format!("{at}.name"), ""));
        } else {
            let value = &container["name"];
            found.extend(label_problems(name).into_iter().map(|d| Cause::invalid(format!("{at}.name"), value, &d)));
            if names.contains(&name) {
                found.push(Cause::duplicate(format!("{at}.name"), value));
            }
            names.push(name);
        }
        if text(container, "/image").is_empty() {
            found.push(Cause::required(format!("{at}.image"), ""));
        }
        container_parts(container, &at, found);
    }
    let policy = &spec["restartPolicy"];
    if policy.as_str().is_some_and(|policy| !["Always", "OnFailure", "Never"].contains(&policy)) {
        found.push(Cause::unsupported(format!("{path}.restartPolicy"), policy, &["Always", "OnFailure", "Never"]));
    }
    let volumes: Vec<&str> = list(spec, "/volumes").iter().map(|volume| text(volume, "/name")).collect();
    for (index, container) in containers.iter().enumerate() {
        for (at, mount) in list(container, "/volumeMounts").iter().enumerate() {
            let name = text(mount, "/name");
            if !volumes.contains(&name) {
                let field = format!("{path}.containers[{index}].volumeMounts[{at}].name");
                found.push(Cause { reason: "FieldValueNotFound", message: format!("Not found: {name:?}"), field });
            }
        }
    }
}

fn container_parts(container: &Value, at: &str, found: &mut Vec<Cause>) {
    let mut port_names: Vec<&str> = Vec::new();
    pod::ports(container, at, found);
    pod::probes(container, at, found);
    pod::variables(container, at, found);
    for (index, port) in list(container, "/ports").iter().enumerate() {
        let name = text(port, "/name");
        if !name.is_empty() && port_names.contains(&name) {
            found.push(Cause::duplicate(format!("{at}.ports[{index}].name"), &port["name"]));
        }
        port_names.push(name);
    }
    for part in ["limits", "requests"] {
        for (name, value) in container["resources"][part].as_object().into_iter().flatten() {
            if Quantity::of(value).is_some_and(|q| q.nano < 0) {
                let field = format!("{at}.resources.{part}[{name}]");
                found.push(Cause::invalid(field, value, "must be greater than or equal to 0"));
            }
        }
    }
    for (name, request) in container["resources"]["requests"].as_object().into_iter().flatten() {
        let limit = container["resources"]["limits"].get(name).and_then(Quantity::of);
        let asked = Quantity::of(request).map(|quantity| quantity.nano);
        if let Some(limit) = limit.filter(|limit| asked.is_some_and(|asked| asked > limit.nano)) {
            let detail = format!("must be less than or equal to {name} limit of {}", limit.canonical());
            found.push(Cause::invalid(format!("{at}.resources.requests"), request, &detail));
        }
    }
}

fn service(spec: &Value, found: &mut Vec<Cause>) {
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if spec["type"].as_str().is_some_and(|kind| !kinds.contains(&kind)) {
        found.push(Cause::unsupported("spec.type", &spec["type"], &kinds));
    }
    let ports = list(spec, "/ports");
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        found.push(Cause::required("spec.ports", ""));
    }
    let affinities = ["ClientIP", "None"];
    if spec["sessionAffinity"].as_str().is_some_and(|a| !affinities.contains(&a)) {
        found.push(Cause::unsupported("spec.sessionAffinity", &spec["sessionAffinity"], &affinities));
    }
    for (index, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        if ports.len() > 1 && text(port, "/name").is_empty() {
            found.push(Cause::required(format!("{at}.name"), ""));
        }
        if !(1..=65535).contains(&port["port"].as_i64().unwrap_or(0)) {
            found.push(Cause::invalid(format!("{at}.port"), &port["port"], "must be between 1 and 65535, inclusive"));
        }
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if ports.iter().take(index).any(|other| same(&other)) {
            // Go's own form of a port, of which only these two are told
            let message = format!(
                "Duplicate value: {{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                port["protocol"], port["port"]
            );
            found.push(Cause { reason: "FieldValueDuplicate", message, field: at });
        }
    }
}

fn secret(object: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    let has = |key: &str| object["data"].get(key).is_some();
    match text(object, "/type") {
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)) {
                found.push(Cause::required(format!("data[{key}]"), ""));
            }
        }
        "kubernetes.io/ssh-auth" if !has("ssh-privatekey") => {
            found.push(Cause::required("data[ssh-privatekey]", ""));
        }
        "kubernetes.io/dockerconfigjson" if !has(".dockerconfigjson") => {
            found.push(Cause::required("data[.dockerconfigjson]", ""));
        }
        "kubernetes.io/dockerconfigjson" => docker_config(object, found),
        "kubernetes.io/service-account-token"
            if object["metadata"]["annotations"]["kubernetes.io/service-account.name"].is_null() =>
        {
            found.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
        }
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            found.push(Cause::required("data[username]", ""));
            found.push(Cause::required("data[password]", ""));
        }
        _ => {}
    }
    if let Some(old) = old.filter(|old| old["type"] != object["type"]) {
        let _ = old;
        found.push(Cause::invalid("type", &object["type"], "field is immutable"));
    }
    immutable_data(object, old, found);
}

fn docker_config(secret: &Value, found: &mut Vec<Cause>) {
    use base64::Engine as _;
    let text = secret["data"][".dockerconfigjson"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    let Err(error) = serde_json::from_slice::<Value>(&bytes) else { return };
    let at = error.column().saturating_sub(1);
    let wrong = String::from_utf8_lossy(&bytes).chars().nth(at).unwrap_or(' ');
    let detail = match bytes.first() {
        None => "unexpected end of JSON input".to_owned(),
        Some(b'n') => format!("invalid character '{wrong}' in literal null (expecting 'u')"),
        Some(_) => format!("invalid character '{wrong}' looking for beginning of value"),
    };
    found.push(Cause::invalid("data[.dockerconfigjson]", &Value::from("<secret contents redacted>"), &detail));
}

fn immutable_data(object: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    for (part, values) in ["data", "binaryData"].map(|part| (part, object[part].as_object())) {
        for key in values.into_iter().flatten().map(|(key, _)| key) {
            let ok = !key.is_empty()
                && key.len() <= 253
                && key != "."
                && key != ".."
                && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if !ok {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                found.push(Cause::invalid(format!("{part}[{key}]"), &Value::from(key.as_str()), detail));
            }
        }
    }
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if object["immutable"] != true {
        found.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for part in ["data", "binaryData"].into_iter().filter(|part| old[part] != object[part]) {
        found.push(Cause::forbidden(part, "field is immutable when `immutable` is set"));
    }
}

fn role(object: &Value, found: &mut Vec<Cause>) {
    for (index, rule) in list(object, "/rules").iter().enumerate() {
        let at = format!("rules[{index}]");
        if list(rule, "/verbs").is_empty() {
            found.push(Cause::required(format!("{at}.verbs"), "verbs must contain at least one value"));
        }
    }
}

fn binding(object: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    let reference = &object["roleRef"];
    if old.is_some_and(|old| old["roleRef"] != *reference) {
        let part = |name: &str| reference[name].clone();
        let message = format!(
            "Invalid value: {{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}: cannot change roleRef",
            part("apiGroup"),
            part("kind"),
            part("name")
        );
        found.push(Cause { reason: "FieldValueInvalid", message, field: "roleRef".into() });
    }
    if !["Role", "ClusterRole"].contains(&text(reference, "/kind")) {
        found.push(Cause::unsupported("roleRef.kind", &reference["kind"], &["Role", "ClusterRole"]));
    }
    if text(reference, "/name").is_empty() {
        found.push(Cause::required("roleRef.name", ""));
    }
}

fn ingress(spec: &Value, found: &mut Vec<Cause>) {
    if list(spec, "/rules").is_empty() && spec.get("defaultBackend").is_none() {
        found.push(Cause::invalid("spec", &Value::Null, "either `defaultBackend` or `rules` must be specified"));
    }
    for (index, rule) in list(spec, "/rules").iter().enumerate() {
        for (at, path) in list(rule, "/http/paths").iter().enumerate() {
            let field = format!("spec.rules[{index}].http.paths[{at}]");
            let value = text(path, "/path");
            if path["pathType"].is_null() || text(path, "/pathType").is_empty() {
                found.push(Cause::required(format!("{field}.pathType"), "pathType must be specified"));
            } else if ["Exact", "Prefix"].contains(&text(path, "/pathType")) && !value.starts_with('/') {
                found.push(Cause::invalid(format!("{field}.path"), &Value::from(value), "must be an absolute path"));
            }
        }
    }
}

fn budget(spec: &Value, found: &mut Vec<Cause>) {
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        let message = format!(
            "Invalid value: {{\"MinAvailable\":{},\"Selector\":{},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":null}}: minAvailable and maxUnavailable cannot be both set",
            spec["minAvailable"], spec["selector"], spec["maxUnavailable"]
        );
        found.push(Cause { reason: "FieldValueInvalid", message, field: "spec".into() });
    }
    for field in ["minAvailable", "maxUnavailable"] {
        limits::percentage(&spec[field], &format!("spec.{field}"), true, found);
    }
}

fn autoscaler(spec: &Value, found: &mut Vec<Cause>) {
    let (min, max) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
    if max < 1 {
        found.push(Cause::invalid("spec.maxReplicas", &spec["maxReplicas"], "must be greater than 0"));
    } else if max < min {
        let detail = "must be greater than or equal to `minReplicas`";
        found.push(Cause::invalid("spec.maxReplicas", &spec["maxReplicas"], detail));
    }
}

fn storage_class(object: &Value, found: &mut Vec<Cause>) {
    if text(object, "/provisioner").is_empty() {
        found.push(Cause::required("provisioner", ""));
    }
    let policies = ["Delete", "Retain"];
    if object["reclaimPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy)) {
        found.push(Cause::unsupported("reclaimPolicy", &object["reclaimPolicy"], &policies));
    }
    let modes = ["Immediate", "WaitForFirstConsumer"];
    if object["volumeBindingMode"].as_str().is_some_and(|mode| !modes.contains(&mode)) {
        found.push(Cause::unsupported("volumeBindingMode", &object["volumeBindingMode"], &modes));
    }
}

fn event(object: &Value, found: &mut Vec<Cause>) {
    let (own, about) = (text(object, "/metadata/namespace"), &object["involvedObject"]["namespace"]);
    if about.as_str().is_some_and(|about| !about.is_empty() && about != own) {
        found.push(Cause::invalid("involvedObject.namespace", about, "does not match event.namespace"));
    }
}

fn claim_update(spec: &Value, old: &Value, found: &mut Vec<Cause>) {
    let size = |spec: &Value| Quantity::of(&spec["resources"]["requests"]["storage"]).map_or(0, |size| size.nano);
    let rest = |spec: &Value| {
        let mut spec = spec.clone();
        for field in ["resources", "volumeName", "volumeAttributesClassName", "storageClassName"] {
            spec[field] = Value::Null;
        }
        spec
    };
    let bound = old["volumeName"].as_str().is_some_and(|name| !name.is_empty());
    if rest(spec) != rest(old) || !bound && spec["resources"] != old["resources"] {
        let detail =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        found.push(Cause::forbidden("spec", &format!("{detail}\n{}", pod::difference(old, spec))));
    } else if size(spec) < size(old) {
        let detail = "field can not be less than status.capacity";
        found.push(Cause::forbidden("spec.resources.requests.storage", detail));
    }
}

fn stateful_set(spec: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    for (index, template) in list(spec, "/volumeClaimTemplates").iter().enumerate() {
        let name = text(template, "/metadata/name");
        if !is_label(name) {
            let field = format!("spec.template.spec.volumes[{index}].name");
            found.push(Cause::invalid(field, &template["metadata"]["name"], LABEL));
        }
        claim(&template["spec"], &format!("spec.volumeClaimTemplates[{index}].spec"), found);
    }
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |spec: &Value| {
        let mut map = spec.as_object().cloned().unwrap_or_default();
        map.retain(|name, _| !free.contains(&name.as_str()));
        map
    };
    if old.is_some_and(|old| fixed(old) != fixed(spec)) {
        let named = free.map(|name| format!("'{name}'"));
        let (last, front) =
            named.split_last().map_or((String::new(), &named[..0]), |(last, front)| (last.clone(), front));
        let detail =
            format!("updates to statefulset spec for fields other than {} and {last} are forbidden", front.join(", "));
        found.push(Cause::forbidden("spec", &detail));
    }
}

fn claim(spec: &Value, path: &str, found: &mut Vec<Cause>) {
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    if list(spec, "/accessModes").is_empty() {
        found.push(Cause::required(format!("{path}.accessModes"), "at least 1 access mode is required"));
    }
    for mode in list(spec, "/accessModes").iter().filter(|mode| !modes.contains(&mode.as_str().unwrap_or_default())) {
        found.push(Cause::unsupported(format!("{path}.accessModes"), mode, &modes));
    }
    let storage = &spec["resources"]["requests"]["storage"];
    match Quantity::of(storage) {
        None => found.push(Cause::required(format!("{path}.resources[storage]"), "")),
        Some(quantity) if quantity.nano <= 0 => {
            found.push(Cause::invalid(format!("{path}.resources[storage]"), storage, "must be greater than zero"));
        }
        Some(_) => {}
    }
}
