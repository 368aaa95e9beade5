//! `vars`: `$(NAME)` in known fields becomes the value of a field of some object.

use std::collections::BTreeMap;

use super::config::Var;
use super::fieldspec::{self, FieldSpec};
use super::node::{Fault, Node, Scalar, Tag};
use super::resource::{Id, Resource};
use super::schema::Schema;

/// Adds variables, and notes on the objects which variables they feed.
///
/// # Errors
/// When a name is taken, or several objects fit.
pub(crate) fn add(
    known: &mut BTreeMap<String, Var>,
    more: &[Var],
    resources: &mut [Resource],
    schema: &Schema,
) -> Result<(), Fault> {
    for var in more {
        let gvk = var.objref.gvk();
        let wanted = Id {
            group: &gvk.group,
            version: &gvk.version,
            kind: &gvk.kind,
            name: &var.objref.name,
            namespace: &var.objref.namespace,
            cluster_scoped: false,
        };
        let fits = |id: &Id<'_>| if wanted.namespace.is_empty() { wanted.same_gvkn(id) } else { wanted.same(id) };
        let mut found = resources.iter_mut().filter(|r| !r.node.is_nil_or_empty() && r.any_id(schema, fits));
        if let Some(first) = found.next() {
            if found.next().is_some() {
                return Err(format!("vars: {} could come from several objects: give its namespace", var.name));
            }
            first.vars.push(var.name.clone());
        }
    }
    more.iter().try_for_each(|var| insert(known, var.clone()))
}

/// # Errors
/// When the name is taken.
pub(crate) fn insert(known: &mut BTreeMap<String, Var>, var: Var) -> Result<(), Fault> {
    let name = var.name.clone();
    if known.insert(name.clone(), var).is_some() {
        return Err(format!("vars: {name} is defined twice"));
    }
    Ok(())
}

/// Resolves all variables. Gives the names of those that are used nowhere.
///
/// # Errors
/// When a variable has no object or field, or stands where no text is.
pub(crate) fn resolve(
    vars: &BTreeMap<String, Var>,
    resources: &mut [Resource],
    specs: &[FieldSpec],
) -> Result<Vec<String>, Fault> {
    if vars.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: BTreeMap<&str, (Option<Scalar>, usize)> = BTreeMap::new();
    for (name, var) in vars {
        values.insert(name, (value(var, resources)?, 0));
    }
    for resource in resources.iter_mut() {
        let gvk = resource.gvk();
        for spec in specs {
            fieldspec::apply(&mut resource.node, &gvk, spec, None, &mut |node| set(node, &mut values))?;
        }
    }
    Ok(values.into_iter().filter(|(_, (_, used))| *used == 0).map(|(name, _)| name.to_owned()).collect())
}

/// The scalar that feeds a variable; none when it is a list or mapping.
fn value(var: &Var, resources: &[Resource]) -> Result<Option<Scalar>, Fault> {
    let source = resources.iter().find(|r| r.vars.contains(&var.name));
    let source = source.ok_or_else(|| {
        format!("vars: {} has no object: there is no {} {:?}", var.name, var.objref.kind, var.objref.name)
    })?;
    let path = if var.fieldref.field_path.is_empty() { "metadata.name" } else { &var.fieldref.field_path };
    let node = super::replacement::lookup(&source.node, &index_parts(path))?;
    match node.ok_or_else(|| format!("vars: {}: {} has no field {path}", var.name, var.objref.name))? {
        Node::Scalar(scalar) => Ok(Some(typed(scalar))),
        _ => Ok(None),
    }
}

/// `a[0]` as two parts.
fn index_parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in super::replacement::smart_split(path) {
        let index = part.strip_suffix(']').and_then(|p| p.rsplit_once('['));
        match index.filter(|(_, digits)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) {
            Some((name, digits)) => {
                parts.extend((!name.is_empty()).then(|| name.to_owned()));
                parts.push(digits.to_owned());
            }
            None => parts.push(part),
        }
    }
    parts
}

/// The value as kustomize formats it: integers in decimal, floats without exponent.
fn typed(scalar: &Scalar) -> Scalar {
    let as_is = |tag| Scalar { tag, quoted: false, ..scalar.clone() };
    match scalar.tag {
        Tag::Int if scalar.text.parse::<i64>().is_ok() => {
            let number: i64 = scalar.text.parse().unwrap_or_default();
            Scalar { text: number.to_string(), ..as_is(Tag::Int) }
        }
        Tag::Bool => as_is(Tag::Bool),
        Tag::Float => match scalar.text.parse::<f64>() {
            Ok(number) => Scalar { text: format!("{number}"), ..as_is(Tag::Float) },
            Err(_) => as_is(Tag::Str),
        },
        _ => as_is(Tag::Str),
    }
}

/// Bytes to which variables may expand a text.
const TEXT_MAX: usize = 10_000_000;

type Values<'a> = BTreeMap<&'a str, (Option<Scalar>, usize)>;

fn set(node: &mut Node, values: &mut Values<'_>) -> Result<(), Fault> {
    if node.is_null() {
        return Ok(());
    }
    match node {
        Node::Scalar(scalar) => replace_scalar(scalar, values)?,
        Node::Map(pairs) => {
            for (key, value) in pairs {
                if !key.is_text {
                    return Err(format!("the key {:?} is no text", key.text));
                }
                if let Node::Scalar(scalar) = value {
                    replace_scalar(scalar, values)?;
                }
            }
        }
        Node::List(items) => {
            for item in items {
                match item {
                    Node::Scalar(scalar) if matches!(scalar.tag, Tag::Str | Tag::None) => {
                        replace_scalar(scalar, values)?;
                    }
                    _ => return Err("variables only stand in texts".to_owned()),
                }
            }
        }
    }
    Ok(())
}

fn replace_scalar(scalar: &mut Scalar, values: &mut Values<'_>) -> Result<(), Fault> {
    if !matches!(scalar.tag, Tag::Str | Tag::None) {
        return Ok(());
    }
    let new = expanded(&scalar.text, values)?;
    let place = if new.text == scalar.text { scalar.place } else { super::node::Place::default() };
    *scalar = Scalar { place, quoted: false, ..new };
    Ok(())
}

/// The text with its variables; a text that is one variable takes its type.
fn expanded(text: &str, values: &mut Values<'_>) -> Result<Scalar, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if out.len() > TEXT_MAX {
            return Err(format!("with its variables a text grows beyond {} MB", TEXT_MAX / 1_000_000));
        }
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let mut chars = after[1..].chars();
        match chars.next() {
            None => {
                out.push('$');
                return Ok(Scalar::string(out));
            }
            Some('$') => {
                out.push('$');
                rest = &after[2..];
            }
            Some('(') => match after.find(')') {
                Some(end) => {
                    let name = &after[2..end];
                    let value = used(name, values);
                    if text.len() == after.len() && end + 1 == after.len() {
                        return Ok(value.unwrap_or_else(|| Scalar::string(text)));
                    }
                    match value {
                        Some(value) => out.push_str(&value.text),
                        None => out.push_str(&after[..=end]),
                    }
                    rest = &after[end + 1..];
                }
                None => {
                    out.push_str("$(");
                    rest = &after[2..];
                }
            },
            Some(other) => {
                out.push('$');
                out.push(other);
                rest = &after[1 + other.len_utf8()..];
            }
        }
    }
    out.push_str(rest);
    Ok(Scalar::string(out))
}

fn used(name: &str, values: &mut Values<'_>) -> Option<Scalar> {
    let (value, count) = values.get_mut(name)?;
    *count += usize::from(value.is_some());
    value.clone()
}
