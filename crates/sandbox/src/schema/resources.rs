//! The resources that are served: names, verbs, subresources, table columns.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::Schema;

/// One resource in one version.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    /// Name, kind, group and version where they differ, verbs.
    pub(crate) subresources: BTreeMap<String, Subresource>,
    /// `columnDefinitions` of tables.
    pub(crate) columns: Vec<Value>,
    pub(crate) schema: Schema,
    pub(crate) hash: String,
    /// Of custom kinds: the definition.
    pub(crate) definition: Option<Arc<crate::crd::Definition>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Subresource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) verbs: Vec<String>,
}

impl Resource {
    pub(crate) fn group_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, as errors name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Where its objects are kept: all versions of a kind in one place; events of both groups too.
    pub(crate) fn storage(&self) -> String {
        match (self.group.as_str(), self.plural.as_str()) {
            ("events.k8s.io", "events") => "events".to_owned(),
            _ => self.qualified(),
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.definition.is_some()
    }

    pub(crate) fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// Built-in resources in the order of discovery: `(group version, resources)`.
pub(crate) static BUILT_IN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let groups: Vec<Value> = serde_json::from_str(include_str!("resources.json")).unwrap_or_default();
    groups.iter().flat_map(read_group).map(Arc::new).collect()
});

/// Resources of the real server that the sandbox has no behaviour for.
const LEFT_OUT: &[&str] =
    &["componentstatuses", "ipaddresses", "servicecidrs", "nodes/proxy", "pods/proxy", "services/proxy"];

fn read_group(group: &Value) -> Vec<Resource> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let group_version = text(group, "groupVersion");
    let (api_group, version) = group_version.split_once('/').unwrap_or(("", &group_version));
    let mut found: Vec<Resource> = Vec::new();
    for entry in group["resources"].as_array().into_iter().flatten() {
        let name = text(entry, "name");
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let verbs = strings(&entry["verbs"]);
        let or = |value: String, other: &str| if value.is_empty() { other.to_owned() } else { value };
        if let Some((parent, sub)) = name.split_once('/') {
            let subresource = Subresource {
                group: if text(entry, "version").is_empty() { api_group.to_owned() } else { text(entry, "group") },
                version: or(text(entry, "version"), version),
                kind: text(entry, "kind"),
                verbs,
            };
            let parent = found.iter_mut().find(|resource| resource.plural == parent);
            parent.into_iter().for_each(|parent| drop(parent.subresources.insert(sub.to_owned(), subresource.clone())));
            continue;
        }
        let kind = text(entry, "kind");
        let schema = Schema::named(&format!("{}/{version}.{kind}", package(api_group))).unwrap_or(Schema::Any);
        found.push(Resource {
            group: api_group.to_owned(),
            version: version.to_owned(),
            plural: name,
            singular: text(entry, "singularName"),
            kind,
            namespaced: entry["namespaced"] == true,
            short_names: strings(&entry["shortNames"]),
            categories: strings(&entry["categories"]),
            verbs,
            subresources: BTreeMap::new(),
            columns: entry["columns"].as_array().cloned().unwrap_or_default(),
            schema,
            hash: text(entry, "storageVersionHash"),
            definition: None,
        });
    }
    found
}

/// The Go package of a group.
fn package(group: &str) -> &str {
    match group {
        "" => "core",
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    }
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_kind_has_a_type() {
        for resource in BUILT_IN.iter() {
            assert_ne!(resource.schema, Schema::Any, "{}", resource.kind);
        }
        let deployment = BUILT_IN.iter().find(|r| r.plural == "deployments").unwrap();
        assert_eq!(deployment.subresources["scale"].kind, "Scale");
        assert_eq!(deployment.subresources["scale"].group, "autoscaling");
        assert!(deployment.columns.len() > 5);
    }
}
