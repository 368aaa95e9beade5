//! Parts of Pods and their templates.

use serde_json::{Value, json};

use super::{LABEL, is_label, list, text};
use crate::status::Cause;

/// What is wrong beyond names, images and mounts.
pub(super) fn parts(spec: &Value, path: &str, found: &mut Vec<Cause>) {
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    if spec["dnsPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy)) {
        found.push(Cause::unsupported(format!("{path}.dnsPolicy"), &spec["dnsPolicy"], &policies));
    }
    for name in ["hostname", "subdomain"] {
        if spec[name].as_str().is_some_and(|text| !text.is_empty() && !is_label(text)) {
            found.push(Cause::invalid(format!("{path}.{name}"), &spec[name], LABEL));
        }
    }
}

pub(super) fn ports(container: &Value, at: &str, found: &mut Vec<Cause>) {
    for (index, port) in list(container, "/ports").iter().enumerate() {
        let field = |name: &str| format!("{at}.ports[{index}].{name}");
        match port["containerPort"].as_i64().unwrap_or(0) {
            0 => found.push(Cause::required(field("containerPort"), "")),
            1..=65535 => {}
            _ => {
                let detail = "must be between 1 and 65535, inclusive";
                found.push(Cause::invalid(field("containerPort"), &port["containerPort"], detail));
            }
        }
        for problem in port_name(text(port, "/name")) {
            found.push(Cause::invalid(field("name"), &port["name"], problem));
        }
        let protocols = ["SCTP", "TCP", "UDP"];
        if port["protocol"].as_str().is_some_and(|protocol| !protocols.contains(&protocol)) {
            found.push(Cause::unsupported(field("protocol"), &port["protocol"], &protocols));
        }
    }
}

/// An IANA service name; nothing is wrong with no name at all.
pub(super) fn port_name(name: &str) -> Vec<&'static str> {
    let mut out = Vec::new();
    if name.is_empty() {
        return out;
    }
    if name.len() > 15 {
        out.push("must be no more than 15 characters");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        out.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        out.push("must not begin or end with a hyphen");
    }
    out
}

pub(super) fn probes(container: &Value, at: &str, found: &mut Vec<Cause>) {
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            handlers(&container[probe], &["exec", "httpGet", "tcpSocket", "grpc"], &format!("{at}.{probe}"), found);
        }
    }
    for hook in ["postStart", "preStop"] {
        if container["lifecycle"][hook].is_object() {
            let known = ["exec", "httpGet", "tcpSocket", "sleep"];
            handlers(&container["lifecycle"][hook], &known, &format!("{at}.lifecycle.{hook}"), found);
        }
    }
}

fn handlers(value: &Value, known: &[&str], at: &str, found: &mut Vec<Cause>) {
    let mut given = known.iter().filter(|name| value.get(**name).is_some());
    if given.next().is_none() {
        found.push(Cause::required(at, "must specify a handler type"));
    }
    for another in given {
        found.push(Cause::forbidden(format!("{at}.{another}"), "may not specify more than 1 handler type"));
    }
}

pub(super) fn variables(container: &Value, at: &str, found: &mut Vec<Cause>) {
    for (index, variable) in list(container, "/env").iter().enumerate() {
        let at = format!("{at}.env[{index}]");
        if text(variable, "/name").is_empty() {
            found.push(Cause::required(format!("{at}.name"), ""));
        }
        let Some(source) = variable["valueFrom"].as_object() else { continue };
        let value = text(variable, "/value");
        if !value.is_empty() {
            let detail = "may not be specified when `value` is not empty";
            found.push(Cause::invalid(format!("{at}.valueFrom"), &json!(""), detail));
        } else if source.len() > 1 {
            let detail = "may not have more than one field specified at a time";
            found.push(Cause::invalid(format!("{at}.valueFrom"), &json!(""), detail));
        } else if source.is_empty() {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            found.push(Cause::invalid(format!("{at}.valueFrom"), &json!(""), detail));
        }
        field_path(&variable["valueFrom"]["fieldRef"], &format!("{at}.valueFrom.fieldRef.fieldPath"), found);
    }
}

fn field_path(reference: &Value, at: &str, found: &mut Vec<Cause>) {
    let Some(path) = reference["fieldPath"].as_str() else { return };
    let known = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.labels",
        "metadata.annotations",
        "spec.nodeName",
        "spec.serviceAccountName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "status.phase",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ];
    let plain = path.split('[').next().unwrap_or(path);
    if path.is_empty() {
        found.push(Cause::required(at, ""));
    } else if !known.contains(&plain) {
        let detail = format!("error converting fieldPath: field label not supported: {path}");
        found.push(Cause::invalid(at, &reference["fieldPath"], &detail));
    }
}

/// What a Pod that exists may not change.
pub(super) fn immutable(spec: &Value, old: &Value, found: &mut Vec<Cause>) {
    let stripped = |spec: &Value| {
        let mut spec = spec.clone();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for field in
            ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates", "nodeName"]
        {
            spec[field] = Value::Null;
        }
        spec
    };
    let tolerations = list(spec, "/tolerations");
    let kept = list(old, "/tolerations").iter().all(|toleration| tolerations.contains(toleration));
    if stripped(spec) == stripped(old) && kept {
        return;
    }
    let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    found.push(Cause::forbidden("spec", &format!("{detail}\n{}", difference(old, spec))));
}

/// Which fields differ, each with its old and new value.
pub(super) fn difference(old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    let names =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = names(old);
    all.extend(names(new));
    all.sort();
    all.dedup();
    for name in all.iter().filter(|name| old.get(*name) != new.get(*name)) {
        let shown = |value: Option<&Value>| value.map_or("nil".to_owned(), Value::to_string);
        lines.push(format!("-{name}: {}\n+{name}: {}\n", shown(old.get(name)), shown(new.get(name))));
    }
    format!("@@ -1,{count} +1,{count} @@\n{}", lines.concat(), count = lines.len())
}
