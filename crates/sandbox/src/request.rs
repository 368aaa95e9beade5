//! A request taken apart: which resource, which verb, which options.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;

use crate::status::{Answer, Failure};

/// What a path below `/api/v1` or `/apis/GROUP/VERSION` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

impl Target {
    /// `None` for paths of another shape.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let (group, version, rest) = match parts.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["api", version, ..] => (String::new(), (*version).to_owned(), parts.get(2..)?.to_vec()),
            ["apis", group, version, ..] => ((*group).to_owned(), (*version).to_owned(), parts.get(3..)?.to_vec()),
            _ => return None,
        };
        let at = |index: usize| rest.get(index).cloned().unwrap_or_default();
        let target = |namespace: String, from: usize| Self {
            group: group.clone(),
            version: version.clone(),
            namespace,
            resource: at(from),
            name: at(from + 1),
            subresource: rest.get(from + 2..).map(|parts| parts.join("/")).unwrap_or_default(),
        };
        let inside = at(0) == "namespaces" && rest.len() > 2 && !["finalize", "status"].contains(&at(2).as_str());
        match rest.len() {
            0 => None,
            _ if inside => Some(target(at(1), 2)),
            _ => Some(target(String::new(), 0)),
        }
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// One HTTP request with its body.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Incoming {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn option(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.option(name), "true" | "1")
    }

    /// # Errors
    /// 422 for anything but `All`.
    pub(crate) fn dry_run(&self) -> Answer<bool> {
        match self.option("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(Failure::new(
                400,
                "BadRequest",
                format!("Invalid value: {other:?}: dryRun: Unsupported value: {other:?}: supported values: \"All\""),
            )),
        }
    }

    /// The `fieldManager`, else what the client calls itself.
    pub(crate) fn manager(&self) -> String {
        let named = self.option("fieldManager");
        if !named.is_empty() {
            return named.to_owned();
        }
        let agent = self.header("user-agent");
        let name = agent.split('/').next().unwrap_or(agent);
        if name.is_empty() { "unknown".to_owned() } else { name.chars().take(128).collect() }
    }

    /// The media type of the body.
    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// The user's name and groups: the administrator unless the request impersonates somebody.
    pub(crate) fn user(&self) -> (String, Vec<String>) {
        let name = self.header("impersonate-user");
        if name.is_empty() {
            return (
                "kubernetes-admin".to_owned(),
                vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            );
        }
        let values = self.headers.get_all("impersonate-group").iter();
        let mut groups: Vec<String> = values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        groups.push("system:authenticated".to_owned());
        (name.to_owned(), groups)
    }
}

pub(crate) fn parse_query(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// How the answer should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Table,
    /// `PartialObjectMetadata`
    Partial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) shape: Shape,
    pub(crate) yaml: bool,
}

/// Reads an Accept header: the first form that is known.
///
/// # Errors
/// 406 when none is.
pub(crate) fn accept(header: &str, list: bool) -> Answer<Accept> {
    let plain = Accept { shape: Shape::Object, yaml: false };
    if header.trim().is_empty() {
        return Ok(plain);
    }
    for part in header.split(',') {
        let mut parameters = part.split(';').map(str::trim);
        let media = parameters.next().unwrap_or_default();
        let parameters: BTreeMap<&str, &str> = parameters.filter_map(|p| p.split_once('=')).collect();
        let shape = match parameters.get("as").copied() {
            None => Shape::Object,
            Some("Table") if parameters.get("g") == Some(&"meta.k8s.io") && parameters.get("v") == Some(&"v1") => {
                Shape::Table
            }
            Some("PartialObjectMetadata") if !list => Shape::Partial,
            Some("PartialObjectMetadataList") if list => Shape::Partial,
            Some(_) => continue,
        };
        match media {
            "application/json" | "*/*" | "application/*" => return Ok(Accept { shape, yaml: false }),
            "application/yaml" => return Ok(Accept { shape, yaml: true }),
            _ => {}
        }
    }
    Err(Failure::not_acceptable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects() {
        let check = |path: &str, expected: [&str; 6]| {
            let t = Target::parse(path).unwrap();
            assert_eq!([&*t.group, &*t.version, &*t.namespace, &*t.resource, &*t.name, &*t.subresource], expected);
        };
        check("/api/v1/pods", ["", "v1", "", "pods", "", ""]);
        check("/api/v1/namespaces/a", ["", "v1", "", "namespaces", "a", ""]);
        check("/api/v1/namespaces/a/finalize", ["", "v1", "", "namespaces", "a", "finalize"]);
        check("/api/v1/namespaces/a/pods", ["", "v1", "a", "pods", "", ""]);
        check("/apis/apps/v1/namespaces/a/deployments/d/scale", ["apps", "v1", "a", "deployments", "d", "scale"]);
        assert!(Target::parse("/healthz").is_none() && Target::parse("/apis/apps/v1").is_none());
    }

    #[test]
    fn the_first_known_form_is_taken() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(accept(table, true).unwrap().shape, Shape::Table);
        assert_eq!(accept("application/vnd.kubernetes.protobuf,application/json", false).unwrap().shape, Shape::Object);
        assert!(accept("application/yaml", false).unwrap().yaml);
        assert_eq!(accept("text/html", false).unwrap_err().code, 406);
    }
}
