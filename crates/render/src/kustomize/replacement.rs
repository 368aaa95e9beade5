//! `replacements`: a value of one object is written into fields of others.

use gotemplate::regex::Regex;

use super::config::{FieldOptions, Replacement, ReplacementSource, ReplacementTarget};
use super::fieldspec::split_path;
use super::node::{Fault, Key, Kind, Node, Place, Scalar};
use super::resource::{Id, Resource, split_api_version};
use super::selector::Matcher;
use super::state::Shown;
use super::structured;

const DEFAULT_PATH: &str = "metadata.name";

/// Applies all replacements in order.
///
/// # Errors
/// When a source is not unique, or a target field does not exist.
pub(crate) fn apply(replacements: &[Replacement], resources: &mut [Resource]) -> Result<(), Fault> {
    let shown: Vec<Shown> = resources.iter_mut().map(Resource::show_state).collect::<Result<_, _>>()?;
    for (i, replacement) in replacements.iter().enumerate() {
        one(replacement, resources).map_err(|fault| format!("replacements[{i}]: {fault}"))?;
    }
    resources.iter_mut().zip(shown).for_each(|(resource, shown)| resource.hide_state(shown, false));
    Ok(())
}

/// What is written: a source that is itself written on the way gives its new value from then on.
enum Written {
    Fixed(Node),
    /// Index of the object, path of the field, and its value when last seen.
    Field(usize, Vec<String>, Node),
}

impl Written {
    fn now(&mut self, resources: &[Resource]) -> &Node {
        match self {
            Written::Fixed(node) => node,
            Written::Field(at, path, last) => {
                if let Some(node) = resources.get(*at).and_then(|r| lookup(&r.node, path).ok().flatten()) {
                    last.clone_from(node);
                }
                last
            }
        }
    }
}

fn one(replacement: &Replacement, resources: &mut [Resource]) -> Result<(), Fault> {
    let Some(targets) = &replacement.targets else { return Err("there are no targets".to_owned()) };
    if targets.is_empty() {
        return Err("there are no targets".to_owned());
    }
    let mut value = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => return Err("there are both source and sourceValue".to_owned()),
        (None, None) => return Err("there is no source".to_owned()),
        (None, Some(text)) => Written::Fixed(Node::untagged(text.clone())),
        (Some(source), None) => source_value(source, resources)?,
    };
    targets.iter().flatten().try_for_each(|target| write(target, &mut value, resources))
}

/// All ids of an object, the current one first, as replacements compare them.
fn ids(resource: &Resource) -> Vec<Id<'_>> {
    let (group, version) = split_api_version(resource.api_version());
    let current = Id {
        group,
        version,
        kind: resource.kind(),
        name: resource.name(),
        namespace: resource.namespace(),
        cluster_scoped: false,
    };
    std::iter::once(current).chain(resource.previous_ids()).collect()
}

fn source_value(source: &ReplacementSource, resources: &[Resource]) -> Result<Written, Fault> {
    let or_default = |namespace: &str| if namespace.is_empty() { "default".to_owned() } else { namespace.to_owned() };
    let selected = |id: &Id<'_>| {
        let fits = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
        fits(&source.name, id.name)
            && (source.namespace.is_empty() || or_default(&source.namespace) == or_default(id.namespace))
            && fits(&source.group, id.group)
            && fits(&source.version, id.version)
            && fits(&source.kind, id.kind)
    };
    let fits = |at: &usize| resources.get(*at).is_some_and(|r| ids(r).iter().any(selected));
    let found: Vec<usize> = (0..resources.len()).filter(fits).collect();
    let described = format!("source {} {}", source.kind, source.name);
    let at = match found.as_slice() {
        [one] => *one,
        [] => return Err(format!("{described}: no object fits")),
        many => return Err(format!("{described}: {} objects fit, it must be one", many.len())),
    };
    let path = if source.field_path.is_empty() { DEFAULT_PATH } else { &source.field_path };
    let parts = smart_split(path);
    let node = lookup(&resources[at].node, &parts)?.filter(|n| !n.is_nil_or_empty());
    let node = node.ok_or_else(|| format!("{described}: there is no field {path}"))?;
    match source.options.as_ref().filter(|o| !o.delimiter.is_empty()) {
        Some(options) => Ok(Written::Fixed(refined(node, options)?)),
        None => Ok(Written::Field(at, parts, node.clone())),
    }
}

fn refined(node: &Node, options: &FieldOptions) -> Result<Node, Fault> {
    let Node::Scalar(scalar) = node else { return Err("a delimiter only works on a text".to_owned()) };
    let parts: Vec<&str> = scalar.text.split(&options.delimiter).collect();
    let part = usize::try_from(options.index).ok().and_then(|i| parts.get(i));
    let part = part.ok_or_else(|| {
        // the text may be of a Secret
        format!("index {} is not there: the delimiter makes {} parts", options.index, parts.len())
    })?;
    Ok(Node::Scalar(Scalar { text: (*part).to_owned(), ..scalar.clone() }))
}

fn write(target: &ReplacementTarget, value: &mut Written, resources: &mut [Resource]) -> Result<(), Fault> {
    let Some(select) = &target.select else { return Err("a target has no select".to_owned()) };
    let matcher = Matcher::new(select)?;
    let rejects: Vec<Matcher> = target.reject.iter().map(Matcher::new).collect::<Result<_, _>>()?;
    let default = [DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    for at in 0..resources.len() {
        let resource = &resources[at];
        let ids = ids(resource);
        let rejected = rejects.iter().any(|r| !r.any_metadata && r.selects_metadata(resource))
            || rejects.iter().any(|r| !r.any_id && ids.iter().any(|id| r.selects_id(id)));
        if matcher.selects_metadata(resource) && !rejected && ids.iter().any(|id| matcher.selects_id(id)) {
            for path in paths {
                let options = target.options.as_ref();
                let value = value.now(resources);
                let resource = &mut resources[at];
                copy_to(&mut resource.node, value, path, options)
                    .map_err(|fault| format!("{} {}: {fault}", resource.kind(), resource.name()))?;
            }
        }
    }
    Ok(())
}

fn copy_to(object: &mut Node, value: &Node, path: &str, options: Option<&FieldOptions>) -> Result<(), Fault> {
    let parts = smart_split(path);
    let create = options.is_some_and(|o| o.create).then(|| value.kind());
    if inside_text(object, &parts, value, create).is_ok() {
        return Ok(());
    }
    let mut count = 0;
    each(object, &parts, create, &mut |node| {
        count += 1;
        set(node, value, options)
    })
    .map_err(|fault| format!("field {path}: {fault}"))?;
    if count == 0 {
        return Err(format!("there is no field {path}; options.create: true makes it"));
    }
    Ok(())
}

/// Writes into YAML or JSON that is the text of a field on the way.
fn inside_text(object: &mut Node, parts: &[String], value: &Node, create: Option<Kind>) -> Result<(), Fault> {
    for end in 1..parts.len() {
        let (outer, inner) = parts.split_at(end);
        let Ok(Some(Node::Scalar(scalar))) = lookup(object, outer) else { continue };
        let Ok(mut document) = structured::parse(&scalar.text) else { continue };
        let mut count = 0;
        each(&mut document, inner, create, &mut |node| {
            count += 1;
            set(node, value, None)
        })?;
        if count == 0 {
            return Err("nothing found".to_owned());
        }
        let text = structured::print(&document, &scalar.text)?;
        if let Some(Node::Scalar(scalar)) = lookup_mut(object, outer) {
            scalar.text = text;
            scalar.place = Place::default();
            scalar.twin = scalar.twin.set();
        }
        return Ok(());
    }
    Err("no text on the way".to_owned())
}

fn set(target: &mut Node, value: &Node, options: Option<&FieldOptions>) -> Result<(), Fault> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|o| !o.delimiter.is_empty()) {
        let Node::Scalar(scalar) = &*target else { return Err("a delimiter only works on a text".to_owned()) };
        let mut parts: Vec<String> = scalar.text.split(&options.delimiter).map(str::to_owned).collect();
        let new = if value.is_null() { String::new() } else { value.text().to_owned() };
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, new),
            Ok(index) if index >= parts.len() => parts.push(new),
            Ok(index) => parts[index] = new,
        }
        let joined = parts.join(&options.delimiter);
        match &mut value {
            Node::Scalar(scalar) => scalar.text = joined,
            other => *other = Node::untagged(joined),
        }
    }
    match &mut *target {
        // the target keeps its type: a number written into a text stays a text
        Node::Scalar(scalar) => {
            scalar.text = value.text().to_owned();
            scalar.place = Place::default();
            scalar.twin = scalar.twin.set();
        }
        other => *other = value,
    }
    target.check_growth()
}

/// The parts of a field path: split at dots; `\.` is a dot, so are those in `[…]`.
pub(crate) fn smart_split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut split = split_path(path, '.').into_iter();
    while let Some(part) = split.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            parts.push(part);
            continue;
        }
        let mut whole = part;
        for next in split.by_ref() {
            whole = format!("{whole}.{next}");
            if next.ends_with(']') {
                break;
            }
        }
        parts.push(if whole.contains('=') { whole } else { whole.trim_matches(['[', ']']).to_owned() });
    }
    parts
}

fn name_and_value(part: &str) -> Result<(&str, &str), Fault> {
    let inner = part.strip_prefix('[').unwrap_or(part);
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| format!("{part} must be [field=value]"))
}

fn is_list_part(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// The node at a path; none when it is missing.
///
/// # Errors
/// When the path runs through something that is neither list nor mapping.
pub(crate) fn lookup<'a>(node: &'a Node, parts: &[String]) -> Result<Option<&'a Node>, Fault> {
    let mut node = node;
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let next = match step(node, part)? {
            Some(Step::Key) => node.get(part),
            Some(Step::Index(at)) => node.items().get(at),
            None => None,
        };
        match next {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

fn lookup_mut<'a>(node: &'a mut Node, parts: &[String]) -> Option<&'a mut Node> {
    let mut node = node;
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        node = match step(node, part).ok()?? {
            Step::Key => node.get_mut(part)?,
            Step::Index(at) => match node {
                Node::List(items) => items.get_mut(at)?,
                _ => return None,
            },
        };
    }
    Some(node)
}

enum Step {
    Key,
    Index(usize),
}

fn step(node: &Node, part: &str) -> Result<Option<Step>, Fault> {
    if node.is_null() {
        return Ok(None);
    }
    let items = || match node {
        Node::List(items) => Ok(items),
        _ => Err(format!("{part}: there is no list")),
    };
    if let Ok(index) = part.parse::<i64>() {
        let index = usize::try_from(index).map_err(|_| format!("{part}: an index cannot be negative"))?;
        return Ok((index < items()?.len()).then_some(Step::Index(index)));
    }
    match part {
        "-" => Ok(items()?.len().checked_sub(1).map(Step::Index)),
        "*" => Err("* is only for targets".to_owned()),
        part if is_list_part(part) => {
            let (name, value) = name_and_value(part)?;
            let fits = |n: &Node| {
                if name.is_empty() { n.text() == value } else { n.get(name).is_some_and(|v| v.text() == value) }
            };
            Ok(items()?.iter().position(fits).map(Step::Index))
        }
        _ if node.kind() == Kind::Map => Ok(Some(Step::Key)),
        _ => Err(format!("{part}: there is no mapping")),
    }
}

type Visit<'v> = &'v mut dyn FnMut(&mut Node) -> Result<(), Fault>;

/// Calls `visit` on every node that a path with `*` and `[field=value]` reaches; makes missing fields of `create`.
fn each(node: &mut Node, parts: &[String], create: Option<Kind>, visit: Visit<'_>) -> Result<(), Fault> {
    let Some((part, rest)) = parts.split_first() else { return visit(node) };
    if let Ok(index) = part.parse::<usize>() {
        return each_index(node, index, rest, create, visit);
    }
    if is_list_part(part) {
        return each_match(node, part, rest, create, visit);
    }
    if part == "*" {
        return match node {
            Node::List(items) => items.iter_mut().try_for_each(|item| each(item, rest, create, visit)),
            node if node.is_null() => Ok(()),
            _ => Err("*: there is no list".to_owned()),
        };
    }
    if node.is_null() && create.is_none() {
        return Ok(());
    }
    if node.kind() != Kind::Map {
        return Err(format!("{part}: there is no mapping"));
    }
    if node.get(part).is_none() {
        let Some(create) = create else { return Ok(()) };
        node.get_or_create(part, part_kind(rest.first(), create))?;
    }
    let Some(field) = node.get_mut(part) else { return Ok(()) };
    if let (Node::Scalar(scalar), false) = (&*field, rest.is_empty()) {
        // what is found in there is a copy, so a change of it is lost, in kustomize too
        let mut document = structured::parse(&scalar.text)?;
        return each(&mut document, rest, create, visit);
    }
    each(field, rest, create, visit)
}

/// The kind of a node made for the part before `next`.
fn part_kind(next: Option<&String>, last: Kind) -> Kind {
    match next {
        None => last,
        Some(next) if is_list_part(next) || next.parse::<usize>().is_ok() => Kind::List,
        Some(_) => Kind::Map,
    }
}

fn each_index(
    node: &mut Node,
    index: usize,
    rest: &[String],
    create: Option<Kind>,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    let Node::List(items) = node else { return Err(format!("{index}: there is no list")) };
    if let (true, Some(create)) = (items.len() == index, create) {
        items.push(Node::empty(part_kind(rest.first(), create)));
    }
    let count = items.len();
    let item = items.get_mut(index).ok_or_else(|| format!("there is no element {index}, only {count}"))?;
    each(item, rest, create, visit)
}

fn each_match(
    node: &mut Node,
    part: &str,
    rest: &[String],
    create: Option<Kind>,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    let (name, value) = name_and_value(part)?;
    if node.is_null() {
        return Ok(());
    }
    let Node::List(items) = node else { return Err(format!("{part}: there is no list")) };
    let regex = Regex::new(value).map_err(|e| format!("{part}: {e}"))?;
    let fits = |item: &Node| {
        let found = if name.is_empty() { Some(item) } else { item.get(name) };
        found.is_some_and(|n| regex.is_match(n.text().as_bytes()))
    };
    let mut found = false;
    for item in items.iter_mut().filter(|item| fits(item)) {
        let mut reached = false;
        let inner = if name.is_empty() { &[][..] } else { rest };
        each(item, inner, create, &mut |node| {
            reached = true;
            visit(node)
        })?;
        found |= reached;
    }
    if let (false, Some(create)) = (found, create) {
        let made = Node::untagged(value);
        items.push(if name.is_empty() { made } else { Node::Map(vec![(Key::new(name), made)]) });
        if let Some(last) = items.last_mut() {
            return each(last, if name.is_empty() { &[] } else { rest }, Some(create), visit);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split() {
        for (path, parts) in [
            ("spec.a", vec!["spec", "a"]),
            (r"metadata.annotations.x\.y/z", vec!["metadata", "annotations", "x.y/z"]),
            ("metadata.annotations.[x.y/z].q", vec!["metadata", "annotations", "x.y/z", "q"]),
            ("a.[name=b.c].d", vec!["a", "[name=b.c]", "d"]),
        ] {
            assert_eq!(smart_split(path), parts);
        }
    }
}
