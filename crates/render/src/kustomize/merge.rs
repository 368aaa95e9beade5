//! Strategic-merge patches as kustomize applies them (kyaml `merge2` and `walk` of kustomize 5.8.1).
//!
//! Mappings merge key by key. Lists merge only where the schema says so: elements of the patch come first, then the
//! rest. A null deletes; `$patch` says delete, replace or merge.

use std::sync::Arc;

use serde_json::Value;

use super::node::{Fault, Kind, Node};
use super::schema::{Field, Schema};

const DIRECTIVE: &str = "$patch";

/// What became of a node.
enum Walked {
    /// It is gone.
    Nothing,
    /// The old node, changed in place.
    Old(Node),
    /// The node of the patch.
    New(Node),
    /// A null that was written out in the old node and that the patch does not mention.
    Null,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// `target` with `patch` merged into it; none when the patch deletes it.
///
/// # Errors
/// When a list meets a mapping or scalar, or a `$patch` is none of the known ones.
pub(crate) fn merge(target: Node, patch: Node, schema: &Schema) -> Result<Option<Node>, Fault> {
    if patch.get(DIRECTIVE).is_some_and(|d| d.text() == "replace") && !target.is_null() {
        // kustomize drops the result and keeps the object, which was not touched
        return Ok(Some(target));
    }
    merged(target, patch, Walker { schema, path: Vec::new(), appends: false })
}

/// As [`merge`], for values of charts: elements that are new come last.
///
/// # Errors
/// As [`merge`].
pub(crate) fn merge_values(target: Node, patch: Node, schema: &Schema) -> Result<Option<Node>, Fault> {
    merged(target, patch, Walker { schema, path: Vec::new(), appends: true })
}

fn merged(target: Node, patch: Node, mut walker: Walker<'_>) -> Result<Option<Node>, Fault> {
    let walked = walker.walk(Some(target), Some(patch), None, false).map_err(|fault| walker.located(&fault))?;
    Ok(match walked {
        Walked::Nothing | Walked::Null => None,
        Walked::Old(node) | Walked::New(node) => Some(node),
    })
}

struct Walker<'s> {
    schema: &'s Schema,
    path: Vec<String>,
    /// New elements of lists come behind the old ones.
    appends: bool,
}

impl Walker<'_> {
    fn located(&self, fault: &str) -> Fault {
        if self.path.is_empty() { fault.to_owned() } else { format!("{}: {fault}", self.path.join(".")) }
    }

    /// `same`: both are copies of one node of the patch, which has nothing to merge with.
    fn walk(
        &mut self,
        old: Option<Node>,
        new: Option<Node>,
        field: Option<Field>,
        same: bool,
    ) -> Result<Walked, Fault> {
        let field = field.or_else(|| [&old, &new].into_iter().flatten().find_map(|n| self.object_schema(n)));
        let kinds: Vec<Kind> = [&old, &new].into_iter().flatten().filter(|n| !n.is_null()).map(Node::kind).collect();
        let kind = kinds.first().copied();
        if kinds.iter().any(|k| Some(*k) != kind) {
            return Err(format!("the patch has {} where the object has {}", name(kinds[1]), name(kinds[0])));
        }
        match kind {
            Some(Kind::Map) | None => self.map(old, new, field, same),
            Some(Kind::List) => match field.as_ref().and_then(|f| f.merge.clone()) {
                Some(keys) => self.keyed_list(old, new, field.as_ref(), &keys, same),
                None => Ok(replaced(old, new)),
            },
            Some(Kind::Scalar) => Ok(replaced(old, new)),
        }
    }

    fn object_schema(&self, node: &Node) -> Option<Field> {
        let text = |key: &str| node.get(key).filter(|n| !n.is_null()).map(Node::text).filter(|t| !t.is_empty());
        self.schema.of_kind(text("apiVersion")?, text("kind")?)
    }

    fn map(&mut self, old: Option<Node>, new: Option<Node>, field: Option<Field>, same: bool) -> Result<Walked, Fault> {
        let absent = old.as_ref().is_none_or(Node::is_null);
        if absent {
            return self.map_from_patch(old.as_ref(), new, field);
        }
        let Some(mut old) = old else { return Ok(Walked::Nothing) };
        let Some(mut new) = new else { return Ok(Walked::Old(self.fields(old, None, field.as_ref(), false)?)) };
        if new.is_null() {
            return Ok(Walked::Nothing);
        }
        let had_directive = new.get(DIRECTIVE).is_some();
        match map_directive(&mut new)? {
            Directive::Delete => Ok(Walked::Nothing),
            Directive::Replace if !same => {
                Ok(Walked::New(self.fields(new.clone(), Some(new), field.as_ref(), true)?))
            }
            _ => {
                if same && had_directive {
                    old.remove(DIRECTIVE);
                }
                Ok(Walked::Old(self.fields(old, Some(new), field.as_ref(), same)?))
            }
        }
    }

    /// There is nothing to merge with: the patch is taken, without its nulls.
    fn map_from_patch(&mut self, old: Option<&Node>, new: Option<Node>, field: Option<Field>) -> Result<Walked, Fault> {
        let Some(mut new) = new else {
            let written_out = old.is_some_and(|n| !n.text().is_empty());
            return Ok(if written_out { Walked::Null } else { Walked::Nothing });
        };
        if map_directive(&mut new).is_ok_and(|d| d == Directive::Delete) {
            return Ok(Walked::Nothing);
        }
        if new.is_null() {
            return Ok(Walked::New(new));
        }
        Ok(Walked::New(self.fields(new.clone(), Some(new), field.as_ref(), true)?))
    }

    fn fields(&mut self, mut into: Node, new: Option<Node>, field: Option<&Field>, same: bool) -> Result<Node, Fault> {
        let names = |node: &Node| node.pairs().iter().map(|(k, _)| k.text.clone()).collect::<Vec<_>>();
        let mut all: Vec<String> = names(&into);
        all.extend(new.as_ref().map(names).unwrap_or_default());
        all.sort();
        all.dedup();
        for key in all {
            if key.is_empty() {
                return Err("a key is empty".to_owned());
            }
            let comment = [Some(&into), new.as_ref()].into_iter().flatten().find_map(|n| comment_of(n, &key));
            let schema = match comment {
                Some(comment) => Some(self.schema.of_comment(&comment)),
                None => field.and_then(|f| self.schema.field(f, &key)),
            };
            // fields that the patch does not mention only matter for nulls that are not written out
            let mentioned = new.as_ref().and_then(|n| n.get(&key)).cloned();
            if mentioned.is_none() && schema.is_none() && !may_change_alone(into.get(&key)) {
                if let Some(node) = into.get_mut(&key) {
                    node.quote_if_ambiguous();
                }
                continue;
            }
            let old = into.get(&key).cloned();
            let written = new.as_ref().and_then(|n| n.pairs().iter().find(|(k, _)| k.text == key)).map(|(k, _)| k);
            self.path.push(key.clone());
            let walked = self.walk(old, mentioned, schema, same)?;
            self.path.pop();
            match walked {
                Walked::Null => {}
                Walked::Nothing => {
                    into.remove(&key);
                }
                Walked::Old(mut node) => {
                    node.quote_if_ambiguous();
                    replace_in_place(&mut into, &key, node)?;
                }
                Walked::New(node) => match written {
                    Some(written) => into.set_field_as(written, node)?,
                    None => into.set_field(&key, node)?,
                },
            }
        }
        Ok(into)
    }

    fn keyed_list(
        &mut self,
        old: Option<Node>,
        new: Option<Node>,
        field: Option<&Field>,
        keys: &[String],
        same: bool,
    ) -> Result<Walked, Fault> {
        let element = field.and_then(Field::element);
        let Some(old) = old.filter(|n| !n.is_null()) else {
            let Some(new) = new else { return Ok(Walked::Nothing) };
            let merged = self.elements(list(new.clone()), &list(new), element.as_ref(), keys, true)?;
            return Ok(Walked::New(merged));
        };
        let mut new = match new {
            Some(new) if new.is_null() => return Ok(Walked::Nothing),
            Some(new) => list(new),
            None => Vec::new(),
        };
        match list_directive(&mut new)? {
            Directive::Delete => Ok(Walked::Nothing),
            Directive::Replace => {
                let merged = self.elements(new.clone(), &new, element.as_ref(), keys, true)?;
                Ok(Walked::New(merged))
            }
            Directive::Merge => {
                let merged = self.elements(list(old), &new, element.as_ref(), keys, same)?;
                Ok(Walked::Old(merged))
            }
        }
    }

    fn elements(
        &mut self,
        mut old: Vec<Node>,
        new: &[Node],
        element: Option<&Field>,
        keys: &[String],
        same: bool,
    ) -> Result<Node, Fault> {
        let primitive = [String::new()];
        let keys = if keys.is_empty() { &primitive[..] } else { keys };
        let mut all = if self.appends { key_values(&old, new, keys) } else { key_values(new, &old, keys) };
        if keys.len() > 1 {
            fill_missing(&mut all);
        }
        let mut added: Vec<Node> = Vec::new();
        let mut used: Vec<String> = keys.to_vec();
        for values in &all {
            let (valid_keys, valid_values) = valid(&all, values, keys);
            let (find_keys, find_values) = valid(std::slice::from_ref(&valid_values), &valid_values, &valid_keys);
            let old_at = old.iter().position(|n| matches(n, &find_keys, &find_values));
            let new_at = new.iter().position(|n| matches(n, &find_keys, &find_values));
            let walked =
                self.walk(old_at.map(|i| old[i].clone()), new_at.map(|i| new[i].clone()), element.cloned(), same)?;
            let in_place = matches!(walked, Walked::Old(_)) || same;
            used.clone_from(&valid_keys);
            let node = match walked {
                Walked::Nothing | Walked::Null => None,
                Walked::Old(node) | Walked::New(node) => Some(node).filter(|n| !n.is_null() && !n.is_empty_map()),
            };
            let Some(mut node) = node else {
                set_element(&mut old, None, &valid_keys, &valid_values)?;
                continue;
            };
            for (key, value) in valid_keys.iter().zip(&valid_values) {
                if !key.is_empty() && node.get(key).is_none() && !value.is_empty() {
                    node.set_field(key, Node::untagged(value.clone()))?;
                }
            }
            if let (true, Some(at)) = (in_place, old_at) {
                old[at] = node.clone();
            }
            set_element(&mut added, Some(node), &valid_keys, &valid_values)?;
        }
        if all.is_empty() {
            return Ok(Node::List(old));
        }
        Ok(Node::List(append(added, old, &used)?))
    }
}

fn comment_of(node: &Node, key: &str) -> Option<Arc<Value>> {
    node.pairs().iter().find(|(k, _)| k.text == key)?.0.schema.clone()
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "a scalar",
        Kind::List => "a list",
        Kind::Map => "a mapping",
    }
}

fn list(node: Node) -> Vec<Node> {
    match node {
        Node::List(items) => items,
        _ => Vec::new(),
    }
}

fn replaced(old: Option<Node>, new: Option<Node>) -> Walked {
    match (old, new) {
        (_, Some(new)) => Walked::New(new),
        (Some(old), None) => Walked::Old(old),
        (None, None) => Walked::Nothing,
    }
}

/// Whether walking a field without a patch for it could change it.
fn may_change_alone(node: Option<&Node>) -> bool {
    match node {
        Some(node) if node.is_null() => true,
        Some(Node::Map(_)) => true,
        _ => false,
    }
}

fn replace_in_place(into: &mut Node, key: &str, node: Node) -> Result<(), Fault> {
    if node.is_null() {
        into.remove(key);
        return Ok(());
    }
    match into.get_mut(key) {
        Some(old) => *old = node,
        None => into.set_field(key, node)?,
    }
    Ok(())
}

fn directive(text: &str) -> Result<Directive, Fault> {
    match text {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(format!("$patch: {other:?} is not known, it is delete, replace or merge")),
    }
}

/// Reads and removes `$patch` of a mapping.
fn map_directive(patch: &mut Node) -> Result<Directive, Fault> {
    let Some(text) = patch.get(DIRECTIVE).map(|n| n.text().to_owned()) else { return Ok(Directive::Merge) };
    let found = directive(&text)?;
    patch.remove(DIRECTIVE);
    Ok(found)
}

/// Reads and removes an element that has nothing but `$patch`.
fn list_directive(patch: &mut Vec<Node>) -> Result<Directive, Fault> {
    let Some(element) = patch.iter().find(|n| n.get(DIRECTIVE).is_some()) else { return Ok(Directive::Merge) };
    if element.pairs().len() > 1 {
        return Ok(Directive::Merge);
    }
    let text = element.get(DIRECTIVE).map(|n| n.text().to_owned()).unwrap_or_default();
    let found = directive(&text)?;
    set_element(patch, None, &[DIRECTIVE.to_owned()], &[text])?;
    Ok(found)
}

/// The key values of all elements, those of the patch first, each once.
fn key_values(new: &[Node], old: &[Node], keys: &[String]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for node in new.iter().chain(old) {
        let values: Vec<String> = if keys[0].is_empty() {
            vec![node.text().to_owned()]
        } else {
            let value = |key: &String| node.get(key).filter(|n| !n.is_nil_or_empty()).map_or("", Node::text).to_owned();
            keys.iter().map(value).collect()
        };
        if !all.contains(&values) {
            all.push(values);
        }
    }
    all
}

/// Elements that agree as far as both have their keys are the same element.
fn fill_missing(all: &mut [Vec<String>]) {
    for i in 0..all.len() {
        for j in 0..all.len() {
            if let Some(joined) = join(&all[i], &all[j]) {
                all[i].clone_from(&joined);
                all[j] = joined;
            }
        }
    }
}

fn join(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut joined = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        common |= a == b;
        if a != b && !a.is_empty() && !b.is_empty() {
            return None;
        }
        joined.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(joined)
}

/// The keys that any element has a value for, with the values of one element.
fn valid(all: &[Vec<String>], values: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let used: Vec<bool> =
        (0..keys.len()).map(|i| all.iter().any(|v| v.get(i).is_some_and(|v| !v.is_empty()))).collect();
    if !used.contains(&true) {
        return (keys.to_vec(), values.to_vec());
    }
    let keep = |list: &[String]| list.iter().zip(&used).filter(|(_, used)| **used).map(|(t, _)| t.clone()).collect();
    (keep(keys), keep(values))
}

fn matches(node: &Node, keys: &[String], values: &[String]) -> bool {
    if keys.first().is_none_or(String::is_empty) {
        return values.first().is_some_and(|v| node.text() == v);
    }
    node.kind() == Kind::Map
        && keys.iter().zip(values).all(|(key, value)| node.get(key).is_some_and(|n| n.text() == value))
}

/// Replaces the elements that match by `element`, or removes them; a new element goes to the end. Empty elements go,
/// and without values so does everything else: kustomize does so.
fn set_element(items: &mut Vec<Node>, element: Option<Node>, keys: &[String], values: &[String]) -> Result<(), Fault> {
    let by_field = keys.first().is_some_and(|k| !k.is_empty()) && values.first().is_some_and(|v| !v.is_empty());
    let mut kept = Vec::with_capacity(items.len() + 1);
    let mut found_any = false;
    for item in items.drain(..) {
        if item.is_null() || item.is_empty_map() {
            continue;
        }
        if item.kind() != Kind::Map && by_field {
            kept.push(item);
            continue;
        }
        if has_all(&item, keys, values)? {
            found_any = true;
            kept.extend(element.clone());
        } else if !values.is_empty() {
            kept.push(item);
        }
    }
    *items = kept;
    if !found_any {
        items.extend(element.filter(|e| !e.is_null()));
    }
    Ok(())
}

fn has_all(item: &Node, keys: &[String], values: &[String]) -> Result<bool, Fault> {
    let mut last = false;
    for (i, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(i) {
            last = if key.is_empty() {
                if item.kind() != Kind::Scalar {
                    return Err("a list of scalars has an element that is none".to_owned());
                }
                item.text() == value
            } else {
                item.get(key).is_some_and(|n| value.is_empty() || n.text() == value)
            };
        }
        if !last {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The elements of the patch, then what is left of the old list.
fn append(mut into: Vec<Node>, old: Vec<Node>, keys: &[String]) -> Result<Vec<Node>, Fault> {
    for item in old {
        if keys.first().is_none_or(String::is_empty) {
            let value = item.text().to_owned();
            set_element(&mut into, Some(item), &[String::new()], &[value])?;
            continue;
        }
        let mut values = Vec::new();
        for key in keys {
            match item.get(key) {
                Some(value) => values.push(value.text().to_owned()),
                None => into.push(item.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(&mut into, None, keys, &values)?;
        }
        set_element(&mut into, Some(item), keys, &values)?;
    }
    Ok(into)
}
