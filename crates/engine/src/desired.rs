//! What should be there, and whether that is all of it.

use std::collections::BTreeMap;

use api::argocd::{Condition, ConditionType, ManagedNamespaceMetadata};
use object::{GroupKind, Gvk, Manifest, ResourceKey};

use crate::namespace;
use crate::scope::Scopes;
use crate::tracking::{MarkError, Tracking};

/// Rendered manifests of one Application, with what went wrong on the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DesiredSet {
    manifests: Vec<Manifest>,
    problems: Vec<String>,
    revision: String,
}

/// Why a desired set may not be used to delete anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    #[error("rendering had problems, so absent objects may only be unreadable: {0}; correct the source first")]
    Problems(String),
    #[error("{0:?} is no full commit id or digest, so it is not certain what was rendered; sync to a commit")]
    Unverified(String),
}

/// Evidence that a desired set is whole: every source at an exact commit rendered without a problem. Only
/// [`DesiredSet::prove_complete`] makes one, and nothing is pruned without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteSet {
    revision: String,
}

impl CompleteSet {
    /// The commit that was rendered; several are joined by commas.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

impl DesiredSet {
    /// `revision` is the commit (several sources: commits joined by commas) that the manifests were rendered from;
    /// `problems` is everything that the render could not read.
    pub fn new(manifests: Vec<Manifest>, problems: Vec<String>, revision: impl Into<String>) -> Self {
        Self { manifests, problems, revision: revision.into() }
    }

    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// # Errors
    /// When something could not be rendered, or the revision is not exact.
    pub fn prove_complete(&self) -> Result<CompleteSet, Incomplete> {
        if !self.problems.is_empty() {
            return Err(Incomplete::Problems(self.problems.join("; ")));
        }
        if !self.revision.split(',').all(is_exact) {
            return Err(Incomplete::Unverified(self.revision.clone()));
        }
        Ok(CompleteSet { revision: self.revision.clone() })
    }
}

/// A SHA-1 or SHA-256 commit id, or a digest.
fn is_exact(revision: &str) -> bool {
    let hex = revision.strip_prefix("sha256:").unwrap_or(revision);
    matches!(hex.len(), 40 | 64) && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Desired objects with their final keys and marks, and warnings about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// In the order of the render.
    pub objects: Vec<Manifest>,
    pub conditions: Vec<Condition>,
    pub proof: Option<CompleteSet>,
    /// Why there is no proof.
    pub incomplete: Option<Incomplete>,
    /// The destination's namespace, where it is wanted without a manifest that describes it.
    pub(crate) kept_namespace: Option<KeptNamespace>,
}

/// A namespace, and the labels and annotations that a sync keeps on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptNamespace {
    pub(crate) key: ResourceKey,
    pub(crate) metadata: ManagedNamespaceMetadata,
}

impl Targets {
    /// With the destination's namespace, on which a sync keeps labels and annotations; a manifest of it comes before.
    #[must_use]
    pub fn with_namespace(mut self, name: &str, kept: &ManagedNamespaceMetadata) -> Self {
        let key = namespace::key(name);
        if !self.objects.iter().any(|object| object.key() == key) {
            self.objects.extend(namespace::manifest(name, Some(kept)));
            self.kept_namespace = Some(KeptNamespace { key, metadata: kept.clone() });
        }
        self
    }

    /// Without the kinds that the settings leave alone.
    #[must_use]
    pub fn without(mut self, excluded: impl Fn(&GroupKind) -> bool) -> Self {
        let (out, kept): (Vec<Manifest>, _) =
            self.objects.into_iter().partition(|object| excluded(&object.gvk().group_kind()));
        self.objects = kept;
        self.conditions.extend(out.iter().map(left_out));
        self
    }
}

fn left_out(object: &Manifest) -> Condition {
    let Gvk { group, kind, .. } = object.gvk();
    let message = format!("Resource {group}/{kind} {} is excluded in the settings", object.name());
    Condition::new(ConditionType::ExcludedResourceWarning, message)
}

/// Gives each object its namespace (the destination's when it names none; none for cluster-scoped kinds), keeps the
/// last of duplicates, and marks every object as the application's. CRDs get no marks, as in Argo CD.
pub fn targets(
    desired: &DesiredSet,
    application: &str,
    namespace: &str,
    tracking: &Tracking,
    scopes: &Scopes,
) -> Targets {
    let scopes = scopes.clone().with_definitions(&desired.manifests);
    let mut last: BTreeMap<ResourceKey, usize> = BTreeMap::new();
    let mut counts: BTreeMap<ResourceKey, usize> = BTreeMap::new();
    let mut objects = Vec::with_capacity(desired.manifests.len());
    for manifest in &desired.manifests {
        let mut object = manifest.clone();
        place(&mut object, namespace, &scopes);
        without_reports(&mut object);
        let key = object.key();
        if !key.name.is_empty() {
            *counts.entry(key.clone()).or_default() += 1;
            last.insert(key, objects.len());
        }
        objects.push(object);
    }
    let keep = |(index, object): (usize, Manifest)| {
        let named_twice = last.get(&object.key()).is_some_and(|&at| at != index);
        (!named_twice).then_some(object)
    };
    let mut objects: Vec<Manifest> = objects.into_iter().enumerate().filter_map(keep).collect();
    let marked = objects.iter_mut().filter(|object| object.kind() != "CustomResourceDefinition");
    let marks = marked.map(|object| tracking.set(object, application, namespace));
    let unmarked: Vec<MarkError> = marks.filter_map(Result::err).collect();
    let unmarked = unmarked.iter().map(|error| Condition::new(ConditionType::ComparisonError, error.to_string()));
    let repeated = counts.iter().filter(|(_, count)| **count > 1).map(|(key, count)| repeated(key, *count));
    let conditions = repeated.chain(unmarked).collect();
    let (proof, incomplete) = match desired.prove_complete() {
        Ok(proof) => (Some(proof), None),
        Err(reason) => (None, Some(reason)),
    };
    Targets { objects, conditions, proof, incomplete, kept_namespace: None }
}

fn place(object: &mut Manifest, namespace: &str, scopes: &Scopes) {
    match scopes.is_namespaced(&object.gvk().group_kind()) {
        Some(false) => {
            if let Some(metadata) = object.value_mut().get_mut("metadata").and_then(|m| m.as_object_mut()) {
                metadata.remove("namespace");
            }
        }
        Some(true) | None if object.namespace().is_empty() && !namespace.is_empty() => object.set_namespace(namespace),
        _ => {}
    }
}

/// An Application says by its status and its operation what was done, and what is to be done now: neither is for those to
/// say who write the files of a repository.
fn without_reports(object: &mut Manifest) {
    if object.gvk().group != "argoproj.io" || !matches!(object.kind(), "Application" | "AppProject" | "ApplicationSet")
    {
        return;
    }
    if let Some(fields) = object.value_mut().as_object_mut() {
        fields.remove("status");
        fields.remove("operation");
    }
}

fn repeated(key: &ResourceKey, count: usize) -> Condition {
    let message = format!("Resource {key} appeared {count} times among application resources.");
    Condition::new(ConditionType::RepeatedResourceWarning, message)
}
