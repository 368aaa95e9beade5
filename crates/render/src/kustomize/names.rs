//! Prefixes, suffixes and namespaces.

use std::collections::HashMap;

use super::error::{KustomizeError, Result};
use super::fieldspec::{self, FieldSpec};
use super::node::{Fault, Kind, Node, Scalar};
use super::resource::Resource;
use super::schema::Schema;

/// Kinds whose names are never changed.
fn keeps_its_name(group: &str, kind: &str) -> bool {
    matches!(kind, "CustomResourceDefinition" | "Namespace")
        || (group == "apiregistration.k8s.io" && kind == "APIService")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affix {
    Prefix,
    Suffix,
}

/// Adds a prefix or suffix to names.
///
/// # Errors
/// When a field of `specs` is no scalar.
pub(crate) fn add_affix(
    resources: &mut [Resource],
    affix: Affix,
    text: &str,
    specs: &[FieldSpec],
    schema: &Schema,
) -> std::result::Result<(), Fault> {
    for resource in resources {
        let original = resource.original_id(schema);
        let (group, version, kind) = (original.group.to_owned(), original.version.to_owned(), original.kind.to_owned());
        if keeps_its_name(&group, &kind) {
            continue;
        }
        for spec in specs.iter().filter(|s| s.selects(&group, &version, &kind)) {
            if spec.path == "metadata/name" && !text.is_empty() {
                let affixes = if affix == Affix::Prefix { &mut resource.prefixes } else { &mut resource.suffixes };
                affixes.push(text.to_owned());
                resource.store_previous(schema);
            }
            let gvk = resource.gvk();
            fieldspec::apply(&mut resource.node, &gvk, spec, Some(Kind::Scalar), &mut |node| {
                let new = match affix {
                    Affix::Prefix => format!("{text}{}", node.text()),
                    Affix::Suffix => format!("{}{text}", node.text()),
                };
                node.set_scalar(Scalar::untagged(new))
            })?;
        }
    }
    Ok(())
}

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    ServiceAccounts,
    None,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct NamespaceChange {
    pub(crate) namespace: String,
    pub(crate) specs: Vec<FieldSpec>,
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl NamespaceChange {
    /// Moves all objects into the namespace.
    ///
    /// # Errors
    /// When two objects end with one id, or a field is no scalar.
    pub(crate) fn apply(&self, resources: &mut [Resource], schema: &Schema, file: &str) -> Result<()> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        // kustomize looks for a second object of the id after each change: counts keep that cheap
        let mut counts: HashMap<Vec<String>, usize> = HashMap::new();
        for resource in resources.iter() {
            *counts.entry(id_key(resource, schema)).or_default() += 1;
        }
        // what a chart rendered has its namespace from Helm
        for resource in resources.iter_mut().filter(|r| !r.is_from_chart()) {
            let before = id_key(resource, schema);
            resource.store_previous(schema);
            self.change(resource, schema).map_err(|f| KustomizeError::new(file, format!("namespace: {f}")))?;
            let after = id_key(resource, schema);
            if let Some(count) = counts.get_mut(&before) {
                *count -= 1;
            }
            let count = counts.entry(after).or_default();
            *count += 1;
            if *count > 1 {
                let message =
                    format!("namespace {:?} gives two objects the id {}", self.namespace, resource.id(schema));
                return Err(KustomizeError::new(file, message).hint("give one of them another name"));
            }
        }
        Ok(())
    }

    /// Changes one object.
    ///
    /// # Errors
    /// When a field is no scalar.
    pub(crate) fn change(&self, resource: &mut Resource, schema: &Schema) -> std::result::Result<(), Fault> {
        let gvk = resource.gvk();
        let is_core = resource.api_version() == "v1";
        let is_binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if !schema.is_cluster_scoped(resource.api_version(), &gvk.kind) {
            let spec = FieldSpec::any("metadata/namespace", true);
            fieldspec::apply(&mut resource.node, &gvk, &spec, Some(Kind::Scalar), &mut |n| self.set(n))?;
        }
        if is_binding {
            self.change_subjects(&mut resource.node)?;
        }
        for spec in &self.specs {
            let skipped = spec.path == "metadata/namespace"
                || (!is_core && spec.path == "metadata/name")
                || (is_binding
                    && matches!(spec.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
                    && spec.path == "subjects/namespace");
            if !skipped {
                fieldspec::apply(&mut resource.node, &gvk, spec, Some(Kind::Scalar), &mut |n| self.set(n))?;
            }
        }
        Ok(())
    }

    fn set(&self, node: &mut Node) -> std::result::Result<(), Fault> {
        if self.unset_only && !node.text().is_empty() && !node.is_null() {
            return Ok(());
        }
        node.set_scalar(Scalar::string(self.namespace.clone()))
    }

    fn change_subjects(&self, object: &mut Node) -> std::result::Result<(), Fault> {
        let Some(subjects) = object.get_mut("subjects").filter(|s| !s.is_null()) else { return Ok(()) };
        let Node::List(subjects) = subjects else { return Err("subjects is no list".to_owned()) };
        for subject in subjects {
            let has = |field: &str, wanted: &str| subject.get(field).is_some_and(|n| n.text() == wanted);
            let wanted = match self.subjects {
                Subjects::None => false,
                Subjects::Default => has("name", "default"),
                Subjects::ServiceAccounts => has("kind", "ServiceAccount"),
            };
            if wanted {
                self.set(subject.get_or_create("namespace", Kind::Scalar)?)?;
            }
        }
        Ok(())
    }
}

fn id_key(resource: &Resource, schema: &Schema) -> Vec<String> {
    let key = resource.id(schema).key();
    [key.0, key.1, key.2, key.3, key.4].map(str::to_owned).to_vec()
}
