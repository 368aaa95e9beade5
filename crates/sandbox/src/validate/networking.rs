//! Services, policies and slices: ports, addresses, peers.

use serde_json::Value;

use super::pod::port_name;
use super::{list, text};
use crate::status::Cause;

/// Target ports and node ports of a Service.
pub(super) fn service_ports(spec: &Value, found: &mut Vec<Cause>) {
    for (index, port) in list(spec, "/ports").iter().enumerate() {
        let number = port["nodePort"].as_i64().unwrap_or(0);
        let at = format!("spec.ports[{index}].nodePort");
        if number != 0 && spec["type"] == "ClusterIP" {
            found.push(Cause::forbidden(at, "may not be used when `type` is 'ClusterIP'"));
        } else if number != 0 && !(30000..=32767).contains(&number) {
            let detail = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            found.push(Cause::invalid(at, &port["nodePort"], detail));
        }
        let field = format!("spec.ports[{index}].targetPort");
        port_or_name(&port["targetPort"], &field, found);
    }
}

fn port_or_name(value: &Value, field: &str, found: &mut Vec<Cause>) {
    match value {
        Value::Number(number) if !number.as_i64().is_some_and(|number| (1..=65535).contains(&number)) => {
            found.push(Cause::invalid(field, value, "must be between 1 and 65535, inclusive"));
        }
        Value::String(name) => {
            found.extend(port_name(name).into_iter().map(|problem| Cause::invalid(field, value, problem)));
        }
        _ => {}
    }
}

/// A cluster address stays as long as the kind of Service has one.
pub(super) fn cluster_address(spec: &Value, old: &Value, found: &mut Vec<Cause>) {
    let (before, after) = (text(old, "/clusterIP"), text(spec, "/clusterIP"));
    let both = [spec, old].iter().all(|spec| spec["type"] != "ExternalName");
    if both && !before.is_empty() && before != after {
        let value = serde_json::json!([after]);
        found.push(Cause::invalid("spec.clusterIPs[0]", &value, "may not change once set"));
    }
}

pub(super) fn policy(spec: &Value, found: &mut Vec<Cause>) {
    for (direction, side) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(spec, &format!("/{direction}")).iter().enumerate() {
            let at = format!("spec.{direction}[{index}]");
            for (number, port) in list(rule, "/ports").iter().enumerate() {
                port_or_name(&port["port"], &format!("{at}.ports[{number}].port"), found);
            }
            for (number, peer) in list(rule, &format!("/{side}")).iter().enumerate() {
                self::peer(peer, &format!("{at}.{side}[{number}]"), found);
            }
        }
    }
}

fn peer(peer: &Value, at: &str, found: &mut Vec<Cause>) {
    if peer.as_object().is_none_or(serde_json::Map::is_empty) {
        found.push(Cause::required(at, "must specify a peer"));
    }
    let block = &peer["ipBlock"];
    if block["cidr"].as_str().is_some_and(|cidr| !is_cidr(cidr)) {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        found.push(Cause::invalid(format!("{at}.ipBlock.cidr"), &block["cidr"], detail));
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(bits)) = (address.parse::<std::net::IpAddr>(), bits.parse::<u8>()) else { return false };
    bits <= if address.is_ipv4() { 32 } else { 128 }
}

pub(super) fn slice(object: &Value, found: &mut Vec<Cause>) {
    let kinds = ["FQDN", "IPv4", "IPv6"];
    match text(object, "/addressType") {
        "" => found.push(Cause::required("addressType", "")),
        kind if !kinds.contains(&kind) => {
            found.push(Cause::unsupported("addressType", &object["addressType"], &kinds));
        }
        _ => {}
    }
}

/// Backends name a port.
pub(super) fn backends(spec: &Value, found: &mut Vec<Cause>) {
    for (index, rule) in list(spec, "/rules").iter().enumerate() {
        for (at, path) in list(rule, "/http/paths").iter().enumerate() {
            let service = &path["backend"]["service"];
            let port = &service["port"];
            if service.is_object() && port["number"].as_i64().unwrap_or(0) == 0 && text(port, "/name").is_empty() {
                let field = format!("spec.rules[{index}].http.paths[{at}].backend");
                found.push(Cause::required(field, "port name or number is required"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_addresses_with_a_length() {
        assert!(is_cidr("10.0.0.0/8") && is_cidr("2001:db8::/64"));
        assert!(!is_cidr("1.2.3.4/99") && !is_cidr("1.2.3.4") && !is_cidr("x/8"));
    }
}
