//! Names in other objects that follow renamed objects.

use std::collections::{HashMap, HashSet};

use object::Gvk;

use super::config::NameReference;
use super::error::{KustomizeError, Result};
use super::fieldspec;
use super::node::{Fault, Node};
use super::resource::{Resource, split_api_version};
use super::schema::Schema;

/// What is known of an object that others may name; taken once, nothing of it changes while references are followed.
struct Referral {
    name: String,
    namespace: String,
    effective_namespace: String,
    original_namespace: String,
    kind: String,
    group: String,
    version: String,
    cluster_scoped: bool,
    previous: Vec<(String, String)>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Referral {
    fn of(resource: &Resource, schema: &Schema) -> Self {
        let id = resource.id(schema);
        let (group, version) = split_api_version(resource.api_version());
        Self {
            name: id.name.to_owned(),
            namespace: id.namespace.to_owned(),
            effective_namespace: id.effective_namespace().to_owned(),
            original_namespace: resource.original_id(schema).effective_namespace().to_owned(),
            kind: id.kind.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            cluster_scoped: id.cluster_scoped,
            previous: resource.previous.iter().map(|p| (p.name.clone(), p.kind.clone())).collect(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        }
    }

    fn was_of(&self, group: &str, version: &str, kind: &str) -> bool {
        (group.is_empty() || group == self.group)
            && (version.is_empty() || version == self.version)
            && self.previous.iter().any(|(_, k)| kind.is_empty() || kind == k)
    }

    fn same_affixes(&self, other: &Referral, allow_empty: bool) -> bool {
        let same = |a: &[String], b: &[String]| (allow_empty && (a.is_empty() || b.is_empty())) || ends_alike(a, b);
        same(&self.prefixes, &other.prefixes) && same(&self.suffixes, &other.suffixes)
    }
}

/// Whether the shorter list is the end of the longer one.
fn ends_alike(a: &[String], b: &[String]) -> bool {
    if a.is_empty() != b.is_empty() {
        return false;
    }
    a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
}

/// Follows all references.
///
/// # Errors
/// When a name could mean several objects.
pub(crate) fn follow(resources: &mut [Resource], references: &[NameReference], schema: &Schema) -> Result<()> {
    let referrals: Vec<Referral> = resources.iter().map(|r| Referral::of(r, schema)).collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, referral) in referrals.iter().enumerate() {
        for (name, _) in &referral.previous {
            let list = by_name.entry(name).or_default();
            if list.last() != Some(&i) {
                list.push(i);
            }
        }
    }
    if let Some(binding) = resources.iter().find(|r| r.kind() == "RoleBinding" && has_blank_namespace(&r.node)) {
        let mut error = KustomizeError::new(&binding.file, "a subject has an empty namespace");
        error.0.line = binding.line;
        return Err(error.hint("write the namespace of the service account, or leave the field out"));
    }
    let doubles = doubles(&referrals);
    for (i, resource) in resources.iter_mut().enumerate() {
        check_doubles(resource, &referrals[i], &doubles, references, schema)?;
        follow_one(resource, i, &referrals, &by_name, references, schema)?;
    }
    Ok(())
}

/// Objects that patches or replacements gave the id of another one.
fn doubles(referrals: &[Referral]) -> Vec<&Referral> {
    let mut seen = HashSet::new();
    let keys = referrals.iter().map(|r| (r, (&r.effective_namespace, &r.name, &r.group, &r.version, &r.kind)));
    keys.filter(|(_, key)| !seen.insert(*key)).map(|(r, _)| r).collect()
}

/// # Errors
/// When an object with references sees two objects of one id.
fn check_doubles(
    resource: &Resource,
    referrer: &Referral,
    doubles: &[&Referral],
    references: &[NameReference],
    schema: &Schema,
) -> Result<()> {
    let sees = |r: &&&Referral| {
        r.cluster_scoped
            || r.effective_namespace == referrer.effective_namespace
            || subject_namespaces(&resource.node, &referrer.kind).contains(&r.namespace)
    };
    let Some(double) = doubles.iter().find(sees).filter(|_| !referrer.cluster_scoped) else { return Ok(()) };
    let id = resource.original_id(schema);
    let gvk = Gvk::new(id.group, id.version, id.kind);
    if !references.iter().flat_map(|r| &r.field_specs).any(|spec| spec.selects_gvk(&gvk)) {
        return Ok(());
    }
    let message = format!("two objects end as {} {}", double.kind, double.name);
    Err(KustomizeError::new(&resource.file, message).hint("look at the patches and replacements of their names"))
}

fn follow_one(
    resource: &mut Resource,
    index: usize,
    referrals: &[Referral],
    by_name: &HashMap<&str, Vec<usize>>,
    references: &[NameReference],
    schema: &Schema,
) -> Result<()> {
    let original = {
        let id = resource.original_id(schema);
        Gvk::new(id.group, id.version, id.kind)
    };
    let gvk = resource.gvk();
    let (file, line) = (resource.file.clone(), resource.line);
    for reference in references {
        for spec in reference.field_specs.iter().filter(|s| s.selects_gvk(&original)) {
            let search = Search {
                referrer: &referrals[index],
                role_ref: spec.path.ends_with("roleRef/name").then(|| role_ref(&resource.node)).flatten(),
                subject_namespaces: subject_namespaces(&resource.node, &gvk.kind),
                referrals,
                by_name,
                reference,
            };
            let any = fieldspec::FieldSpec { path: spec.path.clone(), ..Default::default() };
            fieldspec::apply(&mut resource.node, &gvk, &any, None, &mut |node| search.set(node)).map_err(|fault| {
                let mut error = KustomizeError::new(file.clone(), format!("name reference: {fault}"));
                error.0.line = line;
                error
            })?;
        }
    }
    Ok(())
}

/// Group and kind that a role binding asks for.
fn role_ref(object: &Node) -> Option<(String, String)> {
    let text = |field: &str| object.at(&["roleRef", field]).map(|n| n.text().to_owned());
    Some((text("apiGroup")?, text("kind")?))
}

fn has_blank_namespace(object: &Node) -> bool {
    let subjects = object.get("subjects").map(Node::items).unwrap_or_default();
    subjects.iter().any(|subject| {
        subject.get("kind").is_some_and(|k| k.text() == "ServiceAccount")
            && subject.get("namespace").is_some_and(|n| !n.is_string())
    })
}

/// Namespaces of the service accounts that a role binding names.
fn subject_namespaces(object: &Node, kind: &str) -> Vec<String> {
    if kind != "RoleBinding" {
        return Vec::new();
    }
    let subjects = object.get("subjects").map(Node::items).unwrap_or_default();
    let accounts = subjects.iter().filter(|s| s.get("kind").is_some_and(|k| k.text() == "ServiceAccount"));
    accounts.filter_map(|s| s.get("namespace")).map(|n| n.text().to_owned()).collect()
}

struct Search<'a> {
    referrer: &'a Referral,
    role_ref: Option<(String, String)>,
    subject_namespaces: Vec<String>,
    referrals: &'a [Referral],
    by_name: &'a HashMap<&'a str, Vec<usize>>,
    reference: &'a NameReference,
}

impl<'a> Search<'a> {
    fn set(&self, node: &mut Node) -> std::result::Result<(), Fault> {
        if node.is_null() {
            return Ok(());
        }
        match node {
            Node::Scalar(_) => self.set_scalar(node),
            Node::Map(_) => self.set_mapping(node),
            Node::List(items) => items.iter_mut().filter(|n| !n.is_null()).try_for_each(|item| match item {
                Node::Scalar(_) => self.set_scalar(item),
                Node::Map(_) => self.set_mapping(item),
                Node::List(_) => Err("expected a name or a mapping with a name".to_owned()),
            }),
        }
    }

    fn set_scalar(&self, node: &mut Node) -> std::result::Result<(), Fault> {
        let same = |all: &[&Referral]| all.iter().all(|r| r.name == all[0].name);
        let Some(referral) = self.select(node.text(), None, &same)? else { return Ok(()) };
        if referral.name == node.text() {
            return Ok(());
        }
        set_name(node, &referral.name)
    }

    fn set_mapping(&self, node: &mut Node) -> std::result::Result<(), Fault> {
        let Some(name) = node.get("name") else { return Err("there is no name in the mapping".to_owned()) };
        let old = name.text().to_owned();
        let namespace = node.get("namespace").map(|n| n.text().to_owned());
        let same = |all: &[&Referral]| all.iter().all(|r| (&r.name, &r.namespace) == (&all[0].name, &all[0].namespace));
        let Some(referral) = self.select(&old, namespace.as_deref(), &same)? else { return Ok(()) };
        if referral.name == old && referral.namespace.is_empty() {
            return Ok(());
        }
        node.set_field("name", Node::untagged(referral.name.clone()))?;
        if referral.namespace.is_empty() {
            return Ok(());
        }
        node.set_field("namespace", Node::untagged(referral.namespace.clone()))
    }

    /// Whether the referrer can see the object at all.
    fn visible(&self, candidate: &Referral) -> bool {
        self.referrer.cluster_scoped
            || candidate.cluster_scoped
            || candidate.effective_namespace == self.referrer.effective_namespace
            || self.subject_namespaces.contains(&candidate.namespace)
    }

    fn select(
        &self,
        name: &str,
        namespace: Option<&str>,
        alike: &dyn Fn(&[&Referral]) -> bool,
    ) -> std::result::Result<Option<&'a Referral>, Fault> {
        let Some(named) = self.by_name.get(name) else { return Ok(None) };
        let reference = self.reference;
        let mut found: Vec<&Referral> = named.iter().map(|i| &self.referrals[*i]).filter(|r| self.visible(r)).collect();
        if let Some(namespace) = namespace {
            // by the namespace that the candidates came with, else by the one they are in now
            let group = self.referrals.iter().any(|r| self.visible(r) && r.original_namespace == namespace);
            found
                .retain(|r| if group { r.original_namespace == namespace } else { r.effective_namespace == namespace });
            if namespace == super::resource::NO_NAMESPACE {
                found.clear();
            }
        }
        found.retain(|r| r.was_of(&reference.group, &reference.version, &reference.kind));
        if let Some((group, kind)) = &self.role_ref {
            found.retain(|r| r.was_of(group, "", kind));
        }
        if !self.referrer.cluster_scoped {
            found.retain(|r| {
                r.cluster_scoped
                    || r.kind == "ServiceAccount"
                    || r.effective_namespace == self.referrer.effective_namespace
            });
        }
        if let [one] = found.as_slice() {
            return Ok(Some(one));
        }
        found.retain(|r| r.same_affixes(self.referrer, true));
        if found.len() > 1 {
            found.retain(|r| r.same_affixes(self.referrer, false));
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, ..] if alike(&found) => Ok(Some(first)),
            many => {
                let names: Vec<String> = many.iter().map(|r| format!("{} {}", r.kind, r.name)).collect();
                Err(format!("{name:?} could mean any of {}", names.join(", ")))
            }
        }
    }
}

fn set_name(node: &mut Node, name: &str) -> std::result::Result<(), Fault> {
    match node {
        Node::Scalar(scalar) => {
            let mut new = Node::untagged(name);
            new.quote_if_ambiguous();
            let Node::Scalar(mut new) = new else { return Ok(()) };
            new.quoted = scalar.quoted;
            *scalar = new;
            Ok(())
        }
        _ => Err("expected a name".to_owned()),
    }
}
