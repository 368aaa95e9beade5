//! What is served, told in the legacy and the aggregated form; version and health.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::http::Reply;
use crate::request::Incoming;
use crate::schema::resources::Resource;
use crate::status::{Answer, Failure};

/// The Kubernetes version whose behaviour this is; the suffix says that it is not the real thing.
/// Clients that asked for this form recognise it by the media type only.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERSION: &str = "v1.36.3+sandbox";

/// # Errors
/// When the form that is asked for does not exist.
pub(crate) fn route(api: &Api, request: &Incoming) -> Answer<Option<Reply>> {
    let path = request.path.trim_end_matches('/');
    let known = matches!(path, "" | "/version" | "/healthz" | "/livez" | "/readyz" | "/api" | "/apis")
        || path.starts_with("/livez/")
        || path.starts_with("/readyz/")
        || path.starts_with("/healthz/")
        || path == "/api/v1"
        || path.strip_prefix("/apis/").is_some_and(|rest| rest.matches('/').count() <= 1);
    if !known {
        return Ok(None);
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Failure::method_not_allowed());
    }
    Ok(Some(match path {
        "" => Reply::ok(paths(api)),
        "/version" => Reply::ok(version()),
        "/api" | "/apis" if unknown_form(request) => return Err(Failure::not_acceptable()),
        "/api" if aggregated(request) => Reply::Text(AGGREGATED, aggregate(api, true).to_string()),
        "/apis" if aggregated(request) => Reply::Text(AGGREGATED, aggregate(api, false).to_string()),
        "/api" => Reply::ok(json!({ "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": request.header("host") }] })),
        "/apis" => Reply::ok(groups(api)),
        "/api/v1" => Reply::ok(resources(api, "", "v1").ok_or_else(Failure::no_such_path)?),
        health
            if health.trim_start_matches('/').contains('/')
                && !health.starts_with("/apis/")
                && !health.ends_with("/ping") =>
        {
            return Ok(Some(crate::http::nothing_there()));
        }
        health if !health.starts_with("/apis/") => {
            if request.query.contains_key("verbose") {
                let name = health.trim_start_matches('/');
                Reply::Text("text/plain; charset=utf-8", format!("[+]ping ok\n[+]log ok\n{name} check passed\n"))
            } else {
                Reply::Text("text/plain; charset=utf-8", "ok".to_owned())
            }
        }
        other => {
            let rest = other.trim_start_matches("/apis/");
            let found = match rest.split_once('/') {
                Some((group, version)) => resources(api, group, version),
                None => api.kinds().groups().iter().find(|(name, _)| name == rest).map(|(name, versions)| {
                    let mut group =
                        group(name, &versions.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>());
                    group["kind"] = json!("APIGroup");
                    group["apiVersion"] = json!("v1");
                    group
                }),
            };
            match found {
                Some(value) => Reply::ok(value),
                None => return Err(Failure::no_such_path()),
            }
        }
    }))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64",
    })
}

fn paths(api: &Api) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned(), "/apis/".to_owned()];
    for (group, versions) in api.kinds().groups().iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|(version, _)| format!("/apis/{group}/{version}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    json!({ "paths": paths })
}

/// Asked for in a version that does not exist, and in no other form.
fn unknown_form(request: &Incoming) -> bool {
    let header = request.header("accept");
    let mut forms = header.split(',').peekable();
    !header.is_empty()
        && forms.all(|form| {
            let known = ["v=v2", "v=v2beta1"].iter().any(|version| form.split(';').any(|part| part.trim() == *version));
            form.contains("as=APIGroupDiscoveryList") && !known
        })
}

fn aggregated(request: &Incoming) -> bool {
    request
        .header("accept")
        .split(',')
        .any(|part| part.contains("as=APIGroupDiscoveryList") && part.contains("v=v2") && !part.contains("v2beta1"))
}

/// Newer and more stable versions first, as the API server prefers them.
fn preferred<'v>(versions: &[&'v str]) -> Vec<&'v str> {
    let rank = |version: &str| {
        let text = version.trim_start_matches('v');
        let (major, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let stage = if rest.is_empty() { 2 } else { i32::from(rest.starts_with("beta")) };
        let minor: u32 = rest.trim_start_matches(char::is_alphabetic).parse().unwrap_or(0);
        (stage, major.parse::<u32>().unwrap_or(0), minor)
    };
    let mut sorted = versions.to_vec();
    sorted.sort_by_key(|version| std::cmp::Reverse(rank(version)));
    sorted
}

fn group(name: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let sorted = preferred(versions);
    json!({ "name": name, "versions": sorted.iter().map(entry).collect::<Vec<_>>(), "preferredVersion": sorted.first().map(entry) })
}

fn groups(api: &Api) -> Value {
    let kinds = api.kinds();
    let all = kinds.groups();
    let groups = all.iter().filter(|(name, _)| !name.is_empty());
    let groups: Vec<Value> = groups
        .map(|(name, versions)| group(name, &versions.iter().map(|(v, _)| v.as_str()).collect::<Vec<_>>()))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resources(api: &Api, group: &str, version: &str) -> Option<Value> {
    let kinds = api.kinds();
    let found: Vec<&Arc<Resource>> = kinds.all().iter().filter(|r| r.group == group && r.version == version).collect();
    let first = found.first()?;
    let mut list = Vec::new();
    for resource in &found {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind,
            "verbs": resource.verbs,
        });
        for (key, values) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
            if !values.is_empty() {
                entry[key] = json!(values);
            }
        }
        if !resource.hash.is_empty() {
            entry["storageVersionHash"] = json!(resource.hash);
        }
        list.push(entry);
        let mut subresources: Vec<_> = resource.subresources.iter().collect();
        if resource.is_custom() {
            // status before scale
            subresources.reverse();
        }
        for (name, sub) in subresources {
            let mut entry = json!({
                "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
                "kind": sub.kind, "verbs": sub.verbs,
            });
            if (sub.group.as_str(), sub.version.as_str()) != (group, version) {
                entry["group"] = json!(sub.group);
                entry["version"] = json!(sub.version);
            }
            list.push(entry);
        }
    }
    let mut value = json!({ "kind": "APIResourceList", "groupVersion": first.group_version(), "resources": list });
    if !group.is_empty() {
        value["apiVersion"] = json!("v1");
    }
    Some(value)
}

fn aggregate(api: &Api, core: bool) -> Value {
    let kinds = api.kinds();
    let all = kinds.groups();
    let items: Vec<Value> = all
        .iter()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, versions)| {
            let sorted = preferred(&versions.iter().map(|(v, _)| v.as_str()).collect::<Vec<_>>());
            let entry = |version: &&str| {
                let resources =
                    versions.iter().find(|(v, _)| v == version).map(|(_, r)| r.as_slice()).unwrap_or_default();
                let resources: Vec<Value> = resources.iter().map(|resource| aggregate_resource(resource)).collect();
                json!({ "version": version, "resources": resources, "freshness": "Current" })
            };
            let metadata = if name.is_empty() { json!({}) } else { json!({ "name": name }) };
            json!({ "metadata": metadata, "versions": sorted.iter().map(entry).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregate_resource(resource: &Resource) -> Value {
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    // the API server leaves out what goes without saying, but for custom resources
    let own = |group: &str, version: &str, name: &str| {
        let same = (group, version) == (resource.group.as_str(), resource.version.as_str());
        if same && !resource.is_custom() { kind("", "", name) } else { kind(group, version, name) }
    };
    let mut verbs = resource.verbs.clone();
    verbs.sort();
    let mut entry = json!({
        "resource": resource.plural, "responseKind": own(&resource.group, &resource.version, &resource.kind), "scope": scope,
        "singularResource": resource.singular, "verbs": verbs,
    });
    for (key, values) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !values.is_empty() {
            entry[key] = json!(values);
        }
    }
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|(name, sub)| {
            let mut verbs = sub.verbs.clone();
            verbs.sort();
            json!({ "subresource": name, "responseKind": own(&sub.group, &sub.version, &sub.kind), "verbs": verbs })
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}
