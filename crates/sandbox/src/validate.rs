//! The mistakes that people make, refused in the API server's words.

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
        "Pod" => pod_spec(&object["spec"], "spec", &mut found),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => workload(resource, object, old_spec, &mut found),
        "Job" => job(&object["spec"], "spec", old_spec, &mut found),
        "CronJob" => cron_job(object, &mut found),
        "Service" => service(&object["spec"], &mut found),
        "Secret" => secret(object, old, &mut found),
        "ConfigMap" => immutable_data(object, old, &mut found),
        "Role" | "ClusterRole" => role(object, &mut found),
        "RoleBinding" | "ClusterRoleBinding" => binding(object, old, &mut found),
        "Ingress" => ingress(&object["spec"], &mut found),
        "PodDisruptionBudget" => budget(&object["spec"], &mut found),
        "HorizontalPodAutoscaler" => autoscaler(&object["spec"], &mut found),
        "CustomResourceDefinition" => crate::definition::problems(object, &mut found),
        "StorageClass" => storage_class(object, &mut found),
        "PersistentVolumeClaim" => claim(&object["spec"], &mut found),
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
            "Namespace" => found.extend(label_problems(name).into_iter().map(|d| invalid(&d))),
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
            return vec![detail.replace("a qualified name part", "a qualified name")];
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
        let value = if labels.is_null() { Value::Object(serde_json::Map::new()) } else { labels.clone() };
        found.push(Cause::invalid(
            "spec.template.metadata.labels",
            &value,
            "`selector` does not match template `labels`",
        ));
    }
    pod_spec(&template["spec"], "spec.template.spec", found);
    let policy = &template["spec"]["restartPolicy"];
    if policy.as_str().is_some_and(|policy| policy != "Always") {
        found.push(Cause::unsupported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
    if resource.kind == "Deployment" {
        let strategy = &spec["strategy"];
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
        for field in ["selector", "completionMode"] {
            if old[field] != spec[field] {
                found.push(Cause::invalid(format!("{path}.{field}"), &spec[field], "field is immutable"));
            }
        }
        if old["template"] != spec["template"] {
            found.push(Cause::invalid(format!("{path}.template"), &spec["template"], "field is immutable"));
        }
    }
    pod_spec(&spec["template"]["spec"], &format!("{path}.template.spec"), found);
}

fn cron_job(object: &Value, found: &mut Vec<Cause>) {
    let schedule = text(object, "/spec/schedule");
    if schedule.is_empty() {
        found.push(Cause::required("spec.schedule", ""));
    }
    job(&object["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec", None, found);
}

fn pod_spec(spec: &Value, path: &str, found: &mut Vec<Cause>) {
    let containers = list(spec, "/containers");
    if containers.is_empty() {
        found.push(Cause::required(format!("{path}.containers"), ""));
    }
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
    for (index, port) in list(container, "/ports").iter().enumerate() {
        let number = port["containerPort"].as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            found.push(Cause::invalid(format!("{at}.ports[{index}].containerPort"), &port["containerPort"], detail));
        }
        let name = text(port, "/name");
        if !name.is_empty() && port_names.contains(&name) {
            found.push(Cause::duplicate(format!("{at}.ports[{index}].name"), &port["name"]));
        }
        port_names.push(name);
    }
    for (index, variable) in list(container, "/env").iter().enumerate() {
        if text(variable, "/name").is_empty() {
            found.push(Cause::required(format!("{at}.env[{index}].name"), ""));
        }
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
            let value = serde_json::json!({ "protocol": port["protocol"], "port": port["port"] });
            found.push(Cause::duplicate(at, &value));
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
        found.push(Cause::invalid("roleRef", reference, "cannot change roleRef"));
    }
    if !["Role", "ClusterRole"].contains(&text(reference, "/kind")) {
        found.push(Cause::unsupported("roleRef.kind", &reference["kind"], &["ClusterRole", "Role"]));
    }
    if text(reference, "/name").is_empty() {
        found.push(Cause::required("roleRef.name", ""));
    }
}

fn ingress(spec: &Value, found: &mut Vec<Cause>) {
    if list(spec, "/rules").is_empty() && spec.get("defaultBackend").is_none() {
        found.push(Cause::invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"));
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
        found.push(Cause::invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
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
    let modes = ["Immediate", "WaitForFirstConsumer"];
    if object["volumeBindingMode"].as_str().is_some_and(|mode| !modes.contains(&mode)) {
        found.push(Cause::unsupported("volumeBindingMode", &object["volumeBindingMode"], &modes));
    }
}

fn claim(spec: &Value, found: &mut Vec<Cause>) {
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    if list(spec, "/accessModes").is_empty() {
        found.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    for mode in list(spec, "/accessModes").iter().filter(|mode| !modes.contains(&mode.as_str().unwrap_or_default())) {
        found.push(Cause::unsupported("spec.accessModes", mode, &modes));
    }
    let storage = &spec["resources"]["requests"]["storage"];
    match Quantity::of(storage) {
        None => found.push(Cause::required("spec.resources[storage]", "")),
        Some(quantity) if quantity.nano <= 0 => {
            found.push(Cause::invalid("spec.resources[storage]", storage, "must be greater than zero"));
        }
        Some(_) => {}
    }
}
