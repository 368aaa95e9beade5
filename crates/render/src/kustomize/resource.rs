//! An object of a build with what kustomize remembers about it: former names, prefixes, where it came from.

use std::collections::HashMap;

use object::Gvk;

use super::error::{KustomizeError, Result};
use super::node::{Fault, Kind, Node, Scalar, Twin};
use super::schema::Schema;
use super::state;

/// The namespace that cluster-scoped objects count as being in.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";
/// What kustomize marks the output of charts with; patches see it.
const FROM_CHART: &str = "internal.config.kubernetes.io/helm-generated";
/// Annotations that kustomize uses itself and takes away in the end.
const BUILD_ANNOTATIONS: [&str; 19] = [
    FROM_CHART,
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "create" => Behavior::Create,
            "replace" => Behavior::Replace,
            "merge" => Behavior::Merge,
            _ => Behavior::Unspecified,
        }
    }
}

/// A former name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
}

/// What `buildMetadata` tells about where an object or a change comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OriginNote {
    pub(crate) path: String,
    pub(crate) configured_in: String,
    /// apiVersion, kind, name, namespace of the configuration.
    pub(crate) configured_by: [String; 4],
}

#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Option<Behavior>,
    pub(crate) needs_hash: bool,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) vars: Vec<String>,
    /// Groups of [`Twin`]s made so far.
    pub(crate) twin_groups: u32,
    pub(crate) has_twins: bool,
    pub(crate) origin: Option<OriginNote>,
    pub(crate) transformations: Vec<OriginNote>,
    /// The object after the last step, where a history is kept.
    pub(crate) before: Option<Box<Node>>,
    /// File and 1-based line where the object starts.
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// What an object is called at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) cluster_scoped: bool,
}

impl<'a> Id<'a> {
    /// The namespace for comparing: absent is `default`.
    pub(crate) fn effective_namespace(&self) -> &'a str {
        match self.namespace {
            _ if self.cluster_scoped => NO_NAMESPACE,
            "" => "default",
            namespace => namespace,
        }
    }

    /// What two ids have in common when they mean the same object.
    pub(crate) fn key(&self) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
        (self.effective_namespace(), self.name, self.group, self.version, self.kind)
    }

    pub(crate) fn same(&self, other: &Id<'_>) -> bool {
        self.key() == other.key()
    }

    pub(crate) fn same_gvkn(&self, other: &Id<'_>) -> bool {
        (self.name, self.group, self.version, self.kind) == (other.name, other.group, other.version, other.kind)
    }
}

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        write!(f, "{}{group} {}", self.kind, self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in namespace {}", self.namespace) }
    }
}

pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Resource {
    pub(crate) fn new(node: Node, file: &str, line: usize) -> Self {
        Self {
            node,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: None,
            needs_hash: false,
            allow_name_change: false,
            allow_kind_change: false,
            vars: Vec::new(),
            twin_groups: 0,
            has_twins: false,
            origin: None,
            transformations: Vec::new(),
            before: None,
            file: file.to_owned(),
            line,
        }
    }

    pub(crate) fn api_version(&self) -> &str {
        self.node.get("apiVersion").map_or("", Node::text)
    }

    pub(crate) fn kind(&self) -> &str {
        self.node.get("kind").map_or("", Node::text)
    }

    fn metadata_text(&self, field: &str) -> &str {
        let metadata = self.node.get("metadata").filter(|m| !m.is_nil_or_empty());
        metadata.and_then(|m| m.get(field)).filter(|n| !n.is_nil_or_empty()).map_or("", Node::text)
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata_text("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata_text("namespace")
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.api_version(), self.kind())
    }

    pub(crate) fn id<'a>(&'a self, schema: &Schema) -> Id<'a> {
        let (group, version) = split_api_version(self.api_version());
        let cluster_scoped = schema.is_cluster_scoped(self.api_version(), self.kind());
        Id { group, version, kind: self.kind(), name: self.name(), namespace: self.namespace(), cluster_scoped }
    }

    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = Id<'_>> {
        let (group, version) = split_api_version(self.api_version());
        self.previous.iter().map(move |p| Id {
            group,
            version,
            kind: &p.kind,
            name: &p.name,
            namespace: &p.namespace,
            cluster_scoped: false,
        })
    }

    /// The id with which the object entered the build.
    pub(crate) fn original_id<'a>(&'a self, schema: &Schema) -> Id<'a> {
        self.previous_ids().next().unwrap_or_else(|| self.id(schema))
    }

    /// The ids that a patch or generator may use.
    pub(crate) fn any_id(&self, schema: &Schema, matches: impl Fn(&Id<'_>) -> bool) -> bool {
        self.previous_ids().any(|id| matches(&id)) || matches(&self.id(schema))
    }

    pub(crate) fn store_previous(&mut self, schema: &Schema) {
        let id = self.id(schema);
        let previous =
            Previous { name: id.name.into(), namespace: id.effective_namespace().into(), kind: id.kind.into() };
        self.previous.push(previous);
        // kustomize writes the annotations anew for that
        if self.has_twins
            && let Some(annotations) = self.node.get_mut("metadata").and_then(|m| m.get_mut("annotations"))
        {
            annotations.scalars(&mut |scalar| scalar.twin = Twin::default());
        }
    }

    /// Makes twins alike after some of them were set.
    pub(crate) fn settle_twins(&mut self) {
        if !self.has_twins {
            return;
        }
        let mut set: HashMap<u32, Scalar> = HashMap::new();
        self.node.scalars(&mut |scalar| {
            if std::mem::take(&mut scalar.twin.changed) {
                set.insert(scalar.twin.group, scalar.clone());
            }
        });
        if set.is_empty() {
            return;
        }
        self.node.scalars(&mut |scalar| {
            if let Some(new) = set.get(&scalar.twin.group) {
                scalar.clone_from(new);
            }
        });
    }

    pub(crate) fn set_name(&mut self, name: &str) -> std::result::Result<(), Fault> {
        self.node.get_or_create("metadata", Kind::Map)?.set_field("name", Node::untagged(name))
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) -> std::result::Result<(), Fault> {
        if namespace.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata") {
                metadata.remove("namespace");
            }
            return Ok(());
        }
        self.node.get_or_create("metadata", Kind::Map)?.set_field("namespace", Node::untagged(namespace))
    }

    pub(crate) fn set_kind(&mut self, kind: &str) -> std::result::Result<(), Fault> {
        self.node.set_field("kind", Node::untagged(kind))
    }

    /// Texts of `metadata.labels` or `metadata.annotations`, whatever their type.
    pub(crate) fn metadata_map(&self, field: &str) -> Vec<(&str, &str)> {
        let map = self.node.at(&["metadata", field]);
        map.into_iter().flat_map(Node::pairs).map(|(k, v)| (k.text.as_str(), v.text())).collect()
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.node.at(&["metadata", "annotations", name]).map(Node::text)
    }

    /// Writes `metadata.labels` or `metadata.annotations` as texts, in order of their keys; an empty map is removed.
    pub(crate) fn set_metadata_map(
        &mut self,
        field: &str,
        mut pairs: Vec<(String, String)>,
    ) -> std::result::Result<(), Fault> {
        let metadata = self.node.get_or_create("metadata", Kind::Map)?;
        metadata.remove(field);
        if pairs.is_empty() {
            return Ok(());
        }
        pairs.sort();
        let map = metadata.get_or_create(field, Kind::Map)?;
        pairs.into_iter().try_for_each(|(key, value)| map.set_field(&key, Node::string(value)))
    }

    /// The last step: annotations become texts, internal ones go, those of `buildMetadata` come.
    pub(crate) fn finish(&mut self, origins: bool, transformations: bool) -> std::result::Result<(), Fault> {
        let mut pairs: Vec<(String, String)> = self
            .metadata_map("annotations")
            .into_iter()
            .filter(|(key, _)| !BUILD_ANNOTATIONS.contains(key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        if !origins {
            pairs.retain(|(k, _)| k != state::ORIGIN);
        } else if let Some(origin) = &self.origin {
            pairs.push((state::ORIGIN.to_owned(), origin.text("")));
        }
        if !transformations {
            pairs.retain(|(k, _)| k != state::TRANSFORMATIONS);
        } else if !self.transformations.is_empty() {
            pairs.push((state::TRANSFORMATIONS.to_owned(), self.transformations_text()));
        }
        self.set_metadata_map("annotations", pairs)
    }
}

impl OriginNote {
    pub(crate) fn text(&self, bullet: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        if !self.path.is_empty() {
            lines.push(format!("path: {}", self.path));
        }
        if !self.configured_in.is_empty() {
            lines.push(format!("configuredIn: {}", self.configured_in));
        }
        if self.configured_by.iter().any(|text| !text.is_empty()) {
            lines.push("configuredBy:".to_owned());
            let names = ["apiVersion", "kind", "name", "namespace"];
            let parts = names.iter().zip(&self.configured_by).filter(|(_, text)| !text.is_empty());
            lines.extend(parts.map(|(name, text)| format!("  {name}: {text}")));
        }
        let indent = " ".repeat(bullet.len());
        lines.iter().enumerate().map(|(i, line)| format!("{}{line}\n", if i == 0 { bullet } else { &indent })).collect()
    }
}

impl Resource {
    /// Marks what a chart rendered.
    ///
    /// # Errors
    /// When metadata or annotations are no mapping.
    pub(crate) fn mark_from_chart(&mut self) -> std::result::Result<(), Fault> {
        self.annotations_mut()?.set_field(FROM_CHART, Node::string("true"))
    }

    /// The annotations, made where there are none.
    ///
    /// # Errors
    /// When metadata or annotations are no mapping.
    pub(crate) fn annotations_mut(&mut self) -> std::result::Result<&mut Node, Fault> {
        let annotations = self.node.get_or_create("metadata", Kind::Map)?.get_or_create("annotations", Kind::Map)?;
        if annotations.is_null() {
            *annotations = Node::empty(Kind::Map);
        }
        Ok(annotations)
    }

    /// Whether a chart rendered this, as far as no patch took the mark away.
    pub(crate) fn is_from_chart(&self) -> bool {
        self.annotation(FROM_CHART) == Some("true")
    }
}

/// Adds objects whose ids are not there yet.
///
/// # Errors
/// When an object of the same id is there.
pub(crate) fn append_all(into: &mut Vec<Resource>, more: Vec<Resource>, schema: &Schema) -> Result<()> {
    if more.is_empty() {
        return Ok(());
    }
    let clash = {
        let mut seen: std::collections::HashMap<_, &Resource> = std::collections::HashMap::new();
        seen.extend(into.iter().map(|r| (r.id(schema).key(), r)));
        more.iter().find_map(|r| seen.insert(r.id(schema).key(), r).map(|first| duplicate(r, first, schema)))
    };
    match clash {
        Some(error) => Err(error),
        None => {
            into.extend(more);
            Ok(())
        }
    }
}

fn duplicate(second: &Resource, first: &Resource, schema: &Schema) -> KustomizeError {
    let mut error = KustomizeError::new(second.file.clone(), format!("{} is in the build twice", second.id(schema)));
    error.0.line = second.line;
    error.hint(format!(
        "the first one comes from {}:{}; remove one of them, or give them different names or namespaces",
        first.file, first.line
    ))
}
