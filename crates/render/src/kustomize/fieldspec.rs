//! Field specs: which fields of which kinds a transformer touches, and how they are reached.

use object::Gvk;
use serde::Deserialize;

use super::node::{Fault, Kind, Node};

/// One place in objects of some kinds. Empty parts of the kind mean any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FieldSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    /// Keys joined by `/`; `\/` is a slash in a key; `[]` behind a key says that it holds a list.
    pub(crate) path: String,
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) fn any(path: &str, create: bool) -> Self {
        Self { path: path.to_owned(), create, ..Self::default() }
    }

    pub(crate) fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        (self.group.is_empty() || self.group == group)
            && (self.version.is_empty() || self.version == version)
            && (self.kind.is_empty() || self.kind == kind)
    }

    pub(crate) fn selects_gvk(&self, gvk: &Gvk) -> bool {
        self.selects(&gvk.group, &gvk.version, &gvk.kind)
    }

    /// Whether `other` says nothing that this spec does not cover.
    fn covers(&self, other: &FieldSpec) -> bool {
        other.selects(&self.group, &self.version, &self.kind) && self.path == other.path
    }
}

/// Adds specs that are not there yet.
///
/// # Errors
/// When the same field is to be created by one spec and not by the other.
pub(crate) fn merge(into: &mut Vec<FieldSpec>, specs: &[FieldSpec]) -> Result<(), Fault> {
    for spec in specs {
        match into.iter().find(|s| s.covers(spec)) {
            Some(known) if known.create != spec.create => {
                return Err(format!("two field specs for {:?} disagree about create", spec.path));
            }
            Some(_) => {}
            None => into.push(spec.clone()),
        }
    }
    Ok(())
}

/// The keys of a path: split at `/`, where `\/` is a slash.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut joined = false;
    let path = match path.strip_prefix(delimiter) {
        Some(rest) if !path.is_empty() => rest,
        _ => path,
    };
    for part in path.split(delimiter) {
        match parts.last_mut() {
            Some(last) if joined => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
        joined = parts.last().is_some_and(|p| p.ends_with('\\'));
    }
    parts
}

/// What a spec creates where the path ends, if it may create at all.
pub(crate) type Create = Option<Kind>;

/// Calls `set` on every node that `spec` reaches in an object of `gvk`.
///
/// # Errors
/// When the path runs into a scalar, or `set` fails.
pub(crate) fn apply(
    object: &mut Node,
    gvk: &Gvk,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if !spec.selects_gvk(gvk) {
        return Ok(());
    }
    let path = split_path(&spec.path, '/');
    visit(object, &path, create.filter(|_| spec.create), set).map_err(|fault| format!("field {}: {fault}", spec.path))
}

fn visit(
    node: &mut Node,
    path: &[String],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some((first, rest)) = path.split_first() else { return set(node) };
    if node.is_null() {
        return Ok(());
    }
    match node {
        Node::List(items) => items.iter_mut().try_for_each(|item| visit(item, path, create, set)),
        Node::Scalar(_) => Err("expected a list or mapping on the way".to_owned()),
        Node::Map(_) => {
            let (name, is_list) = match first.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (first.as_str(), false),
            };
            if name.is_empty() {
                return Err("an empty field name".to_owned());
            }
            let made = create.filter(|_| !is_list).map(|last| if rest.is_empty() { last } else { Kind::Map });
            let field = match made {
                Some(kind) => Some(node.get_or_create(name, kind)?),
                None => node.get_mut(name),
            };
            let Some(field) = field else { return Ok(()) };
            let filled = made.or(is_list.then_some(Kind::List));
            if let (true, Some(kind)) = (field.is_null(), filled)
                && kind != Kind::Scalar
            {
                *field = Node::empty(kind);
            } else if let (Node::Scalar(scalar), Some(Kind::Scalar)) = (&mut *field, filled)
                && scalar.tag == super::node::Tag::Null
            {
                scalar.tag = super::node::Tag::Str;
                scalar.text.clear();
            }
            visit(field, rest, create, set)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_at_slashes() {
        assert_eq!(split_path("spec/a", '/'), ["spec", "a"]);
        assert_eq!(split_path(r"metadata/annotations/x.io\/y", '/'), ["metadata", "annotations", "x.io/y"]);
        assert_eq!(split_path(r"a.b\.c.d", '.'), ["a", "b.c", "d"]);
    }
}
